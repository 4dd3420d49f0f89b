/* Deployments in Mender's management API: rollouts of ours.
 *
 * A deployment has no gates unless it has phases: Mender has none at all, and its scripts count on
 * a deployment that goes on to the end. Phases become stages, each with a gate like one of ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/mender.h"
#include "app/steer.h"
#include "base/check.h"
#include "os/say.h"
#include "server/mender_manage_inside.h"
#include "store/artifact.h"
#include "store/assignment.h"
#include "wire/mender_host.h"

#define DEADLINE_S      7200u /* clients poll each half hour unless told otherwise */
#define PHASE_FAILURES  100u  /* thousandths of a phase's outcomes, as in our own API */
#define NAME_KEPT       40u   /* bytes of the given name in the name of the rollout */
#define ROLLOUTS_LOOKED 512u  /* of a list, newest first */

/* ---- States ---- */

enum mender_state {
    STATE_PENDING,
    STATE_DOWNLOADING,
    STATE_INSTALLING,
    STATE_REBOOTING,
    STATE_SUCCESS,
    STATE_FAILURE,
    STATE_NOARTIFACT,
    STATE_ALREADY_INSTALLED,
    STATE_ABORTED,
    STATE_PAUSE_INSTALLING,
    STATE_PAUSE_COMMITTING,
    STATE_PAUSE_REBOOTING,
    STATE_DECOMMISSIONED,
    STATE_COUNT
};

static const char *const state_names[STATE_COUNT] = {"pending",
                                                     "downloading",
                                                     "installing",
                                                     "rebooting",
                                                     "success",
                                                     "failure",
                                                     "noartifact",
                                                     "already-installed",
                                                     "aborted",
                                                     "pause_before_installing",
                                                     "pause_before_committing",
                                                     "pause_before_rebooting",
                                                     "decommissioned"};

static enum mender_state state_of(enum assignment_state state)
{
    switch (state) {
    case ASSIGNMENT_CANDIDATE:
    case ASSIGNMENT_ASSIGNED:
        return STATE_PENDING;
    case ASSIGNMENT_DOWNLOADING:
        return STATE_DOWNLOADING;
    case ASSIGNMENT_STAGED:
    case ASSIGNMENT_SWITCHING:
    case ASSIGNMENT_TRIAL:
    case ASSIGNMENT_SILENT:
        return STATE_INSTALLING;
    case ASSIGNMENT_SUCCEEDED:
        return STATE_SUCCESS;
    case ASSIGNMENT_FAILED:
    case ASSIGNMENT_REVERTED:
    case ASSIGNMENT_REFUSED:
    case ASSIGNMENT_REVERTING:
    case ASSIGNMENT_ROLLED_BACK:
    case ASSIGNMENT_STRANDED:
        return STATE_FAILURE;
    case ASSIGNMENT_RECALLED:
    case ASSIGNMENT_WITHDRAWN:
    case ASSIGNMENT_SUPERSEDED:
    case ASSIGNMENT_STATE_COUNT:
    default:
        return STATE_ABORTED;
    }
}

static bool is_over(enum rollout_state state)
{
    return state == ROLLOUT_DONE || state == ROLLOUT_ABORTED || state == ROLLOUT_ROLLED_BACK;
}

static enum err count_states(struct manage *manage, const struct rollout_row *row,
                             uint32_t out[STATE_COUNT])
{
    uint32_t counts[ASSIGNMENT_STATE_COUNT];

    memset(out, 0, STATE_COUNT * sizeof out[0]);
    TRY(store_assignment_count(manage->app->db, manage->tenant, row->id, counts));
    for (size_t i = 0; i < ASSIGNMENT_STATE_COUNT; i++)
        out[state_of((enum assignment_state)i)] += counts[i];
    return ERR_OK;
}

static const char *status_of(const struct rollout_row *row, const uint32_t counts[STATE_COUNT])
{
    uint32_t begun = 0;

    if (is_over(row->rollout.state))
        return "finished";
    for (size_t i = STATE_DOWNLOADING; i < STATE_COUNT; i++)
        begun += counts[i];
    return begun > 0 ? "inprogress" : "pending";
}

static json_t *statistics_json(const uint32_t counts[STATE_COUNT])
{
    json_t *json = json_object();

    for (size_t i = 0; i < STATE_COUNT; i++)
        CHECK(json_object_set_new(json, state_names[i], json_integer(counts[i])) == 0);
    return json;
}

/* ---- One deployment as JSON ---- */

static enum err artifacts_of_release(struct manage *manage, int64_t release, json_t *ids,
                                     char name[ARTIFACT_NAME_SIZE_MAX + 1])
{
    struct artifact_row *rows = calloc(ARTIFACTS_MAX, sizeof *rows);
    char id[MENDER_UUID_SIZE];
    uint32_t count = 0;
    enum err err;

    CHECK(rows);
    name[0] = '\0';
    err =
        store_artifact_list(manage->app->db, manage->tenant, release, ARTIFACTS_MAX, rows, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (rows[i].format != ARTIFACT_MENDER)
            continue;
        mender_uuid(MENDER_OF_ARTIFACT, (uint64_t)rows[i].id, id);
        CHECK(json_array_append_new(ids, json_string(id)) == 0);
        memcpy(name, rows[i].name, sizeof rows[i].name);
    }
    free(rows);
    return err;
}

static enum err describe(struct manage *manage, const struct rollout_row *row, json_t **out)
{
    char id[MENDER_UUID_SIZE], name[ARTIFACT_NAME_SIZE_MAX + 1];
    uint32_t counts[STATE_COUNT], total = 0;
    json_t *artifacts = json_array();
    struct utc finished = is_over(row->rollout.state) ? row->state_since : (struct utc){0};
    enum err err = artifacts_of_release(manage, row->release, artifacts, name);

    if (err == ERR_OK)
        err = count_states(manage, row, counts);
    if (err != ERR_OK) {
        json_decref(artifacts);
        return err;
    }
    for (size_t i = 0; i < STATE_COUNT; i++)
        total += counts[i];
    mender_uuid(MENDER_OF_ROLLOUT, (uint64_t)row->id, id);
    *out = json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:s, s:{s:o}}", "id", id,
                     "name", row->name, "artifact_name", name, "artifacts", artifacts, "status",
                     status_of(row, counts), "created", manage_time(row->created), "finished",
                     manage_time(finished), "device_count", (json_int_t)total, "max_devices",
                     (json_int_t)row->rollout.selected, "type", "software", "statistics", "status",
                     statistics_json(counts));
    CHECK(*out);
    return ERR_OK;
}

static enum err find(struct manage *manage, struct rollout_row *out)
{
    int64_t id;
    enum err err;

    TRY(manage_argument(manage, 0, MENDER_OF_ROLLOUT, &id));
    err = store_rollout_get(manage->app->db, manage->tenant, id, out);
    if (err == ERR_NOT_FOUND)
        return manage_refuse(manage, 404, ERR_NOT_FOUND, "there is no such deployment");
    return app_db_failed(manage->app, err, &manage->why);
}

/* Run `story` with the rollout that the path names. */
static enum err with_rollout(struct manage *manage,
                             enum err (*story)(struct manage *manage, struct rollout_row *row))
{
    struct rollout_row *row = calloc(1, sizeof *row);
    enum err err;

    CHECK(row);
    err = find(manage, row);
    if (err == ERR_OK)
        err = story(manage, row);
    free(row);
    return err;
}

static enum err reply_one(struct manage *manage, struct rollout_row *row)
{
    json_t *json;

    TRY(app_db_failed(manage->app, describe(manage, row, &json), &manage->why));
    manage_reply_json(manage, 200, json);
    return ERR_OK;
}

enum err manage_deployment(struct manage *manage)
{
    return with_rollout(manage, reply_one);
}

static enum err reply_statistics(struct manage *manage, struct rollout_row *row)
{
    uint32_t counts[STATE_COUNT];

    TRY(app_db_failed(manage->app, count_states(manage, row, counts), &manage->why));
    manage_reply_json(manage, 200, statistics_json(counts));
    return ERR_OK;
}

enum err manage_statistics(struct manage *manage)
{
    return with_rollout(manage, reply_statistics);
}

/* ---- The list ---- */

static enum err list_some(struct manage *manage, struct rollout_row *row, struct manage_page page,
                          const char *status, json_t *out)
{
    int64_t *ids = calloc(ROLLOUTS_LOOKED, sizeof *ids);
    uint32_t count = 0;
    enum err err;

    CHECK(ids);
    err = store_rollout_list(manage->app->db, manage->tenant, 0, ROLLOUTS_LOOKED, ids, &count);
    for (uint32_t i = 0; err == ERR_OK && i < count && page.count > 0; i++) {
        json_t *json = NULL;

        err = store_rollout_get(manage->app->db, manage->tenant, ids[i], row);
        if (err == ERR_OK)
            err = describe(manage, row, &json);
        if (err != ERR_OK)
            break;
        if (status[0] != '\0' &&
            strcmp(status, json_string_value(json_object_get(json, "status"))) != 0) {
            json_decref(json);
        } else if (page.skip > 0) {
            page.skip--;
            json_decref(json);
        } else {
            page.count--;
            CHECK(json_array_append_new(out, json) == 0);
        }
    }
    free(ids);
    return err;
}

enum err manage_deployments(struct manage *manage)
{
    struct rollout_row *row;
    struct manage_page page;
    char status[16];
    json_t *out;
    enum err err;

    TRY(manage_page(manage, &page));
    manage_query(manage, "status", status, sizeof status);
    row = calloc(1, sizeof *row);
    out = json_array();
    CHECK(row && out);
    err = app_db_failed(manage->app, list_some(manage, row, page, status, out), &manage->why);
    free(row);
    if (err == ERR_OK)
        manage_reply_json(manage, 200, out);
    else
        json_decref(out);
    return err;
}

/* ---- Devices of a deployment ---- */

static json_t *device_json(const struct assignment_row *row)
{
    const struct assignment *assignment = &row->assignment;
    enum mender_state state = state_of(assignment->state);
    bool over = state == STATE_SUCCESS || state == STATE_FAILURE || state == STATE_ABORTED;
    char id[MENDER_UUID_SIZE];

    mender_uuid(MENDER_OF_DEVICE, (uint64_t)row->device, id);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "id", id, "status", state_names[state],
                     "substate", row->detail, "started", manage_time(assignment->heard_at),
                     "finished", manage_time(over ? assignment->counted_at : (struct utc){0}),
                     "log", state == STATE_FAILURE);
}

static enum err reply_devices(struct manage *manage, struct rollout_row *row)
{
    enum {
        BATCH = 64
    };
    struct assignment_row *rows = calloc(BATCH, sizeof *rows);
    json_t *out = json_array();
    struct manage_page page = {0};
    uint32_t count = BATCH;
    int64_t after = 0;
    enum err err = manage_page(manage, &page);

    CHECK(rows && out);
    while (err == ERR_OK && count == BATCH && page.count > 0) {
        err = app_db_failed(manage->app,
                            store_assignment_list(manage->app->db, manage->tenant, row->id,
                                                  ASSIGNMENTS_ALL, after, BATCH, rows, &count),
                            &manage->why);
        for (uint32_t i = 0; err == ERR_OK && i < count && page.count > 0; i++) {
            after = rows[i].id;
            if (page.skip > 0)
                page.skip--;
            else if (page.count--)
                CHECK(json_array_append_new(out, device_json(&rows[i])) == 0);
        }
    }
    free(rows);
    if (err == ERR_OK)
        manage_reply_json(manage, 200, out);
    else
        json_decref(out);
    return err;
}

enum err manage_deployment_devices(struct manage *manage)
{
    return with_rollout(manage, reply_devices);
}

static enum err reply_log(struct manage *manage, struct rollout_row *rollout)
{
    struct log_row logs[LOGS_KEPT];
    struct assignment_row row;
    struct span text;
    uint32_t count;
    int64_t device;

    TRY(manage_argument(manage, 1, MENDER_OF_DEVICE, &device));
    if (store_assignment_of(manage->app->db, manage->tenant, device, rollout->id, &row) != ERR_OK)
        return manage_refuse(manage, 404, ERR_NOT_FOUND, "the device is not part of it");
    TRY(app_db_failed(
        manage->app,
        store_log_list(manage->app->db, manage->tenant, device, LOGS_KEPT, logs, &count),
        &manage->why));
    for (uint32_t i = 0; i < count; i++) {
        if (logs[i].assignment != row.id)
            continue;
        TRY(app_db_failed(
            manage->app, store_log_text(manage->app->db, manage->tenant, device, logs[i].id, &text),
            &manage->why));
        reply_bytes(manage->exchange, 200, "text/plain", text);
        return ERR_OK;
    }
    return manage_refuse(manage, 404, ERR_NOT_FOUND, "the device has sent no log");
}

enum err manage_deployment_log(struct manage *manage)
{
    return with_rollout(manage, reply_log);
}

/* ---- Abort ---- */

static enum err abort_it(struct manage *manage, struct rollout_row *row)
{
    struct steer_order order = {.tenant = manage->tenant,
                                .actor = manage->actor,
                                .person = manage->token.name,
                                .now = manage->now};
    const char *status;
    json_t *body;
    bool good;

    TRY(manage_body(manage, &body));
    status = json_string_value(json_object_get(body, "status"));
    good = status && strcmp(status, "aborted") == 0;
    json_decref(body);
    if (!good)
        return manage_refuse(manage, 400, ERR_INVALID, "status must be aborted");
    if (is_over(row->rollout.state))
        return manage_refuse(manage, 422, ERR_INVALID, "the deployment is finished");
    TRY(steer_event(manage->app, row, ROLLOUT_EV_ABORT, &order, &manage->why));
    reply_empty(manage->exchange, 204);
    return ERR_OK;
}

enum err manage_deployment_status(struct manage *manage)
{
    return with_rollout(manage, abort_it);
}

/* ---- Create ---- */

struct order {
    char name[NAME_SIZE_MAX + 1];
    char selector[SELECTOR_SIZE_MAX + 1];
    char release[RELEASE_ID_SIZE];
    struct device_row first; /* of the devices; id 0: all */
    struct rollout_plan plan;
};

/* A name of ours that nobody has: theirs, as far as it may be, and a number. */
static void take_name(struct manage *manage, const char *given, struct order *out)
{
    size_t size = 0;

    for (; given[size] != '\0' && size < NAME_KEPT; size++) {
        struct span one = {(const uint8_t *)given + size, 1};
        bool good = device_name_valid(one) || (given[size] == '.' && size > 0);

        out->name[size] = good ? given[size] : '-';
    }
    (void)snprintf(out->name + size, sizeof out->name - size, "-%06x",
                   (unsigned)prng_below(&manage->app->prng, 0x1000000));
}

static enum err take_device(struct manage *manage, const json_t *id, bool first,
                            struct device_row *row)
{
    const char *text = json_string_value(id);
    uint64_t number;
    enum err err = ERR_NOT_FOUND;

    (void)first;
    if (text && mender_uuid_parse(MENDER_OF_DEVICE, span_of(text), &number))
        err = store_device_get(manage->app->db, manage->tenant, (int64_t)number, row);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && row->protocol != PROTOCOL_MENDER))
        return manage_refuse(manage, 422, ERR_INVALID, "there is no device %.40s",
                             text ? text : "");
    return app_db_failed(manage->app, err, &manage->why);
}

static enum err take_devices(struct manage *manage, const json_t *body, struct order *out)
{
    struct buf buf = buf_over(out->selector, sizeof out->selector);
    const json_t *devices = json_object_get(body, "devices");
    struct device_row row;

    if (json_is_true(json_object_get(body, "all_devices"))) {
        buf_text(&buf, "protocol = \"mender\"");
        (void)buf_finish_text(&buf);
        return ERR_OK;
    }
    if (!json_is_array(devices) || json_array_size(devices) == 0)
        return manage_refuse(manage, 400, ERR_INVALID, "devices must not be empty");
    buf_text(&buf, "name in (");
    for (size_t i = 0; i < json_array_size(devices) && !buf.overflow; i++) {
        TRY(take_device(manage, json_array_get(devices, i), i == 0, &row));
        if (i == 0)
            out->first = row;
        buf_text(&buf, i > 0 ? ", \"" : "\"");
        buf_text(&buf, row.name);
        buf_text(&buf, "\"");
    }
    buf_text(&buf, ")");
    (void)buf_finish_text(&buf);
    if (buf.overflow)
        return manage_refuse(manage, 422, ERR_TOO_BIG,
                             "too many devices by name: put them into a group and use our own API");
    return ERR_OK;
}

/* What was uploaded here under the name, or a signed release of the first device's product. */
static enum err take_release(struct manage *manage, const char *name, struct order *out)
{
    char version[VERSION_SIZE_MAX + 1];
    struct artifact_row artifact;
    struct release_row release;
    enum err err;

    mender_version(name, version);
    err = store_release_find(manage->app->db, manage->tenant, SPAN_LITERAL(MANAGE_PRODUCT),
                             span_of(version), &release);
    if (err == ERR_NOT_FOUND) {
        err = store_artifact_named(manage->app->db, manage->tenant, span_of(out->first.product),
                                   PROTOCOL_MENDER, span_of(name), &artifact);
        if (err == ERR_OK)
            err = store_release_get(manage->app->db, manage->tenant, artifact.release, &release);
    }
    if (err == ERR_NOT_FOUND)
        return manage_refuse(manage, 422, err, "there is no artifact with this name");
    TRY(app_db_failed(manage->app, err, &manage->why));
    release_row_name(&release, out->release);
    return ERR_OK;
}

static enum err take_phases(struct manage *manage, const json_t *phases, struct order *out)
{
    size_t count = json_array_size(phases);
    json_int_t percent = 0;

    if (count > ROLLOUT_STAGES_MAX)
        return manage_refuse(manage, 400, ERR_TOO_BIG, "at most %u phases",
                             (unsigned)ROLLOUT_STAGES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *phase = json_array_get(phases, i);
        json_int_t size = json_integer_value(json_object_get(phase, "batch_size"));

        if (json_object_get(phase, "start_ts") || json_object_get(phase, "batch_size_devices"))
            return manage_refuse(manage, 400, ERR_INVALID,
                                 "phases begin when the one before is good: batch_size only");
        percent = i + 1 == count ? 100 : percent + size;
        if (percent < 1 || percent > 100 || (size < 1 && i + 1 < count))
            return manage_refuse(manage, 400, ERR_INVALID, "batch_size must be a percentage");
        out->plan.stages[i] = (struct rollout_stage){.permille = (uint16_t)(percent * 10),
                                                     .gate = {.failures_permille = PHASE_FAILURES}};
    }
    out->plan.stage_count = (uint8_t)count;
    return ERR_OK;
}

static enum err take_order(struct manage *manage, const json_t *body, struct order *out)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    const char *artifact = json_string_value(json_object_get(body, "artifact_name"));
    const json_t *phases = json_object_get(body, "phases");

    if (!name || name[0] == '\0' || !artifact || artifact[0] == '\0')
        return manage_refuse(manage, 400, ERR_INVALID, "name and artifact_name must be given");
    out->plan = (struct rollout_plan){
        .stage_count = 1,
        .stages = {{.permille = 1000, .gate = {.failures_permille = GATE_PERMILLE_OFF}}},
        .deadline_s = DEADLINE_S};
    take_name(manage, name, out);
    TRY(take_devices(manage, body, out));
    TRY(take_release(manage, artifact, out));
    return json_array_size(phases) > 0 ? take_phases(manage, phases, out) : ERR_OK;
}

static enum err create(struct manage *manage, const struct order *order, struct rollout_row *row)
{
    struct steer_draft draft = {.tenant = manage->tenant,
                                .actor = manage->actor,
                                .created_by = manage->token.name,
                                .name = order->name,
                                .release = span_of(order->release),
                                .selector = span_of(order->selector),
                                .plan = order->plan,
                                .confirm_above = UINT32_MAX};
    struct steer_order start = {.tenant = manage->tenant,
                                .actor = manage->actor,
                                .person = manage->token.name,
                                .now = manage->now};
    struct steer_preview *preview = calloc(1, sizeof *preview);
    enum err err;

    CHECK(preview);
    err = steer_create(manage->app, &draft, manage->now, preview, row, &manage->why);
    free(preview);
    TRY(err);
    return steer_event(manage->app, row, ROLLOUT_EV_START, &start, &manage->why);
}

enum err manage_deploy(struct manage *manage)
{
    struct order *order = calloc(1, sizeof *order);
    struct rollout_row *row = calloc(1, sizeof *row);
    char id[MENDER_UUID_SIZE], where[128];
    json_t *body = NULL;
    enum err err = manage_body(manage, &body);

    CHECK(order && row);
    if (err == ERR_OK)
        err = take_order(manage, body, order);
    if (err == ERR_OK)
        err = create(manage, order, row);
    if (err == ERR_OK) {
        mender_uuid(MENDER_OF_ROLLOUT, (uint64_t)row->id, id);
        (void)snprintf(where, sizeof where, "/api/management/v1/deployments/deployments/%s", id);
        reply_header(manage->exchange, "Location", where);
        reply_empty(manage->exchange, 201);
    }
    json_decref(body);
    free(order);
    free(row);
    return err;
}
