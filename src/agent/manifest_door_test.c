/* A device that reads no JSON: from the bytes of a trust store, a manifest and an assignment to an
 * installed image, and each of them spoilt in turn. Checked by the portable code, as on a core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/agent_case_host.h"
#include "agent/manifest_door.h"
#include "base/check.h"
#include "crypto/test_key_host.h"
#include "crypto/verify_portable.h"
#include "format/cose_sign_host.h"

#define NOW_S  1795600960u
#define TARGET "pump/fw" /* as agent_case_host.h has it */

/* Bits of `struct parts`, and test keys. */
enum who {
    ROOT,
    SIGNER_1,
    SIGNER_2,
    SERVER,
    STRANGER,
    WHO_COUNT
};

/* What is put together, before it is signed. */
struct parts {
    struct trust_store store;
    struct manifest manifest;
    struct mandate mandate;
    uint32_t manifest_signers; /* set of enum who */
    enum who mandate_signer;
    const char *manifest_aad, *mandate_aad;
    uint8_t nonce[MANDATE_NONCE_SIZE]; /* of our poll */
    uint32_t now_s;
};

struct messages {
    uint8_t store[TRUST_STORE_SIZE_MAX], manifest[MANIFEST_SIZE_MAX], mandate[MANDATE_SIZE_MAX];
    size_t store_size, manifest_size, mandate_size;
};

static struct key *keys[WHO_COUNT];
static struct verify_key publics[WHO_COUNT];
static struct verify verify;
static uint8_t room[TRUST_ROOM_SIZE];

static int setup(void **state)
{
    (void)state;
    verify = verify_portable();
    for (uint8_t i = 0; i < WHO_COUNT; i++) {
        struct why why = {0};

        keys[i] = test_key(i);
        assert_int_equal(key_to_verify(keys[i], &publics[i], &why), ERR_OK);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < WHO_COUNT; i++)
        key_close(keys[i]);
    return 0;
}

static void put_key(struct trust_store *store, enum who who)
{
    uint32_t at = 0;

    while (at < store->key_count &&
           memcmp(store->keys[at].kid, publics[who].kid, VERIFY_KID_SIZE) < 0)
        at++;
    memmove(&store->keys[at + 1], &store->keys[at],
            (store->key_count - at) * sizeof store->keys[0]);
    store->keys[at] = publics[who];
    store->key_count++;
}

static uint32_t bit_of(const struct trust_store *store, enum who who)
{
    uint32_t at = 0;

    while (!verify_key_same(&store->keys[at], &publics[who]))
        at++;
    return 1u << at;
}

/* Who signs what, the second signer of releases being `second`. */
static void name_signers(struct trust_store *store, enum who second)
{
    store->root = (struct trust_role){1, bit_of(store, ROOT)};
    store->releases[0].role =
        (struct trust_role){2, bit_of(store, SIGNER_1) | bit_of(store, second)};
    store->assignment_keys = bit_of(store, SERVER);
}

static struct trust_store make_store(const enum who *who, uint32_t count)
{
    struct trust_store store = {.version = 1,
                                .root_version = 4,
                                .issued_s = NOW_S - 1000,
                                .expires_s = NOW_S + 1000,
                                .releases = {{.product = "pump"}},
                                .release_count = 1};

    for (uint32_t i = 0; i < count; i++)
        put_key(&store, who[i]);
    return store;
}

static const enum who first_keys[] = {ROOT, SIGNER_1, SIGNER_2, SERVER};
static const enum who second_keys[] = {ROOT, SIGNER_1, STRANGER, SERVER};

static struct parts make_parts(const struct release_facts *facts)
{
    struct parts parts = {.store = make_store(first_keys, COUNT_OF(first_keys)),
                          .manifest = {.target = TARGET, .facts = *facts},
                          .mandate = {.device = SPAN_LITERAL("pump-17"),
                                      .sequence = 1,
                                      .nonce_known = true,
                                      .nonce = {1, 2, 3},
                                      .issued_s = NOW_S,
                                      .id = 7,
                                      .action = MANDATE_INSTALL,
                                      .target = SPAN_LITERAL(TARGET),
                                      .root_version_min = 4},
                          .manifest_signers = 1u << SIGNER_1 | 1u << SIGNER_2,
                          .mandate_signer = SERVER,
                          .manifest_aad = MANIFEST_AAD,
                          .mandate_aad = MANDATE_AAD,
                          .nonce = {1, 2, 3},
                          .now_s = NOW_S};

    name_signers(&parts.store, SIGNER_2);
    memcpy(parts.mandate.sha256, facts->sha256, DIGEST_SIZE);
    return parts;
}

static size_t sign_all(struct span payload, const char *aad, uint32_t signers, void *to,
                       size_t to_size)
{
    struct cose_sign message = {.payload = payload};
    struct buf out = buf_over(to, to_size);
    struct why why = {0};

    for (uint32_t i = 0; i < WHO_COUNT; i++) {
        if ((signers >> i & 1) != 0)
            CHECK(cose_sign_with(keys[i], span_of(aad), &message, &why) == ERR_OK);
    }
    cose_sign_write(&message, &out);
    CHECK(!out.overflow);
    return out.size;
}

static struct messages sign(const struct parts *parts)
{
    uint8_t bytes[TRUST_STORE_SIZE_MAX];
    struct buf payload = buf_over(bytes, sizeof bytes), mandate;
    struct messages out;
    struct why why = {0};

    CHECK(trust_store_write(&parts->store, &payload) == ERR_OK);
    out.store_size =
        sign_all(buf_written(&payload), TRUST_STORE_AAD, 1u << ROOT, out.store, sizeof out.store);
    payload = buf_over(bytes, sizeof bytes);
    CHECK(manifest_write(&parts->manifest, &payload) == ERR_OK);
    out.manifest_size = sign_all(buf_written(&payload), parts->manifest_aad,
                                 parts->manifest_signers, out.manifest, sizeof out.manifest);
    payload = buf_over(bytes, sizeof bytes);
    mandate = buf_over(out.mandate, sizeof out.mandate);
    CHECK(mandate_write(&parts->mandate, &payload) == ERR_OK);
    CHECK(cose_sign1_make(keys[parts->mandate_signer], span_of(parts->mandate_aad),
                          buf_written(&payload), &mandate, &why) == ERR_OK);
    out.mandate_size = mandate.size;
    return out;
}

/* ---- one device, one offer ---- */

struct device {
    struct agent_case bench;
    struct trust_store store;
    struct manifest facts;
    struct messages in;
};

/* A device that has been offered version 2. */
static struct parts begin(struct device *device)
{
    case_begin(&device->bench);
    case_boot(&device->bench);
    case_go_to(&device->bench, AGENT_RESOLVING);
    case_forget_trace(&device->bench);
    return make_parts(&device->bench.firmware[1].facts);
}

/* Through the door, to the agent. */
static enum agent_reason hand_over(struct device *device, const struct parts *parts)
{
    struct trust_check check = {&verify, room, sizeof room};
    struct manifest_door door = {&device->store, "pump", &verify, room, MANIFEST_DOOR_ROOM_SIZE};
    struct manifest_door_input in = {.manifest = {device->in.manifest, device->in.manifest_size},
                                     .assignment = {device->in.mandate, device->in.mandate_size},
                                     .now = {(int64_t)parts->now_s * 1000},
                                     .nonce_known = true,
                                     .nonce = parts->nonce};

    assert_int_equal(trust_store_open((struct span){device->in.store, device->in.store_size},
                                      &check, &device->store),
                     ERR_OK);
    manifest_door_open(&door, &in, &device->facts, &device->bench.evidence);
    case_judge(&device->bench);
    return (enum agent_reason)device->bench.agent.record.report.reason;
}

static void test_installs_from_a_manifest_only(void **state)
{
    static struct device device;
    struct parts parts = begin(&device);

    (void)state;
    device.in = sign(&parts);
    print_message("trust store %zu, manifest %zu, assignment %zu bytes\n", device.in.store_size,
                  device.in.manifest_size, device.in.mandate_size);
    assert_int_equal(hand_over(&device, &parts), AGENT_REASON_NONE);
    assert_int_equal(agent_state(&device.bench.agent), AGENT_CHECKING);
    case_go_to(&device.bench, AGENT_REPORTING);
    assert_int_equal(device.bench.confirms, 1);
    assert_memory_equal(device.bench.banks[1].cells, device.bench.firmware[1].bytes,
                        CASE_IMAGE_SIZE);
    assert_memory_equal(device.bench.agent.record.banks[1].sha256, parts.manifest.facts.sha256,
                        DIGEST_SIZE);
}

/* ---- one thing wrong ---- */

static void one_signer(struct parts *p)
{
    p->manifest_signers = 1u << SIGNER_1;
}
static void signed_by_root(struct parts *p)
{
    p->manifest_signers = 1u << SIGNER_1 | 1u << ROOT;
}
static void signed_by_server(struct parts *p)
{
    p->manifest_signers = 1u << SIGNER_1 | 1u << SERVER;
}
static void signed_by_stranger(struct parts *p)
{
    p->manifest_signers = 1u << SIGNER_1 | 1u << STRANGER;
}
static void signed_as_a_store(struct parts *p)
{
    p->manifest_aad = TRUST_STORE_AAD;
}
static void nobody_for_the_product(struct parts *p)
{
    memcpy(p->store.releases[0].product, "pumps", 6);
}
static void other_product(struct parts *p)
{
    memcpy(p->manifest.facts.product, "fan", 4);
}
static void other_hardware(struct parts *p)
{
    memcpy(p->manifest.facts.hardware[0], "rev-x", 6);
}
static void mandate_by_signer(struct parts *p)
{
    p->mandate_signer = SIGNER_1;
}
static void mandate_by_stranger(struct parts *p)
{
    p->mandate_signer = STRANGER;
}
static void mandate_as_a_manifest(struct parts *p)
{
    p->mandate_aad = MANIFEST_AAD;
}
static void no_assignment_key(struct parts *p)
{
    p->store.assignment_keys = 0;
    p->store.root.keys |= bit_of(&p->store, SERVER);
}
static void other_device(struct parts *p)
{
    p->mandate.device = SPAN_LITERAL("pump-18");
}
static void other_nonce(struct parts *p)
{
    p->nonce[0] = 9;
}
static void other_assignment(struct parts *p)
{
    p->mandate.id = 8;
}
static void other_digest(struct parts *p)
{
    p->mandate.sha256[0] ^= 1;
}
static void other_target(struct parts *p)
{
    memcpy(p->manifest.target, "pump/fx", 8);
}
static void newer_root(struct parts *p)
{
    p->mandate.root_version_min = 5;
}
static void floor_of_the_store(struct parts *p)
{
    p->store.releases[0].security_floor = 3;
}
static void other_base(struct parts *p)
{
    memcpy(p->manifest.facts.bases[0].version, "7", 2);
    p->manifest.facts.bases_count = 1;
}
static void not_newer(struct parts *p)
{
    memcpy(p->manifest.facts.version, "0", 2);
}
static void blocked(struct parts *p)
{
    static uint8_t digests[2 * DIGEST_SIZE];

    memcpy(digests + DIGEST_SIZE, p->manifest.facts.sha256, DIGEST_SIZE);
    p->store.blocked = (struct span){digests, sizeof digests};
}
static void expired(struct parts *p)
{
    p->now_s = NOW_S + 1001;
}
static void too_stale(struct parts *p)
{
    p->now_s = NOW_S + 1101;
    p->store.allow_stale_s = 100;
}
static void early(struct parts *p)
{
    p->mandate.not_before_s = NOW_S + 1;
}
static void late(struct parts *p)
{
    p->mandate.deadline_s = NOW_S - 1;
}

static const struct {
    void (*spoil)(struct parts *parts);
    enum agent_reason reason;
} rows[] = {
    {one_signer, AGENT_REASON_METADATA},
    {signed_by_root, AGENT_REASON_METADATA},
    {signed_by_server, AGENT_REASON_METADATA},
    {signed_by_stranger, AGENT_REASON_METADATA},
    {signed_as_a_store, AGENT_REASON_METADATA},
    {nobody_for_the_product, AGENT_REASON_METADATA},
    {other_product, AGENT_REASON_PRODUCT},
    {other_hardware, AGENT_REASON_HARDWARE},
    {mandate_by_signer, AGENT_REASON_ASSIGNMENT_KEY},
    {mandate_by_stranger, AGENT_REASON_ASSIGNMENT_KEY},
    {mandate_as_a_manifest, AGENT_REASON_ASSIGNMENT_SIGNATURE},
    {no_assignment_key, AGENT_REASON_ASSIGNMENT_KEY},
    {other_device, AGENT_REASON_NOT_ADDRESSED},
    {other_nonce, AGENT_REASON_NONCE},
    {other_assignment, AGENT_REASON_ACTION},
    {other_digest, AGENT_REASON_DIGEST},
    {other_target, AGENT_REASON_DIGEST},
    {newer_root, AGENT_REASON_ROOT_VERSION},
    {floor_of_the_store, AGENT_REASON_FLOOR},
    {not_newer, AGENT_REASON_NOT_NEWER},
    {other_base, AGENT_REASON_BASE},
    {blocked, AGENT_REASON_BLOCKED},
    {expired, AGENT_REASON_STALE},
    {too_stale, AGENT_REASON_STALE},
    {early, AGENT_REASON_EARLY},
    {late, AGENT_REASON_LATE},
};

static void test_each_thing_has_its_reason(void **state)
{
    static struct device device;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parts parts = begin(&device);
        enum agent_reason reason;

        rows[i].spoil(&parts);
        device.in = sign(&parts);
        reason = hand_over(&device, &parts);
        if (reason != rows[i].reason)
            fail_msg("row %zu: %s instead of %s", i, agent_reason_name(reason),
                     agent_reason_name(rows[i].reason));
        assert_int_equal(device.bench.banks[1].erases, 0);
    }
}

/* Grace by policy lets an expired store pass for as long as it says. */
static void test_grace(void **state)
{
    static struct device device;
    struct parts parts = begin(&device);

    (void)state;
    parts.store.allow_stale_s = 100;
    parts.now_s = NOW_S + 1100;
    device.in = sign(&parts);
    assert_int_equal(hand_over(&device, &parts), AGENT_REASON_NONE);
}

/* No byte of either message may change, be missing or follow. */
static void test_spoilt_bytes(void **state)
{
    static struct device device;
    struct parts parts = begin(&device);
    struct messages whole = sign(&parts);
    struct manifest_door door = {&device.store, "pump", &verify, room, MANIFEST_DOOR_ROOM_SIZE};
    struct trust_check check = {&verify, room, sizeof room};
    struct manifest facts, none = {0};

    (void)state;
    assert_int_equal(
        trust_store_open((struct span){whole.store, whole.store_size}, &check, &device.store),
        ERR_OK);
    for (size_t i = 0; i < whole.manifest_size; i += 3) {
        whole.manifest[i] ^= 0x04;
        assert_int_not_equal(
            manifest_door_facts(&door, (struct span){whole.manifest, whole.manifest_size}, &facts),
            ERR_OK);
        assert_memory_equal(&facts, &none, sizeof facts);
        whole.manifest[i] ^= 0x04;
        assert_int_equal(manifest_door_facts(&door, (struct span){whole.manifest, i}, &facts),
                         ERR_CORRUPT);
    }
    whole.manifest[whole.manifest_size] = 0;
    assert_int_equal(
        manifest_door_facts(&door, (struct span){whole.manifest, whole.manifest_size + 1}, &facts),
        ERR_CORRUPT);
    assert_int_equal(
        manifest_door_facts(&door, (struct span){whole.manifest, MANIFEST_SIZE_MAX + 1}, &facts),
        ERR_TOO_BIG);
    assert_int_equal(
        manifest_door_facts(&door, (struct span){whole.manifest, whole.manifest_size}, &facts),
        ERR_OK);
    assert_memory_equal(&facts.facts, &parts.manifest.facts, sizeof facts.facts);
}

static void test_without_an_assignment(void **state)
{
    static struct device device;
    struct parts parts = begin(&device);

    (void)state;
    device.in = sign(&parts);
    device.in.mandate_size = 0;
    assert_int_equal(hand_over(&device, &parts), AGENT_REASON_ASSIGNMENT_SIGNATURE);
}

/* A signer's key is lost: the next trust store names another, and the lost one is worth nothing. */
static void test_a_signer_is_replaced(void **state)
{
    static struct device device;
    struct parts parts = begin(&device);
    struct trust_check check = {&verify, room, sizeof room};
    struct manifest_door door = {NULL, "pump", &verify, room, MANIFEST_DOOR_ROOM_SIZE};
    struct trust_store first, second;
    struct messages old = sign(&parts), new;
    struct manifest facts;

    (void)state;
    assert_int_equal(trust_store_open((struct span){old.store, old.store_size}, &check, &first),
                     ERR_OK);
    parts.store = make_store(second_keys, COUNT_OF(second_keys));
    parts.store.version = 2;
    name_signers(&parts.store, STRANGER);
    parts.manifest_signers = 1u << SIGNER_1 | 1u << STRANGER;
    new = sign(&parts);
    assert_int_equal(
        trust_store_follow(&first, (struct span){new.store, new.store_size}, &check, &second),
        ERR_OK);
    door.store = &first;
    assert_int_equal(
        manifest_door_facts(&door, (struct span){new.manifest, new.manifest_size}, &facts),
        ERR_UNTRUSTED);
    door.store = &second;
    assert_int_equal(
        manifest_door_facts(&door, (struct span){new.manifest, new.manifest_size}, &facts), ERR_OK);
    assert_int_equal(
        manifest_door_facts(&door, (struct span){old.manifest, old.manifest_size}, &facts),
        ERR_UNTRUSTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_installs_from_a_manifest_only),
        cmocka_unit_test(test_each_thing_has_its_reason),
        cmocka_unit_test(test_grace),
        cmocka_unit_test(test_spoilt_bytes),
        cmocka_unit_test(test_without_an_assignment),
        cmocka_unit_test(test_a_signer_is_replaced),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
