/* Polls of foreign devices, and what they prove. */
#include "app/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/course.h"
#include "app/foreign_inside.h"
#include "app/judge.h"
#include "app/rules.h"
#include "base/check.h"
#include "os/say.h"

/* ---- numbers ---- */

uint32_t foreign_id(const struct assignment_row *row, bool back)
{
    CHECK(row->id <= FOREIGN_ASSIGNMENT_MAX);
    return (uint32_t)row->id * 2 + back;
}

int64_t foreign_id_assignment(uint32_t id, bool *back)
{
    *back = id % 2 == 1;
    return id / 2;
}

enum err foreign_load(struct app *app, struct foreign_call *call, uint32_t id, bool *back)
{
    int64_t assignment = foreign_id_assignment(id, back);

    return store_assignment_get(app->db, call->call.device.tenant, call->call.device.id, assignment,
                                &call->call.assignment);
}

enum err foreign_reload(struct app *app, struct foreign_call *call)
{
    struct assignment_row *row = &call->call.assignment;

    return store_assignment_get(app->db, row->tenant, row->device, row->id, row);
}

/* ---- deciding ---- */

static bool goes_back(const struct decision *decision)
{
    return decision->answer == DECIDE_ROLLBACK || decision->answer == DECIDE_FETCH_BACK;
}

static enum err decide_on_it(struct foreign_case *of)
{
    struct facts_case facts = {.device = &of->call->call.device,
                               .rollout = of->rollout,
                               .release = of->release,
                               .artifacts = &of->artifacts,
                               .assignment = of->row,
                               .selected = true,
                               .in_hand = of->call->foreign.protocol == PROTOCOL_HAWKBIT,
                               .fetches_back = of->way.kind == WAY_BACK_FETCH,
                               .now = of->call->call.now};
    char judged[JUDGE_SENTENCE_MAX] = "";
    struct decide_room room;

    TRY(rules_block_release(of->app, of->release, &of->artifacts, &facts.blocked));
    if (judge_sits(of->rollout) && !assignment_flipped(&of->row->assignment))
        TRY(judge_peek(of->app, of->rollout, of->row->device, judged));
    facts.judged = judged[0] != '\0' ? judged : NULL;
    facts_for_decide(&facts, &room);
    of->decision = decide(&room.facts);
    return ERR_OK;
}

/* It stays where it is, and the rollout knows why. */
static enum err strand(struct foreign_case *of)
{
    (void)snprintf(of->row->reason, sizeof of->row->reason, "%s", of->way.reason);
    (void)snprintf(of->row->detail, sizeof of->row->detail, "%s", of->way.sentence);
    return foreign_apply(of->app, of->call, ASSIGNMENT_EV_REFUSED, of->way.err, NULL);
}

static enum err find_way_back(struct foreign_case *of)
{
    const struct device_row *device = &of->call->call.device;

    TRY(facts_way_back(of->app, device, of->row, &of->way));
    if (of->way.kind == WAY_BACK_NONE) {
        TRY(strand(of));
    } else {
        TRY(artifacts_of(of->app, &of->way.release, &of->back));
        artifacts_choose(&of->back, &of->way.release, device, &of->back_choice);
    }
    return decide_on_it(of);
}

enum err foreign_weigh(struct app *app, struct foreign_call *call, struct foreign_case *of)
{
    struct device_call *inner = &call->call;

    *of = (struct foreign_case){.app = app,
                                .call = call,
                                .row = &inner->assignment,
                                .rollout = &inner->rollout,
                                .release = &inner->release};
    TRY(store_rollout_get(app->db, inner->device.tenant, of->row->rollout, of->rollout));
    TRY(store_release_get(app->db, inner->device.tenant, of->row->release, of->release));
    TRY(artifacts_of(app, of->release, &of->artifacts));
    artifacts_choose(&of->artifacts, of->release, &inner->device, &of->choice);
    TRY(decide_on_it(of));
    return goes_back(&of->decision) ? find_way_back(of) : ERR_OK;
}

enum err foreign_apply(struct app *app, struct foreign_call *call, enum assignment_event_kind kind,
                       enum err why_failed, bool *changed)
{
    const struct assignment_event event = {
        .kind = kind,
        .now = call->call.now,
        .err = why_failed,
        .running_target = kind == ASSIGNMENT_EV_SUCCEEDED || kind == ASSIGNMENT_EV_TRIAL,
    };
    bool did;

    TRY(course_assignment(app, &call->call.assignment, &event, &did, NULL));
    if (changed)
        *changed = did;
    return ERR_OK;
}

enum err foreign_audit(struct app *app, const struct foreign_call *call, const char *action,
                       const char *detail)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = call->call.device.tenant,
                              .actor = call->call.actor,
                              .action = action,
                              .object = object,
                              .detail = detail};

    CHECK(snprintf(object, sizeof object, "assignment:%lld", (long long)call->call.assignment.id) >
          0);
    return app_audit(app, call->call.now, &deed);
}

/* ---- what it says it runs ---- */

/* The digest of the file that calls itself so, if it is one of ours. */
static enum err find_named(struct app *app, const struct device_row *device, struct span runs,
                           struct artifact_row *out)
{
    return store_artifact_named(app->db, device->tenant, span_of(device->product), device->protocol,
                                runs, out);
}

enum err foreign_note_runs(struct app *app, struct foreign_call *call, struct span runs)
{
    struct device_row *device = &call->call.device;
    struct artifact_row artifact;
    enum err err;

    if (runs.size == 0 || span_is(runs, call->foreign.runs))
        return ERR_OK;
    if (!span_to_text(runs, call->foreign.runs, sizeof call->foreign.runs))
        return ERR_OK; /* longer than any of ours, so it is none of them */
    if (!span_to_text(runs, device->version, sizeof device->version))
        device->version[0] = '\0';
    err = find_named(app, device, runs, &artifact);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    device->running_known = err == ERR_OK;
    memset(device->running, 0, DIGEST_SIZE);
    if (err == ERR_OK)
        memcpy(device->running, artifact.sha256, DIGEST_SIZE);
    TRY(store_device_save_state(app->db, device));
    return store_foreign_save(app->db, &call->foreign);
}

/* What its words mean for one assignment. */
enum testimony {
    EVIDENCE_NONE,   /* it does not say, or in words that are not ours */
    EVIDENCE_TARGET, /* it runs what it was told to */
    EVIDENCE_OLD,    /* it runs what it ran before */
    EVIDENCE_OTHER,  /* it runs something else */
};

static const struct artifact_row *artifact_with(const struct artifacts *artifacts,
                                                const uint8_t sha256[DIGEST_SIZE])
{
    for (uint32_t i = 0; i < artifacts->count; i++) {
        if (memcmp(artifacts->list[i].sha256, sha256, DIGEST_SIZE) == 0)
            return &artifacts->list[i];
    }
    return NULL;
}

/* A Mender client names its artifact exactly; the version of a hawkBit client is a text of its
 * maker's, and proves something only when we have heard it before. */
static enum err weigh_words(struct app *app, const struct foreign_call *call, struct span runs,
                            enum testimony *out)
{
    const struct assignment_row *row = &call->call.assignment;
    const struct artifact_row *artifact;
    struct artifacts artifacts;
    struct release_row release;

    *out = EVIDENCE_NONE;
    if (runs.size == 0)
        return ERR_OK;
    TRY(store_release_get(app->db, row->tenant, row->release, &release));
    TRY(artifacts_of(app, &release, &artifacts));
    artifact = artifact_with(&artifacts, row->target);
    if (!artifact)
        return ERR_OK; /* deleted since */
    if (span_is(runs, artifact_runs_as(artifact, &release)))
        *out = EVIDENCE_TARGET;
    else if (span_is(runs, row->ran))
        *out = EVIDENCE_OLD;
    else if (call->foreign.protocol == PROTOCOL_MENDER)
        *out = EVIDENCE_OTHER;
    return ERR_OK;
}

static bool has_claimed(const struct assignment *assignment)
{
    return assignment->claimed_at.ms != 0;
}

/* The event that the evidence is in this state; false: none. */
static bool event_of(const struct assignment *assignment, enum testimony evidence, bool returned,
                     enum assignment_event_kind *out)
{
    bool elsewhere = evidence == EVIDENCE_OLD || evidence == EVIDENCE_OTHER;
    bool back = returned && evidence == EVIDENCE_NONE && has_claimed(assignment);

    switch (assignment->state) {
    case ASSIGNMENT_ASSIGNED:
    case ASSIGNMENT_DOWNLOADING:
    case ASSIGNMENT_SWITCHING:
    case ASSIGNMENT_SILENT:
        *out = ASSIGNMENT_EV_SUCCEEDED;
        return returned && evidence == EVIDENCE_TARGET;
    case ASSIGNMENT_TRIAL:
        *out = evidence == EVIDENCE_TARGET ? ASSIGNMENT_EV_SUCCEEDED
               : elsewhere                 ? ASSIGNMENT_EV_REVERTED
                                           : ASSIGNMENT_EV_RETURNED;
        return back || elsewhere ||
               (evidence == EVIDENCE_TARGET && (returned || has_claimed(assignment)));
    case ASSIGNMENT_SUCCEEDED:
        *out = ASSIGNMENT_EV_STRAYED;
        return elsewhere;
    case ASSIGNMENT_REVERTING:
    case ASSIGNMENT_STRANDED:
        *out = evidence == EVIDENCE_TARGET ? ASSIGNMENT_EV_FAILED
               : elsewhere                 ? ASSIGNMENT_EV_BACK
                                           : ASSIGNMENT_EV_RETURNED;
        return evidence == EVIDENCE_OLD || back ||
               (evidence != EVIDENCE_NONE && has_claimed(assignment));
    case ASSIGNMENT_STAGED:
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_FAILED:
    case ASSIGNMENT_REVERTED:
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_SUPERSEDED:
    case ASSIGNMENT_REFUSED:
    case ASSIGNMENT_ROLLED_BACK:
    case ASSIGNMENT_STATE_COUNT:
        break;
    }
    return false;
}

/* What it has proven to run is as good as a digest from now on. */
static enum err note_running(struct app *app, struct foreign_call *call)
{
    const struct assignment_row *row = &call->call.assignment;
    struct device_row *device = &call->call.device;
    bool good = row->assignment.state == ASSIGNMENT_SUCCEEDED;
    bool home = row->assignment.state == ASSIGNMENT_REVERTED ||
                row->assignment.state == ASSIGNMENT_ROLLED_BACK;

    if (!good && !home)
        return ERR_OK;
    TRY(store_device_attached(app->db, device->tenant, device->id, &device->assignment));
    device->running_known = good || row->previous_known;
    memcpy(device->running, good ? row->target : row->previous, DIGEST_SIZE);
    call->foreign.wants_attributes = true;
    TRY(store_device_save_state(app->db, device));
    return store_foreign_save(app->db, &call->foreign);
}

static enum err audit_proof(struct app *app, const struct foreign_call *call)
{
    const struct assignment *assignment = &call->call.assignment.assignment;
    char action[48];

    if (assignment->state == ASSIGNMENT_SUCCEEDED)
        return foreign_audit(app, call, "assignment.proven",
                             assignment_proof_text(assignment->proof));
    CHECK(snprintf(action, sizeof action, "assignment.%s",
                   assignment_state_name(assignment->state)) > 0);
    return foreign_audit(app, call, action, call->foreign.runs);
}

enum err foreign_evidence(struct app *app, struct foreign_call *call, struct span runs,
                          bool returned)
{
    struct assignment_row *row = &call->call.assignment;
    enum assignment_event_kind kind;
    enum testimony evidence;
    bool changed;

    TRY(weigh_words(app, call, runs, &evidence));
    if (!event_of(&row->assignment, evidence, returned, &kind))
        return ERR_OK;
    TRY(foreign_apply(app, call, kind, ERR_OK, &changed));
    if (!changed)
        return ERR_OK;
    TRY(note_running(app, call));
    return audit_proof(app, call);
}

/* ---- the poll ---- */

static enum err note_gap(struct app *app, const struct foreign_call *call)
{
    const struct device_row *device = &call->call.device;
    const struct gap_row gap = {.at = call->call.now,
                                .away_ms = call->call.now.ms - device->last_seen.ms};

    if (device->last_seen.ms == 0 ||
        gap.away_ms <= (int64_t)app->config.poll_interval_s * 1000 * GAP_FACTOR)
        return ERR_OK;
    return store_gap_add(app->db, device->tenant, device->id, gap);
}

static enum err note_poll(struct app *app, struct foreign_call *call, struct span runs)
{
    struct device_row *device = &call->call.device;

    TRY(note_gap(app, call));
    device->last_seen = call->call.now;
    app_touch(app, device->tenant, device->id);
    TRY(store_device_save_state(app->db, device));
    return foreign_note_runs(app, call, runs);
}

static void offer_files(const struct artifact_choice *choice, struct foreign_offer *out)
{
    out->artifact_count = choice->count;
    for (uint32_t i = 0; i < choice->count; i++)
        out->artifacts[i] = *choice->list[i];
}

/* Nothing is offered that has no file to offer, or a number the protocol cannot say. */
static void fill(const struct foreign_case *of, struct foreign_offer *out)
{
    bool back = of->decision.answer == DECIDE_FETCH_BACK;
    bool install = of->decision.answer == DECIDE_INSTALL || back;

    if (of->row->id > FOREIGN_ASSIGNMENT_MAX)
        return;
    if (install)
        offer_files(back ? &of->back_choice : &of->choice, out);
    if (install && out->artifact_count > 0)
        out->action = FOREIGN_INSTALL;
    else if (of->decision.answer == DECIDE_CANCEL)
        out->action = FOREIGN_CANCEL;
    else
        return;
    out->id = foreign_id(of->row, back);
    out->deadline = of->rollout->rollout.plan.end_at;
    out->open = true;
    out->leave = assignment_flipped(&of->row->assignment);
}

/* It was taken back, and the device knows or never knew. */
static enum err let_go(struct app *app, struct foreign_call *call,
                       const struct foreign_offer *offer)
{
    const struct assignment_row *row = &call->call.assignment;

    if (offer->action != FOREIGN_NOTHING || row->assignment.standing != STANDING_OUT ||
        assignment_active(row->assignment.state))
        return ERR_OK;
    return store_device_detach(app->db, row->tenant, row->device, row->id);
}

/* The open assignment, or the last by which it flipped; *open says which. */
static enum err find_assignment(struct app *app, struct foreign_call *call, bool *found, bool *open)
{
    const struct device_row *device = &call->call.device;
    struct assignment_row *row = &call->call.assignment;
    enum err err;

    *open = device->assignment != 0;
    err = *open ? store_assignment_get(app->db, device->tenant, device->id, device->assignment, row)
                : store_assignment_last_flip(app->db, device->tenant, device->id, row);
    *found = err == ERR_OK;
    if (err != ERR_NOT_FOUND)
        return err;
    return *open ? store_device_detach(app->db, device->tenant, device->id, device->assignment)
                 : ERR_OK;
}

static enum err answer(struct app *app, struct foreign_call *call, struct foreign_case *of,
                       struct foreign_offer *out)
{
    TRY(foreign_reload(app, call));
    TRY(foreign_weigh(app, call, of));
    fill(of, out);
    return let_go(app, call, out);
}

/* What it has proven last, for whoever wants to know what it was given. */
static enum err find_installed(struct app *app, const struct foreign_call *call, uint32_t *out)
{
    const struct device_row *device = &call->call.device;
    struct assignment_row row;
    enum err err = store_assignment_last_flip(app->db, device->tenant, device->id, &row);

    *out = 0;
    if (err == ERR_OK && row.assignment.state == ASSIGNMENT_SUCCEEDED &&
        row.id <= FOREIGN_ASSIGNMENT_MAX)
        *out = foreign_id(&row, false);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err poll(struct app *app, struct foreign_call *call, struct span runs,
                     struct foreign_offer *out)
{
    struct foreign_case *of = calloc(1, sizeof *of);
    bool found, open;
    enum err err;

    CHECK(of);
    err = note_poll(app, call, runs);
    if (err == ERR_OK)
        err = find_assignment(app, call, &found, &open);
    if (err == ERR_OK && found)
        err = foreign_evidence(app, call, runs, true);
    if (err == ERR_OK && found && open)
        err = answer(app, call, of, out);
    if (err == ERR_OK)
        err = find_installed(app, call, &out->installed);
    out->wants_attributes = call->foreign.wants_attributes;
    out->next_poll_s =
        decide_next_poll_s(&of->decision, call->call.now, app->config.poll_interval_s,
                           app->config.poll_jitter_percent, &app->prng);
    free(of);
    return err;
}

enum err foreign_poll(struct app *app, struct foreign_call *call, struct span runs,
                      struct foreign_offer *out, struct why *why)
{
    *out = (struct foreign_offer){.action = FOREIGN_NOTHING};
    return app_db_failed(app, poll(app, call, runs, out), why);
}
