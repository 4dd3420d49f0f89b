/* Devices and rollouts, as a client of the management API meets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "server/api_world.h"
#include "store/report.h"

#define API "/api/v1"

static json_t *at(json_t *json, const char *path)
{
    char copy[128], *rest = copy, *name;

    (void)snprintf(copy, sizeof copy, "%s", path);
    while ((name = strsep(&rest, ".")) != NULL) {
        json = name[0] >= '0' && name[0] <= '9' ? json_array_get(json, (size_t)(name[0] - '0'))
                                                : json_object_get(json, name);
        if (!json)
            fail_msg("no %s in %s", name, path);
    }
    return json;
}

/* One value of the last answer, compared. */
static void check_text(const struct world *world, const char *path, const char *want)
{
    json_t *json = world_json(world), *value = at(json, path);

    if (want)
        assert_string_equal(json_string_value(value), want);
    else
        assert_true(json_is_null(value));
    json_decref(json);
}

static void check_number(const struct world *world, const char *path, int64_t want)
{
    json_t *json = world_json(world);

    assert_int_equal(json_integer_value(at(json, path)), want);
    json_decref(json);
}

static unsigned draft(struct world *world, enum role role, const char *name, const char *more)
{
    char body[1024];

    (void)snprintf(body, sizeof body,
                   "{\"name\":\"%s\",\"release\":\"pump@1.1.0\",\"stages\":[{\"percent\":10},"
                   "{\"percent\":100,\"failure_percent\":2.5}],%s}",
                   name, more);
    return ask_as(world, role, METHOD_POST, API "/rollouts", body);
}

static unsigned steer(struct world *world, enum role role, const char *name, const char *verb)
{
    char path[128];

    (void)snprintf(path, sizeof path, API "/rollouts/%s/%s", name, verb);
    return ask_as(world, role, METHOD_POST, path, "{\"reason\":\"as planned\"}");
}

/* ---- Whom it reaches ---- */

static void a_dry_run_changes_nothing(void **state)
{
    struct world *world = world_open();
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];

    (void)state;
    world_fingerprint(world, true, before);
    assert_int_equal(
        draft(world, ROLE_OPERATOR, "june", "\"selector\":\"site = oslo\",\"dry_run\":true"), 200);
    world_fingerprint(world, true, after);
    assert_string_equal(before, after);
    check_number(world, "count", 10); /* 13 in oslo, of which 3 have other hardware */
    check_text(world, "sample.0", "pump-01");
    check_number(world, "stages.0", 1);
    check_number(world, "stages.1", 10);
    world_close(world);
}

static void many_devices_need_their_number(void **state)
{
    struct world *world = world_open();

    (void)state;
    world->api->config.confirm_above = 10;
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"all\""), 422);
    check_text(world, "field", "confirm_count");
    assert_int_equal(
        draft(world, ROLE_OPERATOR, "june", "\"selector\":\"all\",\"confirm_count\":25"), 422);
    assert_int_equal(
        draft(world, ROLE_OPERATOR, "june", "\"selector\":\"all\",\"confirm_count\":20"), 201);
    assert_int_equal(
        draft(world, ROLE_OPERATOR, "july", "\"selector\":\"site = oslo\",\"confirm_count\":9"),
        422); /* wrong is wrong, also below the limit */
    assert_int_equal(draft(world, ROLE_OPERATOR, "july", "\"selector\":\"site = oslo\""), 201);
    world_close(world);
}

static void selectors_are_tried_out(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_POST, API "/selectors/check",
                            "{\"selector\":\"hw = b or name = pump-01\"}"),
                     200);
    check_number(world, "count", 6);
    assert_int_equal(
        ask(world, METHOD_POST, API "/selectors/check", "{\"selector\":\"hw = a and or\"}"), 400);
    check_text(world, "field", "selector");
    check_number(world, "column", 12);
    world_close(world);
}

/* ---- Its life ---- */

static void a_rollout_is_read_back_as_it_was_written(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(
        draft(world, ROLE_OPERATOR, "june",
              "\"selector\":\"hw = a\",\"deadline_s\":120,\"retry_limit\":0,\"window\":{\"days\":"
              "[\"sat\",\"mon\"],\"start\":\"02:30\",\"duration_s\":3600},\"end_at\":"
              "\"2030-01-01T00:00:00Z\""),
        201);
    check_text(world, "state", "draft");
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/rollouts/june", NULL), 200);
    check_text(world, "release", "pump@1.1.0");
    check_text(world, "selector", "hw = a");
    check_text(world, "created_by", "operator");
    check_text(world, "window.start", "02:30");
    check_text(world, "window.days.0", "mon");
    check_text(world, "window.days.1", "sat");
    check_text(world, "end_at", "2030-01-01T00:00:00Z");
    check_text(world, "start_at", NULL);
    check_number(world, "deadline_s", 120);
    check_number(world, "retry_limit", 0);
    check_number(world, "stages.0.percent", 10);
    check_number(world, "stages.0.sample_min", 2); /* the stage has but two devices */
    check_number(world, "stages.0.failure_percent", 10);
    check_number(world, "stages.1.sample_min", 5);
    assert_non_null(strstr(world->body, "\"failure_percent\":2.5"));
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/1", NULL), 200); /* by id too */
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 409);
    check_text(world, "field", "name");
    world_close(world);
}

static void a_rollout_is_steered(void **state)
{
    struct world *world = world_open();
    json_t *audit;

    (void)state;
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 201);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "pause"), 409); /* not yet */
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    check_text(world, "state", "running");
    check_number(world, "counts.selected", 20);
    check_number(world, "counts.admitted", 2);
    audit = world_last_audit(world);
    assert_string_equal(json_string_value(json_object_get(audit, "action")), "rollout.start");
    assert_string_equal(json_string_value(json_object_get(audit, "detail")), "as planned");
    json_decref(audit);
    assert_int_equal(ask(world, METHOD_DELETE, API "/rollouts/june", NULL), 409);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "pause"), 200);
    check_text(world, "state", "paused");
    check_text(world, "reason", "as planned");
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "resume"), 200);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "advance"), 200);
    check_number(world, "stage", 1);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/devices?state=assigned", NULL),
                     200);
    check_text(world, "items.0.rollout_name", "june");
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/devices?state=failed", NULL), 200);
    assert_non_null(strstr(world->body, "\"items\":[]"));
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "abort"), 200);
    check_text(world, "state", "aborted");
    check_number(world, "counts.recalled", 20);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/report", NULL), 200);
    check_text(world, "rollout.state", "aborted");
    check_text(world, "success_percent", NULL);
    check_number(world, "stages.1.goal", 20);
    world_close(world);
}

/* Two devices are away, and must not run again what they ran before. */
static void floors_bar_a_rollback(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 201);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    assert_int_equal(db_script(world->db, "UPDATE assignment SET whereabouts = 1,"
                                          " previous = (SELECT plain_sha256 FROM release LIMIT 1);"
                                          "UPDATE device SET security_floor = 4000000000"
                                          " WHERE id IN (SELECT device FROM assignment)"),
                     ERR_OK);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "rollback"), 409);
    assert_string_equal(world->content_type, "application/problem+json");
    check_text(world, "field", "leave_behind");
    check_number(world, "barred.count", 2);
    assert_non_null(strstr(world->body, "\"sample\":[\"pump-"));
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/rollback", "{\"leave_behind\":3}"),
                     409);
    assert_int_equal(ask(world, METHOD_POST, API "/rollouts/june/pause", "{\"leave_behind\":2}"),
                     400);
    (void)ask(world, METHOD_POST, API "/rollouts/june/rollback", "{\"leave_behind\":2}");
    assert_null(strstr(world->body, "leave_behind")); /* that was not in its way */
    world_close(world);
}

static void two_people_approve(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(draft(world, ROLE_RELEASE_MANAGER, "june",
                           "\"selector\":\"hw = a\",\"needs_approval\":true"),
                     201);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 403);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "approve"), 403);
    assert_int_equal(steer(world, ROLE_RELEASE_MANAGER, "june", "approve"), 403);
    assert_non_null(strstr(world->body, "somebody else"));
    assert_int_equal(steer(world, ROLE_ADMIN, "june", "approve"), 200);
    check_text(world, "approved_by", "admin");
    check_text(world, "state", "approved");
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    world_close(world);
}

static void nobody_steers_what_has_changed(void **state)
{
    struct world *world = world_open();
    struct question question = {.method = METHOD_POST,
                                .path = API "/rollouts/june/pause",
                                .secret = world->secrets[ROLE_OPERATOR]};
    char etag[64];

    (void)state;
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 201);
    memcpy(etag, world->etag, sizeof etag);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    question.if_match = etag;
    assert_int_equal(world_ask(world, &question), 412);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june", NULL), 200);
    memcpy(etag, world->etag, sizeof etag);
    assert_int_equal(world_ask(world, &question), 200);
    world_close(world);
}

static void drafts_are_thrown_away_and_lists_are_filtered(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 201);
    assert_int_equal(draft(world, ROLE_OPERATOR, "july", "\"selector\":\"hw = a\""), 201);
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts?state=draft", NULL), 200);
    check_text(world, "items.0.name", "july");
    check_text(world, "next", NULL);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts?limit=1", NULL), 200);
    check_text(world, "items.0.name", "july"); /* newest first */
    assert_int_equal(ask(world, METHOD_DELETE, API "/rollouts/july", NULL), 204);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/july", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/events", NULL), 200);
    assert_string_equal(world->topic, "rollout/1");
    assert_int_equal(ask(world, METHOD_GET, API "/events", NULL), 200);
    assert_string_equal(world->topic, "events");
    world_close(world);
}

/* ---- Devices ---- */

static void a_device_is_shown_and_labelled(void **state)
{
    struct world *world = world_open();
    struct question question = {.method = METHOD_PATCH,
                                .path = API "/devices/pump-01",
                                .secret = world->secrets[ROLE_OPERATOR],
                                .body = SPAN_LITERAL("{\"note\":\"roof\"}")};
    char etag[64];

    (void)state;
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/devices/pump-01", NULL), 200);
    check_text(world, "status", "active");
    check_text(world, "attributes.site", "oslo");
    check_text(world, "running.version", "1.0.3");
    check_text(world, "assignment", NULL);
    memcpy(etag, world->etag, sizeof etag);
    assert_int_equal(
        ask_as(world, ROLE_OPERATOR, METHOD_PATCH, API "/devices/pump-01",
               "{\"tags\":[\"canary\",\"lab\"],\"hold\":true,\"utc_offset_min\":-300}"),
        200);
    check_text(world, "tags.0", "canary");
    check_number(world, "utc_offset_min", -300);
    question.if_match = etag;
    assert_int_equal(world_ask(world, &question), 412);
    question.if_match = "*";
    assert_int_equal(world_ask(world, &question), 200);
    check_text(world, "note", "roof");
    check_text(world, "tags.1", "lab"); /* kept */
    assert_int_equal(ask(world, METHOD_GET, API "/devices?selector=tag%20%3D%20canary", NULL), 200);
    check_text(world, "items.0.name", "pump-01");
    assert_int_equal(ask(world, METHOD_GET, API "/devices?status=pending", NULL), 200);
    assert_non_null(strstr(world->body, "\"items\":[]"));
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-77", NULL), 404);
    world_close(world);
}

static void groups_come_and_go_with_their_devices(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_PUT, API "/groups/north/devices/pump-01", NULL), 204);
    assert_int_equal(ask(world, METHOD_PUT, API "/groups/north/devices/pump-01", NULL), 204);
    assert_int_equal(ask(world, METHOD_PUT, API "/groups/south/devices/pump-02", NULL), 204);
    assert_int_equal(ask(world, METHOD_PUT, API "/groups/north/devices/pump-77", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, API "/groups?limit=1", NULL), 200);
    check_text(world, "items.0.name", "north");
    check_number(world, "items.0.devices", 1);
    {
        json_t *json = world_json(world);
        char path[512];

        (void)snprintf(path, sizeof path, API "/groups?cursor=%s",
                       json_string_value(json_object_get(json, "next")));
        json_decref(json);
        assert_int_equal(ask(world, METHOD_GET, path, NULL), 200);
    }
    check_text(world, "items.0.name", "south");
    assert_int_equal(ask(world, METHOD_DELETE, API "/groups/north/devices/pump-01", NULL), 204);
    assert_int_equal(ask(world, METHOD_GET, API "/groups", NULL), 200);
    assert_null(strstr(world->body, "north"));
    world_close(world);
}

static void a_device_is_barred_and_forgotten(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_DELETE, API "/devices/pump-03", NULL), 409);
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-03/request-log", NULL), 204);
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-03/revoke", NULL), 204);
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-03/revoke", NULL), 409);
    assert_int_equal(ask(world, METHOD_DELETE, API "/devices/pump-03", NULL), 204);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-03", NULL), 404);
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-03/accept", NULL), 404);
    world_close(world);
}

static void a_device_is_explained(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-01/explain", NULL), 200);
    check_text(world, "reason", "no-rollout");
    check_text(world, "rollout", NULL);
    assert_int_equal(draft(world, ROLE_OPERATOR, "june", "\"selector\":\"hw = a\""), 201);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-01/explain", NULL), 200);
    check_text(world, "reason", "rollout-draft");
    assert_int_equal(steer(world, ROLE_OPERATOR, "june", "start"), 200);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-22/explain", NULL), 200);
    check_text(world, "reason", "not-selected");
    check_text(world, "rollout", "june");
    assert_int_equal(ask(world, METHOD_GET, API "/rollouts/june/devices", NULL), 200);
    {
        json_t *json = world_json(world);
        char path[128];

        (void)snprintf(path, sizeof path, API "/devices/%s/explain",
                       json_string_value(at(json, "items.0.device")));
        json_decref(json);
        assert_int_equal(ask(world, METHOD_GET, path, NULL), 200);
    }
    check_text(world, "reason", "offered");
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-77/explain", NULL), 404);
    world_close(world);
}

static void add_history(struct world *world, int64_t device)
{
    struct report_row report = {.tenant = 1, .device = device, .phase = 0};

    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    for (int i = 1; i <= 5; i++) {
        report.id = i;
        report.received.ms = world->now.ms + i * 1000;
        assert_int_equal(store_report_add(world->db, &report), ERR_OK);
        assert_int_equal(store_gap_add(world->db, 1, device,
                                       (struct gap_row){{world->now.ms + i * 1000 + 500}, 7500000}),
                         ERR_OK);
    }
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
}

static void history_is_one_list_newest_first(void **state)
{
    struct world *world = world_open();
    char path[512] = API "/devices/pump-01/history?limit=3";
    size_t reports = 0, gaps = 0;
    char last[32] = "9999";

    (void)state;
    add_history(world, 1);
    for (int page = 0; page < 4; page++) {
        json_t *json, *item;
        size_t i;

        assert_int_equal(ask(world, METHOD_GET, path, NULL), 200);
        json = world_json(world);
        json_array_foreach(json_object_get(json, "items"), i, item)
        {
            const char *when = json_string_value(json_object_get(item, "at"));
            bool gap = strcmp(json_string_value(json_object_get(item, "kind")), "gap") == 0;

            assert_true(strcmp(when, last) <= 0);
            (void)snprintf(last, sizeof last, "%s", when);
            gaps += gap;
            reports += !gap;
        }
        if (page < 3)
            (void)snprintf(path, sizeof path, API "/devices/pump-01/history?limit=3&cursor=%s",
                           json_string_value(json_object_get(json, "next")));
        else
            assert_true(json_is_null(json_object_get(json, "next")));
        json_decref(json);
    }
    assert_int_equal(reports, 5);
    assert_int_equal(gaps, 5);
    world_close(world);
}

static void logs_are_text_and_nothing_else(void **state)
{
    struct world *world = world_open();
    int64_t id;

    (void)state;
    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    assert_int_equal(
        store_log_add(world->db, 1, 1, 0, world->now, SPAN_LITERAL("<script>\xff\n"), &id), ERR_OK);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-01/logs", NULL), 200);
    check_number(world, "items.0.size", 10);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-01/logs/1", NULL), 200);
    assert_string_equal(world->content_type, "text/plain");
    assert_int_equal(world->body_size, 10);
    assert_int_equal(ask(world, METHOD_GET, API "/devices/pump-01/logs/2", NULL), 404);
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/devices/pump-01/logs/1", NULL),
                     403);
    world_close(world);
}

/* ---- Releases, blobs, trust ---- */

static void releases_are_listed(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/releases?limit=1", NULL), 200);
    check_text(world, "items.0.release", "pump@1.1.0");
    check_text(world, "items.0.hardware.0", "a");
    assert_int_equal(ask(world, METHOD_GET, API "/releases/pump@1.0.3", NULL), 200);
    check_text(world, "version", "1.0.3");
    assert_int_equal(ask(world, METHOD_GET, API "/releases/pump@9", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, API "/releases/pump", NULL), 404);
    world_close(world);
}

static void upload_to(struct world *world, struct upload *upload, const char *text)
{
    FILE *file;

    (void)snprintf(upload->path, sizeof upload->path, "%s/upload-1",
                   blobs_upload_dir(world->blobs));
    file = fopen(upload->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    upload->present = true;
    upload->size = strlen(text);
}

static void blobs_arrive_under_their_digest(void **state)
{
    /* SHA-256 of "test" */
    static const char path[] =
        API "/blobs/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    struct world *world = world_open();
    struct question question = {.method = METHOD_PUT,
                                .path = path,
                                .secret = world->secrets[ROLE_RELEASE_MANAGER],
                                .kind = EXCHANGE_UPLOAD_BEGIN};

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, path, NULL), 404);
    assert_int_equal(world_ask(world, &question), 100);
    question.secret = world->secrets[ROLE_OPERATOR];
    assert_int_equal(world_ask(world, &question), 403); /* before a byte has come */
    question.secret = world->secrets[ROLE_RELEASE_MANAGER];
    question.kind = EXCHANGE_HTTP;
    upload_to(world, &question.upload, "test");
    assert_int_equal(world_ask(world, &question), 400); /* another digest arrived */
    assert_true(
        hex_parse(span_of(path + sizeof(API "/blobs/") - 1), question.upload.sha256, DIGEST_SIZE));
    upload_to(world, &question.upload, "test");
    assert_int_equal(world_ask(world, &question), 201);
    assert_int_equal(ask(world, METHOD_GET, path, NULL), 200);
    assert_true(world->has_blob);
    question.kind = EXCHANGE_UPLOAD_BEGIN;
    question.upload.present = false;
    assert_int_equal(world_ask(world, &question), 204); /* no need to send it again */
    world_close(world);
}

static void unsigned_metadata_is_refused(void **state)
{
    static const char root[] = "{\"signed\":{\"_type\":\"root\",\"spec_version\":\"1.0.0\","
                               "\"version\":1},\"signatures\":[]}";
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/trust/root", root), 400);    /* no form */
    assert_int_equal(ask(world, METHOD_POST, API "/trust/targets", root), 409); /* no root yet */
    assert_int_equal(ask(world, METHOD_GET, API "/trust", NULL), 200);
    check_text(world, "root_version", NULL);
    check_text(world, "snapshot_key.keytype", "ed25519");
    world_close(world);
}

/* ---- Watching ---- */

static void metrics_are_well_formed(void **state)
{
    struct world *world = world_open();
    char *copy, *rest, *line, name[96] = "";

    (void)state;
    stats_note_batch(&world->stats, 17);
    STATS_ADD(&world->stats, engine_batches, 1);
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, "/metrics", NULL), 200);
    assert_non_null(strstr(world->body, "slipway_engine_batch_size_bucket{le=\"16\"} 0\n"));
    assert_non_null(strstr(world->body, "slipway_engine_batch_size_bucket{le=\"64\"} 1\n"));
    assert_non_null(strstr(world->body, "slipway_engine_batch_size_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(world->body, "slipway_devices{status=\"active\"} 25\n"));
    assert_non_null(strstr(world->body, "# TYPE slipway_rollouts gauge\n"));
    copy = rest = strdup(world->body);
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        if (sscanf(line, "# HELP %95s", name) == 1)
            assert_non_null(strstr(line + 7, " "));
        else if (strncmp(line, "# TYPE ", 7) == 0)
            assert_memory_equal(line + 7, name, strlen(name)); /* help comes first */
        else
            assert_memory_equal(line, name, strlen(name)); /* samples stand under their type */
    }
    free(copy);
    world_close(world);
}

static void health_needs_no_token(void **state)
{
    struct world *world = world_open();
    struct question question = {.path = "/healthz"};

    (void)state;
    assert_int_equal(world_ask(world, &question), 200);
    check_text(world, "checks.0.name", "database");
    check_text(world, "checks.2.status", "ok");
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_changes_nothing),
        cmocka_unit_test(many_devices_need_their_number),
        cmocka_unit_test(selectors_are_tried_out),
        cmocka_unit_test(a_rollout_is_read_back_as_it_was_written),
        cmocka_unit_test(a_rollout_is_steered),
        cmocka_unit_test(floors_bar_a_rollback),
        cmocka_unit_test(two_people_approve),
        cmocka_unit_test(nobody_steers_what_has_changed),
        cmocka_unit_test(drafts_are_thrown_away_and_lists_are_filtered),
        cmocka_unit_test(a_device_is_shown_and_labelled),
        cmocka_unit_test(groups_come_and_go_with_their_devices),
        cmocka_unit_test(a_device_is_barred_and_forgotten),
        cmocka_unit_test(a_device_is_explained),
        cmocka_unit_test(history_is_one_list_newest_first),
        cmocka_unit_test(logs_are_text_and_nothing_else),
        cmocka_unit_test(releases_are_listed),
        cmocka_unit_test(blobs_arrive_under_their_digest),
        cmocka_unit_test(unsigned_metadata_is_refused),
        cmocka_unit_test(metrics_are_well_formed),
        cmocka_unit_test(health_needs_no_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
