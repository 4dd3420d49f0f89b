/* Native messages against golden bytes, both ways, and everything a peer may do wrong.
 *   usage: native_test DIR, with DIR/NAME.hex: hex digits, "#" starts a comment */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/golden_host.h"
#include "format/native.h"

static const char *golden_dir;

static struct native_digest digest_from(uint8_t first)
{
    struct native_digest digest = {.known = true};

    for (uint32_t i = 0; i < DIGEST_SIZE; i++)
        digest.at[i] = (uint8_t)(first + i);
    return digest;
}

static void assert_golden(const char *name, struct span bytes)
{
    uint8_t golden[MESSAGE_SIZE_MAX];
    size_t size = golden_load(golden_dir, name, golden, sizeof golden);

    if (size == bytes.size && memcmp(golden, bytes.at, size) == 0)
        return;
    print_message("%s is now:\n", name);
    for (size_t i = 0; i < bytes.size; i++)
        print_message("%02x%s", bytes.at[i], i % 32 == 31 ? "\n" : " ");
    print_message("\n");
    fail_msg("%s.hex differs", name);
}

/* Encode `message`, compare with the file, decode, encode again: the same bytes. */
#define ASSERT_BOTH_WAYS(of, file, ...)                                                \
    do {                                                                               \
        uint8_t room_[MESSAGE_SIZE_MAX], again_[MESSAGE_SIZE_MAX];                     \
        struct buf out_ = buf_over(room_, sizeof room_);                               \
        struct buf back_ = buf_over(again_, sizeof again_);                            \
        struct native_##of message_ = __VA_ARGS__, decoded_;                           \
                                                                                       \
        assert_int_equal(native_##of##_encode(&message_, &out_), ERR_OK);              \
        assert_golden(file, buf_written(&out_));                                       \
        assert_int_equal(native_##of##_decode(buf_written(&out_), &decoded_), ERR_OK); \
        assert_int_equal(native_##of##_encode(&decoded_, &back_), ERR_OK);             \
        assert_int_equal(back_.size, out_.size);                                       \
        assert_memory_equal(again_, room_, out_.size);                                 \
    } while (0)

static void test_enrolment(void **state)
{
    (void)state;
    ASSERT_BOTH_WAYS(enroll, "enroll",
                     {.name = SPAN_LITERAL("pump-17"),
                      .claim = SPAN_LITERAL("c-7Qm2"),
                      .csr = SPAN_LITERAL("\x30\x03\x02\x01\x05"),
                      .attributes = {.count = 2,
                                     .list = {{SPAN_LITERAL("site"), SPAN_LITERAL("oslo")},
                                              {SPAN_LITERAL("hw"), SPAN_LITERAL("rev-b")}}}});
    ASSERT_BOTH_WAYS(enrolled, "enrolled",
                     {.certificate = SPAN_LITERAL("\x30\x03\x02\x01\x06"),
                      .ca = SPAN_LITERAL("\x30\x03\x02\x01\x07"),
                      .poll_s = 300});
    ASSERT_BOTH_WAYS(pending, "pending", {.retry_s = 600});
    ASSERT_BOTH_WAYS(renew, "renew", {.csr = SPAN_LITERAL("\x30\x03\x02\x01\x05")});
    ASSERT_BOTH_WAYS(renew, "renew-sealing",
                     {.csr = SPAN_LITERAL("\x30\x03\x02\x01\x05"),
                      .sealing_key = SPAN_LITERAL("\x01\x02\x03\x04\x05\x06\x07\x08")});
}

static void test_poll_and_its_answers(void **state)
{
    (void)state;
    ASSERT_BOTH_WAYS(poll, "poll",
                     {.running = digest_from(0),
                      .version = SPAN_LITERAL("1.4.2"),
                      .boot_count = 12,
                      .agent_state = 6,
                      .inventory_known = true,
                      .inventory = {1, 2, 3, 4, 5, 6, 7, 8},
                      .assignment = 4711,
                      .other = digest_from(0x80),
                      .nonce_known = true,
                      .nonce = {0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
                                0xcb, 0xcc, 0xcd, 0xce, 0xcf}});
    ASSERT_BOTH_WAYS(poll, "poll-new", {.boot_count = 1});
    ASSERT_BOTH_WAYS(answer, "answer-nothing", {.kind = NATIVE_NOTHING, .next_poll_s = 300});
    ASSERT_BOTH_WAYS(answer, "answer-install",
                     {.kind = NATIVE_INSTALL,
                      .next_poll_s = 60,
                      .assignment = 4711,
                      .target = SPAN_LITERAL("pump/1.5.0/pump.bin"),
                      .flags = NATIVE_WANT_INVENTORY,
                      .server_s = 1795600954,
                      .not_before_s = 3600,
                      .sha256 = digest_from(0x40)});
    ASSERT_BOTH_WAYS(answer, "answer-cancel",
                     {.kind = NATIVE_CANCEL, .next_poll_s = 60, .assignment = 4711});
}

static void test_work(void **state)
{
    (void)state;
    ASSERT_BOTH_WAYS(details, "details",
                     {.assignment = 4711,
                      .target = SPAN_LITERAL("pump/1.5.0/pump.bin"),
                      .version = SPAN_LITERAL("1.5.0"),
                      .rollout = SPAN_LITERAL("spring"),
                      .attempt = 1,
                      .retry_limit = 3,
                      .deadline_s = 1795700000,
                      .sha256 = digest_from(0x40),
                      .length = 1048576});
    ASSERT_BOTH_WAYS(report, "report-staged",
                     {.id = 1000001,
                      .assignment = 4711,
                      .phase = PHASE_STAGED,
                      .running = digest_from(0),
                      .percent = 100,
                      .boot_count = 12});
    ASSERT_BOTH_WAYS(report, "report-reverted",
                     {.id = 1000002,
                      .assignment = 4711,
                      .phase = PHASE_REVERTED,
                      .err = SPAN_LITERAL("unhealthy"),
                      .running = digest_from(0),
                      .detail = SPAN_LITERAL("the health check failed"),
                      .boot_count = 14});
    ASSERT_BOTH_WAYS(report, "report-refused",
                     {.id = 4,
                      .assignment = 4711,
                      .phase = PHASE_REFUSED,
                      .err = SPAN_LITERAL("untrusted"),
                      .boot_count = 14,
                      .reason = SPAN_LITERAL("replayed"),
                      .epoch = 0x5eed0001});
    ASSERT_BOTH_WAYS(verdict, "verdict-hold", {.kind = NATIVE_HOLD, .retry_s = 120});
    ASSERT_BOTH_WAYS(
        inventory, "inventory",
        {.attributes = {.count = 1, .list = {{SPAN_LITERAL("fw"), SPAN_LITERAL("1.4.2")}}}});
    ASSERT_BOTH_WAYS(error, "error",
                     {.err = SPAN_LITERAL("denied"),
                      .detail = SPAN_LITERAL("this certificate belongs to another device")});
}

static void test_unknown_keys_are_skipped(void **state)
{
    struct native_verdict verdict;

    (void)state;
    /* {0: [1, {5: h''}], 1: 2, 2: 9, 99: "x"} */
    assert_int_equal(
        native_verdict_decode(
            SPAN_LITERAL("\xA4\x00\x82\x01\xA1\x05\x40\x01\x02\x02\x09\x18\x63\x61x"), &verdict),
        ERR_OK);
    assert_int_equal(verdict.kind, NATIVE_HOLD);
    assert_int_equal(verdict.retry_s, 9);
}

/* One refused verdict or answer per line; `out` must stay as it was. */
static void test_refused_messages(void **state)
{
    static const struct {
        const char *what, *bytes;
        size_t size;
        enum err err;
    } cases[] = {
        {"empty", "", 0, ERR_CORRUPT},
        {"no map", "\x01", 1, ERR_CORRUPT},
        {"array", "\x81\x01", 2, ERR_CORRUPT},
        {"kind missing", "\xA1\x02\x05", 3, ERR_CORRUPT},
        {"map of nothing", "\xA0", 1, ERR_CORRUPT},
        {"kind unknown", "\xA1\x01\x04", 3, ERR_TOO_BIG},
        {"kind is text", "\xA1\x01\x61z", 4, ERR_CORRUPT},
        {"kind negative", "\xA1\x01\x20", 3, ERR_CORRUPT},
        {"kind twice", "\xA2\x01\x00\x01\x00", 5, ERR_CORRUPT},
        {"keys descend", "\xA2\x02\x05\x01\x00", 5, ERR_CORRUPT},
        {"text key", "\xA1\x61\x31\x00", 4, ERR_CORRUPT},
        {"retry past a year", "\xA2\x01\x00\x02\x1A\x7F\xFF\xFF\xFF", 9, ERR_TOO_BIG},
        {"trailing byte", "\xA1\x01\x00\x00", 4, ERR_CORRUPT},
        {"cut", "\xA2\x01\x00\x02", 4, ERR_CORRUPT},
        {"unknown key holds a float", "\xA2\x01\x00\x03\xF9\x00\x00", 7, ERR_CORRUPT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct native_verdict verdict = {.kind = NATIVE_PROCEED, .retry_s = 77};
        struct span bytes = {(const uint8_t *)cases[i].bytes, cases[i].size};

        if (native_verdict_decode(bytes, &verdict) != cases[i].err)
            fail_msg("not refused as it should: %s", cases[i].what);
        assert_int_equal(verdict.kind, NATIVE_PROCEED);
        assert_int_equal(verdict.retry_s, 77);
    }
}

static void test_an_install_needs_its_names(void **state)
{
    struct native_answer answer;

    (void)state;
    /* {1: 1, 2: 60} and {1: 1, 2: 60, 3: 5} */
    assert_int_equal(native_answer_decode(SPAN_LITERAL("\xA2\x01\x01\x02\x18\x3C"), &answer),
                     ERR_CORRUPT);
    assert_int_equal(
        native_answer_decode(SPAN_LITERAL("\xA3\x01\x01\x02\x18\x3C\x03\x05"), &answer),
        ERR_CORRUPT);
    assert_int_equal(native_answer_decode(SPAN_LITERAL("\xA2\x01\x00\x02\x18\x3C"), &answer),
                     ERR_OK);
}

static void test_digest_of_another_size(void **state)
{
    struct native_poll poll;

    (void)state;
    /* {1: h'0102', 3: 1, 4: 0} */
    assert_int_equal(
        native_poll_decode(SPAN_LITERAL("\xA3\x01\x42\x01\x02\x03\x01\x04\x00"), &poll),
        ERR_CORRUPT);
}

static void test_limits_when_encoding(void **state)
{
    char long_text[DETAIL_SIZE_MAX + 1];
    uint8_t room[MESSAGE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room), tiny = buf_over(room, 3);
    struct native_report report = {.id = 1, .assignment = 1, .phase = PHASE_FAILED};
    struct native_attribute twice = {SPAN_LITERAL("hw"), SPAN_LITERAL("a")};
    struct native_inventory inventory = {.attributes = {.count = 2, .list = {twice, twice}}};

    (void)state;
    assert_int_equal(native_report_encode(&report, &tiny), ERR_TOO_BIG);
    memset(long_text, 'x', sizeof long_text);
    report.detail = (struct span){(const uint8_t *)long_text, sizeof long_text};
    assert_int_equal(native_report_encode(&report, &out), ERR_INVALID);
    report.detail = SPAN_LITERAL("\xFF");
    assert_int_equal(native_report_encode(&report, &out), ERR_INVALID);
    report.detail = (struct span){0};
    report.percent = 101;
    assert_int_equal(native_report_encode(&report, &out), ERR_INVALID);
    assert_int_equal(native_inventory_encode(&inventory, &out), ERR_INVALID);
    inventory.attributes.count = ATTRIBUTES_MAX + 1;
    assert_int_equal(native_inventory_encode(&inventory, &out), ERR_INVALID);
}

/* The largest inventory still fits into one message. */
static void test_largest_inventory(void **state)
{
    static char names[ATTRIBUTES_MAX][NAME_SIZE_MAX], value[ATTRIBUTE_SIZE_MAX];
    uint8_t room[MESSAGE_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct native_inventory inventory = {.attributes.count = ATTRIBUTES_MAX}, decoded;

    (void)state;
    memset(value, 'v', sizeof value);
    for (uint32_t i = 0; i < ATTRIBUTES_MAX; i++) {
        memset(names[i], 'n', NAME_SIZE_MAX);
        names[i][0] = (char)('A' + (i * 7) % ATTRIBUTES_MAX); /* not in order */
        inventory.attributes.list[i].name = (struct span){(const uint8_t *)names[i], NAME_SIZE_MAX};
        inventory.attributes.list[i].value =
            (struct span){(const uint8_t *)value, ATTRIBUTE_SIZE_MAX};
    }
    assert_int_equal(native_inventory_encode(&inventory, &out), ERR_OK);
    assert_int_equal(native_inventory_decode(buf_written(&out), &decoded), ERR_OK);
    assert_int_equal(decoded.attributes.count, ATTRIBUTES_MAX);
    assert_int_equal(decoded.attributes.list[0].name.at[0], 'A');
}

static void test_phases(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        assert_true(native_phase_name((enum native_phase)phase)[0] != '\0');
    assert_false(native_phase_final(PHASE_TRIAL));
    assert_true(native_phase_final(PHASE_SUCCEEDED));
    assert_true(native_phase_final(PHASE_RECALLED));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrolment),
        cmocka_unit_test(test_poll_and_its_answers),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_unknown_keys_are_skipped),
        cmocka_unit_test(test_refused_messages),
        cmocka_unit_test(test_an_install_needs_its_names),
        cmocka_unit_test(test_digest_of_another_size),
        cmocka_unit_test(test_limits_when_encoding),
        cmocka_unit_test(test_largest_inventory),
        cmocka_unit_test(test_phases),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
