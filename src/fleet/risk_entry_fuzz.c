/* Whatever is read as a journal entry is written again byte for byte. */
#include <string.h>

#include "base/check.h"
#include "fleet/risk_journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t room[RISK_ENTRY_SIZE_MAX];
    struct buf buf = buf_over(room, sizeof room);
    struct risk_entry entry;

    if (risk_entry_read((struct span){data, size}, &entry) != ERR_OK)
        return 0;
    risk_entry_write(&entry, &buf);
    CHECK(!buf.overflow && buf.size == size && memcmp(room, data, size) == 0);
    return 0;
}
