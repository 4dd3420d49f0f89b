/* A bank in a plain file, for simulations and for machines that keep images as files.
 *
 * The file grows as it is written and never past `size`. Erasing gives back the end of the file
 * and otherwise does nothing, so chunks that are in place already are found there again. Writes
 * are made durable in groups: before anything is read back, and after every SYNC_SIZE bytes. A
 * power cut may therefore undo the last few writes; the agent finds that out when it scans the
 * bank after the restart, as it does after any restart. What is read back comes from storage. */
#pragma once

#include "agent/bank.h"
#include "base/why.h"

#define BANK_FILE_ERASE_SIZE 4096u      /* bytes; a page */
#define BANK_FILE_SYNC_SIZE  (4u << 20) /* bytes written between two syncs */
#define BANK_FILE_PATH_SIZE  4096u      /* bytes of a path with NUL */

struct bank_file {
    char path[BANK_FILE_PATH_SIZE];
    int fd;                            /* -1: cannot be used */
    bool writable;                     /* opened for writing at the first erase or write only */
    bool device;                       /* a block device: see bank_block.h */
    uint64_t unsynced;                 /* bytes written since the last sync */
    uint64_t written_from, written_to; /* range to drop from the page cache with the sync */
};

/* Open a bank of `size` bytes (rounded down to BANK_FILE_ERASE_SIZE) in the file `path`, which is
 * made if missing. `bank` refers to `file`, so that one must not move. */
enum err bank_file_open(struct bank_file *file, const char *path, uint64_t size, struct bank *bank,
                        struct why *why) MUST_USE;
void bank_file_close(struct bank_file *file);

/* Whether both are the same storage under whatever names: links, other nodes of one device. */
bool bank_file_same(const struct bank_file *a, const struct bank_file *b);

/* Bytes the bank holds now: the file's size. */
enum err bank_file_size(const struct bank_file *file, uint64_t *out, struct why *why) MUST_USE;

/* ERR_TOO_BIG when the file system has no room for an image of `length` bytes in this bank, taking
 * into account what the bank occupies already and leaving `reserve` bytes free. */
enum err bank_file_room(const struct bank_file *file, uint64_t length, uint64_t reserve,
                        struct why *why) MUST_USE;

/* SHA-256 over the first `length` bytes. */
enum err bank_file_digest(const struct bank_file *file, uint64_t length, uint8_t out[32],
                          struct why *why) MUST_USE;

/* Shared with block devices: the operations on an open descriptor. */
enum err bank_file_read(void *self, uint64_t at, void *to, uint32_t size) MUST_USE;
enum err bank_file_write(void *self, uint64_t at, const void *from, uint32_t size) MUST_USE;
