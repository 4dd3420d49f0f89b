/* repo, root and release: the signers' work on a repository directory, offline. What goes to the
 * server is cmd_publish.c. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/keys.h"
#include "cli/output.h"
#include "cli/table.h"
#include "codec/hex.h"
#include "os/clock.h"
#include "os/say.h"
#include "trust/repository.h"

static const char *dir_of(const struct cli *cli)
{
    return options_path(&cli->options, "dir");
}

/* When something made now ends; TUF times have whole seconds. */
static struct utc expiry(const struct cli *cli, const char *option)
{
    int64_t now_s = clock_utc().ms / 1000;

    return (struct utc){(now_s + options_duration_s(&cli->options, option)) * 1000};
}

static void print_signing(struct cli *cli, const char *role,
                          const struct repository_signing *signing)
{
    (void)fprintf(cli->out, "%s %" PRIu64 ": %" PRIu32 " of %" PRIu32 " signatures, %s\n", role,
                  signing->version, signing->have, signing->need,
                  signing->complete ? "complete" : "waiting for more");
}

static json_t *signing_json(const char *role, const struct repository_signing *signing)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:b}", "role", role, "version",
                     (json_int_t)signing->version, "signatures", (json_int_t)signing->have,
                     "threshold", (json_int_t)signing->need, "complete", (int)signing->complete);
}

/* After a change: how far the staged file is signed. A file that needed no more signatures than
 * it got at once is current by now. */
static int report_staged(struct cli *cli, const char *role)
{
    struct repository_signing signing;
    struct why why;
    enum err err;

    why_clear(&why);
    err = repository_staged(dir_of(cli), role, &signing, &why);
    if (err == ERR_NOT_FOUND) {
        (void)fprintf(cli->err, "%s is complete.\n", role);
        return CODE_OK;
    }
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->err, "%s %" PRIu64 " is staged: %" PRIu32 " of %" PRIu32 " signatures.\n",
                  role, signing.version, signing.have, signing.need);
    return CODE_OK;
}

/* ---- repo init ---- */

static int load_all(struct cli *cli, struct keys keys[TUF_ROLE_COUNT])
{
    int code = keys_load(cli, "root_key", false, &keys[TUF_ROOT]);

    if (code == CODE_OK)
        code = keys_load(cli, "targets_key", false, &keys[TUF_TARGETS]);
    if (code == CODE_OK && (keys[TUF_ROOT].count == 0 || keys[TUF_TARGETS].count == 0))
        code = complain(cli, CODE_USAGE, "give at least one --root-key and one --targets-key");
    if (code == CODE_OK)
        code = keys_load_online(cli, options_path(&cli->options, "snapshot_key"), "snapshot_key",
                                &keys[TUF_SNAPSHOT]);
    if (code == CODE_OK)
        code = keys_load_online(cli, options_path(&cli->options, "timestamp_key"), "timestamp_key",
                                &keys[TUF_TIMESTAMP]);
    return code;
}

int cmd_repo_init(struct cli *cli)
{
    struct keys keys[TUF_ROLE_COUNT] = {{.count = 0}};
    struct repository_plan plan = {.root_expires = expiry(cli, "root_expires"),
                                   .targets_expires = expiry(cli, "targets_expires")};
    struct why why;
    int code = load_all(cli, keys);
    enum err err;

    why_clear(&why);
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        plan.roles[role] = (struct repository_role){keys[role].at, keys[role].count, 1};
    plan.roles[TUF_ROOT].threshold = (uint32_t)options_int(&cli->options, "root_threshold");
    plan.roles[TUF_TARGETS].threshold = (uint32_t)options_int(&cli->options, "targets_threshold");
    if (code == CODE_OK) {
        err = repository_init(dir_of(cli), &plan, &why);
        code = err == ERR_OK ? CODE_OK : complain_why(cli, err, &why);
    }
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        keys_close(&keys[role]);
    if (code == CODE_OK)
        code = report_staged(cli, REPOSITORY_ROOT);
    return code == CODE_OK ? report_staged(cli, REPOSITORY_TARGETS) : code;
}

/* ---- repo status ---- */

static int current_row(struct cli *cli, const char *role, struct table *table, json_t *items)
{
    struct tuf_metadata *metadata = NULL;
    char expires[UTC_TEXT_SIZE];
    struct why why;
    enum err err;
    bool expired;

    why_clear(&why);
    err = repository_current(dir_of(cli), role, &metadata, &why);
    if (err == ERR_NOT_FOUND)
        return CODE_OK;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    utc_format(tuf_metadata_expires(metadata), expires);
    expired = tuf_metadata_expired(metadata, clock_utc());
    table_cell(table, role);
    table_cell_format(table, "%" PRIu64, tuf_metadata_version(metadata));
    table_cell(table, expired ? "EXPIRED" : "current");
    table_cell(table, "all");
    table_cell(table, expires);
    (void)json_array_append_new(items,
                                json_pack("{s:s, s:I, s:s, s:b, s:b}", "role", role, "version",
                                          (json_int_t)tuf_metadata_version(metadata), "expires",
                                          expires, "complete", 1, "expired", (int)expired));
    tuf_metadata_close(metadata);
    return CODE_OK;
}

static int staged_row(struct cli *cli, const char *role, struct table *table, json_t *items)
{
    struct repository_signing signing;
    struct why why;
    enum err err;

    why_clear(&why);
    err = repository_staged(dir_of(cli), role, &signing, &why);
    if (err == ERR_NOT_FOUND)
        return CODE_OK;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    table_cell(table, role);
    table_cell_format(table, "%" PRIu64, signing.version);
    table_cell(table, "staged");
    table_cell_format(table, "%" PRIu32 " of %" PRIu32, signing.have, signing.need);
    table_cell(table, NULL);
    (void)json_array_append_new(items, signing_json(role, &signing));
    return CODE_OK;
}

int cmd_repo_status(struct cli *cli)
{
    static const char *const columns[] = {"FILE", "VERSION", "STATE", "SIGNATURES", "EXPIRES"};
    static const char *const roles[] = {REPOSITORY_ROOT, REPOSITORY_TARGETS};
    struct table *table = table_open(columns, COUNT_OF(columns));
    json_t *items = json_array();
    int code = CODE_OK;

    for (size_t i = 0; i < COUNT_OF(roles) && code == CODE_OK; i++) {
        code = current_row(cli, roles[i], table, items);
        if (code == CODE_OK)
            code = staged_row(cli, roles[i], table, items);
    }
    if (code == CODE_OK && json_array_size(items) == 0)
        code = complain(cli, CODE_NOT_FOUND, "%s is no repository: slipway repo init makes one",
                        dir_of(cli));
    else if (code == CODE_OK && cli->json)
        code = output_list_json(cli, json_incref(items));
    else if (code == CODE_OK)
        table_print(table, cli->out);
    json_decref(items);
    table_close(table);
    return code;
}

int cmd_repo_renew(struct cli *cli)
{
    struct why why;
    enum err err;

    why_clear(&why);
    err = repository_renew(dir_of(cli), REPOSITORY_TARGETS, expiry(cli, "targets_expires"), &why);
    return err == ERR_OK ? report_staged(cli, REPOSITORY_TARGETS) : complain_why(cli, err, &why);
}

/* ---- root ---- */

static bool role_parse(const char *name, enum tuf_role *out)
{
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        if (strcmp(tuf_role_name(role), name) == 0) {
            *out = role;
            return true;
        }
    return false;
}

int cmd_root_prepare(struct cli *cli)
{
    const char *name = options_text(&cli->options, "role");
    struct keys keys = {.count = 0};
    struct repository_role to;
    enum tuf_role role = TUF_ROOT;
    struct why why;
    enum err err;
    int code;

    why_clear(&why);
    code = keys_load(cli, "key", false, &keys);
    if (code != CODE_OK)
        return code;
    to = (struct repository_role){keys.at, keys.count,
                                  (uint32_t)options_int(&cli->options, "threshold")};
    if (name && (!role_parse(name, &role) || keys.count == 0))
        err = say(&why, ERR_INVALID, "key", "--role needs the role's keys: --key FILE");
    else if (!name && keys.count > 0)
        err = say(&why, ERR_INVALID, "role", "--key needs the role: --role targets");
    else if (name)
        err = repository_set_role(dir_of(cli), name, &to, expiry(cli, "root_expires"), &why);
    else
        err = repository_renew(dir_of(cli), REPOSITORY_ROOT, expiry(cli, "root_expires"), &why);
    keys_close(&keys);
    return err == ERR_OK ? report_staged(cli, REPOSITORY_ROOT) : complain_why(cli, err, &why);
}

/* ---- sign ---- */

static int sign(struct cli *cli, const char *role)
{
    struct repository_signing signing = {.version = 0};
    struct keys keys;
    struct why why;
    enum err err = ERR_OK;
    int code = keys_load(cli, "key", true, &keys);

    if (code != CODE_OK)
        return code;
    if (keys.count == 0)
        return complain(cli, CODE_USAGE, "give the key to sign with: --key FILE");
    why_clear(&why);
    for (uint32_t i = 0; i < keys.count && err == ERR_OK && !signing.complete; i++)
        err = repository_sign(dir_of(cli), role, keys.at[i], &signing, &why);
    keys_close(&keys);
    if (err == ERR_UNTRUSTED)
        return complain(cli, CODE_DENIED, "%s", why.text);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    if (cli->json)
        return output_json(cli, signing_json(role, &signing));
    print_signing(cli, role, &signing);
    return CODE_OK;
}

int cmd_root_sign(struct cli *cli)
{
    return sign(cli, REPOSITORY_ROOT);
}

int cmd_release_sign(struct cli *cli)
{
    return sign(cli, REPOSITORY_TARGETS);
}

/* ---- release add, remove ---- */

static enum err copy_name(struct cli *cli, const char *option, char *to, size_t size,
                          struct why *why)
{
    const char *text = options_text(&cli->options, option);

    if (!text || *text == '\0')
        return say(why, ERR_INVALID, option, "give --%s", option);
    if (strlen(text) >= size)
        return say(why, ERR_INVALID, option, "%s is longer than %zu bytes", option, size - 1);
    memcpy(to, text, strlen(text) + 1);
    return ERR_OK;
}

static enum err copy_hardware(struct cli *cli, struct release_facts *facts, struct why *why)
{
    size_t count;
    const char *const *names = options_list(&cli->options, "hardware", &count);

    if (count == 0)
        return say(why, ERR_INVALID, "hardware", "give --hardware: what the image runs on");
    if (count > HARDWARE_MAX)
        return say(why, ERR_INVALID, "hardware", "a release lists at most %u hardware names",
                   HARDWARE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_SIZE_MAX)
            return say(why, ERR_INVALID, "hardware", "\"%.40s\" is longer than %u bytes", names[i],
                       NAME_SIZE_MAX);
        (void)snprintf(facts->hardware[i], sizeof facts->hardware[i], "%s", names[i]);
    }
    facts->hardware_count = (uint32_t)count;
    return ERR_OK;
}

/* 64 hex digits are a digest, anything else a version. */
static enum err copy_bases(struct cli *cli, struct release_facts *facts, struct why *why)
{
    size_t count;
    const char *const *texts = options_list(&cli->options, "from", &count);

    if (count > BASES_MAX)
        return say(why, ERR_INVALID, "from", "a release lists at most %u bases", BASES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct release_base *base = &facts->bases[i];

        base->by_digest = hex_parse(span_of(texts[i]), base->sha256, sizeof base->sha256);
        if (base->by_digest)
            continue;
        if (strlen(texts[i]) > VERSION_SIZE_MAX)
            return say(why, ERR_INVALID, "from", "\"%.40s\" is no version and no digest", texts[i]);
        (void)snprintf(base->version, sizeof base->version, "%s", texts[i]);
    }
    facts->bases_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_facts(struct cli *cli, struct release_facts *facts, struct why *why)
{
    TRY(copy_name(cli, "product", facts->product, sizeof facts->product, why));
    TRY(copy_name(cli, "version", facts->version, sizeof facts->version, why));
    TRY(copy_hardware(cli, facts, why));
    TRY(copy_bases(cli, facts, why));
    facts->kind = strcmp(options_text(&cli->options, "kind"), "security") == 0 ? RELEASE_SECURITY
                                                                               : RELEASE_FEATURE;
    facts->security_version = (uint32_t)options_int(&cli->options, "security_version");
    facts->security_floor = (uint32_t)options_int(&cli->options, "security_floor");
    facts->release_counter = (uint32_t)options_int(&cli->options, "release_counter");
    facts->issued_s = (uint64_t)(clock_utc().ms / 1000);
    facts->chunk_size = (uint32_t)options_size(&cli->options, "chunk_size");
    return ERR_OK;
}

int cmd_release_add(struct cli *cli)
{
    struct repository_release release = {
        .image = cli->args[0],
        .file = options_text(&cli->options, "name"),
    };
    struct repository_edit edit = {.dir = dir_of(cli), .expires = expiry(cli, "targets_expires")};
    char digest[DIGEST_HEX_SIZE];
    struct tuf_target target;
    struct why why;
    enum err err;

    why_clear(&why);
    err = read_facts(cli, &release.facts, &why);
    if (err == ERR_OK)
        err = repository_add_release(&edit, &release, &target, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    hex_print((struct span){target.facts.sha256, DIGEST_SIZE}, digest);
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:s, s:I, s:s}", "target", target.name, "sha256",
                                          digest, "length", (json_int_t)target.facts.length,
                                          "release", target.facts.version));
    output_pair(cli, "target", target.name);
    output_pair(cli, "digest", digest);
    (void)fprintf(cli->out, "%-19s%" PRIu64 " bytes\n", "length:", target.facts.length);
    return report_staged(cli, edit.role);
}

int cmd_release_remove(struct cli *cli)
{
    struct repository_edit edit = {.dir = dir_of(cli), .expires = expiry(cli, "targets_expires")};
    char product[NAME_SIZE_MAX + 1];
    const char *at = strchr(cli->args[0], '@');
    struct why why;
    enum err err;

    why_clear(&why);
    if (!at || (size_t)(at - cli->args[0]) > NAME_SIZE_MAX)
        return complain(cli, CODE_USAGE, "a release is named PRODUCT@VERSION");
    (void)snprintf(product, sizeof product, "%.*s", (int)(at - cli->args[0]), cli->args[0]);
    err = repository_remove_release(&edit, product, at + 1, &why);
    return err == ERR_OK ? report_staged(cli, edit.role) : complain_why(cli, err, &why);
}
