#include "cli/mender_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"
#include "os/say.h"

#define READ_SIZE (256u << 10) /* bytes */

static enum err feed(struct mender_reader *reader, int fd, const char *path, struct why *why)
{
    uint8_t *room = malloc(READ_SIZE);
    enum err err = ERR_OK;
    ssize_t got = 1;

    CHECK(room);
    while (err == ERR_OK && got > 0) {
        got = read(fd, room, READ_SIZE);
        if (got < 0)
            err = file_failed(why, "read", path);
        else if (got > 0)
            err = mender_reader_take(reader, (struct span){room, (size_t)got}, why);
    }
    free(room);
    return err == ERR_OK ? mender_reader_end(reader, why) : err;
}

enum err mender_file_read(const char *path, const struct mender_keys *keys,
                          struct mender_reader **out, struct why *why)
{
    FILE_CLEANUP int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct mender_reader *reader;
    enum err err;

    *out = NULL;
    if (fd < 0)
        return file_failed(why, "read", path);
    reader = mender_reader_open(keys);
    err = feed(reader, fd, path, why);
    if (err == ERR_OK)
        *out = reader;
    else
        mender_reader_close(reader);
    return err;
}

enum err mender_file_keys(struct cli *cli, const char *option, struct mender_keys *out,
                          struct why *why)
{
    size_t count;
    const char *const *paths = options_texts(&cli->options, option, &count);

    return mender_keys_load(paths, count, out, why);
}
