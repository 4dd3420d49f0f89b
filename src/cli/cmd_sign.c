/* root and release: prepare, sign, assemble. Signing happens where the repository is, or far from
 * it with nothing but a prepared file and a key (trust/ceremony.h). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/staged.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/ceremony.h"
#include "trust/tuf_key.h"

#define PATH_SIZE 4096u

/* ---- prepare ---- */

static int write_prepared(struct cli *cli, const char *role, const char *path,
                          const struct tuf_bytes *prepared, struct why *why)
{
    struct ceremony *ceremony;
    enum err err = ceremony_read(tuf_bytes_span(prepared), &ceremony, why);

    if (err == ERR_OK)
        err = file_replace(path, tuf_bytes_span(prepared), 0644, why);
    if (err != ERR_OK)
        return complain_why(cli, err, why);
    if (cli->json)
        (void)output_json(cli, json_pack("{s:s, s:I, s:s}", "role", role, "version",
                                         (json_int_t)ceremony_version(ceremony), "file", path));
    else
        ceremony_summary(ceremony, cli->out);
    ceremony_close(ceremony);
    (void)fprintf(cli->err, "Prepared in %s.\n", path);
    return CODE_OK;
}

/* Beside what is staged, unless --out says where. */
static int prepare(struct cli *cli, const char *role)
{
    const char *out = options_path(&cli->options, "out");
    char path[PATH_SIZE];
    struct tuf_bytes prepared;
    struct why why;
    enum err err;
    int code;

    why_clear(&why);
    if ((size_t)snprintf(path, sizeof path, "%s/staged/%s" REPOSITORY_PREPARED, staged_dir(cli),
                         role) >= sizeof path)
        return complain(cli, CODE_USAGE, "the path is too long");
    err = ceremony_prepare(staged_dir(cli), role, &prepared, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    code = write_prepared(cli, role, out ? out : path, &prepared, &why);
    tuf_bytes_done(&prepared);
    return code == CODE_OK ? staged_report(cli, role) : code;
}

static bool is_staged(struct cli *cli, const char *role)
{
    struct repository_signing signing;

    return repository_staged(staged_dir(cli), role, &signing, NULL) == ERR_OK;
}

/* Stage the next root, unless one is staged and nothing else is wanted. */
static enum err stage_root(struct cli *cli, const struct keys *keys, struct why *why)
{
    const char *role = options_text(&cli->options, "role");
    const struct repository_role to = {keys->at, keys->count,
                                       (uint32_t)options_int(&cli->options, "threshold")};
    struct utc expires = staged_expiry(cli, "root_expires");

    if (role && keys->count == 0)
        return say(why, ERR_INVALID, "key", "--role needs the role's keys: --key FILE");
    if (!role && keys->count > 0)
        return say(why, ERR_INVALID, "role", "--key needs the role: --role targets");
    if (role)
        return repository_set_role(staged_dir(cli), role, &to, expires, why);
    if (is_staged(cli, REPOSITORY_ROOT) && !options_given(&cli->options, "root_expires"))
        return ERR_OK;
    return repository_renew(staged_dir(cli), REPOSITORY_ROOT, expires, why);
}

int cmd_root_prepare(struct cli *cli)
{
    struct keys keys = {.count = 0};
    struct why why;
    int code = keys_load(cli, "key", false, &keys);
    enum err err;

    if (code != CODE_OK)
        return code;
    why_clear(&why);
    err = stage_root(cli, &keys, &why);
    keys_close(&keys);
    return err == ERR_OK ? prepare(cli, REPOSITORY_ROOT) : complain_why(cli, err, &why);
}

int cmd_release_prepare(struct cli *cli)
{
    const char *role = options_text(&cli->options, "role");

    if (role && strcmp(role, REPOSITORY_ROOT) == 0)
        return complain(cli, CODE_USAGE, "the root is prepared with slipway root prepare");
    return prepare(cli, role ? role : REPOSITORY_TARGETS);
}

/* ---- sign, where the repository is ---- */

/* What came of it for one staged file. */
struct signed_file {
    const char *role;
    bool signed_by_any;
    struct repository_signing signing;
};

/* Keys that have no say in this file may have one in another. */
static enum err sign_file(struct cli *cli, const struct keys *keys, bool only,
                          struct signed_file *file, struct why *why)
{
    for (uint32_t i = 0; i < keys->count && !file->signing.complete; i++) {
        enum err err =
            repository_sign(staged_dir(cli), file->role, keys->at[i], &file->signing, why);

        if (err == ERR_UNTRUSTED && !only)
            continue;
        TRY(err);
        file->signed_by_any = true;
    }
    return ERR_OK;
}

static int print_signed(struct cli *cli, const struct signed_file *files, uint32_t count)
{
    json_t *items;

    if (cli->json && count == 1)
        return output_json(cli, staged_json(files[0].role, &files[0].signing));
    items = json_array();
    for (uint32_t i = 0; i < count; i++) {
        if (cli->json)
            CHECK(json_array_append_new(items, staged_json(files[i].role, &files[i].signing)) == 0);
        else
            staged_print(cli, files[i].role, &files[i].signing);
    }
    if (cli->json)
        return output_list_json(cli, items);
    json_decref(items);
    return CODE_OK;
}

/* Sign each of these files that is staged and that one of the keys has a say in. */
static enum err sign_files(struct cli *cli, const struct keys *keys, const char *const *roles,
                           uint32_t role_count, struct signed_file *done, uint32_t *done_count,
                           struct why *why)
{
    uint32_t staged = 0;

    for (uint32_t i = 0; i < role_count; i++) {
        struct signed_file file = {.role = roles[i]};

        if (!is_staged(cli, roles[i]))
            continue;
        staged++;
        TRY(sign_file(cli, keys, role_count == 1, &file, why));
        if (file.signed_by_any)
            done[(*done_count)++] = file;
    }
    if (staged == 0)
        return say(why, ERR_NOT_FOUND, NULL, "%s: no %s is waiting for signatures", staged_dir(cli),
                   role_count == 1 ? roles[0] : "list of releases");
    if (*done_count == 0)
        return say(why, ERR_UNTRUSTED, NULL, "none of the keys has a say in what is staged");
    why_clear(why);
    return ERR_OK;
}

static int sign_staged(struct cli *cli, const struct keys *keys, const char *const *roles,
                       uint32_t count)
{
    struct signed_file *done = calloc(count + 1u, sizeof *done);
    uint32_t done_count = 0;
    struct why why;
    enum err err;
    int code;

    CHECK(done);
    why_clear(&why);
    err = sign_files(cli, keys, roles, count, done, &done_count, &why);
    if (err == ERR_UNTRUSTED)
        code = complain(cli, CODE_DENIED, "%s", why.text);
    else if (err != ERR_OK)
        code = complain_why(cli, err, &why);
    else
        code = print_signed(cli, done, done_count);
    free(done);
    return code;
}

/* Top-level targets first: delegated ones may wait for them. */
static int sign_all_lists(struct cli *cli, const struct keys *keys)
{
    struct repository_names *names = calloc(1, sizeof *names);
    const char *roles[REPOSITORY_ROLES_MAX + 1] = {REPOSITORY_TARGETS};
    struct why why;
    enum err err;
    int code;

    CHECK(names);
    why_clear(&why);
    err = repository_roles(staged_dir(cli), names, &why);
    for (uint32_t i = 0; err == ERR_OK && i < names->count; i++)
        roles[i + 1] = names->at[i];
    code = err == ERR_OK ? sign_staged(cli, keys, roles, names->count + 1)
                         : complain_why(cli, err, &why);
    free(names);
    return code;
}

/* ---- sign, far away ---- */

static enum err read_ceremony(struct cli *cli, struct ceremony **out, struct why *why)
{
    const char *before = options_path(&cli->options, "before");
    struct file_bytes bytes;
    enum err err;

    TRY(file_read(cli->args[0], CEREMONY_PREPARED_SIZE_MAX, &bytes, why));
    err = ceremony_read((struct span){bytes.at, bytes.size}, out, why);
    file_bytes_free(&bytes);
    if (err != ERR_OK || !before)
        return say_where(why, err, "%s", cli->args[0]);
    err = file_read(before, METADATA_SIZE_MAX, &bytes, why);
    if (err == ERR_OK) {
        err = ceremony_compare_with(*out, (struct span){bytes.at, bytes.size}, why);
        file_bytes_free(&bytes);
    }
    if (err != ERR_OK)
        ceremony_close(*out);
    return say_where(why, err, "%s", before);
}

/* One file per key, named so that several signers' files can lie in one folder. */
static enum err write_signature(struct cli *cli, const struct ceremony *ceremony,
                                const struct key *key, struct why *why)
{
    const char *out = options_path(&cli->options, "out");
    char path[PATH_SIZE], id[DIGEST_HEX_SIZE];
    struct tuf_bytes bytes;
    enum err err;

    tuf_key_id(key, id);
    if ((size_t)snprintf(path, sizeof path, "%" PRIu64 ".%s.%.8s.signature",
                         ceremony_version(ceremony), ceremony_role(ceremony), id) >= sizeof path)
        return say(why, ERR_TOO_BIG, NULL, "the path is too long");
    TRY(ceremony_sign(ceremony, key, &bytes, why));
    err = file_replace(out ? out : path, tuf_bytes_span(&bytes), 0644, why);
    tuf_bytes_done(&bytes);
    if (err == ERR_OK)
        (void)fprintf(cli->out, "%s\n", out ? out : path);
    return err;
}

static int sign_prepared(struct cli *cli, const struct keys *keys, bool root)
{
    struct ceremony *ceremony;
    struct why why;
    int code;
    enum err err;

    why_clear(&why);
    if (options_path(&cli->options, "out") && keys->count > 1)
        return complain(cli, CODE_USAGE, "--out names one file, so give one key");
    err = read_ceremony(cli, &ceremony, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    if ((strcmp(ceremony_role(ceremony), REPOSITORY_ROOT) == 0) != root) {
        ceremony_close(ceremony);
        return complain(cli, CODE_USAGE, "%s: is signed with slipway %s sign", cli->args[0],
                        root ? "release" : "root");
    }
    ceremony_summary(ceremony, cli->err);
    code = confirm(cli, "Is this what you want to sign?");
    for (uint32_t i = 0; i < keys->count && err == ERR_OK && code == CODE_OK; i++)
        err = write_signature(cli, ceremony, keys->at[i], &why);
    ceremony_close(ceremony);
    if (err == ERR_UNTRUSTED)
        return complain(cli, CODE_DENIED, "%s", why.text);
    return err == ERR_OK ? code : complain_why(cli, err, &why);
}

static int sign(struct cli *cli, bool root)
{
    const char *role = root ? REPOSITORY_ROOT : options_text(&cli->options, "role");
    struct keys keys;
    int code = keys_load(cli, "key", true, &keys);

    if (code != CODE_OK)
        return code;
    if (keys.count == 0)
        return complain(cli, CODE_USAGE, "give the key to sign with: --key FILE");
    if (cli->arg_count > 0)
        code = sign_prepared(cli, &keys, root);
    else if (role)
        code = sign_staged(cli, &keys, &role, 1);
    else
        code = sign_all_lists(cli, &keys);
    keys_close(&keys);
    return code;
}

int cmd_root_sign(struct cli *cli)
{
    return sign(cli, true);
}

int cmd_release_sign(struct cli *cli)
{
    return sign(cli, false);
}

/* ---- assemble ---- */

static enum err assemble_one(struct cli *cli, const char *path, bool root,
                             struct repository_signing *signing, char role[REPOSITORY_NAME_SIZE],
                             struct why *why)
{
    struct file_bytes bytes;
    enum err err;

    TRY(file_read(path, CEREMONY_SIGNATURE_SIZE_MAX, &bytes, why));
    err = ceremony_assemble(staged_dir(cli), root, (struct span){bytes.at, bytes.size}, role,
                            signing, why);
    file_bytes_free(&bytes);
    return say_where(why, err, "%s", path);
}

static int assemble(struct cli *cli, bool root)
{
    struct repository_signing signing = {0};
    char role[REPOSITORY_NAME_SIZE] = "";
    struct why why;
    enum err err = ERR_OK;

    why_clear(&why);
    for (size_t i = 0; i < cli->arg_count && err == ERR_OK; i++) {
        err = assemble_one(cli, cli->args[i], root, &signing, role, &why);
        if (err == ERR_OK && signing.complete && i + 1 < cli->arg_count) {
            (void)fprintf(cli->err, "%s is complete; the other signatures are not needed.\n", role);
            break;
        }
    }
    if (err == ERR_UNTRUSTED)
        return complain(cli, CODE_DENIED, "%s", why.text);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    if (cli->json)
        (void)output_json(cli, staged_json(role, &signing));
    else
        staged_print(cli, role, &signing);
    return signing.complete ? CODE_OK : CODE_PARTIAL;
}

int cmd_root_assemble(struct cli *cli)
{
    return assemble(cli, true);
}

int cmd_release_assemble(struct cli *cli)
{
    return assemble(cli, false);
}
