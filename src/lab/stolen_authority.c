#include "lab/stolen_authority.h"

#include <stdio.h>

#include "base/check.h"
#include "base/prng.h"
#include "crypto/sha256.h"
#include "format/chunks.h"
#include "format/cose_sign_host.h"

#define BLOCKED_MAX 4u /* images a trust store blocks here */

static struct key *new_key(void)
{
    struct key *key = NULL;

    CHECK(key_generate(KEY_ED25519, &key, NULL) == ERR_OK);
    return key;
}

static void make_keys(struct stolen_authority *authority)
{
    if (authority->root)
        return;
    authority->root = new_key();
    authority->signers[0] = new_key();
    authority->signers[1] = new_key();
    authority->assignment = new_key();
}

void stolen_authority_done(struct stolen_authority *authority)
{
    key_close(authority->root);
    key_close(authority->signers[0]);
    key_close(authority->signers[1]);
    key_close(authority->assignment);
    authority->root = authority->signers[0] = authority->signers[1] = authority->assignment = NULL;
}

/* ---- releases ---- */

void stolen_measure(struct stolen_release *release)
{
    struct release_facts *facts = &release->manifest.facts;
    struct chunks chunks = {.length = STOLEN_IMAGE_SIZE, .size = STOLEN_CHUNK_SIZE};

    facts->length = STOLEN_IMAGE_SIZE;
    facts->chunk_size = STOLEN_CHUNK_SIZE;
    for (uint32_t i = 0; i < STOLEN_CHUNKS; i++)
        sha256_of((struct span){release->image + chunks_at(&chunks, i), chunks_size_of(&chunks, i)},
                  release->list + (size_t)i * DIGEST_SIZE);
    sha256_of((struct span){release->list, sizeof release->list}, facts->chunks_sha256);
    sha256_of((struct span){release->image, STOLEN_IMAGE_SIZE}, facts->sha256);
}

/* For another product or other hardware now and then; security versions grow slowly, with
 * exceptions; some releases need a base. */
static void draw_facts(struct release_facts *facts, uint32_t index, struct prng *prng)
{
    bool factory = index == 0;

    (void)snprintf(facts->product, sizeof facts->product, "%s",
                   factory || prng_below(prng, 6) ? "pump" : "fan");
    (void)snprintf(facts->hardware[0], sizeof facts->hardware[0], "%s",
                   factory || prng_below(prng, 5) ? "rev-b" : "rev-a");
    facts->hardware_count = 1;
    (void)snprintf(facts->version, sizeof facts->version, "%u.%u", 1 + index / 4, index % 4);
    facts->security_version = factory ? 1 : 1 + (uint32_t)prng_below(prng, 2 + index / 6);
    facts->security_floor = (uint32_t)prng_below(prng, facts->security_version + 1);
    facts->release_counter = prng_below(prng, 4) ? index + 1 : 0;
    facts->issued_s = STOLEN_BEGIN_S + index;
    if (!factory && prng_below(prng, 5) == 0) {
        facts->bases_count = 1;
        (void)snprintf(facts->bases[0].version, sizeof facts->bases[0].version, "%u.%u",
                       1 + index / 8, index % 4);
    }
}

static void sign_release(const struct stolen_authority *authority, struct stolen_release *release)
{
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    struct buf text = buf_over(payload, sizeof payload);
    struct buf out = buf_over(release->message, sizeof release->message);
    struct cose_sign sign = {0};

    CHECK(manifest_write(&release->manifest, &text) == ERR_OK);
    sign.payload = buf_written(&text);
    for (uint32_t i = 0; i < 2; i++)
        CHECK(cose_sign_with(authority->signers[i], SPAN_LITERAL(MANIFEST_AAD), &sign, NULL) ==
              ERR_OK);
    cose_sign_write(&sign, &out);
    CHECK(!out.overflow);
    release->size = out.size;
}

static void make_release(struct stolen_authority *authority, uint32_t index, struct prng *prng)
{
    struct stolen_release *release = &authority->releases[index];
    struct release_facts *facts = &release->manifest.facts;
    struct buf target = buf_over(release->manifest.target, sizeof release->manifest.target);

    *release = (struct stolen_release){0};
    for (uint32_t i = 0; i < STOLEN_IMAGE_SIZE; i++)
        release->image[i] = (uint8_t)prng_next(prng);
    draw_facts(facts, index, prng);
    stolen_measure(release);
    buf_text(&target, facts->product);
    buf_text(&target, "/");
    buf_text(&target, facts->version);
    buf_text(&target, "/image");
    (void)buf_finish_text(&target);
    CHECK(!target.overflow);
    sign_release(authority, release);
}

/* ---- trust stores ---- */

static uint32_t add_key(struct trust_store *store, const struct key *key)
{
    struct verify_key wanted;
    uint32_t at = store->key_count;

    CHECK(key_to_verify(key, &wanted, NULL) == ERR_OK);
    for (; at > 0 && memcmp(store->keys[at - 1].kid, wanted.kid, VERIFY_KID_SIZE) > 0; at--)
        store->keys[at] = store->keys[at - 1];
    store->keys[at] = wanted;
    store->key_count++;
    return at;
}

static uint32_t bit_of(const struct trust_store *store, const struct key *key)
{
    struct verify_key wanted;

    CHECK(key_to_verify(key, &wanted, NULL) == ERR_OK);
    for (uint32_t i = 0; i < store->key_count; i++) {
        if (verify_key_same(&store->keys[i], &wanted))
            return 1u << i;
    }
    CHECK(!"a key of the store");
    return 0;
}

static void name_keys(const struct stolen_authority *authority, struct trust_store *store)
{
    struct key *const keys[] = {authority->root, authority->signers[0], authority->signers[1],
                                authority->assignment};
    uint32_t signers;

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        (void)add_key(store, keys[i]);
    signers = bit_of(store, authority->signers[0]) | bit_of(store, authority->signers[1]);
    store->root = (struct trust_role){1, bit_of(store, authority->root)};
    store->assignment_keys = bit_of(store, authority->assignment);
    store->releases[0] = (struct trust_release){.product = "fan", .role = {2, signers}};
    store->releases[1] = (struct trust_release){.product = "pump", .role = {2, signers}};
    store->release_count = 2;
}

/* Each blocks one more image, and the last ones raise the floor of the product. */
static void make_store(struct stolen_authority *authority, uint32_t index, struct prng *prng)
{
    struct stolen_store *made = &authority->stores[index];
    struct trust_store store = {.version = index + 1, .root_version = index / 2 + 1};
    uint8_t payload[TRUST_STORE_SIZE_MAX], blocked[BLOCKED_MAX * DIGEST_SIZE];
    struct buf text = buf_over(payload, sizeof payload);
    struct buf out = buf_over(made->message, sizeof made->message);
    struct cose_sign sign = {0};

    name_keys(authority, &store);
    store.issued_s = STOLEN_BEGIN_S + (uint64_t)index * 30 * STOLEN_DAY_S;
    store.expires_s = store.issued_s + (uint64_t)60 * STOLEN_DAY_S;
    store.allow_stale_s = prng_below(prng, 2) ? 10 * STOLEN_DAY_S : 0;
    store.releases[1].security_floor = index >= 3 ? 2 : 0;
    for (uint32_t i = 0; i < index && i < BLOCKED_MAX; i++)
        memcpy(blocked + (size_t)i * DIGEST_SIZE,
               authority->releases[3 + 4 * i].manifest.facts.sha256, DIGEST_SIZE);
    store.blocked =
        (struct span){blocked, (size_t)(index < BLOCKED_MAX ? index : BLOCKED_MAX) * DIGEST_SIZE};
    CHECK(trust_store_write(&store, &text) == ERR_OK);
    sign.payload = buf_written(&text);
    CHECK(cose_sign_with(authority->root, SPAN_LITERAL(TRUST_STORE_AAD), &sign, NULL) == ERR_OK);
    cose_sign_write(&sign, &out);
    CHECK(!out.overflow);
    made->size = out.size;
    made->expires_s = store.expires_s;
}

void stolen_authority_begin(struct stolen_authority *authority, struct prng *prng)
{
    make_keys(authority);
    for (uint32_t i = 0; i < STOLEN_RELEASES; i++)
        make_release(authority, i, prng);
    for (uint32_t i = 0; i < STOLEN_STORES; i++)
        make_store(authority, i, prng);
}

const struct stolen_release *stolen_find(const struct stolen_authority *authority,
                                         const uint8_t image[STOLEN_IMAGE_SIZE])
{
    for (uint32_t i = 0; i < STOLEN_RELEASES; i++) {
        if (memcmp(authority->releases[i].image, image, STOLEN_IMAGE_SIZE) == 0)
            return &authority->releases[i];
    }
    return NULL;
}
