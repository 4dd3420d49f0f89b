/* Uploads: from the connection through SHA-256 into a temporary file, in constant memory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"
#include "os/log.h"
#include "server/front_inside.h"

#define SYNC_EVERY (8u << 20) /* bytes after which the kernel is told to start writing */
#define SPACE_KEPT                                                                \
    (64u << 20) /* bytes of disk that no upload may take: the database needs them \
                 */

bool front_has_space(const struct front *front, uint64_t size)
{
    struct statvfs disk;

    if (statvfs(front->config.blobs.upload_directory, &disk) != 0)
        return true; /* the write will tell */
    return (uint64_t)disk.f_bavail * disk.f_frsize >= size + SPACE_KEPT;
}

static struct front_user *open_upload(struct front *front, struct http_call *call, struct why *why)
{
    struct front_user *upload = calloc(1, sizeof *upload);

    CHECK(upload);
    upload->kind = FRONT_UPLOAD;
    upload->call = call;
    upload->fd = file_temporary(front->config.blobs.upload_directory, upload->path,
                                sizeof upload->path, why);
    if (upload->fd < 0) {
        free(upload);
        return NULL;
    }
    upload->digest = EVP_MD_CTX_new();
    CHECK(upload->digest && EVP_DigestInit_ex(upload->digest, EVP_sha256(), NULL) == 1);
    return upload;
}

void front_begin_upload(struct front *front, struct http_call *call)
{
    const struct http_head *head = http_call_head(call);
    struct front_user *upload;
    struct why why = {0};

    if (head && head->framing == HTTP_LENGTH && head->length <= front->config.upload_max &&
        !front_has_space(front, head->length)) {
        front_problem(call, head, 507, ERR_STORAGE, "there is not enough space for this upload");
        return;
    }
    upload = open_upload(front, call, &why);
    if (!upload) {
        log_line(front->config.log, LOG_LEVEL_ERROR, "front", "upload-failed",
                 "reason=\"%s\" next=\"answered with 507\"", why.text);
        front_problem(call, head, 507, ERR_STORAGE, "the upload cannot be stored");
        return;
    }
    http_call_set_user(call, upload);
    http_call_stream(call, front->config.upload_max);
}

enum err front_upload_piece(struct front_user *upload, struct span piece)
{
    CHECK(EVP_DigestUpdate(upload->digest, piece.at, piece.size) == 1);
    TRY(file_write_all(upload->fd, piece.at, piece.size));
    upload->size += piece.size;
    if (upload->size - upload->synced >= SYNC_EVERY) {
        /* Only starts the writing, so that the sync at the end has little left to wait for. */
        (void)sync_file_range(upload->fd, (off_t)upload->synced,
                              (off_t)(upload->size - upload->synced), SYNC_FILE_RANGE_WRITE);
        upload->synced = upload->size;
    }
    return ERR_OK;
}

static void free_upload(struct front_user *upload)
{
    if (upload->fd >= 0)
        (void)close(upload->fd);
    EVP_MD_CTX_free(upload->digest);
    free(upload);
}

enum err front_finish_upload(struct front_user *upload, struct upload *out)
{
    unsigned size = 0;

    if (fsync(upload->fd) != 0) {
        front_drop_upload(upload);
        return ERR_STORAGE;
    }
    CHECK(EVP_DigestFinal_ex(upload->digest, out->sha256, &size) == 1 && size == DIGEST_SIZE);
    out->present = true;
    out->size = upload->size;
    CHECK(span_to_text(span_of(upload->path), out->path, sizeof out->path));
    free_upload(upload);
    return ERR_OK;
}

void front_drop_upload(struct front_user *upload)
{
    (void)unlink(upload->path);
    free_upload(upload);
}
