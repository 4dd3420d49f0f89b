/* slipway-tuf: a TUF client that stands alone, for any repository.
 *
 * Its command line is that of the TUF project's conformance suite: one verb, options before it,
 * and no exit code but 0 and 1. */
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/options.h"
#include "os/say.h"
#include "trust/tuf_file.h"
#include "tuf/target_folder.h"

#define EXIT_DONE   0
#define EXIT_FAILED 1

/* clang-format off */
static const struct option_spec table[] = {
    {"metadata_dir", 'd', OPTION_PATH, NULL, 0, 0, "DIR", "Keep the trusted metadata here"},
    {"metadata_url", 'm', OPTION_TEXT, NULL, 0, 0, "URL", "The repository's metadata lies under this address"},
    {"target_name", 't', OPTION_TEXTS, NULL, 0, 0, "NAME", "Download this target; repeat for several"},
    {"target_dir", 'o', OPTION_PATH, NULL, 0, 0, "DIR", "Put targets here"},
    {"target_base_url", 'b', OPTION_TEXT, NULL, 0, 0, "URL", "The repository's targets lie under this address"},
};

static const struct program program = {
    .name = "slipway-tuf",
    .section = 1,
    .summary = "verify and download from a TUF repository",
    .description =
        "A client for repositories of The Update Framework (TUF 1.0), Slipway's or any other. It "
        "keeps a folder of trusted metadata, moves it forward from what a web server offers, and "
        "downloads targets that this metadata vouches for.\n\n"
        "init puts the file ROOT into the metadata folder as the root that everything is trusted "
        "by. It asks no network and judges nothing: get that file from somebody you trust. refresh "
        "fetches and verifies newer root, timestamp, snapshot and targets metadata. download does "
        "the same, then finds each target, through delegated roles if need be, and puts it into "
        "the target folder, named as the target with other characters than letters, digits and "
        "-._~ percent-encoded. A file that is there already and right is not fetched again. The "
        "first failure ends it.",
    .operands = "init ROOT | refresh | download",
    .table = table,
    .count = COUNT_OF(table),
    .files = "DIR/root.json, DIR/timestamp.json, DIR/snapshot.json, DIR/targets.json, DIR/ROLE.json: "
             "the metadata as it was received",
    .exits = "0: everything that was asked for is done and verified\n"
             "1: something failed; what it was is on standard error",
    .see_also = "slipway(1)",
};
/* clang-format on */

/* What an option is needed for says its row. */
static enum err need(const struct options *options, const char *name, struct why *why)
{
    if (options_given(options, name))
        return ERR_OK;
    return say(why, ERR_INVALID, name, "needs %s", name);
}

/* `path` with all the folders on the way. */
static enum err make_directories(const char *path, struct why *why)
{
    char part[PATH_MAX];

    if (!span_to_text(span_of(path), part, sizeof part))
        return say(why, ERR_TOO_BIG, NULL, "%.100s...: the path is too long", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return file_failed(why, "create directory", part);
        *slash = '/';
    }
    return file_make_directory(path, 0755, why);
}

static enum err init(const struct options *options, struct why *why)
{
    struct tuf_bytes root;
    const char *dir;
    enum err err;

    TRY(need(options, "metadata_dir", why));
    if (options->operand_count != 2)
        return say(why, ERR_INVALID, NULL, "init needs one file, the root to trust");
    dir = options_path(options, "metadata_dir");
    TRY(tuf_file_read_path(options->operands[1], TUF_ROOT_SIZE_MAX, &root, why));
    err = make_directories(dir, why);
    if (err == ERR_OK)
        err = tuf_file_replace(dir, "root.json", tuf_bytes_span(&root), why);
    tuf_bytes_done(&root);
    return err;
}

/* A client whose metadata is current, and where that came from. */
static enum err refresh(const struct options *options, struct source *source,
                        struct tuf_client **out, struct why *why)
{
    const struct tuf_fetch fetch = source_fetch(source);
    struct tuf_client *client;
    enum err err;

    TRY(tuf_client_open(options_path(options, "metadata_dir"), (struct span){NULL, 0}, &client,
                        why));
    err = tuf_client_refresh(client, &fetch, clock_utc(), why);
    if (err == ERR_OK)
        *out = client;
    else
        tuf_client_close(client);
    return err;
}

static enum err download_one(struct tuf_client *client, struct source *source, const char *name,
                             struct target_folder *folder, struct why *why)
{
    const struct tuf_fetch fetch = source_fetch(source);
    struct wanted_target wanted = {
        .name = name,
        .hash_in_url = tuf_consistent_snapshot(tuf_client_metadata(client, TUF_ROOT)),
    };

    TRY(tuf_client_target_file(client, &fetch, name, &wanted.file, why));
    return target_folder_get(folder, &wanted, source, why);
}

static enum err download_all(const struct options *options, struct tuf_client *client,
                             struct source *source, struct why *why)
{
    struct target_folder folder = {.path = options_path(options, "target_dir")};
    const char *const *names;
    size_t count;

    names = options_texts(options, "target_name", &count);
    TRY(make_directories(folder.path, why));
    file_remove_temporaries(folder.path);
    for (size_t i = 0; i < count; i++)
        TRY(download_one(client, source, names[i], &folder, why));
    return ERR_OK;
}

static enum err follow(const struct options *options, bool download, struct why *why)
{
    struct source *source = NULL;
    struct tuf_client *client = NULL;
    enum err err;

    if (options->operand_count != 1)
        return say(why, ERR_INVALID, NULL, "%s takes no operand", options->operands[0]);
    TRY(need(options, "metadata_dir", why));
    TRY(need(options, "metadata_url", why));
    if (download) {
        TRY(need(options, "target_name", why));
        TRY(need(options, "target_dir", why));
        TRY(need(options, "target_base_url", why));
    }
    TRY(source_open(options_text(options, "metadata_url"), options_text(options, "target_base_url"),
                    &source, why));
    err = refresh(options, source, &client, why);
    if (err == ERR_OK && download)
        err = download_all(options, client, source, why);
    tuf_client_close(client);
    source_close(source);
    return err;
}

static enum err run(const struct options *options, struct why *why)
{
    const char *verb = options->operand_count > 0 ? options->operands[0] : "";

    if (strcmp(verb, "init") == 0)
        return init(options, why);
    if (strcmp(verb, "refresh") == 0 || strcmp(verb, "download") == 0)
        return follow(options, strcmp(verb, "download") == 0, why);
    return say(why, ERR_INVALID, NULL, "say what to do: init, refresh or download");
}

int main(int argc, char **argv)
{
    struct options options;
    struct why why = {0};
    int code = options_start(&program, argc, argv, &options);
    enum err err = ERR_OK;

    if (code != OPTIONS_GO_ON)
        return code == 0 ? EXIT_DONE : EXIT_FAILED;
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    if (options_check_only(&options))
        options_print_effective(&options, stdout);
    else
        err = run(&options, &why);
    if (err != ERR_OK)
        (void)fprintf(stderr, "%s: %s\n", program.name, why.text);
    curl_global_cleanup();
    options_close(&options);
    return err == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}
