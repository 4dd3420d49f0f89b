#include "agent/accept.h"

#include "base/check.h"
#include "codec/version.h"
#include "format/chunks.h"
#include "format/cose.h"

static bool same_text(struct span a, const char *b)
{
    return span_equal(a, span_of(b));
}

static bool same_digest(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE])
{
    return memcmp(a, b, DIGEST_SIZE) == 0;
}

static uint64_t now_s(const struct accept_question *q)
{
    return q->evidence->now.ms > 0 ? (uint64_t)q->evidence->now.ms / 1000 : 0;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the release authority ---- */

static bool chain_good(const struct accept_question *q)
{
    return q->evidence->chain == ERR_OK && q->evidence->facts;
}

static bool facts_whole(const struct accept_question *q)
{
    const struct release_facts *facts = q->evidence->facts;
    struct chunks chunks = {.length = facts->length, .size = facts->chunk_size};

    return release_facts_check(facts, NULL) == ERR_OK && chunks_check(&chunks) == ERR_OK;
}

/* Signers may sign for one product alone, and what binds them is the name under which they list it:
 * facts that speak of another product than that name are a claim to what is not theirs. */
static bool product_mine(const struct accept_question *q)
{
    return same_text(span_of(q->evidence->facts->product), q->device.product) &&
           release_listed_for(q->evidence->target, q->device.product);
}

static bool hardware_mine(const struct accept_question *q)
{
    const struct release_facts *facts = q->evidence->facts;

    for (uint32_t i = 0; i < facts->hardware_count; i++) {
        if (same_text(span_of(facts->hardware[i]), q->device.hardware))
            return true;
    }
    return false;
}

/* ---- the assignment ---- */

static bool key_named(const struct accept_question *q)
{
    return q->evidence->signature != ACCEPT_NO_KEY;
}

static bool signature_good(const struct accept_question *q)
{
    return q->evidence->signature == ACCEPT_SIGNED || q->evidence->signature == ACCEPT_NO_KEY;
}

static bool addressed_to_me(const struct accept_question *q)
{
    return same_text(q->evidence->mandate.device, q->device.name);
}

/* Newer than the last one by this key, or that one itself while it is still in hand. A key that
 * has not been used before starts afresh: so a server that has burnt the numbers is replaced. */
static bool not_replayed(const struct accept_question *q)
{
    const struct mandate *mandate = &q->evidence->mandate;
    const struct record_mandate *last = q->device.last;

    if (last->sequence == 0 || memcmp(last->key_id, q->evidence->key_id, VERIFY_KID_SIZE) != 0)
        return true;
    if (mandate->sequence != last->sequence)
        return mandate->sequence > last->sequence;
    return last->open && last->assignment == mandate->id;
}

/* Made in advance for a device that cannot ask: only if the authority allows it, only forward, with
 * an end, and for as long as both say. */
static bool made_in_advance(const struct accept_question *q)
{
    const struct mandate *mandate = &q->evidence->mandate;
    uint64_t age_max_s = lesser(q->evidence->allow_stale_s, mandate->allow_stale_s);

    return mandate->action == MANDATE_INSTALL && mandate->deadline_s > 0 && age_max_s > 0 &&
           now_s(q) <= mandate->issued_s + age_max_s;
}

static bool nonce_mine(const struct accept_question *q)
{
    const struct mandate *mandate = &q->evidence->mandate;

    if (!mandate->nonce_known)
        return made_in_advance(q);
    return q->evidence->nonce_known &&
           memcmp(mandate->nonce, q->evidence->nonce, MANDATE_NONCE_SIZE) == 0;
}

static bool goes_back(const struct accept_question *q)
{
    enum mandate_action action = q->evidence->mandate.action;

    return action == MANDATE_ROLLBACK || action == MANDATE_RECOVER;
}

static bool action_agrees(const struct accept_question *q)
{
    if (q->evidence->mandate.id != q->offer.assignment)
        return false;
    return goes_back(q) ||
           (q->evidence->mandate.action == MANDATE_INSTALL && !q->offer.download_barred);
}

static bool digest_signed(const struct accept_question *q)
{
    const struct mandate *mandate = &q->evidence->mandate;
    const uint8_t *sha256 = q->evidence->facts->sha256;

    return same_digest(mandate->sha256, sha256) &&
           span_equal(mandate->target, q->evidence->target) &&
           span_equal(mandate->target, q->offer.target) &&
           (!q->offer.sha256.known || same_digest(q->offer.sha256.at, sha256));
}

static bool root_new_enough(const struct accept_question *q)
{
    return q->evidence->root_version >= q->evidence->mandate.root_version_min;
}

/* ---- the image on this device ---- */

static bool floor_held(const struct accept_question *q)
{
    uint32_t version = q->evidence->facts->security_version;

    return version >= q->device.security_floor && version >= q->evidence->security_floor;
}

/* Than an image that is known. By count where both state one, or else by version. */
static bool is_newer(const struct release_facts *facts, const struct record_image *running)
{
    if (facts->release_counter > 0 && running->release_counter > 0)
        return facts->release_counter > running->release_counter;
    return running->version[0] == '\0' ||
           version_compare(span_of(facts->version), span_of(running->version)) > 0;
}

/* The image that runs is no step back. */
static bool newer(const struct accept_question *q)
{
    const struct release_facts *facts = q->evidence->facts;
    const struct record_image *running = q->device.running;

    return goes_back(q) || !running->known || same_digest(running->sha256, facts->sha256) ||
           is_newer(facts, running);
}

static bool base_is(const struct release_base *base, const struct record_image *running)
{
    if (base->by_digest)
        return running->known && same_digest(base->sha256, running->sha256);
    return running->known && same_text(span_of(base->version), running->version);
}

/* Going back is not applying an update: a whole older image needs none of what came after it. To
 * call a newer one a way back does not help. */
static bool base_right(const struct accept_question *q)
{
    const struct release_facts *facts = q->evidence->facts;
    const struct record_image *running = q->device.running;

    if (facts->bases_count == 0 || (goes_back(q) && (!running->known || !is_newer(facts, running))))
        return true;
    for (uint32_t i = 0; i < facts->bases_count; i++) {
        if (base_is(&facts->bases[i], running))
            return true;
    }
    return false;
}

static bool not_blocked(const struct accept_question *q)
{
    for (uint32_t i = 0; i < q->evidence->blocked_count; i++) {
        if (same_digest(q->evidence->blocked + (size_t)i * DIGEST_SIZE, q->evidence->facts->sha256))
            return false;
    }
    return true;
}

/* ---- time ---- */

/* Fresh, or let pass by the signed policy: forward only, and the server may be stricter. */
static bool fresh(const struct accept_question *q)
{
    const struct mandate *mandate = &q->evidence->mandate;
    uint64_t allowed_s = q->evidence->allow_stale_s;

    if (mandate->allow_stale_s > 0)
        allowed_s = lesser(allowed_s, mandate->allow_stale_s);
    return q->evidence->stale_s == 0 ||
           (mandate->action == MANDATE_INSTALL && q->evidence->stale_s <= allowed_s);
}

static bool begun(const struct accept_question *q)
{
    return q->evidence->mandate.not_before_s <= now_s(q);
}

static bool not_over(const struct accept_question *q)
{
    return q->evidence->mandate.deadline_s == 0 || q->evidence->mandate.deadline_s >= now_s(q);
}

static bool unhindered(const struct accept_question *q)
{
    return q->hindrance == AGENT_REASON_NONE;
}

/* ---- the rule ---- */

/* In this order: what is said about the image, who asks, whether this device may, whether now.
 * docs/spec/assignment.md has the same table. */
/* clang-format off */
static const struct {
    enum agent_reason reason;
    enum err err;
    bool (*holds)(const struct accept_question *question);
} rules[] = {
    { AGENT_REASON_METADATA,             ERR_UNTRUSTED,  chain_good },
    { AGENT_REASON_FACTS,                ERR_CORRUPT,    facts_whole },
    { AGENT_REASON_PRODUCT,              ERR_UNSUITABLE, product_mine },
    { AGENT_REASON_HARDWARE,             ERR_UNSUITABLE, hardware_mine },
    { AGENT_REASON_ASSIGNMENT_KEY,       ERR_UNTRUSTED,  key_named },
    { AGENT_REASON_ASSIGNMENT_SIGNATURE, ERR_UNTRUSTED,  signature_good },
    { AGENT_REASON_NOT_ADDRESSED,        ERR_UNTRUSTED,  addressed_to_me },
    { AGENT_REASON_REPLAYED,             ERR_UNTRUSTED,  not_replayed },
    { AGENT_REASON_NONCE,                ERR_UNTRUSTED,  nonce_mine },
    { AGENT_REASON_ACTION,               ERR_UNTRUSTED,  action_agrees },
    { AGENT_REASON_DIGEST,               ERR_UNTRUSTED,  digest_signed },
    { AGENT_REASON_ROOT_VERSION,         ERR_UNTRUSTED,  root_new_enough },
    { AGENT_REASON_FLOOR,                ERR_UNSUITABLE, floor_held },
    { AGENT_REASON_NOT_NEWER,            ERR_UNSUITABLE, newer },
    { AGENT_REASON_BASE,                 ERR_UNSUITABLE, base_right },
    { AGENT_REASON_BLOCKED,              ERR_UNSUITABLE, not_blocked },
    { AGENT_REASON_STALE,                ERR_UNTRUSTED,  fresh },
    { AGENT_REASON_EARLY,                ERR_UNSUITABLE, begun },
    { AGENT_REASON_LATE,                 ERR_UNSUITABLE, not_over },
    { AGENT_REASON_BUSY,                 ERR_AGAIN,      unhindered },
};
/* clang-format on */

uint32_t accept_rule_count(void)
{
    return COUNT_OF(rules);
}

enum agent_reason accept_rule_reason(uint32_t index)
{
    CHECK(index < COUNT_OF(rules));
    return rules[index].reason;
}

bool accept_rule_holds(uint32_t index, const struct accept_question *question)
{
    CHECK(index < COUNT_OF(rules));
    return rules[index].holds(question);
}

enum agent_reason accept_judge(const struct accept_question *question)
{
    for (uint32_t i = 0; i < COUNT_OF(rules); i++) {
        if (rules[i].holds(question))
            continue;
        return rules[i].holds == unhindered ? question->hindrance : rules[i].reason;
    }
    return AGENT_REASON_NONE;
}

enum err accept_err(enum agent_reason reason)
{
    if (reason == AGENT_REASON_NONE)
        return ERR_OK;
    if (reason == AGENT_REASON_SIZE || reason == AGENT_REASON_SPACE)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < COUNT_OF(rules); i++) {
        if (rules[i].reason == reason)
            return rules[i].err;
    }
    return ERR_AGAIN; /* a hindrance that passes */
}

/* ---- the signature ---- */

static const struct verify_key *key_of(const struct accept_keys *keys,
                                       const struct cose_signature *signature)
{
    for (uint32_t i = 0; i < keys->count; i++) {
        if (memcmp(keys->keys[i].kid, signature->kid, VERIFY_KID_SIZE) == 0 &&
            keys->keys[i].alg == signature->alg)
            return &keys->keys[i];
    }
    return NULL;
}

static enum accept_signature judge_signature(const struct cose_sign1 *message,
                                             const struct accept_keys *keys)
{
    const struct verify_key *key = key_of(keys, &message->signature);
    const struct cose_check check = {.verify = keys->verify,
                                     .domain = SPAN_LITERAL(MANDATE_AAD),
                                     .room = keys->room,
                                     .room_size = keys->room_size};

    if (!key)
        return ACCEPT_NO_KEY;
    return cose_sign1_good(message, key, &check) ? ACCEPT_SIGNED : ACCEPT_FORGED;
}

void accept_read_mandate(struct span message, const struct accept_keys *keys,
                         struct accept_evidence *out)
{
    struct cose_sign1 signed_message;

    out->signature = keys->count == 0 ? ACCEPT_NO_KEY : ACCEPT_UNSIGNED;
    if (keys->count == 0 || message.size > MANDATE_SIZE_MAX ||
        cose_sign1_read(message, &signed_message) != ERR_OK)
        return;
    out->signature = judge_signature(&signed_message, keys);
    memcpy(out->key_id, signed_message.signature.kid, VERIFY_KID_SIZE);
    if (out->signature == ACCEPT_SIGNED &&
        mandate_read(signed_message.payload, &out->mandate) != ERR_OK)
        out->signature = ACCEPT_UNSIGNED; /* signed, but no order that we understand */
}
