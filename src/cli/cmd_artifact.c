/* artifact: Mender Artifacts, written and shown. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/mender.h"
#include "base/check.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/keys.h"
#include "cli/mender_file.h"
#include "cli/output.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "os/say.h"

#define READ_SIZE (256u << 10) /* bytes */

/* ---- Files of a payload ---- */

static enum err hash_file(const char *path, struct mender_file *out, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct digest *digest;
    struct stat facts;
    uint8_t *room;
    ssize_t got;

    if (fd < 0 || fstat(fd, &facts) != 0)
        return file_failed(why, "read", path);
    room = malloc(READ_SIZE);
    CHECK(room);
    digest = digest_open(DIGEST_SHA256);
    while ((got = read(fd, room, READ_SIZE)) > 0) {
        digest_update(digest, (struct span){room, (size_t)got});
        out->size += (uint64_t)got;
    }
    digest_done(digest, out->sha256);
    digest_close(digest);
    free(room);
    if (got < 0)
        return file_failed(why, "read", path);
    out->mtime_s = facts.st_mtime > 0 ? (uint64_t)facts.st_mtime : 0;
    out->mode = facts.st_mode & 0777u;
    return ERR_OK;
}

static enum err take_file(const char *path, bool script, struct mender_file *out, struct why *why)
{
    const char *slash = strrchr(path, '/');
    struct span name = span_of(slash ? slash + 1 : path);

    *out = (struct mender_file){.name = name, .path = path};
    if (script ? !mender_script_name_is_good(name) : !mender_file_name_is_good(name))
        return say(why, ERR_INVALID, script ? "script" : "file",
                   "%s: clients do not accept this name", path);
    return hash_file(path, out, why);
}

static enum err take_files(struct cli *cli, const char *option, struct mender_file *out,
                           size_t *count, struct why *why)
{
    const char *const *paths = options_texts(&cli->options, option, count);

    if (*count > MENDER_WRITE_FILES_MAX)
        return say(why, ERR_TOO_BIG, option, "at most %u", MENDER_WRITE_FILES_MAX);
    for (size_t i = 0; i < *count; i++)
        TRY(take_file(paths[i], strcmp(option, "script") == 0, &out[i], why));
    return ERR_OK;
}

/* ---- Lists ---- */

static json_t *array_of(const char *const *texts, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        CHECK(json_array_append_new(array, json_string(texts[i])) == 0);
    return array;
}

/* NULL when nothing is given. */
static json_t *texts_of(struct cli *cli, const char *option)
{
    size_t count;
    const char *const *texts = options_texts(&cli->options, option, &count);

    return count > 0 ? array_of(texts, count) : NULL;
}

/* KEY:VALUE... into `object`; with `several`, a key may come again. */
static enum err take_pairs(struct cli *cli, const char *option, bool several, json_t *object,
                           struct why *why)
{
    size_t count;
    const char *const *pairs = options_texts(&cli->options, option, &count);

    for (size_t i = 0; i < count; i++) {
        const char *colon = strchr(pairs[i], ':');
        char key[MENDER_NAME_SIZE_MAX + 1];
        json_t *old;

        if (!colon ||
            !span_to_text((struct span){(const uint8_t *)pairs[i], (size_t)(colon - pairs[i])}, key,
                          sizeof key) ||
            key[0] == '\0' || colon[1] == '\0')
            return say(why, ERR_INVALID, option, "%s is not KEY:VALUE", pairs[i]);
        old = json_object_get(object, key);
        if (old && !several)
            return say(why, ERR_INVALID, option, "%s is given twice", key);
        if (!old)
            CHECK(json_object_set_new(object, key, json_array()) == 0);
        CHECK(json_array_append_new(json_object_get(object, key), json_string(colon + 1)) == 0);
    }
    return ERR_OK;
}

/* An array of one text becomes the text. */
static void flatten(json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (json_is_array(value) && json_array_size(value) == 1)
            CHECK(json_object_set(object, key, json_array_get(value, 0)) == 0);
    }
}

/* ---- write ---- */

struct writing {
    struct mender_plan plan;
    struct mender_file files[MENDER_WRITE_FILES_MAX], scripts[MENDER_WRITE_FILES_MAX];
    json_t *types, *names, *groups, *provides, *depends, *clears, *meta_data;
    struct key *key;
};

static void close_writing(struct writing *writing)
{
    json_decref(writing->types);
    json_decref(writing->names);
    json_decref(writing->groups);
    json_decref(writing->provides);
    json_decref(writing->depends);
    json_decref(writing->clears);
    json_decref(writing->meta_data);
    key_close(writing->key);
    free(writing);
}

/* FILESYSTEM.NAME.version; a root file system has its checksum and no name of its own. */
static enum err add_defaults(struct cli *cli, struct writing *writing, bool rootfs, struct why *why)
{
    const struct options *options = &cli->options;
    const char *name = options_text(options, "software_name");
    const char *version = options_text(options, "software_version");
    const char *filesystem = options_text(options, "software_filesystem");
    char key[MENDER_NAME_SIZE_MAX + 1], hex[DIGEST_HEX_SIZE], glob[MENDER_NAME_SIZE_MAX + 1];
    struct buf buf = buf_over(hex, sizeof hex);

    if (!name && !rootfs)
        name = writing->plan.type;
    (void)snprintf(key, sizeof key, "%s%s%s.version", filesystem, name ? "." : "",
                   name ? name : "");
    if (!options_flag(options, "no_default_software_version") &&
        json_object_set_new(writing->provides, key,
                            json_string(version ? version : writing->plan.name)) != 0)
        return say(why, ERR_INVALID, "software_version", "is not UTF-8");
    if (rootfs) {
        buf_hex(&buf, (struct span){writing->files[0].sha256, DIGEST_SIZE});
        CHECK(json_object_set_new(writing->provides, "rootfs-image.checksum",
                                  json_string(buf_finish_text(&buf))) == 0);
    }
    if (options_flag(options, "no_default_clears_provides"))
        return ERR_OK;
    (void)snprintf(glob, sizeof glob, "%s%s%s.*", filesystem, name ? "." : "", name ? name : "");
    if (!writing->clears)
        writing->clears = json_array();
    if (rootfs) {
        CHECK(json_array_append_new(writing->clears, json_string("artifact_group")) == 0);
        CHECK(json_array_append_new(writing->clears, json_string("rootfs_image_checksum")) == 0);
    }
    CHECK(json_array_append_new(writing->clears, json_string(glob)) == 0);
    return ERR_OK;
}

static enum err read_meta_data(struct cli *cli, struct writing *writing, struct why *why)
{
    const char *path = options_path(&cli->options, "meta_data");
    struct file_bytes bytes;
    json_error_t error;

    if (!path)
        return ERR_OK;
    TRY(file_read(path, MENDER_JSON_SIZE_MAX, &bytes, why));
    writing->meta_data =
        json_loadb((const char *)bytes.at, bytes.size, JSON_REJECT_DUPLICATES, &error);
    file_bytes_free(&bytes);
    if (!json_is_object(writing->meta_data))
        return say(why, ERR_INVALID, "meta_data", "%s is no JSON object", path);
    return ERR_OK;
}

static enum err check_words(struct cli *cli, bool rootfs, struct why *why)
{
    size_t types, files;

    (void)options_list(&cli->options, "device_type", &types);
    (void)options_texts(&cli->options, "file", &files);
    if (!options_text(&cli->options, "name") || !options_path(&cli->options, "out"))
        return say(why, ERR_INVALID, NULL, "give --name and --out");
    if (types == 0 || types > MENDER_TYPES_MAX)
        return say(why, ERR_INVALID, "device_type", "give 1 to %u of them", MENDER_TYPES_MAX);
    if (rootfs && (files != 1 || options_text(&cli->options, "type")))
        return say(why, ERR_INVALID, "file", "a rootfs-image has one file, and no --type");
    if (!rootfs && !options_text(&cli->options, "type"))
        return say(why, ERR_INVALID, "type", "a module-image needs the name of its update module");
    return ERR_OK;
}

static enum err make_plan(struct cli *cli, struct writing *writing, struct why *why)
{
    bool rootfs = strcmp(cli->args[0], "rootfs-image") == 0;
    const struct options *options = &cli->options;
    const char *const *types;
    size_t count;

    TRY(check_words(cli, rootfs, why));
    types = options_list(options, "device_type", &count);
    writing->types = array_of(types, count);
    writing->plan.name = options_text(options, "name");
    writing->plan.group = options_text(options, "provides_group");
    writing->plan.type = rootfs ? "rootfs-image" : options_text(options, "type");
    CHECK(packing_parse(options_text(options, "compression"), &writing->plan.packing));
    TRY(take_files(cli, "file", writing->files, &writing->plan.files_count, why));
    TRY(take_files(cli, "script", writing->scripts, &writing->plan.scripts_count, why));
    TRY(take_pairs(cli, "provides", false, writing->provides, why));
    TRY(take_pairs(cli, "depends", true, writing->depends, why));
    flatten(writing->provides);
    flatten(writing->depends);
    writing->clears = texts_of(cli, "clears_provides");
    writing->names = texts_of(cli, "artifact_name_depends");
    writing->groups = texts_of(cli, "depends_groups");
    TRY(add_defaults(cli, writing, rootfs, why));
    TRY(read_meta_data(cli, writing, why));
    if (options_text(options, "key"))
        TRY(keys_open(cli, options_text(options, "key"), &writing->key, why));
    return ERR_OK;
}

static void fill_plan(struct writing *writing)
{
    struct mender_plan *plan = &writing->plan;

    plan->device_types = writing->types;
    plan->names = writing->names;
    plan->groups = writing->groups;
    plan->provides = json_object_size(writing->provides) > 0 ? writing->provides : NULL;
    plan->depends = json_object_size(writing->depends) > 0 ? writing->depends : NULL;
    plan->clears = writing->clears;
    plan->meta_data = writing->meta_data;
    plan->files = writing->files;
    plan->scripts = writing->scripts;
    plan->key = writing->key;
}

/* ---- show ---- */

/* What was written must be readable: the reader is the stricter of the two. */
static enum err check_written(const char *path, struct why *why)
{
    struct mender_reader *reader = NULL;
    enum err err = mender_file_read(path, NULL, &reader, why);

    mender_reader_close(reader);
    if (err != ERR_OK)
        (void)unlink(path);
    return err;
}

int cmd_artifact_write(struct cli *cli)
{
    struct writing *writing = calloc(1, sizeof *writing);
    const char *path = options_path(&cli->options, "out");
    struct why why;
    enum err err;

    CHECK(writing);
    why_clear(&why);
    writing->provides = json_object();
    writing->depends = json_object();
    err = make_plan(cli, writing, &why);
    fill_plan(writing);
    if (err == ERR_OK)
        err = mender_write(&writing->plan, path, &why);
    if (err == ERR_OK)
        err = check_written(path, &why);
    close_writing(writing);
    if (err == ERR_INVALID) {
        (void)complain_why(cli, err, &why);
        return CODE_USAGE;
    }
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->out, "%s: written\n", path);
    return CODE_OK;
}

static void print_pairs(struct cli *cli, const char *title, const json_t *object)
{
    const char *key;
    json_t *value;
    char joined[512];

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const char *text = json_is_array(value) ? field_joined(object, key, joined, sizeof joined)
                                                : json_string_value(value);

        (void)fprintf(cli->out, "%s %s: %s\n", title, key, text);
    }
}

static void print_payload(struct cli *cli, const json_t *payload)
{
    const json_t *files = json_object_get(payload, "files");

    (void)fprintf(cli->out, "payload: %s\n",
                  json_is_null(json_object_get(payload, "type")) ? "none"
                                                                 : field_text(payload, "type"));
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);

        (void)fprintf(cli->out, "  %s  %" PRId64 "  %s\n", field_text(file, "sha256"),
                      field_int(file, "size"), field_text(file, "name"));
    }
}

static void print_facts(struct cli *cli, const json_t *facts)
{
    const json_t *payloads = json_object_get(facts, "payloads");
    char joined[512];

    (void)fprintf(cli->out, "name: %s\n", field_text(facts, "name"));
    (void)fprintf(cli->out, "format: Mender Artifact %" PRId64 ", %s\n",
                  field_int(facts, "format_version"),
                  field_bool(facts, "signed") ? "signed" : "not signed");
    (void)fprintf(cli->out, "device types: %s\n",
                  field_joined(facts, "device_types", joined, sizeof joined));
    print_pairs(cli, "provides", json_object_get(facts, "provides"));
    print_pairs(cli, "depends", json_object_get(facts, "depends"));
    (void)fprintf(cli->out, "clears: %s\n",
                  json_object_get(facts, "clears")
                      ? field_joined(facts, "clears", joined, sizeof joined)
                      : "everything");
    for (size_t i = 0; i < json_array_size(payloads); i++)
        print_payload(cli, json_array_get(payloads, i));
}

int cmd_artifact_show(struct cli *cli)
{
    struct mender_reader *reader = NULL;
    struct mender_keys keys;
    struct why why;
    enum err err;

    why_clear(&why);
    err = mender_file_keys(cli, "key", &keys, &why);
    if (err == ERR_OK)
        err = mender_file_read(cli->args[0], &keys, &reader, &why);
    if (err == ERR_OK && cli->json)
        (void)output_json(cli, json_deep_copy(mender_reader_facts(reader)));
    else if (err == ERR_OK)
        print_facts(cli, mender_reader_facts(reader));
    mender_reader_close(reader);
    mender_keys_close(&keys);
    return err == ERR_OK ? CODE_OK : complain_why(cli, err, &why);
}
