/* Any bytes as a mandate: what can be read has one spelling. */
#include "base/check.h"
#include "format/mandate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[MANDATE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct mandate mandate;

    if (mandate_read((struct span){data, size}, &mandate) != ERR_OK)
        return 0;
    CHECK(mandate_write(&mandate, &out) == ERR_OK);
    CHECK(out.size == size && memcmp(room, data, size) == 0);
    return 0;
}
