#include "app/foreign_tale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static const uint16_t everybody[] = {1000, 0};

int tale_open(void **state)
{
    struct tale *tale = calloc(1, sizeof *tale);

    CHECK(tale);
    stage_open(&tale->stage, true);
    tale->buf = buf_over(tale->text, sizeof tale->text);
    *state = tale;
    return 0;
}

int tale_close(void **state)
{
    struct tale *tale = *state;

    stage_check(&tale->stage);
    stage_close(&tale->stage);
    free(tale);
    return 0;
}

/* ---- the story-teller ---- */

void tale_say(struct tale *tale, const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buf_text(&tale->buf, line);
    buf_byte(&tale->buf, '\n');
}

/* What has been told since, against what was expected. */
void tale_told(struct tale *tale, const char *expected)
{
    assert_string_equal(buf_finish_text(&tale->buf), expected);
    tale->buf = buf_over(tale->text, sizeof tale->text);
}

static const char *action_of(enum foreign_action action)
{
    static const char *const names[] = {"nothing", "install", "cancel"};

    return names[action];
}

static const char *verdict_of(enum foreign_verdict verdict)
{
    static const char *const names[] = {"noted", "proceed", "drop", "over", "flooded"};

    return names[verdict];
}

/* "trial exposed claimed" of the device's newest assignment. */
const char *tale_standing(struct tale *tale, const char *name)
{
    static char text[96];
    struct assignment_row row;
    struct device_row device;
    uint32_t count;

    assert_int_equal(store_device_find(tale->stage.db, tale->stage.tenant, span_of(name), &device),
                     ERR_OK);
    assert_int_equal(
        store_assignment_history(tale->stage.db, tale->stage.tenant, device.id, 0, 1, &row, &count),
        ERR_OK);
    if (count == 0)
        return "none";
    (void)snprintf(text, sizeof text, "%s %s %s", assignment_state_name(row.assignment.state),
                   standing_name(row.assignment.standing),
                   assignment_proof_name(row.assignment.proof));
    return text;
}

/* ---- stories ---- */

static enum err enter(struct stage *stage, const struct tale_order *order)
{
    struct foreign_credential shown = {.protocol = order->protocol,
                                       .tenant = span_of(stage->tenant_name),
                                       .device = span_of(order->name),
                                       .proof = FOREIGN_BY_PROXY,
                                       .secret = span_of(order->secret ? order->secret : ""),
                                       .address = "192.0.2.1"};

    if (order->secret)
        shown.proof = order->gateway ? FOREIGN_BY_GATEWAY : FOREIGN_BY_TOKEN;
    return foreign_enter(&stage->app, &shown, stage->now, &order->tale->call, &stage->why);
}

enum err tale_poll_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;

    TRY(enter(stage, order));
    return foreign_poll(&stage->app, &order->tale->call, span_of(order->runs), &order->tale->offer,
                        &stage->why);
}

static enum err deployment_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;

    TRY(enter(stage, order));
    return foreign_deployment(&stage->app, &order->tale->call, order->id, order->begins,
                              &order->tale->offer, &stage->why);
}

static enum err leave_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;

    TRY(enter(stage, order));
    return foreign_leave(&stage->app, &order->tale->call, order->id, &stage->why);
}

static enum err report_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;
    const struct span message = span_of(order->message);
    const struct foreign_report report = {.id = order->id,
                                          .phase = order->phase,
                                          .words = "closed/success",
                                          .messages = &message,
                                          .message_count = 1};

    TRY(enter(stage, order));
    return foreign_report(&stage->app, &order->tale->call, &report, &order->verdict, &stage->why);
}

enum err tale_artifact_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;
    struct artifact_row row;

    TRY(enter(stage, order));
    return foreign_artifact(&stage->app, &order->tale->call, order->id, span_of(order->file), &row,
                            &stage->why);
}

enum err tale_attributes_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;

    TRY(enter(stage, order));
    return foreign_attributes(&stage->app, &order->tale->call, order->mode, order->attributes,
                              order->count, &stage->why);
}

struct tale_order tale_order(struct tale *tale, enum protocol protocol, const char *name)
{
    return (struct tale_order){.tale = tale,
                               .protocol = protocol,
                               .name = name,
                               .secret = protocol == PROTOCOL_HAWKBIT ? SECRET : NULL,
                               .runs = "",
                               .file = "",
                               .message = ""};
}

/* ---- what devices do, each told in a line ---- */

void tale_poll(struct tale *tale, enum protocol protocol, const char *name, const char *runs)
{
    struct tale_order order = tale_order(tale, protocol, name);
    const struct foreign_offer *offer = &tale->offer;

    order.runs = runs;
    tale->stage.now.ms += 10000;
    assert_int_equal(stage_run(&tale->stage, tale_poll_story, &order), ERR_OK);
    tale_say(tale, "%s polls %s: %s %s; %s", name, runs, action_of(offer->action),
             offer->artifact_count > 0 ? offer->artifacts[0].file : "-", tale_standing(tale, name));
}

void tale_fetch(struct tale *tale, enum protocol protocol, const char *name, uint32_t id)
{
    struct tale_order order = tale_order(tale, protocol, name);
    enum err err;

    order.id = id;
    order.begins = true;
    tale->stage.now.ms += 1000;
    err = stage_run(&tale->stage, deployment_story, &order);
    tale_say(tale, "%s fetches: %s; %s", name, err_name(err), tale_standing(tale, name));
}

void tale_leave(struct tale *tale, const char *name, uint32_t id)
{
    struct tale_order order = tale_order(tale, PROTOCOL_HAWKBIT, name);
    enum err err;

    order.id = id;
    err = stage_run(&tale->stage, leave_story, &order);
    tale_say(tale, "%s reads all: %s; %s", name, err_name(err), tale_standing(tale, name));
}

void tale_report(struct tale *tale, enum protocol protocol, const char *name, uint32_t id,
                 enum foreign_phase phase)
{
    static const char *const phases[] = {"notes",  "downloads", "asks",  "reboots",
                                         "claims", "fails",     "drops", "keeps"};
    struct tale_order order = tale_order(tale, protocol, name);

    order.id = id;
    order.phase = phase;
    order.message = "words of the device";
    tale->stage.now.ms += 1000;
    assert_int_equal(stage_run(&tale->stage, report_story, &order), ERR_OK);
    tale_say(tale, "%s %s: %s; %s", name, phases[phase], verdict_of(order.verdict),
             tale_standing(tale, name));
}

void tale_wait(struct tale *tale, int64_t seconds, const char *name)
{
    tale->stage.now.ms += seconds * 1000;
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale_say(tale, "after %lld s: %s", (long long)seconds, tale_standing(tale, name));
}

/* ---- furniture ---- */

static enum err register_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;
    const struct foreign_order what = {.tenant = stage->tenant,
                                       .protocol = order->protocol,
                                       .name = order->name,
                                       .product = "box",
                                       .hardware = "a",
                                       .status = DEVICE_ACTIVE,
                                       .actor = "token:ada"};

    return foreign_register(&stage->app, &what, stage->now, &order->tale->call, &stage->why);
}

static enum err token_story(struct stage *stage, void *self)
{
    struct tale_order *order = self;
    char secret[FOREIGN_SECRET_SIZE];

    return foreign_token(&stage->app, stage->tenant, span_of(order->name), span_of(SECRET),
                         "token:ada", stage->now, secret, &stage->why);
}

void tale_device(struct tale *tale, enum protocol protocol, const char *name)
{
    struct tale_order order = tale_order(tale, protocol, name);

    assert_int_equal(stage_run(&tale->stage, register_story, &order), ERR_OK);
    if (protocol == PROTOCOL_HAWKBIT)
        assert_int_equal(stage_run(&tale->stage, token_story, &order), ERR_OK);
}

enum err tale_add_artifact(struct stage *stage, void *self)
{
    const struct tale_artifact *what = self;
    struct artifact_row row = {.tenant = stage->tenant,
                               .release = what->release,
                               .format = what->format,
                               .length = 1000,
                               .listing = 1,
                               .created = stage->now};

    (void)snprintf(row.file, sizeof row.file, "%s", what->file);
    (void)snprintf(row.target, sizeof row.target, "box/%s/%s", what->version, what->file);
    if (what->format == ARTIFACT_MENDER)
        (void)snprintf(row.name, sizeof row.name, "release-%s", what->version);
    stage_image(row.target, row.sha256);
    return store_artifact_add(stage->db, &row);
}

/* A release with an image and a file for each protocol. */
int64_t tale_release(struct tale *tale, const char *version)
{
    struct tale_artifact swu = {.version = version, .format = ARTIFACT_SWU, .file = "box.swu"};
    struct tale_artifact mender = {
        .version = version, .format = ARTIFACT_MENDER, .file = "box.mender"};

    swu.release = mender.release = stage_release(&tale->stage, version);
    assert_int_equal(stage_run(&tale->stage, tale_add_artifact, &swu), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, tale_add_artifact, &mender), ERR_OK);
    return swu.release;
}

/* A device of that protocol that runs 1.0, and a rollout that brings 2.0 and is running. */
void tale_furnish(struct tale *tale, enum protocol protocol, const char *name)
{
    tale_device(tale, protocol, name);
    (void)tale_release(tale, "1.0");
    tale_poll(tale, protocol, name, protocol == PROTOCOL_MENDER ? "release-1.0" : "1.0");
    tale->rollout = stage_rollout(&tale->stage, "spring", tale_release(tale, "2.0"), everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale->buf = buf_over(tale->text, sizeof tale->text);
}
