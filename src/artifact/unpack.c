#include "artifact/unpack.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/check.h"

#define GZIP_WINDOW (15 + 16)  /* zlib's way to ask for gzip and nothing else */
#define STEP_IN_MAX (1u << 20) /* bytes given to a library at once: they count in 32 bits */

const char *packing_suffix(enum packing packing)
{
    static const char *const suffixes[PACKING_COUNT] = {"", ".gz", ".xz", ".zst"};

    CHECK((size_t)packing < PACKING_COUNT);
    return suffixes[packing];
}

bool packing_parse(const char *name, enum packing *out)
{
    static const struct {
        const char *name;
        enum packing packing;
    } names[] = {{"none", PACKING_NONE},
                 {"gzip", PACKING_GZIP},
                 {"xz", PACKING_XZ},
                 {"lzma", PACKING_XZ},
                 {"zstd", PACKING_ZSTD}};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].packing;
            return true;
        }
    }
    return false;
}

/* ---- Out ---- */

struct unpack {
    enum packing packing;
    bool ended;
    uint64_t in, out; /* bytes so far */
    z_stream zlib;
    lzma_stream lzma;
    ZSTD_DStream *zstd;
};

struct unpack *unpack_open(enum packing packing)
{
    struct unpack *unpack = calloc(1, sizeof *unpack);

    CHECK(unpack && (size_t)packing < PACKING_COUNT);
    unpack->packing = packing;
    if (packing == PACKING_GZIP)
        CHECK(inflateInit2(&unpack->zlib, GZIP_WINDOW) == Z_OK);
    if (packing == PACKING_XZ)
        CHECK(lzma_stream_decoder(&unpack->lzma, UNPACK_XZ_MEMORY, 0) == LZMA_OK);
    if (packing == PACKING_ZSTD) {
        unpack->zstd = ZSTD_createDStream();
        CHECK(unpack->zstd);
        CHECK(!ZSTD_isError(
            ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax, UNPACK_ZSTD_WINDOW)));
    }
    return unpack;
}

void unpack_close(struct unpack *unpack)
{
    if (!unpack)
        return;
    if (unpack->packing == PACKING_GZIP)
        (void)inflateEnd(&unpack->zlib);
    if (unpack->packing == PACKING_XZ)
        lzma_end(&unpack->lzma);
    if (unpack->packing == PACKING_ZSTD)
        ZSTD_freeDStream(unpack->zstd);
    free(unpack);
}

bool unpack_is_complete(const struct unpack *unpack)
{
    return unpack->ended || unpack->packing == PACKING_NONE;
}

static enum err copy(struct span in, uint8_t *to, size_t room, size_t *used, size_t *size)
{
    size_t take = in.size < room ? in.size : room;

    if (take > 0)
        memcpy(to, in.at, take);
    *used = *size = take;
    return ERR_OK;
}

static enum err gunzip(struct unpack *unpack, struct span in, uint8_t *to, size_t room,
                       size_t *used, size_t *size)
{
    z_stream *zlib = &unpack->zlib;
    int result;

    zlib->next_in = (Bytef *)(uintptr_t)in.at;
    zlib->avail_in = (uInt)in.size;
    zlib->next_out = to;
    zlib->avail_out = (uInt)room;
    result = inflate(zlib, Z_NO_FLUSH);
    *used = in.size - zlib->avail_in;
    *size = room - zlib->avail_out;
    unpack->ended = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? ERR_OK : ERR_CORRUPT;
}

static enum err unxz(struct unpack *unpack, struct span in, uint8_t *to, size_t room, size_t *used,
                     size_t *size)
{
    lzma_stream *lzma = &unpack->lzma;
    lzma_ret result;

    lzma->next_in = in.at;
    lzma->avail_in = in.size;
    lzma->next_out = to;
    lzma->avail_out = room;
    result = lzma_code(lzma, LZMA_RUN);
    *used = in.size - lzma->avail_in;
    *size = room - lzma->avail_out;
    unpack->ended = result == LZMA_STREAM_END;
    if (result == LZMA_MEMLIMIT_ERROR)
        return ERR_TOO_BIG;
    return result == LZMA_OK || result == LZMA_STREAM_END || result == LZMA_BUF_ERROR ? ERR_OK
                                                                                      : ERR_CORRUPT;
}

static enum err unzstd(struct unpack *unpack, struct span in, uint8_t *to, size_t room,
                       size_t *used, size_t *size)
{
    ZSTD_inBuffer input = {.src = in.at, .size = in.size};
    ZSTD_outBuffer output = {.dst = to, .size = room};
    size_t result = ZSTD_decompressStream(unpack->zstd, &output, &input);

    if (ZSTD_isError(result))
        return ERR_CORRUPT;
    *used = input.pos;
    *size = output.pos;
    unpack->ended = result == 0 && (input.pos > 0 || output.pos > 0);
    return ERR_OK;
}

static enum err run(struct unpack *unpack, struct span in, uint8_t *to, size_t room, size_t *used,
                    size_t *size)
{
    switch (unpack->packing) {
    case PACKING_GZIP:
        return gunzip(unpack, in, to, room, used, size);
    case PACKING_XZ:
        return unxz(unpack, in, to, room, used, size);
    case PACKING_ZSTD:
        return unzstd(unpack, in, to, room, used, size);
    case PACKING_NONE:
    case PACKING_COUNT:
    default:
        return copy(in, to, room, used, size);
    }
}

enum err unpack_step(struct unpack *unpack, struct span *in, uint8_t *to, size_t room, size_t *size,
                     struct why *why)
{
    struct span piece = {in->at, in->size < STEP_IN_MAX ? in->size : STEP_IN_MAX};
    size_t used = 0, got = 0;
    enum err err;

    *size = 0;
    if (unpack->ended) {
        if (in->size == 0)
            return ERR_OK;
        why_say(why, NULL, "there are bytes behind the end of a compressed stream");
        return ERR_CORRUPT;
    }
    err = run(unpack, piece, to, room, &used, &got);
    if (err != ERR_OK) {
        why_say(why, NULL,
                err == ERR_TOO_BIG ? "decompression needs too much memory"
                                   : "a compressed stream is damaged");
        return err;
    }
    unpack->in += used;
    unpack->out += got;
    if (unpack->out > UNPACK_FREE + UNPACK_RATIO * unpack->in) {
        why_say(why, NULL, "a compressed stream grows out of all proportion");
        return ERR_TOO_BIG;
    }
    *in = (struct span){in->at + used, in->size - used};
    *size = got;
    return ERR_OK;
}

/* ---- In ---- */

#define PACK_ROOM (64u << 10) /* bytes */

struct pack {
    enum packing packing;
    struct pack_sink sink;
    z_stream zlib;
    lzma_stream lzma;
    ZSTD_CStream *zstd;
    uint8_t room[PACK_ROOM];
};

struct pack *pack_open(enum packing packing, const struct pack_sink *sink)
{
    struct pack *pack = calloc(1, sizeof *pack);

    CHECK(pack && (size_t)packing < PACKING_COUNT);
    pack->packing = packing;
    pack->sink = *sink;
    if (packing == PACKING_GZIP)
        CHECK(deflateInit2(&pack->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
                           Z_DEFAULT_STRATEGY) == Z_OK);
    if (packing == PACKING_XZ)
        CHECK(lzma_easy_encoder(&pack->lzma, LZMA_PRESET_DEFAULT, LZMA_CHECK_CRC64) == LZMA_OK);
    if (packing == PACKING_ZSTD) {
        pack->zstd = ZSTD_createCStream();
        CHECK(pack->zstd && !ZSTD_isError(ZSTD_initCStream(pack->zstd, ZSTD_CLEVEL_DEFAULT)));
    }
    return pack;
}

void pack_close(struct pack *pack)
{
    if (!pack)
        return;
    if (pack->packing == PACKING_GZIP)
        (void)deflateEnd(&pack->zlib);
    if (pack->packing == PACKING_XZ)
        lzma_end(&pack->lzma);
    if (pack->packing == PACKING_ZSTD)
        ZSTD_freeCStream(pack->zstd);
    free(pack);
}

/* One turn of the library: *more says whether another one is needed. */
static size_t gzip_turn(struct pack *pack, struct span *in, bool ending, bool *more)
{
    z_stream *zlib = &pack->zlib;
    int result;

    zlib->next_in = (Bytef *)(uintptr_t)in->at;
    zlib->avail_in = (uInt)in->size;
    zlib->next_out = pack->room;
    zlib->avail_out = PACK_ROOM;
    result = deflate(zlib, ending ? Z_FINISH : Z_NO_FLUSH);
    CHECK(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
    *in = (struct span){zlib->next_in, zlib->avail_in};
    *more = ending ? result != Z_STREAM_END : zlib->avail_in > 0 || zlib->avail_out == 0;
    return PACK_ROOM - zlib->avail_out;
}

static size_t xz_turn(struct pack *pack, struct span *in, bool ending, bool *more)
{
    lzma_stream *lzma = &pack->lzma;
    lzma_ret result;

    lzma->next_in = in->at;
    lzma->avail_in = in->size;
    lzma->next_out = pack->room;
    lzma->avail_out = PACK_ROOM;
    result = lzma_code(lzma, ending ? LZMA_FINISH : LZMA_RUN);
    CHECK(result == LZMA_OK || result == LZMA_STREAM_END || result == LZMA_BUF_ERROR);
    *in = (struct span){lzma->next_in, lzma->avail_in};
    *more = ending ? result != LZMA_STREAM_END : lzma->avail_in > 0 || lzma->avail_out == 0;
    return PACK_ROOM - lzma->avail_out;
}

static size_t zstd_turn(struct pack *pack, struct span *in, bool ending, bool *more)
{
    ZSTD_inBuffer input = {.src = in->at, .size = in->size};
    ZSTD_outBuffer output = {.dst = pack->room, .size = PACK_ROOM};
    size_t left =
        ZSTD_compressStream2(pack->zstd, &output, &input, ending ? ZSTD_e_end : ZSTD_e_continue);

    CHECK(!ZSTD_isError(left));
    *in = (struct span){in->at + input.pos, in->size - input.pos};
    *more = ending ? left != 0 : in->size > 0;
    return output.pos;
}

static enum err turn(struct pack *pack, struct span *in, bool ending, bool *more)
{
    size_t size = 0;

    if (pack->packing == PACKING_GZIP)
        size = gzip_turn(pack, in, ending, more);
    else if (pack->packing == PACKING_XZ)
        size = xz_turn(pack, in, ending, more);
    else
        size = zstd_turn(pack, in, ending, more);
    return size > 0 ? pack->sink.take(pack->sink.self, (struct span){pack->room, size}) : ERR_OK;
}

enum err pack_bytes(struct pack *pack, struct span bytes)
{
    bool more = bytes.size > 0;

    if (pack->packing == PACKING_NONE)
        return bytes.size > 0 ? pack->sink.take(pack->sink.self, bytes) : ERR_OK;
    CHECK(bytes.size <= STEP_IN_MAX);
    while (more)
        TRY(turn(pack, &bytes, false, &more));
    return ERR_OK;
}

enum err pack_end(struct pack *pack)
{
    struct span nothing = {pack->room, 0};
    bool more = pack->packing != PACKING_NONE;

    while (more)
        TRY(turn(pack, &nothing, true, &more));
    return ERR_OK;
}
