/* "TYPE\nBODY" in two ways of cutting: the same parts, or the same refusal. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t hash;
    bool complete;
    enum err err;
};

static void mix(struct seen *seen, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        seen->hash = (seen->hash ^ bytes.at[i]) * 0x100000001b3u;
}

static struct seen read_in_pieces(struct multipart multipart, struct span body, size_t piece)
{
    struct seen seen = {.hash = 1};

    for (size_t from = 0; from < body.size && seen.err == ERR_OK; from += piece) {
        struct span in = {body.at + from, body.size - from < piece ? body.size - from : piece};
        enum multipart_event event = MULTIPART_PART;
        struct span bytes;

        while (event != MULTIPART_MORE && seen.err == ERR_OK) {
            seen.err = multipart_step(&multipart, &in, &event, &bytes);
            if (seen.err == ERR_OK && event == MULTIPART_DATA)
                mix(&seen, bytes);
            if (seen.err == ERR_OK && event == MULTIPART_PART)
                mix(&seen, span_of(multipart.name));
        }
    }
    seen.complete = multipart_is_complete(&multipart);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    struct multipart multipart;
    struct seen a, b;
    struct span body;

    if (!end || !multipart_init(&multipart, (struct span){data, (size_t)(end - data)}))
        return 0;
    body = (struct span){end + 1, size - (size_t)(end + 1 - data)};
    a = read_in_pieces(multipart, body, 1);
    b = read_in_pieces(multipart, body, 4096);
    CHECK(a.err == b.err && (a.err != ERR_OK || (a.hash == b.hash && a.complete == b.complete)));
    return 0;
}
