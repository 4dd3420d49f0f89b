/* Tar archives of plain files, read as they come and written header by header.
 *
 *     header (512) | data, padded with zeros to 512 | header | ... | two blocks of zeros
 *
 * Only the ustar format with regular files is read: whatever else an archive may hold (links,
 * devices, directories, extended headers, names above 100 bytes without a prefix) is refused. So
 * is padding that is not zero, a wrong checksum, and anything behind the end. The reader keeps one
 * header, never data.
 *
 * Source: POSIX.1-2017, pax, "ustar Interchange Format". */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define TAR_BLOCK_SIZE    512u
#define TAR_NAME_SIZE_MAX 255u /* bytes of prefix, '/' and name */
#define TAR_ZEROS_MAX     64u  /* blocks of zeros at the end: writers fill up to 10 or 20 KiB */

enum tar_event {
    TAR_MORE,  /* all input is used up */
    TAR_ENTRY, /* a file begins: tar->name, tar->size, tar->mode, tar->mtime_s */
    TAR_DATA,  /* some of its bytes */
    TAR_DONE,  /* the file is complete */
};

struct tar {
    char name[TAR_NAME_SIZE_MAX + 1];
    uint64_t size;
    uint32_t mode;
    uint64_t mtime_s;

    /* The reader's own. */
    uint8_t state;
    uint8_t block[TAR_BLOCK_SIZE];
    uint32_t fill;    /* bytes of a header so far */
    uint64_t left;    /* bytes of data still to come */
    uint32_t padding; /* and of padding behind them */
    uint32_t zeros;   /* blocks of zeros so far */
};

void tar_init(struct tar *tar);

/* Take from `*in` what makes one event. `*data`, with TAR_DATA, borrows from it. ERR_CORRUPT: not
 * such an archive. */
enum err tar_step(struct tar *tar, struct span *in, enum tar_event *event,
                  struct span *data) MUST_USE;

/* Whether the archive may end here: both blocks of zeros have been seen. */
bool tar_is_complete(const struct tar *tar);

/* What a header says. */
struct tar_file {
    struct span name; /* at most 100 bytes */
    uint64_t size;    /* below 8 GiB: 11 octal digits */
    uint32_t mode;
    uint64_t mtime_s;
};

/* ERR_TOO_BIG: name or size does not fit a header. */
enum err tar_header(const struct tar_file *file, uint8_t out[TAR_BLOCK_SIZE]) MUST_USE;

/* Bytes of padding behind `size` bytes of data. */
uint32_t tar_padding(uint64_t size);
