/* repo publish and release publish bring what is signed to the server; release list and show look
 * at what is there. Publishing is idempotent: what the server has is not sent again, and the list
 * that makes images visible goes last, so an interrupted run is simply started again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/content.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/staged.h"
#include "cli/table.h"
#include "codec/hex.h"
#include "os/quantity.h"
#include "os/say.h"
#include "trust/repository.h"

#define BLOB_PATH_SIZE 4096u

/* ---- metadata ---- */

/* Every root the server has not seen, in order: each is checked against the one before. */
static int publish_roots(struct cli *cli, uint64_t server_version)
{
    struct api_path path = api_path("/trust/root");
    struct tuf_metadata *current, *root;
    struct why why;
    uint64_t last;
    int code = CODE_OK;
    enum err err;

    why_clear(&why);
    err = repository_current(staged_dir(cli), REPOSITORY_ROOT, &current, &why);
    if (err == ERR_NOT_FOUND)
        return complain(cli, CODE_NOT_FOUND, "%s has no completely signed root", staged_dir(cli));
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    last = tuf_metadata_version(current);
    tuf_metadata_close(current);
    for (uint64_t version = server_version + 1; version <= last && code == CODE_OK; version++) {
        err = repository_root(staged_dir(cli), version, &root, &why);
        if (err != ERR_OK)
            return complain_why(cli, err, &why);
        code = api_send_bytes(cli, &path, tuf_metadata_bytes(root), NULL);
        tuf_metadata_close(root);
        if (code == CODE_OK)
            (void)fprintf(cli->err, "Published root %" PRIu64 ".\n", version);
    }
    return code;
}

static int publish_targets(struct cli *cli, const struct tuf_metadata *targets,
                           uint64_t server_version)
{
    struct api_path path = api_path("/trust/targets");
    uint64_t version = tuf_metadata_version(targets);
    int code;

    if (version <= server_version) {
        (void)fprintf(cli->err, "The server has release list %" PRIu64 " already.\n",
                      server_version);
        return CODE_OK;
    }
    code = api_send_bytes(cli, &path, tuf_metadata_bytes(targets), NULL);
    if (code == CODE_OK)
        (void)fprintf(cli->err, "Published release list %" PRIu64 ".\n", version);
    return code;
}

/* ---- blobs ---- */

struct uploading {
    struct cli *cli;
    int code;
    unsigned sent, there;
};

static enum err upload_target(void *self, const struct tuf_target *target, struct why *why)
{
    struct uploading *uploading = self;
    char path[BLOB_PATH_SIZE], digest[DIGEST_HEX_SIZE];
    bool sent;

    CHECK(target->file.has_sha256);
    TRY(repository_blob_path(staged_dir(uploading->cli), target->file.sha256, path, sizeof path,
                             why));
    hex_print((struct span){target->file.sha256, DIGEST_SIZE}, digest);
    uploading->code = api_upload(uploading->cli, path, digest, target->name, &sent);
    if (uploading->code != CODE_OK)
        return ERR_AGAIN; /* said already; ends the walk */
    uploading->sent += sent;
    uploading->there += !sent;
    return ERR_OK;
}

/* ---- delegated lists ---- */

/* Every role that current targets delegate to, with its current list. */
struct delegated {
    uint32_t count;
    struct {
        char role[REPOSITORY_NAME_SIZE];
        struct tuf_metadata *list;
    } at[REPOSITORY_ROLES_MAX];
};

static void delegated_close(struct delegated *delegated)
{
    for (uint32_t i = 0; delegated && i < delegated->count; i++)
        tuf_metadata_close(delegated->at[i].list);
    free(delegated);
}

/* A list that is not signed yet, or no longer as it must be, stops all: devices would find
 * nothing behind the delegation. */
static enum err read_delegated(struct cli *cli, const struct tuf_metadata *targets,
                               struct delegated *out, struct why *why)
{
    struct tuf_delegation delegation;
    uint64_t at = 0;

    while (out->count < REPOSITORY_ROLES_MAX &&
           tuf_delegation_next(targets, NULL, &at, &delegation)) {
        struct tuf_metadata *list;
        enum err err = repository_current(staged_dir(cli), delegation.role, &list, why);

        if (err == ERR_NOT_FOUND)
            return say(why, err, NULL, "%s has no completely signed list of %s: release sign",
                       staged_dir(cli), delegation.role);
        if (err != ERR_OK)
            return say_where(why, err, "%s must be signed anew (repo renew --role %s)",
                             delegation.role, delegation.role);
        memcpy(out->at[out->count].role, delegation.role, sizeof delegation.role);
        out->at[out->count++].list = list;
    }
    return ERR_OK;
}

/* What the server has of a role; 0: nothing. */
static uint64_t server_version(const json_t *trust, const char *role)
{
    const json_t *list = json_object_get(trust, "delegated");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);

        if (strcmp(field_text(one, "role"), role) == 0)
            return (uint64_t)field_int(one, "version");
    }
    return 0;
}

/* Delegated lists go before the targets that delegate to them: the server keeps one that it
 * cannot check yet, and takes both together. */
static int publish_delegated(struct cli *cli, const struct delegated *delegated,
                             const json_t *trust)
{
    int code = CODE_OK;

    for (uint32_t i = 0; i < delegated->count && code == CODE_OK; i++) {
        const struct tuf_metadata *list = delegated->at[i].list;
        const char *role = delegated->at[i].role;
        struct api_path path = api_path("/trust/targets/{}", role);

        if (tuf_metadata_version(list) <= server_version(trust, role)) {
            (void)fprintf(cli->err, "The server has %s %" PRIu64 " already.\n", role,
                          server_version(trust, role));
            continue;
        }
        code = api_send_bytes(cli, &path, tuf_metadata_bytes(list), NULL);
        if (code == CODE_OK)
            (void)fprintf(cli->err, "Published %s %" PRIu64 ".\n", role,
                          tuf_metadata_version(list));
    }
    return code;
}

/* ---- the whole ---- */

static enum err upload_lists(struct uploading *uploading, const struct tuf_metadata *targets,
                             const struct delegated *delegated, struct why *why)
{
    TRY(tuf_for_each_target(targets, upload_target, uploading, why));
    for (uint32_t i = 0; i < delegated->count; i++)
        TRY(tuf_for_each_target(delegated->at[i].list, upload_target, uploading, why));
    return ERR_OK;
}

static int upload_all(struct cli *cli, const struct tuf_metadata *targets,
                      const struct delegated *delegated)
{
    struct uploading uploading = {.cli = cli, .code = CODE_OK};
    struct why why;
    enum err err;

    why_clear(&why);
    err = upload_lists(&uploading, targets, delegated, &why);
    if (uploading.code != CODE_OK)
        return uploading.code;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->err, "Uploaded %u files, %u were there.\n", uploading.sent, uploading.there);
    return CODE_OK;
}

/* Once the server knows the releases. Keys that are missing keep nothing else back. */
static int publish_content_keys(struct cli *cli, const struct tuf_metadata *targets,
                                const struct delegated *delegated)
{
    int code = content_publish(cli, targets), worst = code;

    for (uint32_t i = 0; i < delegated->count && (code == CODE_OK || code == CODE_PARTIAL); i++) {
        code = content_publish(cli, delegated->at[i].list);
        worst = code == CODE_OK ? worst : code;
    }
    return worst;
}

static int publish_lists(struct cli *cli, const struct tuf_metadata *targets, const json_t *trust)
{
    struct delegated *delegated = calloc(1, sizeof *delegated);
    struct why why;
    enum err err;
    int code = CODE_OK;

    CHECK(delegated);
    why_clear(&why);
    err = read_delegated(cli, targets, delegated, &why);
    if (err != ERR_OK)
        code = complain_why(cli, err, &why);
    if (code == CODE_OK)
        code = upload_all(cli, targets, delegated);
    if (code == CODE_OK)
        code = publish_delegated(cli, delegated, trust);
    if (code == CODE_OK)
        code = publish_targets(cli, targets, (uint64_t)field_int(trust, "targets_version"));
    if (code == CODE_OK)
        code = publish_content_keys(cli, targets, delegated);
    delegated_close(delegated);
    return code;
}

static int publish_all(struct cli *cli, const json_t *trust, bool list_needed)
{
    struct tuf_metadata *targets = NULL;
    struct why why;
    enum err err;
    int code = publish_roots(cli, (uint64_t)field_int(trust, "root_version"));

    if (code != CODE_OK)
        return code;
    why_clear(&why);
    err = repository_current(staged_dir(cli), REPOSITORY_TARGETS, &targets, &why);
    if (err == ERR_NOT_FOUND && !list_needed)
        return CODE_OK;
    if (err == ERR_NOT_FOUND)
        return complain(cli, CODE_NOT_FOUND, "%s has no completely signed release list",
                        staged_dir(cli));
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    code = publish_lists(cli, targets, trust);
    tuf_metadata_close(targets);
    return code;
}

static int publish(struct cli *cli, bool list_needed)
{
    struct api_path path = api_path("/trust");
    json_t *trust;
    int code = api_get(cli, &path, &trust);

    if (code != CODE_OK)
        return code;
    code = publish_all(cli, trust, list_needed);
    json_decref(trust);
    return code;
}

int cmd_repo_publish(struct cli *cli)
{
    return publish(cli, false);
}

/* Says what is staged and not published; whether there is any. */
static bool note_waiting(struct cli *cli, const char *role)
{
    bool list = strcmp(role, REPOSITORY_TARGETS) == 0;
    struct repository_signing signing;

    if (repository_staged(staged_dir(cli), role, &signing, NULL) != ERR_OK)
        return false;
    (void)fprintf(cli->err,
                  "Note: %s %" PRIu64 " is staged with %" PRIu32 " of %" PRIu32
                  " signatures and is not published.\n",
                  list ? "release list" : role, signing.version, signing.have, signing.need);
    return true;
}

static bool any_waiting(struct cli *cli)
{
    struct repository_names *names = calloc(1, sizeof *names);
    bool waits = note_waiting(cli, REPOSITORY_TARGETS);

    CHECK(names);
    if (repository_roles(staged_dir(cli), names, NULL) == ERR_OK) {
        for (uint32_t i = 0; i < names->count; i++)
            waits |= note_waiting(cli, names->at[i]);
    }
    free(names);
    return waits;
}

int cmd_release_publish(struct cli *cli)
{
    bool waits = any_waiting(cli);
    int code = publish(cli, true);

    return code == CODE_OK && waits ? CODE_PARTIAL : code; /* not what a pipeline wanted */
}

/* ---- what is there ---- */

/* It came in through the API of another system. */
static bool is_unsigned(const json_t *release)
{
    const char *authority = field_text(release, "authority");

    return *authority != '\0' && strcmp(authority, "signers") != 0;
}

/* "image swu mender": what there is of it. */
static const char *formats_of(const json_t *release, char *to, size_t size)
{
    struct buf buf = buf_over(to, size);
    const json_t *item;
    size_t index;

    buf_text(&buf, *field_text(release, "target") ? "image" : "");
    json_array_foreach(json_object_get(release, "artifacts"), index, item)
    {
        buf_text(&buf, buf.size > 0 ? " " : "");
        buf_text(&buf, field_text(item, "format"));
    }
    return buf_finish_text(&buf);
}

int cmd_release_list(struct cli *cli)
{
    static const char *const columns[] = {"RELEASE",   "KIND", "HARDWARE", "SIZE",
                                          "PUBLISHED", "NOTE", "ARTIFACTS"};
    struct api_path path = api_path("/releases");
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code = api_list(cli, &path, (size_t)options_int(&cli->options, "limit"), &items);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        char size[QUANTITY_TEXT_SIZE], hardware[512], formats[128];
        bool missing = *field_text(item, "target") && !field_bool(item, "blob_present");
        bool keyless = field_bool(item, "sealed") && !field_bool(item, "content_key_present");

        table_cell(table, field_text(item, "release"));
        table_cell(table, field_text(item, "kind"));
        table_cell(table, field_joined(item, "hardware", hardware, sizeof hardware));
        table_cell(table, quantity_print_size((uint64_t)field_int(item, "length"), size));
        table_cell(table, field_text(item, "published_at"));
        table_cell(table, field_bool(item, "withdrawn") ? "withdrawn"
                          : missing                     ? "image missing"
                          : keyless                     ? "content key missing"
                          : is_unsigned(item)           ? "not signed"
                                                        : NULL);
        table_cell(table, formats_of(item, formats, sizeof formats));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

/* "swu box.swu", a line each. */
static void print_artifacts(struct cli *cli, const json_t *list)
{
    char text[512], hardware[256];
    const json_t *item;
    size_t index;

    json_array_foreach(list, index, item)
    {
        (void)snprintf(
            text, sizeof text, "%s %s, %" PRId64 " bytes, for %s%s", field_text(item, "format"),
            field_text(item, "file"), field_int(item, "length"),
            *field_joined(item, "hardware", hardware, sizeof hardware) ? hardware : "any hardware",
            field_bool(item, "withdrawn") ? ", withdrawn" : "");
        output_pair(cli, "artifact", text);
    }
}

static void print_number(struct cli *cli, const char *name, int64_t number)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRId64, number);
    output_pair(cli, name, text);
}

int cmd_release_show(struct cli *cli)
{
    struct api_path path = api_path("/releases/{}", cli->args[0]);
    char text[1024];
    json_t *release;
    int code = api_get(cli, &path, &release);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, release);
    output_pair(cli, "release", field_text(release, "release"));
    output_pair(cli, "target", field_text(release, "target"));
    output_pair(cli, "kind", field_text(release, "kind"));
    output_pair(cli, "hardware", field_joined(release, "hardware", text, sizeof text));
    print_number(cli, "security version", field_int(release, "security_version"));
    print_number(cli, "security floor", field_int(release, "security_floor"));
    print_number(cli, "length", field_int(release, "plain_length"));
    output_pair(cli, "digest", field_text(release, "plain_sha256"));
    if (field_bool(release, "sealed")) {
        print_number(cli, "sealed length", field_int(release, "length"));
        output_pair(cli, "sealed digest", field_text(release, "sha256"));
        output_pair(cli, "content key",
                    field_bool(release, "content_key_present") ? "on the server"
                                                               : "missing on the server");
    }
    print_number(cli, "chunk size", field_int(release, "chunk_size"));
    output_pair(cli, "may be applied on",
                *field_joined(release, "from", text, sizeof text) ? text : "anything");
    output_pair(cli, "published", field_text(release, "published_at"));
    output_pair(cli, "withdrawn", field_bool(release, "withdrawn") ? "yes" : "");
    if (*field_text(release, "target"))
        output_pair(cli, "image",
                    field_bool(release, "blob_present") ? "" : "missing on the server");
    if (is_unsigned(release))
        output_pair(cli, "authority", field_text(release, "authority"));
    print_artifacts(cli, json_object_get(release, "artifacts"));
    json_decref(release);
    return CODE_OK;
}
