/* Writing: what describes the payload is composed in memory, the payload itself is packed into a
 * temporary file, for a tar header says a member's size before its bytes. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "artifact/mender_inside.h"
#include "base/check.h"
#include "codec/tar.h"
#include "crypto/cose_key.h"
#include "crypto/digest.h"
#include "os/file.h"
#include "os/say.h"

#define COPY_SIZE   (64u << 10) /* bytes */
#define HEADER_MODE 0600u
#define SCRIPT_MODE 0755u

static const char version_text[] = "{\"format\":\"mender\",\"version\":3}";

/* Bytes that grow, on the heap. */
struct heap {
    uint8_t *at;
    size_t size, room;
};

static enum err heap_take(void *self, struct span piece)
{
    struct heap *heap = self;

    if (piece.size > MENDER_HEADER_SIZE_MAX - heap->size)
        return ERR_TOO_BIG;
    if (heap->size + piece.size > heap->room) {
        heap->room = 2 * (heap->size + piece.size);
        heap->at = realloc(heap->at, heap->room);
        CHECK(heap->at);
    }
    memcpy(heap->at + heap->size, piece.at, piece.size);
    heap->size += piece.size;
    return ERR_OK;
}

static enum err file_take(void *self, struct span piece)
{
    return file_write_all(*(const int *)self, piece.at, piece.size);
}

/* ---- Members of an archive, into a packer ---- */

static enum err put_header(struct pack *pack, const struct tar_file *file)
{
    uint8_t block[TAR_BLOCK_SIZE];

    TRY(tar_header(file, block));
    return pack_bytes(pack, (struct span){block, sizeof block});
}

static enum err put_zeros(struct pack *pack, size_t size)
{
    static const uint8_t zeros[2 * TAR_BLOCK_SIZE];

    return pack_bytes(pack, (struct span){zeros, size});
}

static enum err put_member(struct pack *pack, const char *name, struct span bytes)
{
    struct tar_file file = {.name = span_of(name), .size = bytes.size, .mode = HEADER_MODE};

    TRY(put_header(pack, &file));
    TRY(pack_bytes(pack, bytes));
    return put_zeros(pack, tar_padding(bytes.size));
}

/* The bytes of an open file as a member's; its digest must be `sha256` unless that is NULL. */
static enum err put_bytes_of(struct pack *pack, int fd, uint64_t size, const uint8_t *sha256)
{
    struct digest *digest = digest_open(DIGEST_SHA256);
    uint8_t room[COPY_SIZE], got[DIGEST_SIZE];
    enum err err = ERR_OK;

    for (uint64_t at = 0; err == ERR_OK && at < size;) {
        size_t take = size - at < sizeof room ? (size_t)(size - at) : sizeof room;

        err = file_pread_all(fd, room, take, at);
        if (err == ERR_OK) {
            digest_update(digest, (struct span){room, take});
            err = pack_bytes(pack, (struct span){room, take});
        }
        at += take;
    }
    digest_done(digest, got);
    digest_close(digest);
    if (err == ERR_OK && sha256 && memcmp(got, sha256, DIGEST_SIZE) != 0)
        err = ERR_CONFLICT;
    return err == ERR_OK ? put_zeros(pack, tar_padding(size)) : err;
}

static enum err put_file(struct pack *pack, const struct mender_file *file, const char *name,
                         uint32_t mode, struct why *why)
{
    struct tar_file header = {
        .name = span_of(name), .size = file->size, .mode = mode, .mtime_s = file->mtime_s};
    FILE_CLEANUP int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    enum err err;

    if (fd < 0)
        return file_failed(why, "read", file->path);
    err = put_header(pack, &header);
    if (err == ERR_OK)
        err = put_bytes_of(pack, fd, file->size, file->sha256);
    if (err == ERR_CONFLICT || err == ERR_CORRUPT)
        return say(why, ERR_CONFLICT, NULL, "%s has changed while it was read", file->path);
    return err == ERR_OK ? ERR_OK : say(why, err, NULL, "%s cannot be packed", file->path);
}

/* ---- What describes it ---- */

static void set(json_t *object, const char *key, const json_t *value)
{
    if (value)
        CHECK(json_object_set(object, key, (json_t *)(uintptr_t)value) == 0);
}

static char *header_info(const struct mender_plan *plan)
{
    json_t *provides = json_pack("{s:s}", "artifact_name", plan->name);
    json_t *depends = json_object();
    json_t *info;
    char *text;

    CHECK(provides && depends);
    if (plan->group)
        CHECK(json_object_set_new(provides, "artifact_group", json_string(plan->group)) == 0);
    set(depends, "device_type", plan->device_types);
    set(depends, "artifact_name", plan->names);
    set(depends, "artifact_group", plan->groups);
    info = json_pack("{s:[{s:s}], s:o, s:o}", "payloads", "type", plan->type, "artifact_provides",
                     provides, "artifact_depends", depends);
    CHECK(info);
    text = json_dumps(info, JSON_COMPACT);
    CHECK(text);
    json_decref(info);
    return text;
}

static char *type_info(const struct mender_plan *plan)
{
    json_t *info = json_pack("{s:s}", "type", plan->type);
    char *text;

    CHECK(info);
    set(info, "artifact_provides", plan->provides);
    set(info, "artifact_depends", plan->depends);
    set(info, "clears_artifact_provides", plan->clears);
    text = json_dumps(info, JSON_COMPACT);
    CHECK(text);
    json_decref(info);
    return text;
}

static enum err put_json(struct pack *pack, const char *name, char *text)
{
    enum err err = put_member(pack, name, span_of(text));

    free(text);
    return err;
}

static enum err put_description(const struct mender_plan *plan, struct pack *pack, struct why *why)
{
    char name[MENDER_FILE_NAME_SIZE_MAX + 16];

    TRY(put_json(pack, "header-info", header_info(plan)));
    for (size_t i = 0; i < plan->scripts_count; i++) {
        (void)snprintf(name, sizeof name, "scripts/%.*s", (int)plan->scripts[i].name.size,
                       (const char *)plan->scripts[i].name.at);
        TRY(put_file(pack, &plan->scripts[i], name, SCRIPT_MODE, why));
    }
    TRY(put_json(pack, "headers/0000/type-info", type_info(plan)));
    if (plan->meta_data)
        TRY(put_json(pack, "headers/0000/meta-data", json_dumps(plan->meta_data, JSON_COMPACT)));
    TRY(put_zeros(pack, 2 * TAR_BLOCK_SIZE));
    return pack_end(pack);
}

static enum err make_header(const struct mender_plan *plan, struct heap *out, struct why *why)
{
    struct pack_sink sink = {.self = out, .take = heap_take};
    struct pack *pack = pack_open(plan->packing, &sink);
    enum err err = put_description(plan, pack, why);

    pack_close(pack);
    return err;
}

/* ---- The payload ---- */

static enum err put_payload(const struct mender_plan *plan, struct pack *pack, struct why *why)
{
    char name[MENDER_FILE_NAME_SIZE_MAX + 1];

    for (size_t i = 0; i < plan->files_count; i++) {
        CHECK(span_to_text(plan->files[i].name, name, sizeof name));
        TRY(put_file(pack, &plan->files[i], name, plan->files[i].mode, why));
    }
    TRY(put_zeros(pack, 2 * TAR_BLOCK_SIZE));
    return pack_end(pack);
}

static enum err make_payload(const struct mender_plan *plan, int fd, struct why *why)
{
    struct pack_sink sink = {.self = &fd, .take = file_take};
    struct pack *pack = pack_open(plan->packing, &sink);
    enum err err = put_payload(plan, pack, why);

    pack_close(pack);
    return err;
}

/* ---- The manifest ---- */

static void put_line(struct buf *out, const uint8_t sha256[DIGEST_SIZE], const char *directory,
                     struct span name)
{
    buf_hex(out, (struct span){sha256, DIGEST_SIZE});
    buf_text(out, "  ");
    buf_text(out, directory);
    buf_span(out, name);
    buf_text(out, "\n");
}

static enum err make_manifest(const struct mender_plan *plan, struct span header, struct buf *out,
                              struct why *why)
{
    uint8_t sha256[DIGEST_SIZE];
    char name[32];

    for (size_t i = 0; i < plan->files_count; i++)
        put_line(out, plan->files[i].sha256, "data/0000/", plan->files[i].name);
    digest_of(DIGEST_SHA256, header, sha256);
    (void)snprintf(name, sizeof name, "header.tar%s", packing_suffix(plan->packing));
    put_line(out, sha256, "", span_of(name));
    digest_of(DIGEST_SHA256, span_of(version_text), sha256);
    put_line(out, sha256, "", SPAN_LITERAL("version"));
    return out->overflow ? say(why, ERR_TOO_BIG, NULL, "too many files") : ERR_OK;
}

/* Base64 of r and s, the only form that every client verifies. */
static enum err make_signature(const struct mender_plan *plan, struct span manifest, char *out,
                               struct why *why)
{
    uint8_t raw[VERIFY_SIGNATURE_SIZE];

    if (key_kind(plan->key) != KEY_ECDSA_P256)
        return say(why, ERR_INVALID, "key",
                   "clients of Mender verify ECDSA P-256 or RSA; this key is %s",
                   key_kind_name(key_kind(plan->key)));
    TRY(key_sign_raw(plan->key, manifest, raw, why));
    (void)EVP_EncodeBlock((uint8_t *)out, raw, sizeof raw);
    return ERR_OK;
}

/* ---- The whole ---- */

static enum err assemble(const struct mender_plan *plan, struct pack *pack, struct span header,
                         int payload, struct why *why)
{
    char signature[128], name[32];
    struct heap text = {.at = malloc(MENDER_MANIFEST_SIZE_MAX)};
    struct buf manifest = buf_over(text.at, MENDER_MANIFEST_SIZE_MAX);
    off_t size = lseek(payload, 0, SEEK_END);
    struct tar_file data = {.size = (uint64_t)size, .mode = HEADER_MODE};
    enum err err = make_manifest(plan, header, &manifest, why);

    CHECK(text.at && size >= 0);
    if (err == ERR_OK)
        err = put_member(pack, "version", span_of(version_text));
    if (err == ERR_OK)
        err = put_member(pack, "manifest", buf_written(&manifest));
    if (err == ERR_OK && plan->key)
        err = make_signature(plan, buf_written(&manifest), signature, why);
    if (err == ERR_OK && plan->key)
        err = put_member(pack, "manifest.sig", span_of(signature));
    free(text.at);
    TRY(err);
    (void)snprintf(name, sizeof name, "header.tar%s", packing_suffix(plan->packing));
    TRY(put_member(pack, name, header));
    (void)snprintf(name, sizeof name, "data/0000.tar%s", packing_suffix(plan->packing));
    data.name = span_of(name);
    TRY(put_header(pack, &data));
    TRY(put_bytes_of(pack, payload, data.size, NULL));
    return put_zeros(pack, 2 * TAR_BLOCK_SIZE);
}

static enum err write_all(const struct mender_plan *plan, int fd, int payload, struct why *why)
{
    struct pack_sink sink = {.self = &fd, .take = file_take};
    struct heap header = {0};
    struct pack *pack;
    enum err err = make_header(plan, &header, why);

    if (err == ERR_OK)
        err = make_payload(plan, payload, why);
    if (err == ERR_OK) {
        pack = pack_open(PACKING_NONE, &sink);
        err = assemble(plan, pack, (struct span){header.at, header.size}, payload, why);
        pack_close(pack);
    }
    free(header.at);
    if (err == ERR_OK && fsync(fd) != 0)
        err = ERR_STORAGE;
    return err;
}

enum err mender_write(const struct mender_plan *plan, const char *path, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    FILE *payload;
    enum err err;

    if (fd < 0)
        return file_failed(why, "write", path);
    payload = tmpfile();
    err = payload ? write_all(plan, fd, fileno(payload), why)
                  : say(why, ERR_STORAGE, NULL, "no temporary file can be made");
    if (payload)
        (void)fclose(payload);
    if (err != ERR_OK) {
        (void)unlink(path);
        if (why && why->text[0] == '\0')
            (void)say(why, err, NULL, "%s cannot be written", path);
    }
    return err;
}
