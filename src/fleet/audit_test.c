/* The audit chain: what an entry looks like, and that no change to an export goes unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sha256.h"
#include "fleet/audit.h"

#define ENTRIES 300u
#define LINES   (ENTRIES + 1u) /* the last one is the head */

static const uint8_t key[32] = "the key of the test, 32 bytes...";

/* A stand-in for a signature: the digest of key and text. */
static void sign(struct span text, uint8_t signature[DIGEST_SIZE])
{
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, (struct span){key, sizeof key});
    sha256_update(&sha, text);
    sha256_done(&sha, signature);
}

static bool check(void *self, struct span text, struct span signature, struct span claimed)
{
    uint8_t expected[DIGEST_SIZE];

    (void)self;
    sign(text, expected);
    return span_equal(claimed, (struct span){key, sizeof key}) &&
           span_equal(signature, (struct span){expected, sizeof expected});
}

/* An export, line by line, and the verifier as it was before each line. */
struct exported {
    char lines[LINES][1024];
    size_t sizes[LINES];
    struct audit_verifier before[LINES + 1];
};

static struct exported genuine;

static size_t print_head(uint64_t seq, const uint8_t hash[DIGEST_SIZE], char *room, size_t size)
{
    uint8_t signature[DIGEST_SIZE];
    struct buf line = buf_over(room, size), text;
    char head[256];

    text = buf_over(head, sizeof head);
    audit_head_signed_text(seq, hash, &text);
    sign(buf_written(&text), signature);
    audit_head_print(seq, hash, (struct span){signature, sizeof signature},
                     (struct span){key, sizeof key}, &line);
    assert_false(line.overflow);
    return line.size;
}

static void print_entry(uint64_t seq, uint8_t hash[DIGEST_SIZE], char *room, size_t size,
                        size_t *written)
{
    char canonical[AUDIT_ENTRY_MAX], object[32];
    struct buf entry = buf_over(canonical, sizeof canonical), line = buf_over(room, size);

    (void)snprintf(object, sizeof object, "rollout:%llu", (unsigned long long)seq % 7);
    audit_entry_print(&(struct audit_entry){.seq = seq,
                                            .at = {1795600800000 + (int64_t)seq * 1000},
                                            .tenant = SPAN_LITERAL("default"),
                                            .actor = SPAN_LITERAL("token:alice"),
                                            .action = SPAN_LITERAL("rollout.start"),
                                            .object = span_of(object),
                                            .refused = seq % 5 == 0,
                                            .detail = SPAN_LITERAL("a \"quoted\" reason")},
                      &entry);
    audit_chain(hash, buf_written(&entry), hash);
    audit_line_print(buf_written(&entry), hash, &line);
    assert_false(entry.overflow || line.overflow);
    *written = line.size;
}

static int make_export(void **state)
{
    uint8_t hash[DIGEST_SIZE] = {0};

    (void)state;
    for (unsigned i = 0; i < ENTRIES; i++)
        print_entry(i + 1, hash, genuine.lines[i], sizeof genuine.lines[i], &genuine.sizes[i]);
    genuine.sizes[ENTRIES] =
        print_head(ENTRIES, hash, genuine.lines[ENTRIES], sizeof genuine.lines[ENTRIES]);
    genuine.before[0] = audit_verifier_init(check, NULL);
    for (unsigned i = 0; i < LINES; i++) {
        struct span line = {(const uint8_t *)genuine.lines[i], genuine.sizes[i]};

        genuine.before[i + 1] = genuine.before[i];
        assert_int_equal(audit_verify_line(&genuine.before[i + 1], line, NULL), ERR_OK);
    }
    return 0;
}

static struct span line_at(unsigned i)
{
    return (struct span){(const uint8_t *)genuine.lines[i], genuine.sizes[i]};
}

/* Go on with the genuine lines from `i` to the end; whether all is accepted. */
static bool accepts_rest(struct audit_verifier *verifier, unsigned i, struct why *why)
{
    for (; i < LINES; i++)
        if (audit_verify_line(verifier, line_at(i), why) != ERR_OK)
            return false;
    return audit_verify_end(verifier, why) == ERR_OK;
}

static void test_canonical_text(void **state)
{
    static const uint8_t odd[] = "q\"b\\n\n\x7f\xc3\xa9\xff\xed\xa0\x80\xf0\x9f\x9a\x80";
    char room[1024];
    struct buf buf = buf_over(room, sizeof room);

    (void)state;
    audit_entry_print(&(struct audit_entry){.seq = 12,
                                            .at = {1795600800999},
                                            .tenant = SPAN_LITERAL("default"),
                                            .actor = SPAN_LITERAL("token:alice"),
                                            .action = SPAN_LITERAL("rollout.pause"),
                                            .object = SPAN_LITERAL("rollout:7"),
                                            .refused = true,
                                            .detail = {odd, sizeof odd - 1}},
                      &buf);
    assert_string_equal(buf_finish_text(&buf),
                        "{\"seq\":12,\"at\":\"2026-11-25T10:00:00Z\",\"tenant\":\"default\","
                        "\"actor\":\"token:alice\",\"action\":\"rollout.pause\","
                        "\"object\":\"rollout:7\",\"outcome\":\"refused\","
                        "\"detail\":\"q\\\"b\\\\n\\u000a\\u007f\xc3\xa9"
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x9a\x80\"}");
}

static void test_longest_entry_fits(void **state)
{
    static uint8_t bytes[AUDIT_TEXT_MAX];
    char room[AUDIT_ENTRY_MAX];
    struct buf buf = buf_over(room, sizeof room);

    (void)state;
    memset(bytes, 1, sizeof bytes); /* each becomes six */
    audit_entry_print(&(struct audit_entry){.seq = UINT64_MAX,
                                            .tenant = {bytes, NAME_SIZE_MAX},
                                            .actor = {bytes, NAME_SIZE_MAX},
                                            .action = {bytes, NAME_SIZE_MAX},
                                            .object = {bytes, NAME_SIZE_MAX},
                                            .detail = {bytes, sizeof bytes}},
                      &buf);
    assert_false(buf.overflow);
}

static void test_genuine_export_is_accepted(void **state)
{
    struct audit_verifier verifier = audit_verifier_init(check, NULL);
    struct why why = {0};

    (void)state;
    assert_true(accepts_rest(&verifier, 0, &why));
    assert_int_equal(verifier.seq, ENTRIES);
    assert_int_equal(verifier.line, LINES);
    assert_int_equal(audit_verify_line(&verifier, line_at(0), &why), ERR_CORRUPT);
    assert_string_equal(why.text, "line 302: nothing may follow the head");
}

/* Every byte of every line, all eight bits of it at once and one after the other. */
static void test_every_altered_byte_is_found(void **state)
{
    unsigned long long tried = 0;

    (void)state;
    for (unsigned i = 0; i < LINES; i++) {
        for (size_t at = 0; at < genuine.sizes[i]; at++) {
            for (unsigned bit = 0; bit <= 8; bit++) {
                struct audit_verifier verifier = genuine.before[i];
                char saved = genuine.lines[i][at];
                enum err err;

                genuine.lines[i][at] = (char)(saved ^ (bit == 8 ? 0xff : 1 << bit));
                err = audit_verify_line(&verifier, line_at(i), NULL);
                genuine.lines[i][at] = saved;
                if (err == ERR_OK)
                    fail_msg("line %u byte %zu bit %u was accepted", i + 1, at, bit);
                tried++;
            }
        }
    }
    print_message("%llu alterations, none accepted\n", tried);
}

static void test_every_dropped_or_repeated_line_is_found(void **state)
{
    char expected[128];
    struct why why;

    (void)state;
    for (unsigned i = 0; i < LINES; i++) {
        struct audit_verifier verifier = genuine.before[i];

        assert_false(accepts_rest(&verifier, i + 1, &why));
        if (i + 1 < ENTRIES) {
            (void)snprintf(expected, sizeof expected,
                           "line %u: an entry is missing or out of order: entry %u", i + 1, i + 1);
            assert_string_equal(why.text, expected);
        }
        verifier = genuine.before[i + 1];
        assert_false(accepts_rest(&verifier, i, &why));
        if (i < ENTRIES) {
            (void)snprintf(expected, sizeof expected,
                           "line %u: an entry is repeated or out of order: entry %u", i + 2, i + 1);
            assert_string_equal(why.text, expected);
        }
    }
}

static void test_every_swap_is_found(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINES; i++) {
        for (unsigned j = i + 1; j < LINES; j++) {
            struct audit_verifier verifier = genuine.before[i];

            assert_int_not_equal(audit_verify_line(&verifier, line_at(j), NULL), ERR_OK);
        }
    }
}

static void test_every_cut_line_or_tail_is_found(void **state)
{
    struct why why;

    (void)state;
    for (unsigned i = 0; i < LINES; i++) {
        struct audit_verifier verifier = genuine.before[i];

        assert_int_equal(audit_verify_end(&verifier, &why), ERR_CORRUPT); /* no head */
        if (i < ENTRIES) { /* the head follows an earlier entry */
            assert_int_equal(audit_verify_line(&verifier, line_at(ENTRIES), &why), ERR_CORRUPT);
            assert_non_null(strstr(why.text, "the end was cut off: the head names entry 300"));
        }
        for (size_t size = 0; size < genuine.sizes[i]; size++) {
            struct span line = {(const uint8_t *)genuine.lines[i], size};

            verifier = genuine.before[i];
            assert_int_not_equal(audit_verify_line(&verifier, line, NULL), ERR_OK);
        }
    }
}

/* Somebody alters an entry and computes all later hashes anew: only the signature is in the way. */
static void test_rewritten_log_is_found(void **state)
{
    struct audit_verifier verifier = genuine.before[100];
    uint8_t hash[DIGEST_SIZE];
    char line[1024];
    struct why why;
    size_t size;

    (void)state;
    memset(hash, 7, sizeof hash);
    memcpy(verifier.hash, hash, sizeof hash); /* as if entry 100 had been another */
    for (uint64_t seq = 101; seq <= ENTRIES; seq++) {
        print_entry(seq, hash, line, sizeof line, &size);
        assert_int_equal(audit_verify_line(&verifier, (struct span){(uint8_t *)line, size}, NULL),
                         ERR_OK);
    }
    assert_int_equal(audit_verify_line(&verifier, line_at(ENTRIES), &why), ERR_CORRUPT);
    assert_string_equal(
        why.text, "line 301: the log was rewritten: the head's hash is not that of entry 300");
    size = print_head(ENTRIES, hash, line, sizeof line);
    memcpy(strstr(line, "signature\":\"") + 12, "0000", 4);
    assert_int_equal(audit_verify_line(&verifier, (struct span){(uint8_t *)line, size}, &why),
                     ERR_UNTRUSTED);
    assert_string_equal(why.text, "line 301: the head's signature is not good");
}

static void test_empty_log(void **state)
{
    struct audit_verifier verifier = audit_verifier_init(check, NULL);
    const uint8_t zero[DIGEST_SIZE] = {0};
    char line[1024];
    struct why why;

    (void)state;
    assert_int_equal(audit_verify_end(&verifier, &why), ERR_CORRUPT);
    assert_int_equal(audit_verify_line(&verifier, (struct span){(uint8_t *)line, 0}, &why),
                     ERR_CORRUPT);
    assert_string_equal(why.text, "line 1: this is not an entry; expected entry 1");
    assert_int_equal(
        audit_verify_line(&verifier,
                          (struct span){(uint8_t *)line, print_head(0, zero, line, sizeof line)},
                          &why),
        ERR_OK);
    assert_int_equal(audit_verify_end(&verifier, &why), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical_text),
        cmocka_unit_test(test_longest_entry_fits),
        cmocka_unit_test(test_genuine_export_is_accepted),
        cmocka_unit_test(test_every_altered_byte_is_found),
        cmocka_unit_test(test_every_dropped_or_repeated_line_is_found),
        cmocka_unit_test(test_every_swap_is_found),
        cmocka_unit_test(test_every_cut_line_or_tail_is_found),
        cmocka_unit_test(test_rewritten_log_is_found),
        cmocka_unit_test(test_empty_log),
    };

    return cmocka_run_group_tests(tests, make_export, NULL);
}
