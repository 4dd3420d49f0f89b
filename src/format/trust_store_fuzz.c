/* Any bytes as the payload of a trust store (what is read is written as the very same bytes), as a
 * signed one, and as what is in a slot. Every signature is taken for good, to get past them. */
#include "base/check.h"
#include "format/trust_slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool always(void *self, const struct verify_key *key, struct span message,
                   struct span signature)
{
    (void)self, (void)key, (void)message, (void)signature;
    return true;
}

static enum err read_slot(void *self, uint32_t slot, void *to, uint32_t size)
{
    const struct span *bytes = self;

    if (slot == 1)
        return ERR_NOT_FOUND;
    memset(to, 0xFF, size);
    memcpy(to, bytes->at, bytes->size < size ? bytes->size : size);
    return ERR_OK;
}

static void try_payload(struct span in)
{
    static uint8_t room[TRUST_STORE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct trust_store store;

    if (trust_store_read(in, &store) != ERR_OK)
        return;
    CHECK(trust_store_write(&store, &out) == ERR_OK);
    CHECK(span_equal(buf_written(&out), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[TRUST_ROOM_SIZE];
    static struct trust_loaded loaded;
    const struct record_slot_ops ops = {.read = read_slot};
    struct verify verify = {.good = always};
    struct trust_check check = {&verify, room, sizeof room};
    struct span in = {data, size};
    struct record_slots slots = {&ops, &in};
    struct trust_store store, next;

    if (size == 0)
        return 0;
    try_payload(in);
    if (trust_store_open(in, &check, &store) == ERR_OK)
        CHECK(trust_store_follow(&store, in, &check, &next) != ERR_OK); /* itself is not next */
    if (trust_slots_load(&slots, &check, &loaded) == ERR_OK)
        CHECK(loaded.store.version > 0);
    return 0;
}
