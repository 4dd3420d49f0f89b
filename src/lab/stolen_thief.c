#include "lab/stolen_thief.h"

#include <stdio.h>

#include "base/check.h"
#include "base/prng.h"
#include "format/cose_sign_host.h"

static bool chance(const struct thief *thief, uint32_t percent)
{
    return prng_below(thief->prng, 100) < percent;
}

static uint64_t below(const struct thief *thief, uint64_t bound)
{
    return prng_below(thief->prng, bound);
}

/* ---- an image of his own ---- */

/* Facts of a good release, his bytes, his signature or one that he cut from elsewhere. */
static void forge(struct thief *thief)
{
    const struct stolen_release *model = &thief->authority->releases[below(thief, STOLEN_RELEASES)];
    struct stolen_release *forged = &thief->forged;
    uint8_t payload[MANIFEST_PAYLOAD_MAX];
    struct buf text = buf_over(payload, sizeof payload);
    struct buf out = buf_over(forged->message, sizeof forged->message);
    struct cose_sign sign = {0}, right;

    *forged = *model;
    forged->image[below(thief, STOLEN_IMAGE_SIZE)] ^= 0x55;
    stolen_measure(forged);
    forged->manifest.facts.security_version = 9;
    CHECK(manifest_write(&forged->manifest, &text) == ERR_OK);
    CHECK(cose_sign_read((struct span){model->message, model->size}, &right) == ERR_OK);
    if (chance(thief, 50)) { /* the signers' signatures on another text */
        sign = right;
        sign.payload = buf_written(&text);
    } else {
        sign.payload = buf_written(&text);
        CHECK(cose_sign_with(thief->own, SPAN_LITERAL(MANIFEST_AAD), &sign, NULL) == ERR_OK);
        CHECK(cose_sign_with(thief->authority->assignment, SPAN_LITERAL(MANIFEST_AAD), &sign,
                             NULL) == ERR_OK);
    }
    cose_sign_write(&sign, &out);
    CHECK(!out.overflow);
    forged->size = out.size;
}

static bool fits(const struct release_facts *facts, const struct thief_view *view)
{
    return span_is(span_of(facts->product), "pump") &&
           span_is(span_of(facts->hardware[0]), "rev-b") &&
           facts->security_version >= view->security_floor;
}

/* Mostly one that the device might take. */
static void choose_release(struct thief *thief, const struct thief_view *view,
                           struct thief_deed *deed)
{
    for (int i = 0; i < 4; i++) {
        deed->release = &thief->authority->releases[below(thief, STOLEN_RELEASES)];
        if (fits(&deed->release->manifest.facts, view))
            break;
    }
    if (chance(thief, 4)) {
        forge(thief);
        deed->release = &thief->forged;
        deed->wrong |= WRONG_MANIFEST;
    }
    memcpy(deed->manifest, deed->release->message, deed->release->size);
    deed->manifest_size = deed->release->size;
    if (chance(thief, 3)) {
        deed->manifest[below(thief, deed->manifest_size)] ^= (uint8_t)(1u << below(thief, 8));
        deed->wrong |= WRONG_MANIFEST;
    }
}

/* ---- the assignment ---- */

static void draw_times(struct thief *thief, const struct thief_view *view, struct thief_deed *deed)
{
    struct mandate *mandate = &deed->mandate;

    mandate->issued_s = view->now_s;
    if (chance(thief, 20))
        mandate->deadline_s = view->now_s + STOLEN_DAY_S;
    if (chance(thief, 3)) {
        mandate->deadline_s = view->now_s - 1 - below(thief, STOLEN_DAY_S);
        deed->wrong |= WRONG_TIME;
    }
    if (chance(thief, 3)) {
        mandate->not_before_s = view->now_s + 1 + below(thief, STOLEN_DAY_S);
        deed->wrong |= WRONG_TIME;
    }
    if (chance(thief, 10))
        mandate->allow_stale_s = (uint32_t)below(thief, 20 * STOLEN_DAY_S);
    if (chance(thief, 3)) {
        mandate->root_version_min = view->root_version + 1;
        deed->wrong |= WRONG_ROOT;
    }
}

static void draw_address(struct thief *thief, const struct thief_view *view,
                         struct thief_deed *deed)
{
    static const char *const others[] = {"pump-2", "pump-", "pump-11", "PUMP-1", "."};
    struct mandate *mandate = &deed->mandate;

    mandate->device = SPAN_LITERAL("pump-1");
    if (chance(thief, 3)) {
        mandate->device = span_of(others[below(thief, COUNT_OF(others))]);
        deed->wrong |= WRONG_DEVICE;
    }
    mandate->nonce_known = true;
    memcpy(mandate->nonce, view->nonce, sizeof mandate->nonce);
    if (chance(thief, 3)) {
        mandate->nonce[below(thief, sizeof mandate->nonce)] ^= 0x10;
        deed->wrong |= WRONG_NONCE;
    } else if (chance(thief, 4)) { /* may be granted; the oracle asks the accept rule's author */
        mandate->nonce_known = false;
        memset(mandate->nonce, 0, sizeof mandate->nonce);
    }
}

static void draw_numbers(struct thief *thief, const struct thief_view *view,
                         struct thief_deed *deed)
{
    struct mandate *mandate = &deed->mandate;

    mandate->id = ++thief->next_id;
    deed->answer.assignment = mandate->id;
    if (chance(thief, 3)) {
        deed->answer.assignment += 1 + below(thief, 9);
        deed->wrong |= WRONG_ID;
    }
    if (thief->next_sequence <= view->last_sequence)
        thief->next_sequence = view->last_sequence + 1;
    mandate->sequence = thief->next_sequence + below(thief, 3);
    if (view->last_sequence > 0 && chance(thief, 3)) {
        mandate->sequence = 1 + below(thief, view->last_sequence);
        deed->wrong |= WRONG_SEQUENCE;
    }
}

static void draw_image(struct thief *thief, struct thief_deed *deed)
{
    const struct manifest *manifest = &deed->release->manifest;
    struct mandate *mandate = &deed->mandate;

    mandate->target = span_of(manifest->target);
    memcpy(mandate->sha256, manifest->facts.sha256, DIGEST_SIZE);
    deed->answer.target = mandate->target;
    deed->answer.sha256.known = chance(thief, 80);
    memcpy(deed->answer.sha256.at, mandate->sha256, DIGEST_SIZE);
    if (chance(thief, 3)) {
        mandate->sha256[below(thief, DIGEST_SIZE)] ^= 1;
        deed->wrong |= WRONG_IMAGE;
    }
    if (chance(thief, 4)) {
        deed->answer.target = SPAN_LITERAL("pump/9.9/image");
        deed->wrong |= WRONG_IMAGE;
    }
    mandate->action = chance(thief, 40) ? MANDATE_INSTALL
                                        : (enum mandate_action)below(thief, MANDATE_ACTION_COUNT);
    if (mandate->action == MANDATE_HOLD && chance(thief, 70))
        mandate->action = MANDATE_ROLLBACK;
    deed->answer.kind = chance(thief, 90) ? NATIVE_INSTALL : NATIVE_ROLLBACK;
    if (mandate->action == MANDATE_HOLD ||
        (mandate->action == MANDATE_INSTALL && deed->answer.kind == NATIVE_ROLLBACK))
        deed->wrong |= WRONG_ACTION;
}

static void sign(struct thief *thief, struct thief_deed *deed)
{
    uint8_t payload[MANDATE_PAYLOAD_MAX];
    struct buf text = buf_over(payload, sizeof payload);
    struct buf out = buf_over(deed->order, sizeof deed->order);
    const struct key *key = thief->authority->assignment;

    if (chance(thief, 3)) {
        key = thief->own;
        deed->wrong |= WRONG_KEY;
    }
    CHECK(mandate_write(&deed->mandate, &text) == ERR_OK);
    CHECK(cose_sign1_make(key, SPAN_LITERAL(MANDATE_AAD), buf_written(&text), &out, NULL) ==
          ERR_OK);
    deed->order_size = out.size;
    if (chance(thief, 3)) {
        deed->order[below(thief, deed->order_size)] ^= (uint8_t)(1u << below(thief, 8));
        deed->wrong |= WRONG_SIGNATURE;
    } else if (chance(thief, 2)) {
        deed->order_size = below(thief, deed->order_size);
        deed->wrong |= WRONG_SIGNATURE;
    }
}

/* Something from before, word for word, in answer to another question. */
static void play_back(struct thief *thief, struct thief_deed *out)
{
    const struct thief_deed *old = &thief->old;

    memcpy(out->order, old->order, old->order_size);
    out->order_size = old->order_size;
    out->mandate = old->mandate;
    out->wrong |= WRONG_NONCE;
}

void thief_answer(struct thief *thief, const struct thief_view *view, struct thief_deed *out)
{
    memset(out, 0, sizeof *out);
    out->answer.next_poll_s = 1 + (uint32_t)below(thief, 100);
    out->answer.server_s = view->now_s;
    if (chance(thief, 10)) {
        out->answer.kind = chance(thief, 50) ? NATIVE_NOTHING : NATIVE_CANCEL;
        return;
    }
    choose_release(thief, view, out);
    draw_times(thief, view, out);
    draw_address(thief, view, out);
    draw_numbers(thief, view, out);
    draw_image(thief, out);
    sign(thief, out);
    if (thief->old.order_size > 0 && thief->old.mandate.nonce_known && chance(thief, 3))
        play_back(thief, out);
    else if (chance(thief, 30))
        thief->old = *out;
    out->answer.signed_assignment = (struct span){out->order, out->order_size};
}

void thief_begin(struct thief *thief, const struct stolen_authority *authority, struct prng *prng)
{
    struct key *own = thief->own;

    memset(thief, 0, sizeof *thief);
    thief->authority = authority;
    thief->prng = prng;
    thief->own = own;
    if (!own)
        CHECK(key_generate(KEY_ED25519, &thief->own, NULL) == ERR_OK);
}
