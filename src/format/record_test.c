/* The device record: golden bytes, torn writes at every byte, older and newer neighbours.
 *   usage: record_test DIR, with DIR/record.hex */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/crc32.h"
#include "format/golden_host.h"
#include "format/record.h"

static const char *golden_dir;

/* Two slots in memory. A write stops after `cut` bytes when that is not negative. */
struct slots {
    uint8_t bytes[RECORD_SLOTS][RECORD_SLOT_SIZE];
    bool written[RECORD_SLOTS], broken[RECORD_SLOTS];
    long cut;
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

    if (slots->broken[slot])
        return ERR_STORAGE;
    slots->written[slot] = true;
    memset(slots->bytes[slot], 0xFF, RECORD_SLOT_SIZE);
    memcpy(slots->bytes[slot], from,
           slots->cut >= 0 && slots->cut < (long)size ? (size_t)slots->cut : size);
    return slots->cut >= 0 ? ERR_STORAGE : ERR_OK;
}

static const struct record_slot_ops slot_ops = {slot_read, slot_write};

static struct record_image image_of(uint8_t first, const char *version)
{
    struct record_image image = {
        .known = true, .length = 300000, .security_version = 3, .release_counter = first / 32 + 11};

    for (uint32_t i = 0; i < DIGEST_SIZE; i++)
        image.sha256[i] = (uint8_t)(first + i);
    (void)strncpy(image.version, version, sizeof image.version - 1);
    return image;
}

static struct record example(void)
{
    struct record record = {.state = 12,
                            .boot_count = 14,
                            .security_floor = 2,
                            .floor_wanted = 3,
                            .epoch = 0x5eed0001,
                            .report_next = 1000064,
                            .poll_failures = 1,
                            .banks = {image_of(0x00, "1.4.2"), image_of(0x40, "1.5.0")},
                            .work = {.assignment = 4711,
                                     .image = image_of(0x40, "1.5.0"),
                                     .chunk_size = 65536,
                                     .security_floor = 3},
                            .report = {.id = 1000002, .phase = 6, .err = 4, .reason = 15},
                            .last = {.sequence = 1795600954,
                                     .key_id = {0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7},
                                     .assignment = 4711,
                                     .open = true}};

    memset(record.work.chunks_sha256, 0xCC, DIGEST_SIZE);
    return record;
}

static void assert_same(const struct record *a, const struct record *b)
{
    uint8_t left[RECORD_SLOT_SIZE], right[RECORD_SLOT_SIZE];
    struct buf one = buf_over(left, sizeof left), two = buf_over(right, sizeof right);

    assert_int_equal(record_encode(a, 1, &one), ERR_OK);
    assert_int_equal(record_encode(b, 1, &two), ERR_OK);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(left, right, one.size);
}

static void test_golden_bytes(void **state)
{
    struct record record = example(), decoded;
    uint8_t room[RECORD_SLOT_SIZE], golden[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);
    uint32_t sequence = 0;
    size_t size = golden_load(golden_dir, "record", golden, sizeof golden);

    (void)state;
    assert_int_equal(record_encode(&record, 42, &out), ERR_OK);
    if (size != out.size || memcmp(room, golden, size) != 0) {
        for (size_t i = 0; i < out.size; i++)
            print_message("%02x%s", room[i], i % 32 == 31 ? "\n" : " ");
        fail_msg("record.hex differs");
    }
    assert_int_equal(record_decode(buf_written(&out), &decoded, &sequence), ERR_OK);
    assert_int_equal(sequence, 42);
    assert_same(&record, &decoded);
}

/* What an agent before mandates wrote: all of it is still there, and what it did not know is none.
 */
static void test_first_form_is_read(void **state)
{
    struct record record = example(), decoded;
    uint8_t golden[RECORD_SLOT_SIZE];
    uint32_t sequence = 0;
    size_t size = golden_load(golden_dir, "record-1", golden, sizeof golden);

    (void)state;
    assert_int_equal(record_decode((struct span){golden, size}, &decoded, &sequence), ERR_OK);
    assert_int_equal(sequence, 42);
    record.floor_wanted = record.epoch = 0;
    record.last = (struct record_mandate){0};
    record.banks[0].release_counter = record.banks[1].release_counter = 0;
    record.work.image.release_counter = 0;
    assert_same(&record, &decoded);
}

static struct record sealed_example(void)
{
    struct record record = example();

    record.work.sealed = (struct record_sealed){.used = true, .alg = 1, .wrap_size = 4};
    memset(record.work.sealed.sha256, 0xDD, DIGEST_SIZE);
    memcpy(record.work.sealed.wrap, "\x01\x02\x03\x04", 4);
    return record;
}

static void test_sealed_work(void **state)
{
    struct record record = sealed_example(), decoded;
    uint8_t room[RECORD_SLOT_SIZE], golden[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);
    uint32_t sequence = 0;
    size_t size = golden_load(golden_dir, "record-sealed", golden, sizeof golden);

    (void)state;
    assert_int_equal(record_encode(&record, 42, &out), ERR_OK);
    assert_true(size < out.size); /* the golden bytes are those of the sealed part */
    for (size_t at = 0; at + size <= out.size; at++) {
        if (memcmp(room + at, golden, size) == 0)
            size = 0;
    }
    assert_int_equal(size, 0);
    assert_int_equal(record_decode(buf_written(&out), &decoded, &sequence), ERR_OK);
    assert_same(&record, &decoded);
    assert_int_equal(decoded.work.sealed.wrap_size, 4);
    assert_memory_equal(decoded.work.sealed.wrap, "\x01\x02\x03\x04", 4);
}

static void test_a_wrap_that_is_too_long(void **state)
{
    struct record record = sealed_example(), decoded;
    uint8_t room[2 * RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);
    uint32_t sequence = 0, crc;
    size_t at = 0;

    (void)state;
    record.work.sealed.wrap_size = RECORD_WRAP_SIZE_MAX;
    assert_int_equal(record_encode(&record, 42, &out), ERR_OK);
    while (room[at] != 0x58 || room[at + 1] != RECORD_WRAP_SIZE_MAX)
        at++;
    room[at + 1]++; /* takes the byte behind it, too */
    crc = crc32(0, room, out.size - 4);
    store_le32(room + out.size - 4, crc);
    assert_int_not_equal(record_decode(buf_written(&out), &decoded, &sequence), ERR_OK);
}

static void test_the_largest_record_fits(void **state)
{
    struct record record = example();
    uint8_t room[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);

    (void)state;
    record.state = record.boot_count = record.security_floor = UINT32_MAX;
    record.floor_wanted = record.epoch = UINT32_MAX;
    record.last.sequence = record.last.assignment = UINT64_MAX;
    record.poll_failures = record.work_failures = record.attempts = UINT32_MAX;
    record.report_next = record.work.assignment = record.report.id = UINT64_MAX;
    record.report.phase = record.report.err = record.report.reason = UINT32_MAX;
    record.work.chunk_size = record.work.security_floor = UINT32_MAX;
    for (struct record_image *image = record.banks; image < record.banks + 2; image++) {
        image->length = UINT64_MAX;
        image->security_version = image->release_counter = UINT32_MAX;
        memset(image->version, 'v', VERSION_SIZE_MAX);
    }
    record.work.image = record.banks[0];
    record.work.sealed =
        (struct record_sealed){.used = true, .alg = UINT32_MAX, .wrap_size = RECORD_WRAP_SIZE_MAX};
    assert_int_equal(record_encode(&record, UINT32_MAX, &out), ERR_OK);
    print_message("largest record: %zu of %u bytes\n", out.size, RECORD_SLOT_SIZE);
}

static void test_slots_in_turn_newest_wins(void **state)
{
    struct slots slots = {.cut = -1};
    struct record_slots store = {&slot_ops, &slots};
    struct record record = example(), loaded;
    uint32_t sequence = 0, found = 0;

    (void)state;
    assert_int_equal(record_load(&store, &loaded, &found), ERR_NOT_FOUND);
    for (uint32_t i = 1; i <= 5; i++) {
        record.boot_count = i;
        assert_int_equal(record_save(&store, &record, &sequence), ERR_OK);
        assert_int_equal(record_load(&store, &loaded, &found), ERR_OK);
        assert_int_equal(found, i);
        assert_int_equal(loaded.boot_count, i);
    }
}

/* Power lost after each byte of a write: the state before it, or the whole new one. */
static void test_torn_at_every_byte(void **state)
{
    struct record old = example(), new = example();
    uint8_t room[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);

    (void)state;
    old.boot_count = 1;
    new.boot_count = 2;
    assert_int_equal(record_encode(&new, 2, &out), ERR_OK);
    for (long cut = 0; cut <= (long)out.size; cut++) {
        struct slots slots = {.cut = -1};
        struct record_slots store = {&slot_ops, &slots};
        struct record loaded = {0};
        uint32_t sequence = 0, found = 0;

        assert_int_equal(record_save(&store, &old, &sequence), ERR_OK);
        slots.cut = cut;
        assert_int_equal(record_save(&store, &new, &sequence), ERR_STORAGE);
        assert_int_equal(sequence, 1);
        assert_int_equal(record_load(&store, &loaded, &found), ERR_OK);
        assert_int_equal(loaded.boot_count, cut == (long)out.size ? 2 : 1);

        /* Life goes on: the torn slot is the one that is written next. */
        slots.cut = -1;
        assert_int_equal(record_save(&store, &new, &found), ERR_OK);
        assert_int_equal(record_load(&store, &loaded, &found), ERR_OK);
        assert_int_equal(loaded.boot_count, 2);
    }
}

static void test_every_flipped_bit_is_found(void **state)
{
    struct record record = example(), decoded;
    uint8_t room[RECORD_SLOT_SIZE];
    struct buf out = buf_over(room, sizeof room);
    uint32_t sequence;

    (void)state;
    assert_int_equal(record_encode(&record, 42, &out), ERR_OK);
    for (size_t bit = 0; bit < out.size * 8; bit++) {
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(record_decode(buf_written(&out), &decoded, &sequence), ERR_CORRUPT);
        room[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_sequence_wraps(void **state)
{
    struct slots slots = {.cut = -1};
    struct record_slots store = {&slot_ops, &slots};
    struct record record = example(), loaded;
    uint32_t sequence = UINT32_MAX - 1, found;

    (void)state;
    for (uint32_t i = 1; i <= 4; i++) {
        record.boot_count = i;
        assert_int_equal(record_save(&store, &record, &sequence), ERR_OK);
        assert_int_equal(record_load(&store, &loaded, &found), ERR_OK);
        assert_int_equal(loaded.boot_count, i);
    }
    assert_int_equal(sequence, 2);
}

static void test_unreadable_slots(void **state)
{
    struct slots slots = {.cut = -1};
    struct record_slots store = {&slot_ops, &slots};
    struct record record = example(), loaded;
    uint32_t sequence = 0, found;

    (void)state;
    assert_int_equal(record_save(&store, &record, &sequence), ERR_OK); /* slot 1 */
    slots.broken[0] = true;
    assert_int_equal(record_load(&store, &loaded, &found), ERR_OK);
    assert_int_equal(record_save(&store, &record, &sequence), ERR_STORAGE);
    assert_int_equal(sequence, 1);
    slots.broken[1] = true;
    assert_int_equal(record_load(&store, &loaded, &found), ERR_STORAGE);
}

/* A newer agent knows more keys; an older one reads what it knows. */
static void test_unknown_keys_are_skipped(void **state)
{
    /* {1: 3, 4: 9, 8: {9: "new"}, 99: [1, 2]} */
    static const uint8_t body[] = "\xA4\x01\x03\x04\x09\x08\xA1\x09\x63new\x18\x63\x82\x01\x02";
    uint8_t slot[RECORD_SLOT_SIZE] = "SLR1";
    uint32_t size = sizeof body - 1, sequence;
    struct record record;

    (void)state;
    store_le32(slot + 8, size);
    memcpy(slot + 12, body, size);
    store_le32(slot + 12 + size, crc32(0, slot, 12 + size));
    assert_int_equal(record_decode((struct span){slot, sizeof slot}, &record, &sequence), ERR_OK);
    assert_int_equal(record.state, 3);
    assert_int_equal(record.report_next, 9);
    assert_false(record.banks[0].known);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_first_form_is_read),
        cmocka_unit_test(test_sealed_work),
        cmocka_unit_test(test_a_wrap_that_is_too_long),
        cmocka_unit_test(test_the_largest_record_fits),
        cmocka_unit_test(test_slots_in_turn_newest_wins),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_sequence_wraps),
        cmocka_unit_test(test_unreadable_slots),
        cmocka_unit_test(test_unknown_keys_are_skipped),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
