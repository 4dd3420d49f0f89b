#include "device/record_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "os/file.h"
#include "os/say.h"

#define SEQUENCE_AT 4u /* bytes; format/record.h */

static enum err read_slot(void *self, uint32_t slot, void *to, uint32_t size)
{
    const struct record_file *file = self;
    struct file_bytes bytes = {0};

    CHECK(slot < RECORD_SLOTS);
    TRY(file_read(file->paths[slot], RECORD_SLOT_SIZE, &bytes, NULL));
    memset(to, 0xFF, size);
    memcpy(to, bytes.at, bytes.size < size ? bytes.size : size);
    file_bytes_free(&bytes);
    return ERR_OK;
}

static _Noreturn void die_torn(const char *path, const void *from, uint32_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)(file_write_all(fd, from, size / 2) == ERR_OK && fsync(fd) == 0);
    _exit(RECORD_FILE_CRASH);
}

static enum err write_slot(void *self, uint32_t slot, const void *from, uint32_t size)
{
    const struct record_file *file = self;
    bool doomed;

    CHECK(slot < RECORD_SLOTS && size > SEQUENCE_AT + 4);
    doomed = file->crash != RECORD_CRASH_NEVER &&
             load_le32((const uint8_t *)from + SEQUENCE_AT) == file->crash_at;
    if (doomed && file->crash == RECORD_CRASH_BEFORE)
        _exit(RECORD_FILE_CRASH);
    if (doomed && file->crash == RECORD_CRASH_TORN)
        die_torn(file->paths[slot], from, size);
    TRY(file_replace(file->paths[slot], (struct span){from, size}, 0600, NULL));
    if (doomed)
        _exit(RECORD_FILE_CRASH);
    return ERR_OK;
}

static const struct record_slot_ops file_ops = {.read = read_slot, .write = write_slot};

enum err record_file_open(struct record_file *file, const char *directory,
                          struct record_slots *slots, struct why *why)
{
    *file = (struct record_file){0};
    for (unsigned i = 0; i < RECORD_SLOTS; i++) {
        char name[] = "record.0";

        name[7] = (char)('0' + i);
        if (file_join(directory, name, file->paths[i], sizeof file->paths[i]) != ERR_OK)
            return say(why, ERR_TOO_BIG, NULL, "%s: the path is too long", directory);
    }
    *slots = (struct record_slots){.ops = &file_ops, .self = file};
    return ERR_OK;
}
