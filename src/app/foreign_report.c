/* What foreign devices fetch and report, and the leave that lies in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/foreign_inside.h"
#include "base/check.h"
#include "format/native.h"
#include "os/say.h"
#include "store/report.h"

static struct foreign_case *new_case(void)
{
    struct foreign_case *of = calloc(1, sizeof *of);

    CHECK(of);
    return of;
}

static enum err not_found(const struct foreign_call *call, uint32_t id, struct why *why)
{
    return say(why, ERR_NOT_FOUND, NULL, "%s has no deployment %u", call->call.device.name, id);
}

/* It was taken back before it could do harm: the device is told that there is no such thing. */
static bool taken_back(enum assignment_state state)
{
    return state == ASSIGNMENT_CANDIDATE || state == ASSIGNMENT_RECALLED ||
           state == ASSIGNMENT_WITHDRAWN || state == ASSIGNMENT_SUPERSEDED;
}

/* The order to go back is another deployment of the same assignment. */
static bool is_ordered_back(const struct assignment *assignment)
{
    return assignment->whereabouts == WHEREABOUTS_RETURNING ||
           assignment->whereabouts == WHEREABOUTS_STRANDED ||
           assignment->whereabouts == WHEREABOUTS_BACK;
}

/* Read, weigh. ERR_NOT_FOUND with its sentence; `of` is fresh. */
static enum err weigh(struct app *app, struct foreign_call *call, uint32_t id, bool *back,
                      struct foreign_case *of, struct why *why)
{
    enum err err = foreign_load(app, call, id, back);

    if (err == ERR_NOT_FOUND)
        return not_found(call, id, why);
    if (err == ERR_OK)
        err = foreign_weigh(app, call, of);
    TRY(app_db_failed(app, err, why));
    if (*back && !is_ordered_back(&of->row->assignment))
        return not_found(call, id, why);
    return ERR_OK;
}

/* ---- deployments ---- */

static bool offered_now(const struct foreign_case *of)
{
    return of->decision.answer == DECIDE_INSTALL;
}

/* Before the flip it must be offered at this moment; what has flipped, or is over, may be read. */
static bool may_see(const struct foreign_case *of, bool back)
{
    const struct assignment *assignment = &of->row->assignment;

    if (back)
        return of->way.kind == WAY_BACK_FETCH || assignment->state == ASSIGNMENT_ROLLED_BACK;
    if (taken_back(assignment->state))
        return false;
    if (assignment->state == ASSIGNMENT_ASSIGNED)
        return offered_now(of);
    return true;
}

static void fill(const struct foreign_case *of, bool back, struct foreign_offer *out)
{
    const struct assignment *assignment = &of->row->assignment;
    const struct artifact_choice *choice = back ? &of->back_choice : &of->choice;

    *out = (struct foreign_offer){.action = FOREIGN_INSTALL,
                                  .id = foreign_id(of->row, back),
                                  .artifact_count = choice->count,
                                  .deadline = of->rollout->rollout.plan.end_at,
                                  .leave = assignment_flipped(assignment)};
    out->open = assignment_active(assignment->state) || assignment->state == ASSIGNMENT_SILENT;
    for (uint32_t i = 0; i < choice->count; i++)
        out->artifacts[i] = *choice->list[i];
}

/* A device that was told to and is silent now begins anew: it never flipped. */
static enum err note_begin(struct app *app, struct foreign_call *call, bool back)
{
    enum assignment_state state = call->call.assignment.assignment.state;
    bool begins = state == ASSIGNMENT_ASSIGNED || state == ASSIGNMENT_DOWNLOADING ||
                  state == ASSIGNMENT_SILENT || back;

    if (!begins)
        return ERR_OK;
    return foreign_apply(app, call, ASSIGNMENT_EV_DOWNLOADING, ERR_OK, NULL);
}

enum err foreign_deployment(struct app *app, struct foreign_call *call, uint32_t id, bool begins,
                            struct foreign_offer *out, struct why *why)
{
    struct foreign_case *of = new_case();
    bool back, seen;
    enum err err = weigh(app, call, id, &back, of, why);

    seen = err == ERR_OK && may_see(of, back);
    if (err == ERR_OK && !seen)
        err = not_found(call, id, why);
    if (err == ERR_OK && begins &&
        (back || offered_now(of) || of->row->assignment.state == ASSIGNMENT_DOWNLOADING))
        err = app_db_failed(app, note_begin(app, call, back), why);
    if (err == ERR_OK)
        fill(of, back, out);
    free(of);
    return err;
}

/* ---- artifacts ---- */

static const struct artifact_row *file_of(const struct artifact_choice *choice, struct span file)
{
    for (uint32_t i = 0; i < choice->count; i++) {
        if (file.size == 0 || span_is(file, choice->list[i]->file))
            return choice->list[i];
    }
    return NULL;
}

enum err foreign_artifact(struct app *app, struct foreign_call *call, uint32_t id, struct span file,
                          struct artifact_row *out, struct why *why)
{
    struct foreign_case *of = new_case();
    const struct artifact_row *artifact = NULL;
    bool back;
    enum err err = weigh(app, call, id, &back, of, why);

    if (err == ERR_OK && may_see(of, back))
        artifact = file_of(back ? &of->back_choice : &of->choice, file);
    if (err == ERR_OK && !artifact)
        err = say(why, ERR_NOT_FOUND, NULL, "deployment %u has no such file", id);
    if (err == ERR_OK)
        *out = *artifact;
    free(of);
    return err;
}

/* ---- leave ---- */

/* Staged and granted in one: nobody waits in between. */
static enum err grant(struct app *app, struct foreign_call *call, bool *granted)
{
    bool staged;

    *granted = false;
    TRY(foreign_apply(app, call, ASSIGNMENT_EV_STAGED, ERR_OK, &staged));
    if (staged)
        TRY(foreign_apply(app, call, ASSIGNMENT_EV_GRANT, ERR_OK, granted));
    return *granted ? foreign_audit(app, call, "assignment.leave", NULL) : ERR_OK;
}

/* Whether leave can be given now; *given: it has been before. */
static bool may_flip(const struct foreign_case *of, bool back, bool *given)
{
    const struct assignment *assignment = &of->row->assignment;

    *given = false;
    if (back)
        return *given = of->way.kind == WAY_BACK_FETCH;
    switch (assignment->state) {
    case ASSIGNMENT_ASSIGNED:
    case ASSIGNMENT_DOWNLOADING:
    case ASSIGNMENT_STAGED:
        return of->decision.verdict == DECIDE_PROCEED;
    case ASSIGNMENT_SILENT:
        return of->decision.answer == DECIDE_INSTALL;
    case ASSIGNMENT_SWITCHING:
    case ASSIGNMENT_TRIAL:
    case ASSIGNMENT_SUCCEEDED:
        return *given = true;
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_FAILED:
    case ASSIGNMENT_REVERTED:
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_SUPERSEDED:
    case ASSIGNMENT_REFUSED:
    case ASSIGNMENT_REVERTING:
    case ASSIGNMENT_ROLLED_BACK:
    case ASSIGNMENT_STRANDED:
    case ASSIGNMENT_STATE_COUNT:
        break;
    }
    return false;
}

enum err foreign_leave(struct app *app, struct foreign_call *call, uint32_t id, struct why *why)
{
    struct foreign_case *of = new_case();
    bool back, given = false;
    enum err err = weigh(app, call, id, &back, of, why);

    if (err == ERR_OK && !may_flip(of, back, &given))
        err = say(why, ERR_DENIED, NULL, "deployment %u may not be installed now: %s", id,
                  decide_reason_name(of->decision.reason));
    free(of);
    if (err != ERR_OK || given)
        return err;
    TRY(app_db_failed(app, grant(app, call, &given), why));
    return given ? ERR_OK
                 : say(why, ERR_DENIED, NULL, "deployment %u may not be installed now", id);
}

/* ---- what is kept of a report ---- */

struct reporting {
    struct app *app;
    struct foreign_call *call;
    const struct foreign_report *report;
    bool back;
    bool flooded;
    struct foreign_case *of;
};

static enum err add_word(struct reporting *reporting, const struct foreign_word *word,
                         struct span text)
{
    const struct assignment_row *row = &reporting->call->call.assignment;
    enum err err =
        store_foreign_word_add(reporting->app->db, row->tenant, row->device, row->id, word, text);

    if (err != ERR_TOO_BIG)
        return err;
    reporting->flooded = true;
    return ERR_OK;
}

static enum err keep_words(struct reporting *reporting)
{
    const struct foreign_report *report = reporting->report;
    struct foreign_word word = {.at = reporting->call->call.now, .code = report->code};
    uint32_t count = report->message_count;

    CHECK(count <= FOREIGN_MESSAGES_MAX);
    (void)snprintf(word.phase, sizeof word.phase, "%s", report->words ? report->words : "");
    if (count == 0)
        return add_word(reporting, &word, (struct span){0});
    for (uint32_t i = 0; i < count && !reporting->flooded; i++)
        TRY(add_word(reporting, &word, report->messages[i]));
    return ERR_OK;
}

/* As much as fits of the device's last message; the words have the whole of it. */
static void note_detail(struct reporting *reporting)
{
    const struct foreign_report *report = reporting->report;
    struct assignment_row *row = &reporting->call->call.assignment;
    struct span text = {0};

    if (report->message_count > 0)
        text = report->messages[report->message_count - 1];
    row->percent = report->percent;
    row->reason[0] = row->detail[0] = '\0';
    if (report->words)
        (void)snprintf(row->reason, sizeof row->reason, "%s", report->words);
    if (text.size >= sizeof row->detail)
        text.size = sizeof row->detail - 1;
    if (!span_to_text(text, row->detail, sizeof row->detail))
        row->detail[0] = '\0'; /* it has a NUL inside */
}

/* The phase of the native protocol that says the most of the same. */
static enum native_phase native_of(enum foreign_phase phase)
{
    switch (phase) {
    case FOREIGN_INSTALLING:
        return PHASE_STAGED;
    case FOREIGN_REBOOTING:
        return PHASE_SWITCHING;
    case FOREIGN_CLAIMED:
        return PHASE_TRIAL;
    case FOREIGN_FAILED:
        return PHASE_FAILED;
    case FOREIGN_DROPPED:
        return PHASE_RECALLED;
    case FOREIGN_NOTE:
    case FOREIGN_DOWNLOADING:
    case FOREIGN_KEEPS:
        break;
    }
    return PHASE_DOWNLOADING;
}

/* One line of the device's history; notes are in its words only. */
static enum err keep_report(struct reporting *reporting, enum foreign_verdict verdict)
{
    struct device_row *device = &reporting->call->call.device;
    const struct assignment_row *row = &reporting->call->call.assignment;
    struct report_row kept = {.tenant = device->tenant,
                              .device = device->id,
                              .assignment = row->id,
                              .phase = native_of(reporting->report->phase),
                              .percent = reporting->report->percent,
                              .received = reporting->call->call.now};
    struct utc before = {reporting->call->call.now.ms - reporting->app->config.history_ms};

    if (reporting->report->phase == FOREIGN_NOTE)
        return ERR_OK;
    kept.id = ++device->report_last;
    kept.verdict = verdict == FOREIGN_PROCEED ? NATIVE_PROCEED
                   : verdict == FOREIGN_DROP  ? NATIVE_DROP
                                              : NATIVE_NOTED;
    (void)snprintf(kept.reason, sizeof kept.reason, "%s", row->reason);
    (void)snprintf(kept.detail, sizeof kept.detail, "%s", row->detail);
    TRY(store_device_attached(reporting->app->db, device->tenant, device->id, &device->assignment));
    TRY(store_device_save_state(reporting->app->db, device));
    TRY(store_report_add(reporting->app->db, &kept));
    if (prng_below(&reporting->app->prng, REPORTS_KEPT) != 0) /* now and then is enough */
        return ERR_OK;
    return store_report_prune(reporting->app->db, device->tenant, device->id, before);
}

/* ---- what a report means ---- */

static enum err apply(struct reporting *reporting, enum assignment_event_kind kind, bool *changed)
{
    return foreign_apply(reporting->app, reporting->call, kind, ERR_OK, changed);
}

static bool flipped(const struct assignment *assignment)
{
    return assignment->whereabouts == WHEREABOUTS_AWAY;
}

static bool is_over(enum assignment_state state)
{
    return state == ASSIGNMENT_SUCCEEDED || state == ASSIGNMENT_FAILED ||
           state == ASSIGNMENT_REVERTED || state == ASSIGNMENT_REFUSED ||
           state == ASSIGNMENT_ROLLED_BACK;
}

/* Mender asks before it installs, and says the same again before it commits. */
static enum err ask_for_leave(struct reporting *reporting, enum foreign_verdict *out)
{
    bool given = false;

    *out = FOREIGN_PROCEED;
    if (!may_flip(reporting->of, reporting->back, &given)) {
        *out = FOREIGN_DROP; /* it cannot be made to wait: it will be offered again */
        return apply(reporting, ASSIGNMENT_EV_OBEYED, NULL);
    }
    if (given)
        return apply(reporting, ASSIGNMENT_EV_TRIAL, NULL);
    TRY(grant(reporting->app, reporting->call, &given));
    if (given)
        return ERR_OK;
    *out = FOREIGN_DROP;
    return apply(reporting, ASSIGNMENT_EV_OBEYED, NULL);
}

static enum err claim(struct reporting *reporting)
{
    bool changed;

    TRY(apply(reporting, ASSIGNMENT_EV_CLAIMED, &changed));
    if (!changed)
        return ERR_OK;
    return foreign_audit(reporting->app, reporting->call, "assignment.claimed",
                         reporting->call->call.assignment.detail);
}

/* After the flip it has fallen back: it runs what it ran before. */
static enum err fail(struct reporting *reporting)
{
    const struct assignment_row *row = &reporting->call->call.assignment;
    bool fell_back = flipped(&row->assignment) && !reporting->back, changed;

    TRY(apply(reporting, fell_back ? ASSIGNMENT_EV_REVERTED : ASSIGNMENT_EV_FAILED, &changed));
    if (!changed)
        return ERR_OK;
    return foreign_audit(reporting->app, reporting->call,
                         fell_back ? "assignment.reverted" : "assignment.failed", row->detail);
}

/* What it dropped is not in its hands any more. */
static enum err drop(struct reporting *reporting)
{
    struct assignment_row *row = &reporting->call->call.assignment;
    bool changed;

    TRY(apply(reporting, ASSIGNMENT_EV_OBEYED, &changed));
    TRY(foreign_reload(reporting->app, reporting->call)); /* it may have been recalled at once */
    if (row->assignment.standing != STANDING_OUT)
        return ERR_OK;
    return store_device_detach(reporting->app->db, row->tenant, row->device, row->id);
}

static enum err make_of_it(struct reporting *reporting, enum foreign_verdict *out)
{
    enum assignment_state state = reporting->call->call.assignment.assignment.state;

    switch (reporting->report->phase) {
    case FOREIGN_INSTALLING:
        return ask_for_leave(reporting, out);
    case FOREIGN_DOWNLOADING: /* of what has leave it says the same while it installs */
        if (flipped(&reporting->call->call.assignment.assignment) && state != ASSIGNMENT_SILENT)
            return apply(reporting, ASSIGNMENT_EV_HEARD, NULL);
        return apply(reporting, ASSIGNMENT_EV_DOWNLOADING, NULL);
    case FOREIGN_REBOOTING:
        return apply(reporting, ASSIGNMENT_EV_SWITCHING, NULL);
    case FOREIGN_CLAIMED:
        return claim(reporting);
    case FOREIGN_FAILED:
        return fail(reporting);
    case FOREIGN_DROPPED:
        return drop(reporting);
    case FOREIGN_NOTE:
    case FOREIGN_KEEPS:
        break;
    }
    return apply(reporting, ASSIGNMENT_EV_HEARD, NULL);
}

static bool is_final(enum foreign_phase phase)
{
    return phase == FOREIGN_CLAIMED || phase == FOREIGN_FAILED || phase == FOREIGN_DROPPED;
}

/* Whether it is heard at all; otherwise *out says why not. */
static bool counts(const struct reporting *reporting, enum foreign_verdict *out)
{
    const struct assignment *assignment = &reporting->call->call.assignment.assignment;
    enum foreign_phase phase = reporting->report->phase;

    if (is_ordered_back(assignment) && !reporting->back) { /* that one is over */
        *out = FOREIGN_OVER;
        return false;
    }
    if (reporting->flooded && !is_final(phase)) {
        *out = FOREIGN_FLOODED;
        return false;
    }
    return true;
}

static enum err take(struct reporting *reporting, enum foreign_verdict *out)
{
    struct device_row *device = &reporting->call->call.device;
    const struct assignment_row *row = &reporting->call->call.assignment;

    device->last_seen = reporting->call->call.now;
    app_touch(reporting->app, device->tenant, device->id);
    if (is_over(row->assignment.state)) {
        *out = FOREIGN_OVER;
        return ERR_OK;
    }
    TRY(keep_words(reporting));
    if (!counts(reporting, out))
        return ERR_OK;
    note_detail(reporting);
    TRY(store_assignment_save(reporting->app->db, row));
    TRY(make_of_it(reporting, out));
    TRY(foreign_reload(reporting->app, reporting->call));
    if (!is_final(reporting->report->phase) && taken_back(row->assignment.state))
        *out = FOREIGN_DROP;
    return keep_report(reporting, *out);
}

enum err foreign_report(struct app *app, struct foreign_call *call,
                        const struct foreign_report *report, enum foreign_verdict *out,
                        struct why *why)
{
    struct reporting reporting = {.app = app, .call = call, .report = report, .of = new_case()};
    enum err err = weigh(app, call, report->id, &reporting.back, reporting.of, why);

    *out = FOREIGN_NOTED;
    if (err == ERR_OK)
        err = app_db_failed(app, take(&reporting, out), why);
    free(reporting.of);
    return err;
}

/* ---- attributes and logs ---- */

static uint32_t find_attribute(const struct device_facts *facts, struct span name)
{
    uint32_t i = 0;

    while (i < facts->attribute_count && !span_is(name, facts->attributes[i].name))
        i++;
    return i;
}

static void remove_attribute(struct device_facts *facts, struct span name)
{
    uint32_t i = find_attribute(facts, name);

    if (i < facts->attribute_count)
        facts->attributes[i] = facts->attributes[--facts->attribute_count];
}

static enum err put_attribute(struct device_facts *facts, const struct foreign_attribute *one,
                              struct why *why)
{
    uint32_t i = find_attribute(facts, one->name);
    struct attribute attribute;

    if (one->name.size == 0 || !span_to_text(one->name, attribute.name, sizeof attribute.name) ||
        !span_to_text(one->value, attribute.value, sizeof attribute.value))
        return say(why, ERR_INVALID, "attributes", "an attribute is too long or has a NUL inside");
    if (i == ATTRIBUTES_MAX)
        return say(why, ERR_TOO_BIG, "attributes", "a device has at most %u attributes",
                   ATTRIBUTES_MAX);
    facts->attributes[i] = attribute;
    facts->attribute_count += i == facts->attribute_count;
    return ERR_OK;
}

/* Of what was there, only what decides who may have a release, until it says otherwise. */
static void clear_attributes(struct device_facts *facts)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < facts->attribute_count; i++) {
        struct span name = span_of(facts->attributes[i].name);

        if (span_is(name, ATTRIBUTE_PRODUCT) || span_is(name, ATTRIBUTE_HARDWARE))
            facts->attributes[kept++] = facts->attributes[i];
    }
    facts->attribute_count = kept;
}

static enum err change_attributes(struct device_facts *facts, enum foreign_mode mode,
                                  const struct foreign_attribute *list, uint32_t count,
                                  struct why *why)
{
    if (mode == FOREIGN_REPLACE)
        clear_attributes(facts);
    for (uint32_t i = 0; i < count; i++) {
        if (mode == FOREIGN_REMOVE || (mode == FOREIGN_MERGE && !list[i].value.at))
            remove_attribute(facts, list[i].name);
        else
            TRY(put_attribute(facts, &list[i], why));
    }
    return ERR_OK;
}

/* The version it names, by which a hawkBit client shows what it runs. */
static struct span version_among(const struct device_facts *facts)
{
    uint32_t i = find_attribute(facts, span_of(FOREIGN_VERSION_ATTRIBUTE));

    return i < facts->attribute_count ? span_of(facts->attributes[i].value) : (struct span){0};
}

/* Only what it says of the assignment it last flipped by, or has in hand. */
static enum err weigh_version(struct app *app, struct foreign_call *call, struct span version)
{
    struct device_row *device = &call->call.device;
    enum err err;

    if (version.size == 0 || call->foreign.protocol != PROTOCOL_HAWKBIT)
        return ERR_OK;
    TRY(foreign_note_runs(app, call, version));
    if (device->assignment != 0)
        err = store_assignment_get(app->db, device->tenant, device->id, device->assignment,
                                   &call->call.assignment);
    else
        err =
            store_assignment_last_flip(app->db, device->tenant, device->id, &call->call.assignment);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return foreign_evidence(app, call, version, false);
}

static enum err save_attributes(struct app *app, struct foreign_call *call,
                                const struct device_facts *facts)
{
    struct device_row *device = &call->call.device;

    TRY(store_attributes_set(app->db, device->tenant, device->id, facts->attributes,
                             facts->attribute_count));
    TRY(store_device_get(app->db, device->tenant, device->id, device));
    device->last_seen = call->call.now;
    app_touch(app, device->tenant, device->id);
    TRY(store_device_save_state(app->db, device));
    call->foreign.wants_attributes = false;
    TRY(store_foreign_save(app->db, &call->foreign));
    return weigh_version(app, call, version_among(facts));
}

enum err foreign_attributes(struct app *app, struct foreign_call *call, enum foreign_mode mode,
                            const struct foreign_attribute *list, uint32_t count, struct why *why)
{
    const struct device_row *device = &call->call.device;
    struct device_facts *facts = malloc(sizeof *facts);
    enum err err;

    CHECK(facts);
    err = app_db_failed(app, store_device_facts(app->db, device->tenant, device->id, facts), why);
    if (err == ERR_OK)
        err = change_attributes(facts, mode, list, count, why);
    if (err == ERR_OK)
        err = app_db_failed(app, save_attributes(app, call, facts), why);
    free(facts);
    return err;
}

enum err foreign_log(struct app *app, struct foreign_call *call, uint32_t id, struct span text,
                     struct why *why)
{
    bool back;

    return device_log(app, &call->call, (uint64_t)foreign_id_assignment(id, &back), text, why);
}
