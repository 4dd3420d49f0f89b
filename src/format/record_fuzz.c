/* Any bytes as a slot; and, since the CRC would stop nearly all of them, any bytes as the record
 * inside a slot that is otherwise whole. */
#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32.h"
#include "format/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_slot(struct span slot)
{
    uint8_t room[RECORD_SLOT_SIZE], second[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room), back = buf_over(second, sizeof second);
    struct record record, again;
    uint32_t sequence;

    if (record_decode(slot, &record, &sequence) != ERR_OK)
        return;
    if (record_encode(&record, sequence, &out) != ERR_OK)
        return; /* a version text of another kind than ours */
    CHECK(record_decode(buf_written(&out), &again, &sequence) == ERR_OK);
    CHECK(record_encode(&again, sequence, &back) == ERR_OK);
    CHECK(out.size == back.size && memcmp(room, second, out.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t slot[RECORD_SLOT_SIZE] = "SLR1";
    uint32_t inside = size < sizeof slot - 16 ? (uint32_t)size : (uint32_t)sizeof slot - 16;

    try_slot((struct span){data, size});
    store_le32(slot + 4, 7);
    store_le32(slot + 8, inside);
    if (inside > 0)
        memcpy(slot + 12, data, inside);
    store_le32(slot + 12 + inside, crc32(0, slot, 12 + inside));
    try_slot((struct span){slot, sizeof slot});
    return 0;
}
