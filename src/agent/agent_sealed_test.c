/* Sealed images on the device: opened chunk by chunk, cut short anywhere, tampered with. The sealer
 * is a real one; the content key is not wrapped here, its wrap is just a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"
#include "crypto/sealing.h"

#define SENT_SIZE (CASE_IMAGE_SIZE + CASE_CHUNKS * AEAD_TAG_SIZE)
#define WRAP      "wrapped for pump-17"

struct bench {
    struct agent_case on;
    uint8_t sent[SENT_SIZE];
    struct sealer sealer;
    struct sealing *sealing;
    bool no_key; /* the device has lost its sealing key */
    uint8_t key[CONTENT_KEY_SIZE];
    uint32_t opened, begun;
};

static enum err begin(void *self, const struct sealer_image *image, struct span wrap)
{
    struct bench *bench = self;
    struct sealing_image of = {.alg = image->alg, .chunk_size = image->chunk_size};

    if (bench->no_key)
        return ERR_NOT_FOUND;
    if (!span_is(wrap, WRAP))
        return ERR_UNTRUSTED;
    memcpy(of.sha256, image->sha256, DIGEST_SIZE);
    sealing_close(bench->sealing);
    bench->sealing = sealing_open(&of, bench->key);
    bench->begun++;
    return ERR_OK;
}

static bool unseal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    struct bench *bench = self;

    assert_int_equal(bench->on.banks[1].writes, bench->opened); /* nothing before its tag */
    if (!sealing_unseal(bench->sealing, index, last, (struct span){bytes, size + AEAD_TAG_SIZE},
                        bytes))
        return false;
    bench->opened++;
    return true;
}

static void seal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    struct bench *bench = self;

    sealing_seal(bench->sealing, index, last, (struct span){bytes, size}, bytes);
}

static const struct sealer_ops ops = {begin, unseal, seal};

/* Version 2 as a sealed release, under the key of the bench. */
static void seal_release(struct bench *bench)
{
    struct case_firmware *firmware = &bench->on.firmware[1];
    const struct chunks chunks = {CASE_IMAGE_SIZE, CASE_CHUNK_SIZE, AEAD_TAG_SIZE};
    struct sealing_image of = {.alg = AEAD_AES_256_GCM, .chunk_size = CASE_CHUNK_SIZE};
    struct release_facts *facts = &firmware->facts;
    struct sealing *sealing;

    memcpy(of.sha256, facts->sha256, DIGEST_SIZE);
    sealing = sealing_open(&of, bench->key);
    for (uint32_t i = 0; i < CASE_CHUNKS; i++) {
        uint8_t *at = bench->sent + chunks_sent_at(&chunks, i);

        sealing_seal(
            sealing, i, chunks_last(&chunks, i),
            (struct span){firmware->bytes + chunks_at(&chunks, i), chunks_size_of(&chunks, i)}, at);
        sha256_of((struct span){at, chunks_sent_size_of(&chunks, i)},
                  firmware->list + (size_t)i * DIGEST_SIZE);
    }
    sealing_close(sealing);
    facts->sealed =
        (struct release_sealed){.used = true, .alg = AEAD_AES_256_GCM, .length = SENT_SIZE};
    sha256_of((struct span){bench->sent, SENT_SIZE}, facts->sealed.sha256);
    sha256_of((struct span){firmware->list, sizeof firmware->list}, facts->chunks_sha256);
}

static struct bench *start(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    case_begin(&bench->on);
    bench->sealer = (struct sealer){&ops, bench};
    bench->on.world.sealer = &bench->sealer;
    bench->key[0] = 1;
    seal_release(bench);
    case_boot(&bench->on);
    case_work(&bench->on, 9);
    assert_int_equal(agent_state(&bench->on.agent), AGENT_IDLE);
    case_forget_trace(&bench->on);
    return bench;
}

static void stop(struct bench *bench)
{
    sealing_close(bench->sealing);
}

/* The mandate brings the wrapped content key. */
static void offer(struct bench *bench, const char *wrap)
{
    case_answer(&bench->on, NATIVE_INSTALL, 7, 2, 0);
    case_evidence(&bench->on, &bench->on.firmware[1].facts)->mandate.content_key = span_of(wrap);
    case_judge(&bench->on);
}

/* Up to where the image is fetched. */
static void begin_fetching(struct bench *bench)
{
    offer(bench, WRAP);
    case_go_to(&bench->on, AGENT_FETCHING);
}

static void bytes(struct bench *bench, uint64_t from, size_t size)
{
    struct agent_event event = {
        .kind = AGENT_EV_BYTES,
        .bytes = {.stream = AGENT_IMAGE, .at = from, .piece = {bench->sent + from, size}}};

    bench->on.now.ms++;
    event.now = bench->on.now;
    bench->on.err = agent_step(&bench->on.agent, &event, &bench->on.orders);
    assert_int_equal(bench->on.err, ERR_OK);
}

static void assert_installed(struct bench *bench)
{
    assert_int_equal(agent_state(&bench->on.agent), AGENT_VERIFYING);
    case_go_to(&bench->on, AGENT_STAGED);
    assert_memory_equal(bench->on.banks[1].cells, bench->on.firmware[1].bytes, CASE_IMAGE_SIZE);
}

static void assert_ends(const struct bench *bench, enum native_phase phase)
{
    const struct record_report *report = &bench->on.agent.record.report;

    assert_int_equal(agent_state(&bench->on.agent), AGENT_REPORTING);
    assert_int_equal(report->phase, phase);
    assert_int_equal(report->reason, AGENT_REASON_CONTENT_KEY);
}

static void test_in_one_go(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);
    const struct agent_order *fetch;

    (void)state;
    begin_fetching(bench);
    fetch = case_order(&bench->on, AGENT_DO_FETCH);
    assert_int_equal(fetch->fetch.length, SENT_SIZE);
    assert_memory_equal(fetch->fetch.sha256, bench->on.firmware[1].facts.sealed.sha256,
                        DIGEST_SIZE);
    bytes(bench, 0, SENT_SIZE);
    assert_int_equal(bench->opened, CASE_CHUNKS);
    assert_int_equal(bench->begun, 1);
    assert_installed(bench);
    stop(bench);
}

static void test_byte_by_byte(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    begin_fetching(bench);
    for (uint64_t at = 0; at < SENT_SIZE; at++)
        bytes(bench, at, 1);
    assert_installed(bench);
    stop(bench);
}

/* Power fails after each number of bytes; what is whole is kept, the rest is fetched again. */
static void test_cut_anywhere(void **state)
{
    static struct bench place;
    static const size_t cuts[] = {0,    1,    1023, 1024, 1039, 1040, 1041,     2063,
                                  2079, 2080, 2081, 2531, 2532, 2547, SENT_SIZE};

    (void)state;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        struct bench *bench = start(&place);
        uint64_t from = cuts[i] / (CASE_CHUNK_SIZE + AEAD_TAG_SIZE);

        begin_fetching(bench);
        if (cuts[i] > 0)
            bytes(bench, 0, cuts[i]);
        bench->opened = 0; /* counted against the writes of one life */
        bench->on.banks[1].writes = 0;
        case_boot(&bench->on);
        if (cuts[i] == SENT_SIZE) {
            assert_installed(bench);
            stop(bench);
            continue;
        }
        case_go_to(&bench->on, AGENT_FETCHING);
        from *= CASE_CHUNK_SIZE + AEAD_TAG_SIZE;
        assert_int_equal(case_order(&bench->on, AGENT_DO_FETCH)->fetch.from, from);
        bytes(bench, from, (size_t)(SENT_SIZE - from));
        assert_installed(bench);
        stop(bench);
    }
}

/* A link that fails in the middle of a chunk goes on where it was. */
static void test_a_link_that_fails(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    begin_fetching(bench);
    bytes(bench, 0, 1500);
    case_failed(&bench->on, AGENT_DO_FETCH, ERR_LINK, 0);
    case_wake(&bench->on);
    assert_int_equal(case_order(&bench->on, AGENT_DO_FETCH)->fetch.from, 1500);
    bytes(bench, 1500, SENT_SIZE - 1500);
    assert_installed(bench);
    stop(bench);
}

/* Another byte than was listed: not even opened, and fetched again. */
static void test_altered_on_the_way(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    begin_fetching(bench);
    bench->sent[1040 + 7] ^= 1;
    bytes(bench, 0, SENT_SIZE);
    assert_int_equal(bench->opened, 1);
    assert_int_equal(bench->on.banks[1].writes, 1);
    bench->sent[1040 + 7] ^= 1;
    case_wake(&bench->on);
    bytes(bench, 1040, SENT_SIZE - 1040);
    assert_installed(bench);
    stop(bench);
}

/* What was signed does not open: whoever sealed it used another key. Nothing of it is written, and
 * it is not tried again. */
static void test_another_content_key(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    bench->key[0] = 2;
    begin_fetching(bench);
    bytes(bench, 0, SENT_SIZE);
    assert_int_equal(bench->on.banks[1].writes, 0);
    assert_ends(bench, PHASE_FAILED);
    stop(bench);
}

static void assert_refused(struct bench *bench, const char *wrap, enum err err)
{
    offer(bench, wrap);
    assert_ends(bench, PHASE_REFUSED);
    assert_int_equal(bench->on.agent.record.report.err, err);
    assert_int_equal(bench->on.banks[1].erases, 0);
    stop(bench);
}

static void test_refused_before_anything_is_erased(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);
    char long_wrap[RECORD_WRAP_SIZE_MAX + 2] = "";

    (void)state;
    assert_refused(bench, NULL, ERR_AGAIN);
    assert_refused(start(bench), "wrapped for pump-18", ERR_AGAIN);
    memset(long_wrap, 'w', sizeof long_wrap - 1);
    assert_refused(start(bench), long_wrap, ERR_AGAIN);
    bench = start(bench);
    bench->no_key = true;
    assert_refused(bench, WRAP, ERR_AGAIN);
    bench = start(bench);
    case_forget_trace(&bench->on);
    bench->on.agent.world.sealer = NULL;
    assert_refused(bench, WRAP, ERR_UNSUITABLE);
}

static void test_no_room_for_the_tag(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    bench->on.agent.world.room.chunk_size = CASE_CHUNK_SIZE + AEAD_TAG_SIZE - 1;
    offer(bench, WRAP);
    assert_int_equal(bench->on.agent.record.report.reason, AGENT_REASON_SIZE);
    stop(bench);
}

/* The sealing key is lost while the download is cut short. */
static void test_key_lost_in_between(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    begin_fetching(bench);
    bytes(bench, 0, 1040);
    bench->no_key = true;
    case_boot(&bench->on);
    case_list(&bench->on, 2);
    case_work(&bench->on, 20);
    assert_ends(bench, PHASE_FAILED);
    stop(bench);
}

/* A wrapped key for an image in the clear changes nothing. */
static void test_key_for_a_plain_image(void **state)
{
    static struct bench place;
    struct bench *bench = start(&place);

    (void)state;
    case_begin(&bench->on);
    case_boot(&bench->on);
    case_work(&bench->on, 9);
    offer(bench, WRAP);
    case_go_to(&bench->on, AGENT_STAGED);
    assert_false(bench->on.agent.record.work.sealed.used);
    assert_int_equal(bench->begun, 0);
    stop(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_one_go),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_a_link_that_fails),
        cmocka_unit_test(test_altered_on_the_way),
        cmocka_unit_test(test_another_content_key),
        cmocka_unit_test(test_refused_before_anything_is_erased),
        cmocka_unit_test(test_no_room_for_the_tag),
        cmocka_unit_test(test_key_lost_in_between),
        cmocka_unit_test(test_key_for_a_plain_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
