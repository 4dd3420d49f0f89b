/* Any bytes as a signed message: what is read is written as the very same bytes. */
#include "base/check.h"
#include "format/cose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t room[1 << 17];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = buf_over(room, sizeof room);
    struct span in = {data, size};
    struct cose_sign1 sign1;
    struct cose_sign sign;

    if (size > sizeof room)
        return 0;
    if (cose_sign1_read(in, &sign1) == ERR_OK)
        cose_sign1_write(&sign1, &out);
    else if (cose_sign_read(in, &sign) == ERR_OK)
        cose_sign_write(&sign, &out);
    else
        return 0;
    CHECK(span_equal(buf_written(&out), in));
    return 0;
}
