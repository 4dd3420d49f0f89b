/* Any bytes as the payload of a manifest: what is read is written as the very same bytes. */
#include "base/check.h"
#include "format/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct span in = {data, size};
    struct manifest manifest;

    if (manifest_read(in, &manifest) != ERR_OK)
        return 0;
    CHECK(manifest_write(&manifest, &out) == ERR_OK);
    CHECK(span_equal(buf_written(&out), in));
    return 0;
}
