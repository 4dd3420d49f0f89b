#include "fleet/risk_journal.h"

#define VERSION    1u
#define HEAD_ITEMS 13u
#define VIEW_ITEMS 6u
#define WHY_ITEMS  4u

static bool has_view(enum risk_answer answer)
{
    return answer == RISK_GRANT || answer == RISK_WAIT;
}

static bool has_evidence(enum risk_answer answer)
{
    return answer == RISK_HELD || answer == RISK_HALTED || answer == RISK_HOLD ||
           answer == RISK_HALT;
}

static void write_head(const struct risk_entry *entry, struct buf *out)
{
    const struct risk_event *event = &entry->event;

    cbor_write_uint(out, VERSION);
    cbor_write_uint(out, event->kind);
    cbor_write_uint(out, event->at_s);
    cbor_write_uint(out, entry->device);
    cbor_write_uint(out, (uint32_t)event->silent | (uint32_t)event->roll_call << 1);
    cbor_write_uint(out, event->count);
    cbor_write_uint(out, event->stratum);
    cbor_write_uint(out, event->site);
    cbor_write_uint(out, event->cohort);
    cbor_write_uint(out, entry->decision.answer);
    cbor_write_uint(out, entry->decision.cohort);
    cbor_write_uint(out, entry->decision.channel);
    cbor_write_uint(out, entry->decision.new_holds);
}

void risk_entry_write(const struct risk_entry *entry, struct buf *out)
{
    const struct risk_decision *decision = &entry->decision;
    const struct exposure_view *view = &decision->view;

    cbor_write_array(out, HEAD_ITEMS + (has_view(decision->answer) ? VIEW_ITEMS : 0) +
                              (has_evidence(decision->answer) ? WHY_ITEMS : 0));
    write_head(entry, out);
    if (has_view(decision->answer)) {
        cbor_write_uint(out, view->finding);
        cbor_write_uint(out, view->exposed);
        cbor_write_uint(out, view->bad);
        cbor_write_uint(out, view->rung);
        cbor_write_int(out, view->revealed);
        cbor_write_int(out, view->price);
    }
    if (has_evidence(decision->answer)) {
        cbor_write_uint(out, decision->events);
        cbor_write_int(out, decision->background);
        cbor_write_int(out, decision->log);
        cbor_write_int(out, decision->goal);
    }
}

/* An unsigned integer of at most `most`; the reader stays stuck after a failure. */
static uint32_t take(struct cbor_reader *reader, uint32_t most, bool *good)
{
    uint64_t value = 0;

    if (cbor_read_uint(reader, &value) != ERR_OK || value > most)
        *good = false;
    return *good ? (uint32_t)value : 0;
}

static int64_t take_signed(struct cbor_reader *reader, bool *good)
{
    int64_t value = 0;

    if (cbor_read_int(reader, &value) != ERR_OK)
        *good = false;
    return *good ? value : 0;
}

static void read_head(struct cbor_reader *reader, struct risk_entry *out, bool *good)
{
    struct risk_event *event = &out->event;
    uint32_t flags;

    if (take(reader, VERSION, good) != VERSION)
        *good = false;
    event->kind = (enum risk_event_kind)take(reader, RISK_EVENT_COUNT - 1, good);
    event->at_s = take(reader, UINT32_MAX, good);
    out->device = take(reader, UINT32_MAX, good);
    flags = take(reader, 3, good);
    event->silent = (flags & 1) != 0;
    event->roll_call = (flags & 2) != 0;
    event->count = take(reader, UINT32_MAX, good);
    event->stratum = (uint8_t)take(reader, UINT8_MAX, good);
    event->site = take(reader, UINT32_MAX, good);
    event->cohort = (uint16_t)take(reader, UINT16_MAX, good);
    out->decision.answer = (enum risk_answer)take(reader, RISK_ANSWER_COUNT - 1, good);
    out->decision.cohort = (uint16_t)take(reader, UINT16_MAX, good);
    out->decision.channel = (uint8_t)take(reader, COHORT_CHANNEL_COUNT - 1, good);
    out->decision.new_holds = take(reader, UINT32_MAX, good);
}

static void read_view(struct cbor_reader *reader, struct exposure_view *out, bool *good)
{
    out->finding = (enum exposure_finding)take(reader, EXPOSURE_FINDING_COUNT - 1, good);
    out->exposed = take(reader, UINT32_MAX, good);
    out->bad = take(reader, UINT32_MAX, good);
    out->rung = (uint8_t)take(reader, EXPOSURE_RUNGS - 1, good);
    out->revealed = take_signed(reader, good);
    out->price = take_signed(reader, good);
}

enum err risk_entry_read(struct span bytes, struct risk_entry *out)
{
    struct cbor_reader reader = cbor_reader_over(bytes);
    struct risk_entry entry;
    uint32_t items = 0, expected = HEAD_ITEMS;
    bool good = true;

    memset(&entry, 0, sizeof entry);
    TRY(cbor_read_array(&reader, &items));
    read_head(&reader, &entry, &good);
    if (good && has_view(entry.decision.answer)) {
        read_view(&reader, &entry.decision.view, &good);
        expected += VIEW_ITEMS;
    }
    if (good && has_evidence(entry.decision.answer)) {
        entry.decision.events = take(&reader, UINT32_MAX, &good);
        entry.decision.background = take_signed(&reader, &good);
        entry.decision.log = take_signed(&reader, &good);
        entry.decision.goal = take_signed(&reader, &good);
        expected += WHY_ITEMS;
    }
    if (!good || items != expected || cbor_finish(&reader) != ERR_OK)
        return ERR_CORRUPT;
    *out = entry;
    return ERR_OK;
}

static bool same_view(const struct exposure_view *a, const struct exposure_view *b)
{
    return a->finding == b->finding && a->exposed == b->exposed && a->bad == b->bad &&
           a->rung == b->rung && a->revealed == b->revealed && a->price == b->price;
}

static bool same_evidence(const struct risk_decision *a, const struct risk_decision *b)
{
    return a->channel == b->channel && a->events == b->events && a->background == b->background &&
           a->log == b->log && a->goal == b->goal;
}

enum err risk_replay(struct risk *risk, const struct risk_entry *entry, struct risk_device *device,
                     struct why *why)
{
    struct risk_event event = entry->event;
    struct risk_decision now;
    const char *differs = NULL;

    event.device = device;
    TRY(risk_step(risk, &event, &now, why));
    if (now.answer != entry->decision.answer)
        differs = "another answer";
    else if (now.cohort != entry->decision.cohort || now.new_holds != entry->decision.new_holds)
        differs = "the same answer about another cohort";
    else if (has_view(now.answer) && !same_view(&now.view, &entry->decision.view))
        differs = "the same answer from another window";
    else if (has_evidence(now.answer) && !same_evidence(&now, &entry->decision))
        differs = "the same answer from other evidence";
    if (differs == NULL)
        return ERR_OK;
    why_say(why, "decision", differs);
    return ERR_CONFLICT;
}
