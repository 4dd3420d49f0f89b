/* Any bytes as a Mender Artifact, in pieces: read, or refused with a sentence. Checksums of tar
 * headers are put right first, or hardly a changed byte would get past the first of them. */
#include <stdlib.h>
#include <string.h>

#include "artifact/mender.h"
#include "base/check.h"
#include "codec/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_right(uint8_t *block)
{
    unsigned sum = 0;

    if (memcmp(block + 257, "ustar", 5) != 0)
        return;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
        sum += block[i];
    for (size_t i = 154; i-- > 148; sum >>= 3)
        block[i] = (uint8_t)('0' + (sum & 7));
    block[154] = '\0';
}

static enum err feed(struct mender_reader *reader, const uint8_t *at, size_t size, struct why *why)
{
    size_t piece = size > 0 ? 1 + (at[size - 1] * 131u) % 4096u : 1;

    for (size_t from = 0; from < size; from += piece) {
        size_t take = size - from < piece ? size - from : piece;

        TRY(mender_reader_take(reader, (struct span){at + from, take}, why));
    }
    return mender_reader_end(reader, why);
}

static void check_facts(const json_t *facts)
{
    struct why why;

    why_clear(&why);
    CHECK(json_string_length(json_object_get(facts, "name")) > 0);
    CHECK(json_array_size(json_object_get(facts, "device_types")) > 0);
    CHECK(json_array_size(json_object_get(facts, "payloads")) > 0);
    CHECK(!mender_fits(facts, NULL, &why) && why.text[0] != '\0'); /* it needs a device type */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mender_reader *reader = mender_reader_open(NULL);
    uint8_t *copy = malloc(size + 1);
    struct why why;

    CHECK(copy);
    why_clear(&why);
    if (size > 0)
        memcpy(copy, data, size);
    for (size_t at = 0; at + TAR_BLOCK_SIZE <= size; at += TAR_BLOCK_SIZE)
        put_right(copy + at);
    if (feed(reader, copy, size, &why) == ERR_OK)
        check_facts(mender_reader_facts(reader));
    else
        CHECK(why.text[0] != '\0');
    free(copy);
    mender_reader_close(reader);
    return 0;
}
