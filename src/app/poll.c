/* A poll: what the device is, becomes what we know; what it shall do, becomes the answer. */
#include <stdio.h>
#include <string.h>

#include "app/content.h"
#include "app/course.h"
#include "app/device.h"
#include "app/facts.h"
#include "app/online_key.h"
#include "app/rules.h"
#include "app/sign.h"
#include "base/check.h"
#include "codec/version.h"
#include "store/metadata.h"

struct polling {
    struct app *app;
    struct device_call *call;
    const struct native_poll *poll;
    struct native_answer *out;
    struct decision decision;
    struct way_back way; /* of a device that is told to go back */
};

/* ---- what the device says of itself ---- */

static enum err note_gap(struct polling *polling)
{
    const struct device_row *device = &polling->call->device;
    int64_t away_ms = polling->call->now.ms - device->last_seen.ms;
    struct gap_row gap = {.at = polling->call->now, .away_ms = away_ms};

    if (device->last_seen.ms == 0 ||
        away_ms <= (int64_t)polling->app->config.poll_interval_s * 1000 * GAP_FACTOR)
        return ERR_OK;
    return store_gap_add(polling->app->db, device->tenant, device->id, gap);
}

static void note_digest(const struct native_digest *digest, bool *known, uint8_t to[DIGEST_SIZE])
{
    *known = digest->known;
    memset(to, 0, DIGEST_SIZE);
    if (digest->known)
        memcpy(to, digest->at, DIGEST_SIZE);
}

static bool inventory_is_news(const struct polling *polling)
{
    return polling->poll->inventory_known &&
           memcmp(polling->poll->inventory, polling->call->device.inventory,
                  INVENTORY_DIGEST_SIZE) != 0;
}

/* *runs_other: it runs something else than it did at its last word. */
static enum err note_state(struct polling *polling, bool *runs_other)
{
    struct device_row *device = &polling->call->device;
    const struct native_poll *poll = polling->poll;

    *runs_other = !poll->running.known || !device->running_known ||
                  memcmp(poll->running.at, device->running, DIGEST_SIZE) != 0;
    TRY(note_gap(polling));
    note_digest(&poll->running, &device->running_known, device->running);
    note_digest(&poll->other, &device->other_known, device->other);
    if (!span_to_text(poll->version, device->version, sizeof device->version))
        device->version[0] = '\0';
    device->boot_count = poll->boot_count;
    device->agent_state = poll->agent_state;
    device->last_seen = polling->call->now;
    app_touch(polling->app, device->tenant, device->id);
    return store_device_save_state(polling->app->db, device);
}

/* ---- the assignment in question ---- */

/* An assignment of this device into call->assignment. */
static enum err load(struct polling *polling, int64_t id, bool *found)
{
    const struct device_row *device = &polling->call->device;
    struct assignment_row *row = &polling->call->assignment;
    enum err err = store_assignment_get(polling->app->db, device->tenant, device->id, id, row);

    *found = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What its running image says of it: strayed, or gone back as told. */
static enum err match_running(struct polling *polling)
{
    const struct device_row *device = &polling->call->device;
    struct assignment_row *row = &polling->call->assignment;
    bool running_target =
        device->running_known && memcmp(device->running, row->target, DIGEST_SIZE) == 0;
    const struct assignment_event event = {
        .kind = assignment_event_of_poll(&row->assignment, running_target),
        .now = polling->call->now};
    bool changed;

    if (event.kind == ASSIGNMENT_EV_HEARD || !device->running_known)
        return ERR_OK; /* device_state has the time */
    return course_assignment(polling->app, row, &event, &changed, NULL);
}

/* A device without work that suddenly runs something else may have strayed. */
static enum err look_back(struct polling *polling)
{
    const struct device_row *device = &polling->call->device;
    enum err err = store_assignment_last_flip(polling->app->db, device->tenant, device->id,
                                              &polling->call->assignment);

    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return match_running(polling);
}

static enum err decide_on_it(struct polling *polling)
{
    struct device_call *call = polling->call;
    struct app *app = polling->app;
    struct facts_case of = {.device = &call->device,
                            .rollout = &call->rollout,
                            .release = &call->release,
                            .assignment = &call->assignment,
                            .selected = true,
                            .in_hand = polling->poll->assignment == (uint64_t)call->assignment.id,
                            .fetches_back = polling->way.kind == WAY_BACK_FETCH,
                            .now = call->now};
    struct decide_room room;

    TRY(store_rollout_get(app->db, call->device.tenant, call->assignment.rollout, &call->rollout));
    TRY(store_release_get(app->db, call->device.tenant, call->assignment.release, &call->release));
    TRY(rules_block(app, call->device.tenant, call->release.plain_sha256, &of.blocked));
    facts_for_decide(&of, &room);
    polling->decision = decide(&room.facts);
    return ERR_OK;
}

/* ---- the answer ---- */

static void fill_digest(bool known, const uint8_t digest[DIGEST_SIZE], struct native_digest *out)
{
    out->known = known;
    memcpy(out->at, digest, DIGEST_SIZE);
}

static void fill(struct polling *polling)
{
    const struct assignment_row *row = &polling->call->assignment;
    struct native_answer *out = polling->out;

    switch (polling->decision.answer) {
    case DECIDE_INSTALL:
    case DECIDE_FETCH_BACK: /* find_way_back() has filled in the release */
        out->kind = NATIVE_INSTALL;
        break;
    case DECIDE_CANCEL:
        out->kind = NATIVE_CANCEL;
        break;
    case DECIDE_ROLLBACK: /* likewise */
        out->kind = NATIVE_ROLLBACK;
        break;
    case DECIDE_NOTHING:
    case DECIDE_ANSWER_COUNT:
        return;
    }
    out->assignment = (uint64_t)row->id;
    if (out->kind == NATIVE_CANCEL)
        return;
    out->target = span_of(polling->call->release.target);
    out->not_before_s = polling->decision.flip_in_s;
    fill_digest(true, polling->call->release.plain_sha256, &out->sha256);
}

static bool goes_back(const struct decision *decision)
{
    return decision->answer == DECIDE_ROLLBACK || decision->answer == DECIDE_FETCH_BACK;
}

/* It stays where it is, and the rollout knows why. */
static enum err strand(struct polling *polling)
{
    struct assignment_row *row = &polling->call->assignment;
    const struct assignment_event event = {
        .kind = ASSIGNMENT_EV_REFUSED, .now = polling->call->now, .err = polling->way.err};
    bool changed;

    (void)snprintf(row->reason, sizeof row->reason, "%s", polling->way.reason);
    (void)snprintf(row->detail, sizeof row->detail, "%s", polling->way.sentence);
    return course_assignment(polling->app, row, &event, &changed, NULL);
}

/* To go back a device needs signed facts of what it ran before, and the name to look them up by.
 * Without them, or when it must not run that any more, it has to stay. */
static enum err find_way_back(struct polling *polling)
{
    struct device_call *call = polling->call;

    if (!goes_back(&polling->decision))
        return ERR_OK;
    TRY(facts_way_back(polling->app, &call->device, &call->assignment, &polling->way));
    if (polling->way.kind == WAY_BACK_NONE)
        TRY(strand(polling));
    TRY(decide_on_it(polling));
    if (goes_back(&polling->decision))
        call->release = polling->way.release;
    return ERR_OK;
}

/* ---- the mandate ---- */

static bool is_older_version(const struct polling *polling)
{
    struct span running = span_of(polling->call->device.version),
                offered = span_of(polling->call->release.version);

    return version_valid(running) && version_valid(offered) &&
           version_compare(offered, running) < 0;
}

/* Whether a device would call the release a step back, as its accept rule does: by the signers'
 * count where both state one, else by version. It is then told that this is meant. */
static enum err is_older(const struct polling *polling, bool *older)
{
    const struct device_row *device = &polling->call->device;
    int64_t offered = polling->call->release.release_counter;
    struct release_row running;
    enum err err = ERR_NOT_FOUND;

    *older = goes_back(&polling->decision);
    if (*older)
        return ERR_OK;
    if (device->running_known && offered > 0)
        err = store_release_by_image(polling->app->db, device->tenant, device->running, &running);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    *older = err == ERR_OK && running.release_counter > 0 ? offered < running.release_counter
                                                          : is_older_version(polling);
    return ERR_OK;
}

/* One from before mandates has no number yet. */
static enum err number(struct polling *polling)
{
    struct assignment_row *row = &polling->call->assignment;

    if (row->sequence != 0)
        return ERR_OK;
    TRY(store_device_next_sequence(polling->app->db, row->tenant, row->device, polling->call->now,
                                   &row->sequence));
    return store_assignment_save(polling->app->db, row);
}

static enum err root_version(struct app *app, int64_t tenant, uint32_t *out)
{
    struct metadata_row root;
    enum err err = store_metadata_find(app->db, tenant, METADATA_ROOT, 0, &root);

    *out = err == ERR_OK ? (uint32_t)root.version : 0;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err write_mandate(struct polling *polling, struct mandate *out)
{
    const struct device_call *call = polling->call;
    const struct policy *policy;
    bool older;

    TRY(is_older(polling, &older));
    TRY(rules_of(polling->app, call->device.tenant, &policy));
    *out = (struct mandate){.device = span_of(call->device.name),
                            .sequence = (uint64_t)call->assignment.sequence,
                            .nonce_known = polling->poll->nonce_known,
                            .issued_s = (uint64_t)call->now.ms / 1000,
                            .id = (uint64_t)call->assignment.id,
                            .action = older ? MANDATE_ROLLBACK : MANDATE_INSTALL,
                            .target = span_of(call->release.target),
                            .allow_stale_s = policy->allow_stale_s};
    if (!goes_back(&polling->decision))
        out->deadline_s = (uint64_t)call->rollout.rollout.plan.end_at.ms / 1000;
    memcpy(out->nonce, polling->poll->nonce, MANDATE_NONCE_SIZE);
    memcpy(out->sha256, call->release.plain_sha256, DIGEST_SIZE);
    return root_version(polling->app, call->device.tenant, &out->root_version_min);
}

/* What the device needs to open a sealed image. Without it nothing is offered: the storage key was
 * exchanged, or the device has become another one since it was admitted. */
static enum err wrap_content_key(struct polling *polling, struct buf *out)
{
    struct device_call *call = polling->call;
    struct native_answer *answer = polling->out;
    enum err err = ERR_OK;

    if (answer->kind == NATIVE_INSTALL)
        err = content_wrap(polling->app, &call->device, &call->release, out, NULL);
    if (err != ERR_NOT_FOUND && err != ERR_CORRUPT)
        return err;
    *answer = (struct native_answer){.kind = NATIVE_NOTHING};
    return ERR_OK;
}

static bool changes_the_device(const struct native_answer *answer)
{
    return answer->kind == NATIVE_INSTALL || answer->kind == NATIVE_ROLLBACK;
}

/* Orders to change the device are signed; nothing else is. */
static enum err sign(struct polling *polling)
{
    struct device_call *call = polling->call;
    struct buf signed_bytes = buf_over(call->mandate, sizeof call->mandate);
    const struct key *key;
    uint8_t wrap[WRAP_SIZE_MAX];
    struct buf content_key = buf_over(wrap, sizeof wrap);
    struct mandate mandate;

    if (!changes_the_device(polling->out))
        return ERR_OK;
    TRY(online_key_for_mandates(polling->app, call->device.tenant, &key));
    if (!key)
        return ERR_OK;
    TRY(wrap_content_key(polling, &content_key));
    if (!changes_the_device(polling->out))
        return ERR_OK;
    TRY(number(polling));
    TRY(write_mandate(polling, &mandate));
    mandate.content_key = buf_written(&content_key);
    TRY(sign_mandate(key, &mandate, &signed_bytes, NULL));
    polling->out->signed_assignment = buf_written(&signed_bytes);
    return ERR_OK;
}

/* The device holds something that is not what it has now: old, recalled, or never ours. */
static enum err answer_for_hand(struct polling *polling, bool *answered)
{
    uint64_t hand = polling->poll->assignment;
    bool found = false;

    *answered = false;
    if (hand == 0 || hand == (uint64_t)polling->call->device.assignment)
        return ERR_OK;
    if (hand <= INT64_MAX)
        TRY(load(polling, (int64_t)hand, &found));
    if (!found) {
        polling->out->kind = NATIVE_CANCEL;
        polling->out->assignment = hand;
        *answered = true;
        return ERR_OK;
    }
    TRY(match_running(polling));
    TRY(decide_on_it(polling));
    if (polling->decision.answer == DECIDE_CANCEL) {
        fill(polling);
        *answered = true;
    }
    return ERR_OK;
}

static enum err answer_for_open(struct polling *polling)
{
    struct device_call *call = polling->call;
    bool found, dropped;

    TRY(load(polling, call->device.assignment, &found));
    if (!found) /* deleted with its rollout */
        return store_device_detach(polling->app->db, call->device.tenant, call->device.id,
                                   call->device.assignment);
    TRY(match_running(polling));
    TRY(decide_on_it(polling));
    TRY(find_way_back(polling));
    fill(polling);
    dropped = call->assignment.assignment.standing == STANDING_OUT && !polling->poll->assignment &&
              polling->decision.answer == DECIDE_NOTHING;
    if (dropped) /* it was taken back, and the device knows */
        return store_device_detach(polling->app->db, call->device.tenant, call->device.id,
                                   call->assignment.id);
    return ERR_OK;
}

static enum err answer(struct polling *polling, bool runs_other)
{
    bool answered;

    TRY(answer_for_hand(polling, &answered));
    if (answered)
        return ERR_OK;
    polling->decision = (struct decision){0};
    if (polling->call->device.assignment != 0)
        return answer_for_open(polling);
    return runs_other ? look_back(polling) : ERR_OK;
}

enum err device_poll(struct app *app, struct device_call *call, const struct native_poll *poll,
                     struct native_answer *out)
{
    struct polling polling = {.app = app, .call = call, .poll = poll, .out = out};
    bool runs_other;

    *out = (struct native_answer){.kind = NATIVE_NOTHING};
    out->flags = call->device.wanted & NATIVE_WANT_ALL;
    out->flags |= inventory_is_news(&polling) ? NATIVE_WANT_INVENTORY : 0;
    TRY(note_state(&polling, &runs_other));
    TRY(answer(&polling, runs_other));
    TRY(sign(&polling));
    out->next_poll_s = decide_next_poll_s(&polling.decision, call->now, app->config.poll_interval_s,
                                          app->config.poll_jitter_percent, &app->prng);
    out->server_s = (uint64_t)call->now.ms / 1000;
    return ERR_OK;
}

CHECK_STATIC(DEVICE_WANTS_INVENTORY == NATIVE_WANT_INVENTORY);
CHECK_STATIC(DEVICE_WANTS_LOG == NATIVE_WANT_LOG);
CHECK_STATIC(DEVICE_WANTS_RENEWAL == NATIVE_WANT_RENEWAL);
CHECK_STATIC(INVENTORY_DIGEST_SIZE == NATIVE_INVENTORY_SIZE);
CHECK_STATIC(MANDATE_SIZE_MAX == NATIVE_SIGNED_SIZE_MAX);
CHECK_STATIC(MANDATE_NONCE_SIZE == NATIVE_NONCE_SIZE);

enum err device_details(struct app *app, struct device_call *call, uint64_t assignment,
                        struct native_details *out)
{
    struct polling polling = {.app = app, .call = call};
    const struct assignment_row *row = &call->assignment;
    bool found = false;

    if (assignment <= INT64_MAX)
        TRY(load(&polling, (int64_t)assignment, &found));
    if (!found)
        return ERR_NOT_FOUND;
    TRY(store_rollout_get(app->db, row->tenant, row->rollout, &call->rollout));
    TRY(store_release_get(app->db, row->tenant, row->release, &call->release));
    *out = (struct native_details){.assignment = assignment,
                                   .target = span_of(call->release.target),
                                   .version = span_of(call->release.version),
                                   .rollout = span_of(call->rollout.name),
                                   .attempt = row->assignment.attempt,
                                   .retry_limit = call->rollout.rollout.plan.retry_limit,
                                   .deadline_s = (uint64_t)row->look.ms / 1000,
                                   .length = call->release.plain_length};
    fill_digest(true, call->release.plain_sha256, &out->sha256);
    return ERR_OK;
}
