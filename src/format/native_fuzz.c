/* Any bytes as any message: what decodes also encodes, to bytes that decode to the same. */
#include "base/check.h"
#include "format/native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t first[MESSAGE_SIZE_MAX + 64], second[MESSAGE_SIZE_MAX + 64];

#define TRY_AS(of)                                                               \
    do {                                                                         \
        struct native_##of message, again;                                       \
        struct buf out = buf_over(first, sizeof first);                          \
        struct buf back = buf_over(second, sizeof second);                       \
                                                                                 \
        if (native_##of##_decode((struct span){data, size}, &message) != ERR_OK) \
            break;                                                               \
        CHECK(native_##of##_encode(&message, &out) == ERR_OK);                   \
        CHECK(native_##of##_decode(buf_written(&out), &again) == ERR_OK);        \
        CHECK(native_##of##_encode(&again, &back) == ERR_OK);                    \
        CHECK(out.size == back.size && memcmp(first, second, out.size) == 0);    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    TRY_AS(enroll);
    TRY_AS(enrolled);
    TRY_AS(pending);
    TRY_AS(renew);
    TRY_AS(poll);
    TRY_AS(answer);
    TRY_AS(details);
    TRY_AS(report);
    TRY_AS(verdict);
    TRY_AS(inventory);
    TRY_AS(error);
    return 0;
}
