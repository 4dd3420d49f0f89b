/* Mandates against golden bytes, and everything that must not pass for one.
 *   usage: mandate_test DIR, with DIR/NAME.hex */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/golden_host.h"
#include "format/mandate.h"

#define SPAN_CONSTANT(text)                       \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

static const char *golden_dir;

static void count_up(uint8_t *to, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(first + i);
}

/* An order in answer to a poll. */
static struct mandate install(void)
{
    struct mandate mandate = {.device = SPAN_LITERAL("pump-17"),
                              .sequence = 1795600954,
                              .nonce_known = true,
                              .issued_s = 1795600954,
                              .id = 4711,
                              .action = MANDATE_INSTALL,
                              .target = SPAN_LITERAL("pump/1.5.0/pump.bin")};

    count_up(mandate.nonce, sizeof mandate.nonce, 0xc0);
    count_up(mandate.sha256, sizeof mandate.sha256, 0x40);
    return mandate;
}

/* All that can be said, and no nonce. `key` holds a content key. */
static struct mandate in_advance(uint8_t key[80])
{
    struct mandate mandate = install();

    count_up(key, 80, 0);
    mandate.nonce_known = false;
    memset(mandate.nonce, 0, sizeof mandate.nonce);
    mandate.action = MANDATE_ROLLBACK;
    mandate.not_before_s = 1795600000;
    mandate.deadline_s = 1795700000;
    mandate.content_key = (struct span){key, 80};
    mandate.root_version_min = 3;
    mandate.allow_stale_s = 86400;
    return mandate;
}

static void assert_same(const struct mandate *a, const struct mandate *b)
{
    assert_true(span_equal(a->device, b->device));
    assert_true(span_equal(a->target, b->target));
    assert_true(span_equal(a->content_key, b->content_key));
    assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
    assert_memory_equal(a->sha256, b->sha256, sizeof a->sha256);
    assert_true(a->sequence == b->sequence && a->nonce_known == b->nonce_known);
    assert_true(a->issued_s == b->issued_s && a->id == b->id && a->action == b->action);
    assert_true(a->not_before_s == b->not_before_s && a->deadline_s == b->deadline_s);
    assert_true(a->root_version_min == b->root_version_min);
    assert_true(a->allow_stale_s == b->allow_stale_s);
}

static void assert_golden(const char *name, const struct mandate *mandate)
{
    uint8_t golden[MANDATE_SIZE_MAX], room[MANDATE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    size_t size = golden_load(golden_dir, name, golden, sizeof golden);
    struct mandate read;

    assert_int_equal(mandate_write(mandate, &out), ERR_OK);
    assert_int_equal(out.size, size);
    assert_memory_equal(room, golden, size);
    assert_int_equal(mandate_read((struct span){golden, size}, &read), ERR_OK);
    assert_same(mandate, &read);
}

static void test_golden_bytes(void **state)
{
    struct mandate mandate = install();
    uint8_t key[80];

    (void)state;
    assert_golden("mandate-install", &mandate);
    mandate = in_advance(key);
    assert_golden("mandate-advance", &mandate);
}

/* Every limit at once still leaves room for the signature. */
static void test_the_largest_fits(void **state)
{
    static char device[NAME_SIZE_MAX + 1], target[TARGET_NAME_SIZE_MAX + 1];
    uint8_t key[MANDATE_KEY_SIZE_MAX] = {0}, room[MANDATE_SIZE_MAX], small[80];
    struct buf out = buf_over(room, sizeof room);
    struct mandate mandate = in_advance(small), read;

    (void)state;
    memset(device, 'd', NAME_SIZE_MAX);
    memset(target, 't', TARGET_NAME_SIZE_MAX);
    mandate.nonce_known = true;
    mandate.device = span_of(device);
    mandate.target = span_of(target);
    mandate.content_key = (struct span){key, sizeof key};
    mandate.sequence = UINT64_MAX;
    mandate.id = INT64_MAX;
    mandate.issued_s = mandate.not_before_s = mandate.deadline_s = MANDATE_TIME_S_MAX;
    mandate.root_version_min = mandate.allow_stale_s = UINT32_MAX;
    assert_int_equal(mandate_write(&mandate, &out), ERR_OK);
    assert_true(out.size <= MANDATE_PAYLOAD_MAX);
    print_message("largest payload: %zu of %u bytes\n", out.size, MANDATE_PAYLOAD_MAX);
    assert_int_equal(mandate_read(buf_written(&out), &read), ERR_OK);
    assert_same(&mandate, &read);
}

static void test_what_cannot_be_written(void **state)
{
    static char longer[TARGET_NAME_SIZE_MAX + 2];
    uint8_t room[MANDATE_SIZE_MAX], key[MANDATE_KEY_SIZE_MAX + 1] = {0};

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    for (int what = 0; what < 13; what++) {
        struct mandate mandate = install();
        struct buf out = buf_over(room, sizeof room);

        switch (what) {
        case 0:
            mandate.device = (struct span){0};
            break;
        case 1:
            mandate.device = (struct span){(const uint8_t *)longer, NAME_SIZE_MAX + 1};
            break;
        case 2:
            mandate.device = SPAN_LITERAL("\xFF");
            break;
        case 3:
            mandate.target = (struct span){0};
            break;
        case 4:
            mandate.target = span_of(longer);
            break;
        case 5:
            mandate.sequence = 0;
            break;
        case 6:
            mandate.id = 0;
            break;
        case 7:
            mandate.id = (uint64_t)INT64_MAX + 1;
            break;
        case 8:
            mandate.issued_s = 0;
            break;
        case 9:
            mandate.issued_s = MANDATE_TIME_S_MAX + 1;
            break;
        case 10:
            mandate.deadline_s = MANDATE_TIME_S_MAX + 1;
            break;
        case 11:
            mandate.not_before_s = UINT64_MAX;
            break;
        default:
            mandate.content_key = (struct span){key, sizeof key};
        }
        assert_int_equal(mandate_write(&mandate, &out), ERR_INVALID);
    }
}

static void test_no_room(void **state)
{
    struct mandate mandate = install();
    uint8_t room[60];
    struct buf out = buf_over(room, sizeof room);

    (void)state;
    assert_int_equal(mandate_write(&mandate, &out), ERR_TOO_BIG);
}

/* Each member taken out in turn, and each put to something that is no such member. */
static void test_every_member_counts(void **state)
{
    static const struct {
        struct span bytes; /* the members of a map of `count`, in the order of their keys */
        uint8_t count;
        enum err err;
    } rows[] = {
#define FORM     "\x01\x64SWA1"
#define DEVICE   "\x02\x61p"
#define SEQUENCE "\x03\x05"
#define ISSUED   "\x05\x06"
#define ID       "\x06\x07"
#define ACTION   "\x07\x01"
#define SHA256   "\x08\x58\x20................................"
#define TARGET   "\x09\x61t"
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET), 8, ERR_OK},
        {SPAN_CONSTANT(DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM SEQUENCE ISSUED ID ACTION SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE ISSUED ID ACTION SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ID ACTION SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ACTION SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID SHA256 TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION TARGET), 7, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256), 7, ERR_CORRUPT},
        {SPAN_CONSTANT("\x01\x64SWA2" DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET), 8,
         ERR_CORRUPT},
        {SPAN_CONSTANT("\x01\x44SWA1" DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET), 8,
         ERR_CORRUPT},
        {SPAN_CONSTANT(FORM "\x02\x60" SEQUENCE ISSUED ID ACTION SHA256 TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM "\x02\x41p" SEQUENCE ISSUED ID ACTION SHA256 TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE "\x03\x20" ISSUED ID ACTION SHA256 TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE "\x03\x18\x05" ISSUED ID ACTION SHA256 TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE
                       "\x04\x4F..............." ISSUED ID ACTION SHA256 TARGET),
         9, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID "\x07\x04" SHA256 TARGET), 8, ERR_TOO_BIG},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION "\x08\x41." TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET "\x0D\x00"), 9,
         ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET
                       "\x0D\x1B\xFF\xFF\xFF\xFF\xFF\xFF"
                       "\xFF\xFF"),
         9, ERR_TOO_BIG},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET "\x0C\x40"), 9,
         ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET "\x0F\x01"), 9,
         ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET "\x18\x40\x01"), 9,
         ERR_CORRUPT},
        {SPAN_CONSTANT(FORM FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET), 9, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM SEQUENCE DEVICE ISSUED ID ACTION SHA256 TARGET), 8, ERR_CORRUPT},
        {SPAN_CONSTANT(FORM DEVICE SEQUENCE ISSUED ID ACTION SHA256 TARGET "\x0A"), 8, ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t room[128];
        struct buf bytes = buf_over(room, sizeof room);
        struct mandate out;
        enum err err;

        memset(&out, 0x5A, sizeof out);
        buf_byte(&bytes, (uint8_t)(0xA0 + rows[i].count));
        buf_span(&bytes, rows[i].bytes);
        err = mandate_read(buf_written(&bytes), &out);
        if (err != rows[i].err)
            fail_msg("row %zu: %s", i, err_name(err));
        if (err != ERR_OK)
            assert_int_equal(((const uint8_t *)&out)[0], 0x5A); /* untouched */
    }
}

static void test_cut_short_anywhere(void **state)
{
    uint8_t golden[MANDATE_SIZE_MAX];
    size_t size = golden_load(golden_dir, "mandate-advance", golden, sizeof golden);
    struct mandate out;

    (void)state;
    for (size_t cut = 0; cut < size; cut++)
        assert_int_not_equal(mandate_read((struct span){golden, cut}, &out), ERR_OK);
    assert_int_equal(mandate_read((struct span){golden, MANDATE_PAYLOAD_MAX + 1}, &out),
                     ERR_TOO_BIG);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),           cmocka_unit_test(test_the_largest_fits),
        cmocka_unit_test(test_what_cannot_be_written), cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_every_member_counts),    cmocka_unit_test(test_cut_short_anywhere),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
