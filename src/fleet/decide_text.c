/* Decisions in words. One sentence for each reason, with a few places to fill in. */
#include "base/check.h"
#include "fleet/decide.h"

/* %R rollout  %V its version  %P its product  %p the device's product  %h the device's hardware
 * %v the device's version  %T the time at which something changes  %E the device's error
 * %D the same after a colon, or nothing  %F what stands behind its success  %O its protocol
 * %H that it is ready
 * %K the risk sentence  %W the window  %X what the rollout does  %S stage n of m */
/* clang-format off */
static const char *const sentences[REASON_COUNT] = {
    [REASON_PENDING]   = "It has not been accepted yet; an operator has to accept or reject it.",
    [REASON_REJECTED]  = "It was rejected at enrolment and gets nothing.",
    [REASON_REVOKED]   = "It was revoked and gets nothing until it is enrolled anew.",
    [REASON_GO_BACK]   = "Rollout %R is rolled back: it is told to boot its other bank.",
    [REASON_FETCH_BACK] = "Rollout %R is rolled back: it is told to fetch what it ran before.",
    [REASON_GONE_BACK] = "Rollout %R was rolled back, and it went back to what it ran before.",
    [REASON_STRANDED]  = "Rollout %R was rolled back, but it could not go back: %E.",
    [REASON_NO_ROLLOUT]   = "No rollout concerns it.",
    [REASON_NOT_SELECTED] = "The selector of rollout %R does not match it.",
    [REASON_CURRENT]   = "It already runs %V, the release of rollout %R.",
    [REASON_PRODUCT]   = "Rollout %R brings a release for product %P, and this device is %p.",
    [REASON_HARDWARE]  = "The release of rollout %R is not made for its hardware, %h.",
    [REASON_ARTIFACT]  = "The release of rollout %R has no artifact that a %O client can use.",
    [REASON_BLOCKED]   = "The signers have blocked %V, the release of rollout %R.",
    [REASON_FLOOR]     = "The release of rollout %R is below the security version it accepts.",
    [REASON_BASE]      = "The release of rollout %R cannot be applied on %v, which it runs.",
    [REASON_SEALING]   = "The release of rollout %R is encrypted, and the device has sent no sealing key.",
    [REASON_SUCCEEDED] = "%F",
    [REASON_CLAIMED]   = "It claims to run %V of rollout %R; that counts as good when it comes back, or at %T.",
    [REASON_FAILED]    = "It failed to install %V of rollout %R: %E.",
    [REASON_REVERTED]  = "It tried %V of rollout %R and fell back to what it ran before%D.",
    [REASON_SILENT]    = "It was given leave to switch to %V by rollout %R, and no outcome came in time.",
    [REASON_REFUSED]   = "It refused %V of rollout %R: %E.",
    [REASON_SUPERSEDED] = "Another rollout has taken it over from rollout %R.",
    [REASON_FLIPPING]  = "It has leave to switch to %V; it counts as silent if nothing comes before %T.",
    [REASON_ON_TRIAL]  = "It runs %V on trial; it counts as silent if nothing comes before %T.",
    [REASON_ROLLOUT_DRAFT]     = "Rollout %R, which would bring %V, has not started: %X.",
    [REASON_ROLLOUT_SCHEDULED] = "Rollout %R, which brings %V, starts at %T.",
    [REASON_ROLLOUT_HALTED]    = "Rollout %R gives %V to nobody any more: %X.",
    [REASON_ROLLOUT_ENDED]     = "Rollout %R is over, and it did not get %V: %X.",
    [REASON_DEVICE_HELD]       = "An operator holds it back, so rollout %R waits.",
    [REASON_ROLLOUT_PAUSED]    = "Rollout %R, which brings %V, is paused by an operator.",
    [REASON_BUSY_ELSEWHERE]    = "Another rollout is at work on it; rollout %R waits for that.",
    [REASON_REFUSED_LATELY]    = "It could not take %V (%E) and is asked again after %T.",
    [REASON_DARK]       = "It has not been heard of lately; rollout %R takes it in when it is back.",
    [REASON_STAGE_FULL] = "Rollout %R has admitted as many devices as %S allows; it waits for a later one.",
    [REASON_SOAKING]    = "Rollout %R lets %S soak until %T before it admits more devices.",
    [REASON_NEXT]       = "It may be admitted by rollout %R at any moment.",
    [REASON_OFFERED]    = "Rollout %R has admitted it; it gets %V at its next poll.",
    [REASON_FETCHING]   = "It is downloading %V of rollout %R.",
    [REASON_RISK]       = "%H, but rollout %R grants no leave to switch: %K.",
    [REASON_WINDOW]     = "%H and may switch at %T (window: %W).",
    [REASON_LEAVE]      = "It holds %V ready and gets leave to switch when it asks next.",
};
/* clang-format on */

static void put_span(struct buf *out, struct span text)
{
    if (text.size == 0)
        buf_text(out, "unknown");
    else
        buf_span(out, text);
}

static void put_time(struct buf *out, struct utc at)
{
    char text[UTC_TEXT_SIZE];

    if (at.ms == 0) {
        buf_text(out, "a time not known yet");
        return;
    }
    utc_format(at, text);
    buf_text(out, text);
}

static void put_stage(struct buf *out, const struct rollout *rollout)
{
    buf_text(out, "stage ");
    buf_uint(out, rollout->stage + 1u);
    buf_text(out, " of ");
    buf_uint(out, rollout->plan.stage_count);
}

/* A device's own text inside a sentence of ours: one line, no period of its own. */
static void put_words(struct buf *out, struct span text)
{
    while (text.size > 0 && (text.at[text.size - 1] == '.' || text.at[text.size - 1] == ' '))
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        buf_byte(out, text.at[i] < ' ' ? ' ' : text.at[i]);
}

static void put_both(struct buf *out, const struct decide_words *words)
{
    put_words(out, words->reason);
    if (words->reason.size > 0 && words->detail.size > 0)
        buf_text(out, ": ");
    put_words(out, words->detail);
}

/* The error's sentence, and what the device said: "... (floor: too old)". */
static void put_error(struct buf *out, const struct decide_facts *facts)
{
    const struct decide_words *words = &facts->words;
    enum err err = facts->assignment ? facts->assignment->err : ERR_OK;
    bool silent = words->reason.size == 0 && words->detail.size == 0;

    if (err == ERR_OK && !silent) {
        put_both(out, words);
        return;
    }
    buf_text(out, err == ERR_OK ? "the device gave no reason" : err_text(err));
    if (silent)
        return;
    buf_text(out, " (");
    put_both(out, words);
    buf_byte(out, ')');
}

static void put_readiness(struct buf *out, const struct decide_facts *facts)
{
    bool asks = protocol_asks(facts->device->protocol);

    buf_text(out, asks ? "It holds " : "It is to get ");
    put_span(out, facts->release->version);
    buf_text(out, asks ? " ready" : "");
}

/* What is said of a success is what is known of it. */
static void put_success(struct buf *out, const struct decide_facts *facts)
{
    enum assignment_proof proof = facts->assignment->proof;

    buf_text(out, "It runs ");
    put_span(out, facts->release->version);
    buf_text(out, " since rollout \"");
    put_span(out, facts->rollout_name);
    if (protocol_proves(facts->device->protocol)) {
        buf_text(out, "\", is healthy and has confirmed it.");
        return;
    }
    buf_text(out, "\": it ");
    buf_text(out, assignment_proof_text(proof));
    buf_byte(out, '.');
}

static void put_place(struct buf *out, const struct decide_facts *facts,
                      const struct decision *decision, char place)
{
    switch (place) {
    case 'R':
        buf_byte(out, '"');
        put_span(out, facts->rollout_name);
        buf_byte(out, '"');
        break;
    case 'V':
        put_span(out, facts->release->version);
        break;
    case 'P':
        put_span(out, facts->release->product);
        break;
    case 'p':
        put_span(out, facts->device->product);
        break;
    case 'h':
        put_span(out, facts->device->hardware);
        break;
    case 'v':
        put_span(out, facts->device->version);
        break;
    case 'T':
        put_time(out, decision->next_at);
        break;
    case 'E':
        put_error(out, facts);
        break;
    case 'D':
        if (facts->assignment->err == ERR_OK && facts->words.detail.size == 0)
            break;
        buf_text(out, ": ");
        put_error(out, facts);
        break;
    case 'K':
        buf_text(out, facts->risk.sentence ? facts->risk.sentence : "the risk is too high now");
        break;
    case 'W':
        window_explain(facts->window, out);
        break;
    case 'X':
        rollout_explain(facts->rollout, facts->now, out);
        break;
    case 'H':
        put_readiness(out, facts);
        break;
    case 'O':
        buf_text(out, protocol_name(facts->device->protocol));
        break;
    case 'F':
        put_success(out, facts);
        break;
    default:
        CHECK(place == 'S');
        put_stage(out, facts->rollout);
        break;
    }
}

void decide_explain(const struct decide_facts *facts, const struct decision *decision,
                    struct buf *out)
{
    CHECK(decision->reason < REASON_COUNT);
    for (const char *at = sentences[decision->reason]; *at != '\0'; at++) {
        if (*at != '%')
            buf_byte(out, (uint8_t)*at);
        else
            put_place(out, facts, decision, *++at);
    }
}

const char *decide_reason_name(enum decide_reason reason)
{
    static const char *const names[] = {
#define X(code, wire) [REASON_##code] = (wire),
        DECIDE_REASON_MAP(X)
#undef X
    };

    CHECK(reason < REASON_COUNT);
    return names[reason];
}

const char *decide_answer_name(enum decide_answer answer)
{
    static const char *const names[DECIDE_ANSWER_COUNT] = {
        [DECIDE_NOTHING] = "nothing",
        [DECIDE_INSTALL] = "install",
        [DECIDE_CANCEL] = "cancel",
        [DECIDE_ROLLBACK] = "rollback",
        [DECIDE_FETCH_BACK] = "rollback-download",
    };

    CHECK(answer < DECIDE_ANSWER_COUNT);
    return names[answer];
}

const char *decide_verdict_name(enum decide_verdict verdict)
{
    static const char *const names[DECIDE_VERDICT_COUNT] = {
        [DECIDE_NOTED] = "noted",
        [DECIDE_PROCEED] = "proceed",
        [DECIDE_HOLD] = "hold",
        [DECIDE_DROP] = "cancel",
    };

    CHECK(verdict < DECIDE_VERDICT_COUNT);
    return names[verdict];
}

const char *device_status_name(enum device_status status)
{
    static const char *const names[DEVICE_STATUS_COUNT] = {
        [DEVICE_PENDING] = "pending",
        [DEVICE_ACTIVE] = "active",
        [DEVICE_REJECTED] = "rejected",
        [DEVICE_REVOKED] = "revoked",
    };

    CHECK(status < DEVICE_STATUS_COUNT);
    return names[status];
}

enum err device_status_parse(struct span name, enum device_status *out)
{
    for (enum device_status i = 0; i < DEVICE_STATUS_COUNT; i++) {
        if (span_is(name, device_status_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
