#include "format/trust_slots.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32.h"

#define HEAD_SIZE 8u /* magic and size */
#define CRC_SIZE  4u

static const uint8_t magic[4] = {'S', 'L', 'T', '1'};

/* The message in a whole slot; false when it is none. */
static bool message_in(const uint8_t slot[TRUST_SLOT_SIZE], struct span *out)
{
    uint32_t size = load_le32(slot + sizeof magic);

    if (memcmp(slot, magic, sizeof magic) != 0 || size > TRUST_STORE_SIZE_MAX)
        return false;
    if (crc32(0, slot, HEAD_SIZE + size) != load_le32(slot + HEAD_SIZE + size))
        return false;
    *out = (struct span){slot + HEAD_SIZE, size};
    return true;
}

/* Slot `slot` into `out`; ERR_NOT_FOUND for whatever is no good store. */
static enum err load_one(const struct record_slots *slots, uint32_t slot,
                         const struct trust_check *check, struct trust_loaded *out)
{
    enum err err = slots->ops->read(slots->self, slot, out->bytes, sizeof out->bytes);

    if (err != ERR_OK)
        return err;
    if (!message_in(out->bytes, &out->message) ||
        trust_store_open(out->message, check, &out->store) != ERR_OK)
        return ERR_NOT_FOUND;
    out->slot = slot;
    return ERR_OK;
}

/* The version in each slot is found first, then the higher one is read again: there is room for
 * one store only. */
static enum err load(const struct record_slots *slots, const struct trust_check *check,
                     struct trust_loaded *out)
{
    enum err errs[RECORD_SLOTS];
    uint32_t versions[RECORD_SLOTS] = {0};

    for (uint32_t slot = 0; slot < RECORD_SLOTS; slot++) {
        errs[slot] = load_one(slots, slot, check, out);
        if (errs[slot] == ERR_OK)
            versions[slot] = out->store.version;
    }
    if (errs[0] != ERR_OK && errs[1] != ERR_OK)
        return errs[0] == ERR_STORAGE || errs[1] == ERR_STORAGE ? ERR_STORAGE : ERR_NOT_FOUND;
    if (versions[0] <= versions[1] && errs[1] == ERR_OK)
        return ERR_OK; /* what was read last */
    return load_one(slots, 0, check, out);
}

enum err trust_slots_load(const struct record_slots *slots, const struct trust_check *check,
                          struct trust_loaded *out)
{
    enum err err = load(slots, check, out);

    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

enum err trust_slots_save(const struct record_slots *slots, struct span message, uint32_t keep,
                          void *room)
{
    uint8_t *slot = room;

    CHECK(keep < RECORD_SLOTS);
    if (message.size > TRUST_STORE_SIZE_MAX)
        return ERR_TOO_BIG;
    memcpy(slot, magic, sizeof magic);
    store_le32(slot + sizeof magic, (uint32_t)message.size);
    memcpy(slot + HEAD_SIZE, message.at, message.size);
    store_le32(slot + HEAD_SIZE + message.size, crc32(0, slot, HEAD_SIZE + message.size));
    return slots->ops->write(slots->self, 1 - keep, slot,
                             (uint32_t)(HEAD_SIZE + message.size + CRC_SIZE));
}
