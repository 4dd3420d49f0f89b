/* repo, root and release: the signers' work on a repository directory, offline. What goes to the
 * server is cmd_publish.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/keys.h"
#include "cli/mender_file.h"
#include "cli/output.h"
#include "cli/staged.h"
#include "cli/table.h"
#include "codec/hex.h"
#include "fleet/protocol.h"
#include "os/clock.h"
#include "os/say.h"
#include "trust/repository.h"

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

/* The server's key for assignments. A server is asked when it is asked for other keys anyway; one
 * that signs none, or a repository made offline, can be told later. */
static int load_assignment(struct cli *cli, struct keys *keys)
{
    const char *path = options_path(&cli->options, "assignment_key");
    bool offline =
        options_path(&cli->options, "snapshot_key") && options_path(&cli->options, "timestamp_key");
    int code = CODE_OK;

    if (path)
        code = keys_load_online(cli, path, "assignment_key", keys);
    else if (!offline)
        code = keys_load_if_any(cli, "assignment_key", keys);
    if (code == CODE_OK && keys->count == 0)
        (void)fprintf(cli->err, "Nobody may sign assignments yet: slipway trust authority says "
                                "who, before devices install anything.\n");
    return code;
}

int cmd_repo_init(struct cli *cli)
{
    struct keys keys[TUF_ROLE_COUNT] = {{.count = 0}}, assignment = {.count = 0};
    struct repository_plan plan = {.root_expires = staged_expiry(cli, "root_expires"),
                                   .targets_expires = staged_expiry(cli, "targets_expires")};
    struct why why;
    int code = load_all(cli, keys);
    enum err err;

    why_clear(&why);
    if (code == CODE_OK)
        code = load_assignment(cli, &assignment);
    plan.assignment = (struct repository_role){assignment.at, assignment.count, 1};
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        plan.roles[role] = (struct repository_role){keys[role].at, keys[role].count, 1};
    plan.roles[TUF_ROOT].threshold = (uint32_t)options_int(&cli->options, "root_threshold");
    plan.roles[TUF_TARGETS].threshold = (uint32_t)options_int(&cli->options, "targets_threshold");
    if (code == CODE_OK) {
        err = repository_init(staged_dir(cli), &plan, &why);
        code = err == ERR_OK ? CODE_OK : complain_why(cli, err, &why);
    }
    for (enum tuf_role role = 0; role < TUF_ROLE_COUNT; role++)
        keys_close(&keys[role]);
    keys_close(&assignment);
    if (code == CODE_OK)
        code = staged_report(cli, REPOSITORY_ROOT);
    return code == CODE_OK ? staged_report(cli, REPOSITORY_TARGETS) : code;
}

/* ---- repo status ---- */

/* A file whose keys were replaced waits to be signed anew; that is no reason to show nothing. */
static int current_trouble(struct cli *cli, const char *role, enum err err, const struct why *why,
                           struct table *table, json_t *items)
{
    if (err != ERR_UNTRUSTED)
        return complain_why(cli, err, why);
    table_cell(table, role);
    table_cell(table, NULL);
    table_cell(table, "SIGN ANEW");
    table_cell(table, NULL);
    table_cell(table, NULL);
    (void)json_array_append_new(
        items, json_pack("{s:s, s:b, s:b}", "role", role, "complete", 0, "sign_anew", 1));
    return CODE_OK;
}

static int current_row(struct cli *cli, const char *role, struct table *table, json_t *items)
{
    struct tuf_metadata *metadata = NULL;
    char expires[UTC_TEXT_SIZE];
    struct why why;
    enum err err;
    bool expired;

    why_clear(&why);
    err = repository_current(staged_dir(cli), role, &metadata, &why);
    if (err == ERR_NOT_FOUND)
        return CODE_OK;
    if (err != ERR_OK)
        return current_trouble(cli, role, err, &why, table, items);
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
    err = repository_staged(staged_dir(cli), role, &signing, &why);
    if (err == ERR_NOT_FOUND)
        return CODE_OK;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    table_cell(table, role);
    table_cell_format(table, "%" PRIu64, signing.version);
    table_cell(table, "staged");
    table_cell_format(table, "%" PRIu32 " of %" PRIu32, signing.have, signing.need);
    table_cell(table, NULL);
    (void)json_array_append_new(items, staged_json(role, &signing));
    return CODE_OK;
}

static int status_rows(struct cli *cli, const char *role, struct table *table, json_t *items)
{
    int code = current_row(cli, role, table, items);

    return code == CODE_OK ? staged_row(cli, role, table, items) : code;
}

static int delegated_rows(struct cli *cli, struct table *table, json_t *items)
{
    struct repository_names *names = calloc(1, sizeof *names);
    int code = CODE_OK;

    CHECK(names);
    if (repository_roles(staged_dir(cli), names, NULL) != ERR_OK)
        names->count = 0; /* no list of releases yet */
    for (uint32_t i = 0; i < names->count && code == CODE_OK; i++)
        code = status_rows(cli, names->at[i], table, items);
    free(names);
    return code;
}

int cmd_repo_status(struct cli *cli)
{
    static const char *const columns[] = {"FILE", "VERSION", "STATE", "SIGNATURES", "EXPIRES"};
    struct table *table = table_open(columns, COUNT_OF(columns));
    json_t *items = json_array();
    int code = status_rows(cli, REPOSITORY_ROOT, table, items);

    if (code == CODE_OK)
        code = status_rows(cli, REPOSITORY_TARGETS, table, items);
    if (code == CODE_OK)
        code = delegated_rows(cli, table, items);
    if (code == CODE_OK && json_array_size(items) == 0)
        code = complain(cli, CODE_NOT_FOUND, "%s is no repository: slipway repo init makes one",
                        staged_dir(cli));
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
    const char *role = options_text(&cli->options, "role");
    struct why why;
    enum err err;

    why_clear(&why);
    if (!role)
        role = REPOSITORY_TARGETS;
    err = repository_renew(staged_dir(cli), role, staged_expiry(cli, "targets_expires"), &why);
    return err == ERR_OK ? staged_report(cli, role) : complain_why(cli, err, &why);
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

static enum err copy_hardware(struct cli *cli, char (*to)[NAME_SIZE_MAX + 1], uint32_t *copied,
                              struct why *why)
{
    size_t count;
    const char *const *names = options_list(&cli->options, "hardware", &count);

    if (count > HARDWARE_MAX)
        return say(why, ERR_INVALID, "hardware", "a release lists at most %u hardware names",
                   HARDWARE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) > NAME_SIZE_MAX)
            return say(why, ERR_INVALID, "hardware", "\"%.40s\" is longer than %u bytes", names[i],
                       NAME_SIZE_MAX);
        (void)snprintf(to[i], NAME_SIZE_MAX + 1, "%s", names[i]);
    }
    *copied = (uint32_t)count;
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

static enum release_kind read_kind(struct cli *cli)
{
    return strcmp(options_text(&cli->options, "kind"), "security") == 0 ? RELEASE_SECURITY
                                                                        : RELEASE_FEATURE;
}

static enum err read_facts(struct cli *cli, struct release_facts *facts, struct why *why)
{
    TRY(copy_name(cli, "product", facts->product, sizeof facts->product, why));
    TRY(copy_name(cli, "version", facts->version, sizeof facts->version, why));
    TRY(copy_hardware(cli, facts->hardware, &facts->hardware_count, why));
    if (facts->hardware_count == 0)
        return say(why, ERR_INVALID, "hardware", "give --hardware: what the image runs on");
    TRY(copy_bases(cli, facts, why));
    facts->kind = read_kind(cli);
    facts->security_version = (uint32_t)options_int(&cli->options, "security_version");
    facts->security_floor = (uint32_t)options_int(&cli->options, "security_floor");
    facts->release_counter = (uint32_t)options_int(&cli->options, "release_counter");
    facts->issued_s = (uint64_t)(clock_utc().ms / 1000);
    facts->chunk_size = (uint32_t)options_size(&cli->options, "chunk_size");
    return ERR_OK;
}

/* A product that was sealed once is not put out in the clear by an oversight. */
static enum err read_seal(struct cli *cli, struct repository_release *release, struct why *why)
{
    const char *cipher = options_text(&cli->options, "cipher");
    bool seal = options_flag(&cli->options, "seal"), clear = options_flag(&cli->options, "clear");

    if (seal && clear)
        return say(why, ERR_INVALID, "seal", "--seal and --clear contradict each other");
    if (!aead_kind_parse(span_of(cipher), &release->facts.sealed.alg))
        return say(why, ERR_INVALID, "cipher", "\"%.40s\" is no cipher we know", cipher);
    release->seal = seal;
    if (seal || clear)
        return ERR_OK;
    return repository_seals(staged_dir(cli), release->facts.product, &release->seal, why);
}

/* ---- artifacts of other clients ---- */

static enum err copy_optional(struct cli *cli, const char *option, char *to, size_t size,
                              struct why *why)
{
    return options_text(&cli->options, option) ? copy_name(cli, option, to, size, why) : ERR_OK;
}

/* Without other words it is for the device types that it names. */
static enum err take_types(const json_t *types, struct artifact_facts *facts, struct why *why)
{
    size_t count = json_array_size(types);

    if (facts->hardware_count > 0)
        return ERR_OK; /* said by whoever adds it */
    if (count > HARDWARE_MAX)
        return say(why, ERR_TOO_BIG, "hardware",
                   "the artifact is for %zu device types: name at most %u", count, HARDWARE_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *type = json_string_value(json_array_get(types, i));

        if (!span_to_text(span_of(type), facts->hardware[i], sizeof facts->hardware[i]))
            return say(why, ERR_TOO_BIG, "hardware", "\"%.64s...\" is too long", type);
        facts->hardware_count++;
    }
    return ERR_OK;
}

/* A Mender client is known by its artifact_name alone, so the file must say what it will be. */
static enum err read_mender(struct cli *cli, struct artifact_facts *facts, struct why *why)
{
    struct mender_reader *reader = NULL;
    struct mender_keys keys;
    const char *name;
    enum err err = mender_file_keys(cli, "artifact_key", &keys, why);

    if (err == ERR_OK)
        err = mender_file_read(cli->args[0], &keys, &reader, why);
    mender_keys_close(&keys);
    TRY(err);
    name = json_string_value(json_object_get(mender_reader_facts(reader), "name"));
    if (facts->runs_as[0] != '\0' && strcmp(facts->runs_as, name) != 0)
        err = say(why, ERR_INVALID, "runs_as", "the artifact's name is \"%.128s\"", name);
    else if (!span_to_text(span_of(name), facts->runs_as, sizeof facts->runs_as))
        err = say(why, ERR_TOO_BIG, "runs_as", "the artifact's name is too long");
    else
        err = take_types(json_object_get(mender_reader_facts(reader), "device_types"), facts, why);
    mender_reader_close(reader);
    return err;
}

static enum err read_artifact(struct cli *cli, struct artifact_facts *facts, struct why *why)
{
    enum artifact_format format;

    TRY(copy_name(cli, "format", facts->format, sizeof facts->format, why));
    if (artifact_format_parse(span_of(facts->format), &format) != ERR_OK)
        return say(why, ERR_INVALID, "format", "\"%.40s\" is no format we know", facts->format);
    TRY(copy_name(cli, "product", facts->product, sizeof facts->product, why));
    TRY(copy_name(cli, "version", facts->version, sizeof facts->version, why));
    TRY(copy_hardware(cli, facts->hardware, &facts->hardware_count, why));
    TRY(copy_optional(cli, "runs_as", facts->runs_as, sizeof facts->runs_as, why));
    TRY(copy_optional(cli, "part", facts->part, sizeof facts->part, why));
    if (format == ARTIFACT_MENDER)
        TRY(read_mender(cli, facts, why));
    facts->kind = read_kind(cli);
    facts->security_version = (uint32_t)options_int(&cli->options, "security_version");
    return ERR_OK;
}

static int add_artifact(struct cli *cli)
{
    struct repository_artifact artifact = {
        .path = cli->args[0],
        .file = options_text(&cli->options, "name"),
    };
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    char digest[DIGEST_HEX_SIZE];
    struct tuf_target target;
    struct why why;
    enum err err;

    why_clear(&why);
    err = read_artifact(cli, &artifact.facts, &why);
    if (err == ERR_OK)
        err = repository_add_artifact(&edit, &artifact, &target, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    hex_print((struct span){target.file.sha256, DIGEST_SIZE}, digest);
    if (cli->json)
        return output_json(cli,
                           json_pack("{s:s, s:s, s:I, s:s, s:s}", "target", target.name, "sha256",
                                     digest, "length", (json_int_t)target.file.length, "release",
                                     target.artifact.version, "format", target.artifact.format));
    output_pair(cli, "target", target.name);
    output_pair(cli, "format", target.artifact.format);
    output_pair(cli, "digest", digest);
    (void)fprintf(cli->out, "%-19s%" PRIu64 " bytes\n", "length:", target.file.length);
    return staged_report(cli, edit.role);
}

static int add_image(struct cli *cli)
{
    struct repository_release release = {
        .image = cli->args[0],
        .file = options_text(&cli->options, "name"),
    };
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    char digest[DIGEST_HEX_SIZE];
    struct tuf_target target;
    struct why why;
    enum err err;

    why_clear(&why);
    err = read_facts(cli, &release.facts, &why);
    if (err == ERR_OK)
        err = read_seal(cli, &release, &why);
    if (err == ERR_OK)
        err = repository_add_release(&edit, &release, &target, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    hex_print((struct span){target.facts.sha256, DIGEST_SIZE}, digest);
    if (cli->json)
        return output_json(cli,
                           json_pack("{s:s, s:s, s:I, s:s, s:b}", "target", target.name, "sha256",
                                     digest, "length", (json_int_t)target.facts.length, "release",
                                     target.facts.version, "sealed", (int)release.seal));
    output_pair(cli, "target", target.name);
    output_pair(cli, "digest", digest);
    (void)fprintf(cli->out, "%-19s%" PRIu64 " bytes\n", "length:", target.facts.length);
    if (release.seal)
        output_pair(cli, "sealed", aead_kind_name(target.facts.sealed.alg));
    return staged_report(cli, edit.role);
}

int cmd_release_add(struct cli *cli)
{
    bool image = strcmp(options_text(&cli->options, "format"), "image") == 0;

    return image ? add_image(cli) : add_artifact(cli);
}

int cmd_release_remove(struct cli *cli)
{
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    char product[NAME_SIZE_MAX + 1];
    const char *at = strchr(cli->args[0], '@');
    struct why why;
    enum err err;

    why_clear(&why);
    if (!at || (size_t)(at - cli->args[0]) > NAME_SIZE_MAX)
        return complain(cli, CODE_USAGE, "a release is named PRODUCT@VERSION");
    (void)snprintf(product, sizeof product, "%.*s", (int)(at - cli->args[0]), cli->args[0]);
    err = repository_remove_release(&edit, product, at + 1, &why);
    return err == ERR_OK ? staged_report(cli, edit.role) : complain_why(cli, err, &why);
}
