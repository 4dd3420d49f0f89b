#include "trust/tuf_file.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "os/file.h"
#include "os/say.h"

enum err tuf_file_path(const char *dir, const char *name, char *to, size_t size, struct why *why)
{
    if (file_join(dir, name, to, size) != ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "%s/%s: the path is too long", dir, name);
    return ERR_OK;
}

enum err tuf_file_read_path(const char *path, size_t size_max, struct tuf_bytes *out,
                            struct why *why)
{
    struct file_bytes bytes;

    TRY(file_read(path, size_max, &bytes, why));
    *out = (struct tuf_bytes){.at = bytes.at, .size = bytes.size};
    return ERR_OK;
}

enum err tuf_file_read(const char *dir, const char *name, size_t size_max, struct tuf_bytes *out,
                       struct why *why)
{
    char path[PATH_MAX];

    TRY(tuf_file_path(dir, name, path, sizeof path, why));
    return tuf_file_read_path(path, size_max, out, why);
}

enum err tuf_file_replace(const char *dir, const char *name, struct span bytes, struct why *why)
{
    char path[PATH_MAX];

    TRY(tuf_file_path(dir, name, path, sizeof path, why));
    return file_replace(path, bytes, 0644, why) == ERR_OK ? ERR_OK : ERR_STORAGE;
}

enum err tuf_file_remove(const char *dir, const char *name, struct why *why)
{
    char path[PATH_MAX];

    TRY(tuf_file_path(dir, name, path, sizeof path, why));
    if (unlink(path) != 0)
        return errno == ENOENT ? ERR_OK : file_failed(why, "remove", path);
    return file_sync_directory(dir, why);
}

bool tuf_file_exists(const char *dir, const char *name)
{
    char path[PATH_MAX];

    return tuf_file_path(dir, name, path, sizeof path, NULL) == ERR_OK && file_exists(path);
}
