/* Decompression and compression in steps, in bounded memory: gzip (zlib), xz (liblzma), Zstandard.
 *
 * One stream and nothing behind it. What comes out may be UNPACK_FREE bytes and from then on
 * UNPACK_RATIO times what has gone in, so that a few kilobytes cannot become a day of work; xz and
 * Zstandard get no more memory than the largest dictionary Mender's tool makes (64 MiB). */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

#define UNPACK_FREE        (64u << 20) /* bytes: zeros of an empty file system compress 1000:1 */
#define UNPACK_RATIO       256u
#define UNPACK_XZ_MEMORY   (80u << 20) /* bytes: dictionary and what the decoder needs besides */
#define UNPACK_ZSTD_WINDOW 26          /* bits: 64 MiB */

enum packing {
    PACKING_NONE,
    PACKING_GZIP,
    PACKING_XZ,
    PACKING_ZSTD,
    PACKING_COUNT
};

/* "", ".gz", ".xz", ".zst": what it adds to a file's name. */
const char *packing_suffix(enum packing packing);

/* "none", "gzip", "xz" (or "lzma"), "zstd". */
bool packing_parse(const char *name, enum packing *out) MUST_USE;

struct unpack;

/* Never NULL. */
struct unpack *unpack_open(enum packing packing);
void unpack_close(struct unpack *unpack); /* NULL-safe */

/* Take from `*in` and put up to `room` bytes at `to`; *size says how many. Nothing comes and
 * nothing is taken when more input is needed. ERR_CORRUPT: no such stream, or bytes behind its
 * end; ERR_TOO_BIG: past a limit. */
enum err unpack_step(struct unpack *unpack, struct span *in, uint8_t *to, size_t room, size_t *size,
                     struct why *why) MUST_USE;

/* Whether the stream has ended where it says it does. */
bool unpack_is_complete(const struct unpack *unpack);

/* The other way: `take` gets what comes out. */
struct pack_sink {
    void *self;
    enum err (*take)(void *self, struct span piece);
};

struct pack;

/* Never NULL; `sink` is copied. */
struct pack *pack_open(enum packing packing, const struct pack_sink *sink);
enum err pack_bytes(struct pack *pack, struct span bytes) MUST_USE;

/* The end of the stream. */
enum err pack_end(struct pack *pack) MUST_USE;
void pack_close(struct pack *pack); /* NULL-safe */
