#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "codec/cbor.h"
#include "crypto/test_key_host.h"
#include "format/cose_sign_host.h"
#include "format/golden_host.h"
#include "format/manifest.h"

#define AAD SPAN_LITERAL(MANIFEST_AAD)

#define SET(to, text) assert_true(span_to_text(span_of(text), to, sizeof(to)))

static const char *golden_dir;

static void fill(uint8_t *digest, uint8_t first)
{
    for (uint32_t i = 0; i < DIGEST_SIZE; i++)
        digest[i] = (uint8_t)(first + i);
}

static struct manifest typical(void)
{
    struct manifest manifest = {.target = "thermo/2.1.0/thermo.bin"};
    struct release_facts *facts = &manifest.facts;

    SET(facts->product, "thermo");
    SET(facts->version, "2.1.0");
    SET(facts->hardware[0], "rev-b");
    SET(facts->hardware[1], "rev-c");
    facts->hardware_count = 2;
    facts->security_version = 3;
    facts->security_floor = 2;
    facts->release_counter = 17;
    facts->issued_s = 1750000000;
    facts->kind = RELEASE_SECURITY;
    facts->length = 300000;
    facts->chunk_size = 4096;
    fill(facts->sha256, 0x00);
    fill(facts->chunks_sha256, 0x40);
    return manifest;
}

/* Everything that may be there is there. */
static struct manifest full(void)
{
    struct manifest manifest = typical();
    struct release_facts *facts = &manifest.facts;

    SET(facts->bases[0].version, "2.0.0");
    facts->bases[1].by_digest = true;
    fill(facts->bases[1].sha256, 0x80);
    facts->bases_count = 2;
    facts->sealed = (struct release_sealed){
        .used = true, .alg = AEAD_AES_256_GCM, .length = 300000 + 74 * AEAD_TAG_SIZE};
    fill(facts->sealed.sha256, 0xA0);
    fill(facts->sealed.key_check, 0xC0);
    manifest.slot = (struct manifest_slot){.known = true, .length = 393216, .fill = 0xFF};
    fill(manifest.slot.sha256, 0xE0);
    return manifest;
}

static void assert_round_trip(const struct manifest *manifest)
{
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct manifest back;

    assert_int_equal(manifest_write(manifest, &out), ERR_OK);
    assert_int_equal(manifest_read(buf_written(&out), &back), ERR_OK);
    assert_memory_equal(manifest, &back, sizeof back);
}

static size_t sign_to(const struct manifest *manifest, uint8_t signers, struct buf *out)
{
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf payload = buf_over(room, sizeof room);
    struct cose_sign message = {0};
    struct why why = {0};

    assert_int_equal(manifest_write(manifest, &payload), ERR_OK);
    message.payload = buf_written(&payload);
    for (uint8_t i = 1; i <= signers; i++) {
        struct key *key = test_key(i);

        assert_int_equal(cose_sign_with(key, AAD, &message, &why), ERR_OK);
        key_close(key);
    }
    cose_sign_write(&message, out);
    return out->size;
}

static void assert_golden(const char *name, const struct manifest *manifest, uint8_t signers)
{
    uint8_t golden[MANIFEST_SIZE_MAX], room[MANIFEST_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    size_t size = sign_to(manifest, signers, &out);

    assert_int_equal(golden_load(golden_dir, name, golden, sizeof golden), size);
    assert_memory_equal(golden, room, size);
    print_message("%s: %zu bytes with %d signature(s)\n", name, size, signers);
}

static void test_golden_bytes(void **state)
{
    struct manifest manifest = typical();

    (void)state;
    assert_golden("manifest", &manifest, 1);
    manifest = full();
    assert_golden("manifest-full", &manifest, 2);
}

static void test_every_fact_comes_back(void **state)
{
    struct manifest manifest = typical();

    (void)state;
    assert_round_trip(&manifest);
    manifest = full();
    assert_round_trip(&manifest);
    manifest.facts.kind = RELEASE_FEATURE;
    manifest.facts.security_version = manifest.facts.security_floor = UINT32_MAX;
    manifest.facts.release_counter = UINT32_MAX;
    manifest.facts.issued_s = RELEASE_ISSUED_S_MAX;
    manifest.slot.length = UINT64_MAX;
    assert_round_trip(&manifest);
}

static void test_sixteen_names_fit(void **state)
{
    struct manifest manifest = typical();

    (void)state;
    for (uint32_t i = 0; i < HARDWARE_MAX; i++)
        (void)snprintf(manifest.facts.hardware[i], NAME_SIZE_MAX + 1, "board-with-a-name-%02u", i);
    manifest.facts.hardware_count = HARDWARE_MAX;
    assert_round_trip(&manifest);
}

static void test_what_does_not_fit(void **state)
{
    struct manifest manifest = typical();
    uint8_t room[4096];
    struct buf out = buf_over(room, sizeof room);

    (void)state;
    for (uint32_t i = 0; i < HARDWARE_MAX; i++)
        memset(manifest.facts.hardware[i], 'h', NAME_SIZE_MAX);
    manifest.facts.hardware_count = HARDWARE_MAX;
    assert_int_equal(manifest_write(&manifest, &out), ERR_TOO_BIG);
    manifest = typical();
    out = buf_over(room, 20);
    assert_int_equal(manifest_write(&manifest, &out), ERR_TOO_BIG);
}

static void test_what_makes_no_sense_is_not_written(void **state)
{
    struct manifest good = full(), bad[10];
    uint8_t room[MANIFEST_PAYLOAD_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = good;
    bad[0].target[0] = '\0';
    bad[1].facts.product[0] = '\0';
    bad[2].facts.version[0] = '/';
    bad[3].facts.hardware_count = 0;
    bad[4].facts.security_floor = 4;
    bad[5].facts.length = 0;
    bad[6].facts.chunk_size = 1;
    bad[7].facts.sealed.length--;
    bad[8].slot.length = 299999;
    bad[9].facts.bases_count = BASES_MAX + 1;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct buf out = buf_over(room, sizeof room);

        assert_int_equal(manifest_write(&bad[i], &out), ERR_INVALID);
    }
}

static void assert_refused(struct span in)
{
    struct manifest out, none = {0};
    enum err err;

    memset(&out, 0x55, sizeof out);
    err = manifest_read(in, &out);
    assert_true(err == ERR_CORRUPT || err == ERR_TOO_BIG);
    assert_memory_equal(&out, &none, sizeof out);
}

static void test_torn_and_trailing(void **state)
{
    struct manifest manifest = full();
    uint8_t room[MANIFEST_PAYLOAD_MAX + 1];
    struct buf out = buf_over(room, sizeof room);

    (void)state;
    assert_int_equal(manifest_write(&manifest, &out), ERR_OK);
    for (size_t size = 0; size < out.size; size++)
        assert_refused((struct span){room, size});
    room[out.size] = 0;
    assert_refused((struct span){room, out.size + 1});
}

/* Any one byte may be changed to another good manifest, but never to other bytes of the same. */
static void test_one_spelling(void **state)
{
    struct manifest manifest = full(), other;
    uint8_t room[MANIFEST_PAYLOAD_MAX], again[MANIFEST_PAYLOAD_MAX];
    struct buf out = buf_over(room, sizeof room);
    uint32_t readable = 0;

    (void)state;
    assert_int_equal(manifest_write(&manifest, &out), ERR_OK);
    for (size_t i = 0; i < out.size; i++) {
        for (uint32_t value = 0; value < 256; value++) {
            uint8_t before = room[i];
            struct buf back = buf_over(again, sizeof again);

            room[i] = (uint8_t)value;
            if (value != before && manifest_read((struct span){room, out.size}, &other) == ERR_OK) {
                assert_memory_not_equal(&manifest, &other, sizeof other);
                assert_int_equal(manifest_write(&other, &back), ERR_OK);
                assert_int_equal(back.size, out.size);
                assert_memory_equal(again, room, out.size);
                readable++;
            }
            room[i] = before;
        }
    }
    assert_true(readable > 1000);
}

#define D32    \
    "\x58\x20" \
    "0123456789abcdef0123456789abcdef"
#define HEAD "\x01\x64SWM1\x02\x61t\x03\x61p\x04\x61v"
#define MID  "\x05\x81\x61h\x06\x00\x07\x00\x08\x00\x09\x00\x0A\x00"
#define TAIL "\x0B\x01\x0C" D32 "\x0D\x19\x04\x00\x0E" D32

static void test_other_maps(void **state)
{
    const struct {
        struct span bytes;
        bool good;
        const char *what;
    } cases[] = {
        {SPAN_LITERAL("\xAE" HEAD MID TAIL), true, "the least there is"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x0F\x81\x61w"), true, "a base"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x11\x83\x01\x00" D32), true, "a slot"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x0F\x80"), false, "an empty list of bases"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x0F\x81\x00"), false, "a base of another type"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x0F\x81\x41x"), false, "a short digest"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x12\x00"), false, "an unknown key"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x18\x64\x00"), false, "a far key"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x0E" D32), false, "a key twice"},
        {SPAN_LITERAL("\xB0" HEAD MID TAIL "\x11\x83\x01\x00" D32 "\x0F\x81\x61w"), false,
         "another order"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x10\x84\x02\x11" D32 D32), false, "another cipher"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x11\x83\x01\x19\x01\x00" D32), false,
         "fill past a byte"},
        {SPAN_LITERAL("\xAF" HEAD MID TAIL "\x11\x83\x00\x00" D32), false, "a slot too small"},
        {SPAN_LITERAL("\xAD" HEAD MID "\x0B\x01\x0C" D32 "\x0D\x19\x04\x00"), false, "no list"},
        {SPAN_LITERAL("\xB8\x0E" HEAD MID TAIL), false, "a long head"},
        {SPAN_LITERAL("\xBF" HEAD MID TAIL "\xFF"), false, "an indefinite map"},
        {SPAN_LITERAL("\xAE\x01\x64SWM2\x02\x61t\x03\x61p\x04\x61v" MID TAIL), false,
         "the next version"},
        {SPAN_LITERAL("\xAE\x01\x64SWM1\x02\x60\x03\x61p\x04\x61v" MID TAIL), false, "no target"},
        {SPAN_LITERAL("\xAE\x01\x64SWM1\x02\x61t\x03\x61*\x04\x61v" MID TAIL), false,
         "every product"},
        {SPAN_LITERAL("\xAE\x01\x64SWM1\x02\x61\x00\x03\x61p\x04\x61v" MID TAIL), false, "a NUL"},
        {SPAN_LITERAL("\xAE" HEAD "\x05\x80\x06\x00\x07\x00\x08\x00\x09\x00\x0A\x00" TAIL), false,
         "no hardware"},
        {SPAN_LITERAL("\xAE" HEAD "\x05\x81\x61h\x06\x00\x07\x01\x08\x00\x09\x00\x0A\x00" TAIL),
         false, "a floor above the version"},
        {SPAN_LITERAL("\xAE" HEAD "\x05\x81\x61h\x06\x20\x07\x00\x08\x00\x09\x00\x0A\x00" TAIL),
         false, "a negative number"},
        {SPAN_LITERAL("\xAE" HEAD "\x05\x81\x61h\x06\x00\x07\x00\x08\x00\x09\x00\x0A\x02" TAIL),
         false, "another kind"},
        {SPAN_LITERAL("\xAE" HEAD "\x05\x81\x61h\x06\x1B\x00\x00\x00\x01\x00\x00\x00\x00\x07\x00"
                      "\x08\x00\x09\x00\x0A\x00" TAIL),
         false, "more than 32 bits"},
        {SPAN_LITERAL("\x80"), false, "a list"},
        {SPAN_LITERAL("\xA0"), false, "an empty map"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct manifest manifest;

        if ((manifest_read(cases[i].bytes, &manifest) == ERR_OK) != cases[i].good)
            fail_msg("case %zu: %s", i, cases[i].what);
    }
}

static void test_many_names_are_too_big(void **state)
{
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct manifest manifest;

    (void)state;
    buf_span(&out, SPAN_LITERAL("\xAE" HEAD "\x05"));
    cbor_write_array(&out, HARDWARE_MAX + 1);
    for (uint32_t i = 0; i <= HARDWARE_MAX; i++)
        cbor_write_text(&out, SPAN_LITERAL("h"));
    buf_span(&out, SPAN_LITERAL("\x06\x00\x07\x00\x08\x00\x09\x00\x0A\x00" TAIL));
    assert_int_equal(manifest_read(buf_written(&out), &manifest), ERR_TOO_BIG);
}

/* Random facts, as far as they are any, come back as they went. */
static void test_random_facts(void **state)
{
    struct prng prng = prng_seeded(26);

    (void)state;
    for (uint32_t round = 0; round < 500; round++) {
        struct manifest manifest = prng_below(&prng, 2) ? full() : typical();
        struct release_facts *facts = &manifest.facts;

        facts->security_version = (uint32_t)prng_next(&prng);
        facts->security_floor = (uint32_t)prng_below(&prng, (uint64_t)facts->security_version + 1);
        facts->release_counter = (uint32_t)prng_next(&prng);
        facts->issued_s = prng_below(&prng, RELEASE_ISSUED_S_MAX);
        facts->hardware_count = 1 + (uint32_t)prng_below(&prng, 2);
        if (facts->hardware_count == 1)
            memset(facts->hardware[1], 0, sizeof facts->hardware[1]);
        for (uint32_t i = 0; i < DIGEST_SIZE; i++)
            facts->sha256[i] = (uint8_t)prng_next(&prng);
        assert_round_trip(&manifest);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_every_fact_comes_back),
        cmocka_unit_test(test_sixteen_names_fit),
        cmocka_unit_test(test_what_does_not_fit),
        cmocka_unit_test(test_what_makes_no_sense_is_not_written),
        cmocka_unit_test(test_torn_and_trailing),
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_other_maps),
        cmocka_unit_test(test_many_names_are_too_big),
        cmocka_unit_test(test_random_facts),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
