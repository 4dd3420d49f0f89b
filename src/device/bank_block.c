#include "device/bank_block.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/span.h"
#include "os/file.h"
#include "os/say.h"

static enum err erase(void *self, uint64_t at, uint64_t size)
{
    (void)self, (void)at, (void)size;
    return ERR_OK;
}

static const struct bank_ops block_ops = {
    .read = bank_file_read, .erase = erase, .write = bank_file_write};

bool bank_block_is(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

enum err bank_block_open(struct bank_file *file, const char *path, struct bank *bank,
                         struct why *why)
{
    uint64_t size = 0;

    *file = (struct bank_file){.fd = -1, .device = true};
    if (!bank_block_is(path) || !span_to_text(span_of(path), file->path, sizeof file->path))
        return say(why, ERR_INVALID, NULL, "%s is not a block device", path);
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return file_failed(why, "open", path);
    TRY(bank_file_size(file, &size, why));
    size -= size % BANK_FILE_ERASE_SIZE;
    if (size == 0)
        return say(why, ERR_INVALID, NULL, "%s has no room", path);
    *bank = (struct bank){.ops = &block_ops,
                          .self = file,
                          .size = size,
                          .erase_size = BANK_FILE_ERASE_SIZE,
                          .write_size = 1};
    return ERR_OK;
}
