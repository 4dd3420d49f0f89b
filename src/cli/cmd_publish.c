/* repo publish and release publish bring what is signed to the server; release list and show look
 * at what is there. Publishing is idempotent: what the server has is not sent again, and the list
 * that makes images visible goes last, so an interrupted run is simply started again. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"
#include "codec/hex.h"
#include "os/quantity.h"
#include "trust/repository.h"

#define BLOB_PATH_SIZE 4096u

static const char *dir_of(const struct cli *cli)
{
    return options_path(&cli->options, "dir");
}

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
    err = repository_current(dir_of(cli), REPOSITORY_ROOT, &current, &why);
    if (err == ERR_NOT_FOUND)
        return complain(cli, CODE_NOT_FOUND, "%s has no completely signed root", dir_of(cli));
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    last = tuf_metadata_version(current);
    tuf_metadata_close(current);
    for (uint64_t version = server_version + 1; version <= last && code == CODE_OK; version++) {
        err = repository_root(dir_of(cli), version, &root, &why);
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
    TRY(repository_blob_path(dir_of(uploading->cli), target->file.sha256, path, sizeof path, why));
    hex_print((struct span){target->file.sha256, DIGEST_SIZE}, digest);
    uploading->code = api_upload(uploading->cli, path, digest, target->name, &sent);
    if (uploading->code != CODE_OK)
        return ERR_AGAIN; /* said already; ends the walk */
    uploading->sent += sent;
    uploading->there += !sent;
    return ERR_OK;
}

static int upload_all(struct cli *cli, const struct tuf_metadata *targets)
{
    struct uploading uploading = {.cli = cli, .code = CODE_OK};
    struct why why;
    enum err err;

    why_clear(&why);
    err = tuf_for_each_target(targets, upload_target, &uploading, &why);
    if (uploading.code != CODE_OK)
        return uploading.code;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->err, "Uploaded %u files, %u were there.\n", uploading.sent, uploading.there);
    return CODE_OK;
}

static int publish(struct cli *cli, bool list_needed)
{
    struct api_path path = api_path("/trust");
    struct tuf_metadata *targets = NULL;
    uint64_t root_version, targets_version;
    struct why why;
    json_t *trust;
    enum err err;
    int code = api_get(cli, &path, &trust);

    if (code != CODE_OK)
        return code;
    root_version = (uint64_t)field_int(trust, "root_version");
    targets_version = (uint64_t)field_int(trust, "targets_version");
    json_decref(trust);
    code = publish_roots(cli, root_version);
    if (code != CODE_OK)
        return code;
    why_clear(&why);
    err = repository_current(dir_of(cli), REPOSITORY_TARGETS, &targets, &why);
    if (err == ERR_NOT_FOUND && !list_needed)
        return CODE_OK;
    if (err == ERR_NOT_FOUND)
        return complain(cli, CODE_NOT_FOUND, "%s has no completely signed release list",
                        dir_of(cli));
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    code = upload_all(cli, targets);
    if (code == CODE_OK)
        code = publish_targets(cli, targets, targets_version);
    tuf_metadata_close(targets);
    return code;
}

int cmd_repo_publish(struct cli *cli)
{
    return publish(cli, false);
}

int cmd_release_publish(struct cli *cli)
{
    struct repository_signing signing;
    struct why why;
    bool waits;
    int code;

    why_clear(&why);
    waits = repository_staged(dir_of(cli), REPOSITORY_TARGETS, &signing, &why) == ERR_OK;
    if (waits)
        (void)fprintf(cli->err,
                      "Note: release list %" PRIu64 " is staged with %" PRIu32 " of %" PRIu32
                      " signatures and is not published.\n",
                      signing.version, signing.have, signing.need);
    code = publish(cli, true);
    return code == CODE_OK && waits ? CODE_PARTIAL : code; /* not what a pipeline wanted */
}

/* ---- what is there ---- */

int cmd_release_list(struct cli *cli)
{
    static const char *const columns[] = {"RELEASE", "KIND",      "HARDWARE",
                                          "SIZE",    "PUBLISHED", "NOTE"};
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
        char size[QUANTITY_TEXT_SIZE], hardware[512];
        bool missing = !field_bool(item, "blob_present");

        table_cell(table, field_text(item, "release"));
        table_cell(table, field_text(item, "kind"));
        table_cell(table, field_joined(item, "hardware", hardware, sizeof hardware));
        table_cell(table, quantity_print_size((uint64_t)field_int(item, "length"), size));
        table_cell(table, field_text(item, "published_at"));
        table_cell(table, field_bool(item, "withdrawn") ? "withdrawn"
                          : missing                     ? "image missing"
                                                        : NULL);
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
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
    print_number(cli, "length", field_int(release, "length"));
    output_pair(cli, "digest", field_text(release, "sha256"));
    print_number(cli, "chunk size", field_int(release, "chunk_size"));
    output_pair(cli, "may be applied on",
                *field_joined(release, "from", text, sizeof text) ? text : "anything");
    output_pair(cli, "published", field_text(release, "published_at"));
    output_pair(cli, "withdrawn", field_bool(release, "withdrawn") ? "yes" : "");
    output_pair(cli, "image", field_bool(release, "blob_present") ? "" : "missing on the server");
    json_decref(release);
    return CODE_OK;
}
