#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/test_key_host.h"
#include "crypto/verify_openssl.h"
#include "format/cose_sign_host.h"
#include "format/golden_host.h"
#include "format/release.h"
#include "format/trust_slots.h"

#define AAD SPAN_LITERAL(TRUST_STORE_AAD)

/* Sets of test keys: bit n stands for test key n. */
#define RELEASE_KEY    20u
#define ASSIGNMENT_KEY 21u
#define SET_MAX        24u

#define SET(to, text) assert_true(span_to_text(span_of(text), to, sizeof(to)))

static const char *golden_dir;
static struct key *keys[SET_MAX];
static struct verify_key publics[SET_MAX];

static uint8_t check_room[TRUST_ROOM_SIZE];
static struct verify verify;
static const struct trust_check check = {&verify, check_room, sizeof check_room};

struct bytes {
    uint8_t at[TRUST_STORE_SIZE_MAX];
    size_t size;
};

static struct span span_over(const struct bytes *bytes)
{
    return (struct span){bytes->at, bytes->size};
}

static int setup(void **state)
{
    (void)state;
    verify = verify_openssl();
    for (uint8_t i = 0; i < SET_MAX; i++) {
        struct why why = {0};

        keys[i] = test_key(i);
        assert_int_equal(key_to_verify(keys[i], &publics[i], &why), ERR_OK);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SET_MAX; i++)
        key_close(keys[i]);
    return 0;
}

/* The bits that a set of test keys has in `store`, whose keys are there already. */
static uint32_t bits_of(const struct trust_store *store, uint32_t set)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < store->key_count; i++) {
        for (uint32_t n = 0; n < SET_MAX; n++) {
            if ((set >> n & 1) != 0 && verify_key_same(&store->keys[i], &publics[n]))
                bits |= 1u << i;
        }
    }
    return bits;
}

static void put_key(struct trust_store *store, const struct verify_key *key)
{
    uint32_t at = 0;

    while (at < store->key_count && memcmp(store->keys[at].kid, key->kid, sizeof key->kid) < 0)
        at++;
    memmove(&store->keys[at + 1], &store->keys[at],
            (store->key_count - at) * sizeof store->keys[0]);
    store->keys[at] = *key;
    store->key_count++;
}

static struct trust_store make(uint32_t version, uint32_t root_set, uint32_t threshold)
{
    struct trust_store store = {.version = version,
                                .root_version = version,
                                .issued_s = 1750000000 + version,
                                .release_count = 1};
    uint32_t all = root_set | 1u << RELEASE_KEY | 1u << ASSIGNMENT_KEY;

    for (uint32_t n = 0; n < SET_MAX; n++) {
        if ((all >> n & 1) != 0)
            put_key(&store, &publics[n]);
    }
    store.root = (struct trust_role){threshold, bits_of(&store, root_set)};
    SET(store.releases[0].product, "thermo");
    store.releases[0].role = (struct trust_role){1, bits_of(&store, 1u << RELEASE_KEY)};
    store.assignment_keys = bits_of(&store, 1u << ASSIGNMENT_KEY);
    return store;
}

static struct bytes sign(const struct trust_store *store, uint32_t signers)
{
    uint8_t room[TRUST_STORE_SIZE_MAX];
    struct buf payload = buf_over(room, sizeof room);
    struct cose_sign message = {0};
    struct why why = {0};
    struct bytes out;
    struct buf buf = buf_over(out.at, sizeof out.at);

    assert_int_equal(trust_store_write(store, &payload), ERR_OK);
    message.payload = buf_written(&payload);
    for (uint32_t n = 0; n < SET_MAX; n++) {
        if ((signers >> n & 1) != 0)
            assert_int_equal(cose_sign_with(keys[n], AAD, &message, &why), ERR_OK);
    }
    cose_sign_write(&message, &buf);
    assert_false(buf.overflow);
    out.size = buf.size;
    return out;
}

/* ---- the rule of rotation: the cases of TUF's conformance suite for root ---- */

struct step {
    uint32_t keys, threshold, signers; /* sets of test keys */
};

#define K(n)        (1u << (n))
#define FIVE        (K(0) | K(1) | K(2) | K(3) | K(4))
#define FIVE_NEW    (K(0) | K(1) | K(3) | K(4) | K(5))
#define OTHERS      (K(5) | K(6) | K(7) | K(8) | K(9))
#define S3(a, b, c) (K(a) | K(b) | K(c))

/* The first step is the store in hand; all that follow are taken but the last, if it is `bad`. */
static const struct {
    const char *name;
    bool bad;
    struct step steps[4];
} rotations[] = {
    {"1 of 1, rotated", false, {{K(1), 1, K(1)}, {K(2), 1, K(2) | K(1)}, {K(2), 1, K(2)}}},
    {"1 of 1, unused signatures",
     false,
     {{K(1), 1, S3(3, 1, 4)}, {K(2), 1, K(3) | K(2) | K(1) | K(4)}, {K(2), 1, S3(3, 2, 4)}}},
    {"1 of 1, not signed with the old key", true, {{K(1), 1, K(1)}, {K(2), 1, S3(2, 3, 4)}}},
    {"1 of 1, not signed with the new key", true, {{K(1), 1, K(1)}, {K(2), 1, S3(1, 3, 4)}}},
    {"3 of 5, any three",
     false,
     {{FIVE, 3, S3(0, 2, 4)},
      {FIVE, 3, S3(0, 4, 1)},
      {FIVE, 3, S3(0, 1, 3)},
      {FIVE, 3, S3(0, 1, 3)}}},
    {"3 of 5, one key rotated", false, {{FIVE, 3, S3(0, 2, 4)}, {FIVE_NEW, 3, S3(0, 4, 1)}}},
    {"3 of 5, not signed with three new keys",
     true,
     {{FIVE, 3, S3(0, 2, 4)}, {FIVE_NEW, 3, S3(0, 2, 4)}}},
    {"3 of 5, not signed with three old keys",
     true,
     {{FIVE, 3, S3(0, 2, 4)}, {FIVE_NEW, 3, S3(0, 4, 5)}}},
    {"3 of 5, one key rotated by way of both",
     false,
     {{FIVE, 3, S3(0, 2, 4)}, {FIVE_NEW, 3, S3(0, 2, 4) | K(5)}, {FIVE_NEW, 3, S3(0, 4, 5)}}},
    {"3 of 5, all keys rotated",
     false,
     {{FIVE, 3, S3(0, 2, 4)}, {OTHERS, 3, S3(0, 2, 4) | S3(5, 6, 7)}, {OTHERS, 3, S3(5, 6, 7)}}},
    {"1 of 3 becomes 2 of 3", false, {{S3(1, 2, 3), 1, K(1)}, {S3(1, 2, 3), 2, K(1) | K(2)}}},
    {"1 of 3 becomes 2 of 3 by one", true, {{S3(1, 2, 3), 1, K(1)}, {S3(1, 2, 3), 2, K(2)}}},
    {"2 of 3 becomes 1 of 3",
     false,
     {{S3(1, 2, 3), 2, K(1) | K(2)}, {S3(1, 2, 3), 1, K(1) | K(2)}, {S3(1, 2, 3), 1, K(1)}}},
    {"2 of 3 becomes 1 of 3 by one", true, {{S3(1, 2, 3), 2, K(1) | K(2)}, {S3(1, 2, 3), 1, K(1)}}},
    {"1 of 1 becomes 2 of 2", false, {{K(1), 1, K(1)}, {K(1) | K(2), 2, K(1) | K(2)}}},
};

static void walk(size_t index)
{
    const struct step *steps = rotations[index].steps;
    struct trust_store store = make(1, steps[0].keys, steps[0].threshold), now, next;
    struct bytes message = sign(&store, steps[0].signers);

    assert_int_equal(trust_store_open(span_over(&message), &check, &now), ERR_OK);
    for (uint32_t i = 1; i < COUNT_OF(rotations[0].steps) && steps[i].keys != 0; i++) {
        bool last = i + 1 == COUNT_OF(rotations[0].steps) || steps[i + 1].keys == 0;
        bool good = !(rotations[index].bad && last);
        enum err err;

        store = make(i + 1, steps[i].keys, steps[i].threshold);
        message = sign(&store, steps[i].signers);
        err = trust_store_follow(&now, span_over(&message), &check, &next);
        if (err != (good ? ERR_OK : ERR_UNTRUSTED))
            fail_msg("%s: step %u gives %s", rotations[index].name, i, err_name(err));
        if (good)
            now = next;
    }
}

static void test_rotations(void **state)
{
    (void)state;
    assert_int_equal(COUNT_OF(rotations), 15);
    for (size_t i = 0; i < COUNT_OF(rotations); i++)
        walk(i);
}

static enum err follow(const struct trust_store *now, const struct trust_store *next)
{
    struct bytes message = sign(next, K(1));
    struct trust_store out, none = {0};
    enum err err;

    memset(&out, 0x55, sizeof out);
    err = trust_store_follow(now, span_over(&message), &check, &out);
    if (err != ERR_OK)
        assert_memory_equal(&out, &none, sizeof out);
    return err;
}

static void test_exactly_the_next_version(void **state)
{
    struct trust_store now = make(5, K(1), 1);
    static const struct {
        uint32_t version;
        enum err err;
    } cases[] = {{1, ERR_CONFLICT}, {4, ERR_CONFLICT}, {5, ERR_CONFLICT},
                 {6, ERR_OK},       {7, ERR_CONFLICT}, {UINT32_MAX, ERR_CONFLICT}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trust_store next = make(6, K(1), 1);

        next.version = cases[i].version;
        assert_int_equal(follow(&now, &next), cases[i].err);
    }
    now.version = UINT32_MAX;
    assert_int_equal(follow(&now, &now), ERR_CONFLICT);
}

static void test_nothing_goes_back(void **state)
{
    struct trust_store now = make(5, K(1), 1), next = make(6, K(1), 1);

    (void)state;
    next.issued_s = now.issued_s - 1;
    assert_int_equal(follow(&now, &next), ERR_CONFLICT);
    next = make(6, K(1), 1);
    next.root_version = now.root_version - 1;
    assert_int_equal(follow(&now, &next), ERR_CONFLICT);
    next = make(6, K(1), 1);
    now.releases[0].security_floor = 4;
    next.releases[0].security_floor = 3;
    assert_int_equal(follow(&now, &next), ERR_CONFLICT);
    next.releases[0].security_floor = 4;
    assert_int_equal(follow(&now, &next), ERR_OK);
    /* Nor by another entry that speaks for the product. */
    SET(next.releases[0].product, TRUST_ANY_PRODUCT);
    next.releases[0].security_floor = 3;
    assert_int_equal(follow(&now, &next), ERR_CONFLICT);
    SET(now.releases[0].product, TRUST_ANY_PRODUCT);
    SET(next.releases[0].product, "thermo");
    assert_int_equal(follow(&now, &next), ERR_CONFLICT);
    next.releases[0].security_floor = 5;
    assert_int_equal(follow(&now, &next), ERR_OK);
}

static void test_other_messages_are_no_store(void **state)
{
    struct trust_store store = make(1, K(1), 1), out;
    uint8_t room[TRUST_STORE_SIZE_MAX], second[TRUST_STORE_SIZE_MAX];
    struct buf payload = buf_over(room, sizeof room), message = buf_over(second, sizeof second);
    struct cose_sign other = {0};
    struct why why = {0};

    (void)state;
    assert_int_equal(trust_store_write(&store, &payload), ERR_OK);
    other.payload = buf_written(&payload);
    assert_int_equal(cose_sign_with(keys[1], SPAN_LITERAL("slipway manifest 1"), &other, &why),
                     ERR_OK);
    cose_sign_write(&other, &message);
    assert_int_equal(trust_store_open(buf_written(&message), &check, &out), ERR_UNTRUSTED);
}

/* ---- reading and writing ---- */

/* Two products, several signers, policy: what a store may hold. */
static struct trust_store rich(void)
{
    static const uint8_t blocked[2 * DIGEST_SIZE] = {1, 2, 3};
    struct trust_store store = make(7, S3(1, 2, 3), 2);

    store.expires_s = 1800000000;
    store.allow_stale_s = 86400;
    store.blocked = (struct span){blocked, sizeof blocked};
    store.releases[1] = store.releases[0];
    store.releases[0] = (struct trust_release){TRUST_ANY_PRODUCT, 1, store.root};
    store.releases[1].security_floor = 2;
    store.release_count = 2;
    return store;
}

static void assert_golden(const char *name, const struct trust_store *store, uint32_t signers)
{
    struct bytes made = sign(store, signers);
    uint8_t golden[TRUST_STORE_SIZE_MAX];

    assert_int_equal(golden_load(golden_dir, name, golden, sizeof golden), made.size);
    assert_memory_equal(golden, made.at, made.size);
    print_message("%s: %zu bytes, %u keys\n", name, made.size, store->key_count);
}

static void test_golden_bytes(void **state)
{
    struct trust_store store = make(1, K(1), 1);

    (void)state;
    assert_golden("trust-store", &store, K(1));
    store = rich();
    assert_golden("trust-store-rich", &store, K(1) | K(3));
}

static void test_what_is_written_is_read(void **state)
{
    struct trust_store store = rich(), back;
    struct bytes message = sign(&store, K(2) | K(3));

    (void)state;
    assert_int_equal(trust_store_open(span_over(&message), &check, &back), ERR_OK);
    assert_true(span_equal(back.blocked, store.blocked));
    back.blocked = store.blocked;
    assert_memory_equal(&store, &back, sizeof back);
}

static void test_roles(void **state)
{
    struct trust_store store = rich();
    struct verify_key found[TRUST_ASSIGNMENT_MAX];
    uint8_t digest[DIGEST_SIZE] = {1, 2, 3};

    (void)state;
    assert_ptr_equal(trust_store_release(&store, "thermo"), &store.releases[1]);
    assert_ptr_equal(trust_store_release(&store, "pump"), &store.releases[0]);
    store.releases[0] = store.releases[1];
    store.release_count = 1;
    assert_null(trust_store_release(&store, "pump"));
    assert_int_equal(trust_store_assignment_keys(&store, found), 1);
    assert_true(verify_key_same(&found[0], &publics[ASSIGNMENT_KEY]));
    assert_true(trust_store_blocks(&store, digest));
    digest[31] = 1;
    assert_false(trust_store_blocks(&store, digest));
}

static void test_what_makes_no_sense_is_not_written(void **state)
{
    struct trust_store good = rich(), bad[18];
    uint8_t room[TRUST_STORE_SIZE_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = good;
    bad[0].version = 0;
    bad[1].root_version = 0;
    bad[2].key_count = 0;
    bad[3].key_count = TRUST_KEYS_MAX + 1;
    bad[4].keys[1] = bad[4].keys[0];
    bad[5].keys[0] = good.keys[1];
    bad[5].keys[1] = good.keys[0];
    bad[6].root.threshold = 0;
    bad[7].root.threshold = 4;
    bad[8].root.keys |= 1u << good.key_count;
    bad[9].release_count = 0;
    bad[10].release_count = TRUST_PRODUCTS_MAX + 1;
    bad[11].releases[1] = good.releases[0];
    bad[12].releases[0].product[0] = '\0';
    bad[13].releases[1].role.threshold = 2;
    bad[14].assignment_keys = 0; /* its key then may do nothing */
    bad[15].expires_s = good.issued_s;
    bad[16].blocked.size--;
    bad[17].issued_s = UINT64_MAX;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf out = buf_over(room, sizeof room);

        if (trust_store_write(&bad[i], &out) != ERR_INVALID)
            fail_msg("case %zu is written", i);
    }
}

static void test_torn_and_trailing(void **state)
{
    struct trust_store store = rich(), out, none = {0};
    struct bytes message = sign(&store, K(1) | K(2));

    (void)state;
    for (size_t size = 0; size < message.size; size++) {
        enum err err = trust_store_open((struct span){message.at, size}, &check, &out);

        assert_int_equal(err, ERR_CORRUPT);
        assert_memory_equal(&out, &none, sizeof out);
    }
    message.at[message.size] = 0;
    assert_int_equal(trust_store_open((struct span){message.at, message.size + 1}, &check, &out),
                     ERR_CORRUPT);
    assert_int_equal(
        trust_store_open((struct span){message.at, TRUST_STORE_SIZE_MAX + 1}, &check, &out),
        ERR_TOO_BIG);
}

/* No bit of a signed store may change. */
static void test_every_flipped_bit_is_found(void **state)
{
    struct trust_store store = make(1, K(1), 1), out;
    struct bytes message = sign(&store, K(1));

    (void)state;
    for (size_t bit = 0; bit < 8 * message.size; bit++) {
        enum err err;

        message.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = trust_store_open(span_over(&message), &check, &out);
        assert_true(err == ERR_CORRUPT || err == ERR_UNTRUSTED || err == ERR_TOO_BIG);
        message.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_little_room(void **state)
{
    struct trust_store store = make(1, K(1), 1), out;
    struct bytes message = sign(&store, K(1));
    struct trust_check little = {&verify, check_room, message.size};

    (void)state;
    assert_int_equal(trust_store_open(span_over(&message), &little, &out), ERR_OK);
    little.room_size = 100;
    assert_int_equal(trust_store_open(span_over(&message), &little, &out), ERR_UNTRUSTED);
}

/* The largest of all: as many keys, products and blocked images as there may be. */
static void test_the_largest_store_fits(void **state)
{
    static const uint8_t blocked[TRUST_BLOCKED_MAX * DIGEST_SIZE];
    struct trust_store store = {.version = UINT32_MAX - 1,
                                .root_version = UINT32_MAX,
                                .issued_s = RELEASE_ISSUED_S_MAX - 1,
                                .expires_s = RELEASE_ISSUED_S_MAX,
                                .allow_stale_s = UINT32_MAX,
                                .blocked = {blocked, sizeof blocked},
                                .release_count = TRUST_PRODUCTS_MAX};
    struct bytes message;
    struct trust_store out;

    (void)state;
    for (uint32_t n = 0; n < TRUST_KEYS_MAX; n++)
        put_key(&store, &publics[n]);
    store.root = (struct trust_role){COSE_SIGNATURES_MAX, 0xFFFF};
    for (uint32_t i = 0; i < TRUST_PRODUCTS_MAX; i++) {
        memset(store.releases[i].product, 'a' + (int)i, NAME_SIZE_MAX);
        store.releases[i].security_floor = UINT32_MAX;
        store.releases[i].role = store.root;
    }
    message = sign(&store, 0xFF);
    print_message("largest store with Ed25519 keys: %zu bytes\n", message.size);
    assert_int_equal(trust_store_open(span_over(&message), &check, &out), ERR_OK);
    assert_true(message.size + TRUST_KEYS_MAX * (VERIFY_ES256_SIZE - VERIFY_ED25519_SIZE) <=
                TRUST_STORE_SIZE_MAX);
}

/* ---- slots ---- */

struct slots {
    uint8_t bytes[RECORD_SLOTS][TRUST_SLOT_SIZE];
    bool written[RECORD_SLOTS], broken[RECORD_SLOTS];
    long cut; /* a write stops after so many bytes; -1 = it does not */
};

static enum err slot_read(void *self, uint32_t slot, void *to, uint32_t size)
{
    const struct slots *slots = self;

    if (slots->broken[slot])
        return ERR_STORAGE;
    if (!slots->written[slot])
        return ERR_NOT_FOUND;
    memcpy(to, slots->bytes[slot], size);
    return ERR_OK;
}

static enum err slot_write(void *self, uint32_t slot, const void *from, uint32_t size)
{
    struct slots *slots = self;

    slots->written[slot] = true;
    memset(slots->bytes[slot], 0xFF, TRUST_SLOT_SIZE);
    memcpy(slots->bytes[slot], from,
           slots->cut >= 0 && slots->cut < (long)size ? (size_t)slots->cut : size);
    return slots->cut >= 0 ? ERR_STORAGE : ERR_OK;
}

static const struct record_slot_ops slot_ops = {slot_read, slot_write};
static uint8_t slot_room[TRUST_SLOT_SIZE];
static struct trust_loaded loaded;

static void save(struct slots *slots, uint32_t version, uint32_t keep, enum err expected)
{
    struct record_slots store = {&slot_ops, slots};
    struct trust_store next = make(version, K(1), 1);
    struct bytes message = sign(&next, K(1));

    assert_int_equal(trust_slots_save(&store, span_over(&message), keep, slot_room), expected);
}

static void assert_loads(struct slots *slots, uint32_t version)
{
    struct record_slots store = {&slot_ops, slots};

    assert_int_equal(trust_slots_load(&store, &check, &loaded), ERR_OK);
    assert_int_equal(loaded.store.version, version);
}

static void test_slots_in_turn(void **state)
{
    struct slots slots = {.cut = -1};
    struct record_slots store = {&slot_ops, &slots};

    (void)state;
    assert_int_equal(trust_slots_load(&store, &check, &loaded), ERR_NOT_FOUND);
    save(&slots, 1, 1, ERR_OK);
    for (uint32_t version = 2; version < 6; version++) {
        assert_loads(&slots, version - 1);
        save(&slots, version, loaded.slot, ERR_OK);
    }
    assert_loads(&slots, 5);
}

static void test_torn_at_every_byte(void **state)
{
    struct trust_store next = make(2, K(1), 1);
    long whole = (long)sign(&next, K(1)).size + 12;

    (void)state;
    for (long cut = 0; cut <= whole; cut++) {
        struct slots slots = {.cut = -1};

        save(&slots, 1, 1, ERR_OK);
        assert_loads(&slots, 1);
        slots.cut = cut;
        save(&slots, 2, loaded.slot, ERR_STORAGE);
        assert_loads(&slots, cut == whole ? 2 : 1);
        slots.cut = -1;
        save(&slots, 2, loaded.slot, ERR_OK);
        assert_loads(&slots, 2);
    }
}

static void test_unreadable_and_forged_slots(void **state)
{
    struct slots slots = {.cut = -1};
    struct record_slots store = {&slot_ops, &slots};
    struct trust_store forged = make(9, K(1), 1);
    struct bytes message = sign(&forged, K(2)); /* not its root */

    (void)state;
    save(&slots, 1, 1, ERR_OK);
    assert_loads(&slots, 1);
    assert_int_equal(trust_slots_save(&store, span_over(&message), 0, slot_room), ERR_OK);
    assert_loads(&slots, 1);
    slots.broken[1] = true;
    assert_loads(&slots, 1);
    slots.broken[0] = true;
    assert_int_equal(trust_slots_load(&store, &check, &loaded), ERR_STORAGE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotations),
        cmocka_unit_test(test_exactly_the_next_version),
        cmocka_unit_test(test_nothing_goes_back),
        cmocka_unit_test(test_other_messages_are_no_store),
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_what_makes_no_sense_is_not_written),
        cmocka_unit_test(test_torn_and_trailing),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_little_room),
        cmocka_unit_test(test_the_largest_store_fits),
        cmocka_unit_test(test_slots_in_turn),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_unreadable_and_forged_slots),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, setup, teardown);
}
