/* Devices of other protocols, told as traces: what they are offered, what they claim, what that
 * proves, and who may speak for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/foreign.h"
#include "app/inspect.h"
#include "app/stage.h"
#include "base/check.h"
#include "store/blob_owner.h"

#define TRACE_SIZE 4096u
#define SECRET     "0123456789abcdef0123456789abcdef"

static const uint16_t everybody[] = {1000, 0};

struct tale {
    struct stage stage;
    struct foreign_call call;
    struct foreign_offer offer;
    char text[TRACE_SIZE];
    struct buf buf;
    int64_t rollout;
};

/* What a story is told with. */
struct order {
    struct tale *tale;
    enum protocol protocol;
    const char *name;   /* of the device */
    const char *secret; /* NULL: the session of its credential, or a proxy when there is none */
    const char *runs, *file, *message;
    const struct foreign_attribute *attributes;
    uint32_t id, count;
    enum foreign_phase phase;
    enum foreign_verdict verdict;
    enum foreign_mode mode;
    bool begins, gateway;
};

static int open_tale(void **state)
{
    struct tale *tale = calloc(1, sizeof *tale);

    CHECK(tale);
    stage_open(&tale->stage, true);
    tale->buf = buf_over(tale->text, sizeof tale->text);
    *state = tale;
    return 0;
}

static int close_tale(void **state)
{
    struct tale *tale = *state;

    stage_check(&tale->stage);
    stage_close(&tale->stage);
    free(tale);
    return 0;
}

/* ---- the story-teller ---- */

static void say_line(struct tale *tale, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say_line(struct tale *tale, const char *format, ...)
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
static void told(struct tale *tale, const char *expected)
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
static const char *standing_of(struct tale *tale, const char *name)
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

static enum err enter(struct stage *stage, const struct order *order)
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

static enum err poll_story(struct stage *stage, void *self)
{
    struct order *order = self;

    TRY(enter(stage, order));
    return foreign_poll(&stage->app, &order->tale->call, span_of(order->runs), &order->tale->offer,
                        &stage->why);
}

static enum err deployment_story(struct stage *stage, void *self)
{
    struct order *order = self;

    TRY(enter(stage, order));
    return foreign_deployment(&stage->app, &order->tale->call, order->id, order->begins,
                              &order->tale->offer, &stage->why);
}

static enum err leave_story(struct stage *stage, void *self)
{
    struct order *order = self;

    TRY(enter(stage, order));
    return foreign_leave(&stage->app, &order->tale->call, order->id, &stage->why);
}

static enum err report_story(struct stage *stage, void *self)
{
    struct order *order = self;
    const struct span message = span_of(order->message);
    const struct foreign_report report = {.id = order->id,
                                          .phase = order->phase,
                                          .words = "closed/success",
                                          .messages = &message,
                                          .message_count = 1};

    TRY(enter(stage, order));
    return foreign_report(&stage->app, &order->tale->call, &report, &order->verdict, &stage->why);
}

static enum err artifact_story(struct stage *stage, void *self)
{
    struct order *order = self;
    struct artifact_row row;

    TRY(enter(stage, order));
    return foreign_artifact(&stage->app, &order->tale->call, order->id, span_of(order->file), &row,
                            &stage->why);
}

static enum err attributes_story(struct stage *stage, void *self)
{
    struct order *order = self;

    TRY(enter(stage, order));
    return foreign_attributes(&stage->app, &order->tale->call, order->mode, order->attributes,
                              order->count, &stage->why);
}

static struct order order_of(struct tale *tale, enum protocol protocol, const char *name)
{
    return (struct order){.tale = tale,
                          .protocol = protocol,
                          .name = name,
                          .secret = protocol == PROTOCOL_HAWKBIT ? SECRET : NULL,
                          .runs = "",
                          .file = "",
                          .message = ""};
}

/* ---- what devices do, each told in a line ---- */

static void poll(struct tale *tale, enum protocol protocol, const char *name, const char *runs)
{
    struct order order = order_of(tale, protocol, name);
    const struct foreign_offer *offer = &tale->offer;

    order.runs = runs;
    tale->stage.now.ms += 10000;
    assert_int_equal(stage_run(&tale->stage, poll_story, &order), ERR_OK);
    say_line(tale, "%s polls %s: %s %s; %s", name, runs, action_of(offer->action),
             offer->artifact_count > 0 ? offer->artifacts[0].file : "-", standing_of(tale, name));
}

static void fetch(struct tale *tale, enum protocol protocol, const char *name, uint32_t id)
{
    struct order order = order_of(tale, protocol, name);
    enum err err;

    order.id = id;
    order.begins = true;
    tale->stage.now.ms += 1000;
    err = stage_run(&tale->stage, deployment_story, &order);
    say_line(tale, "%s fetches: %s; %s", name, err_name(err), standing_of(tale, name));
}

static void leave(struct tale *tale, const char *name, uint32_t id)
{
    struct order order = order_of(tale, PROTOCOL_HAWKBIT, name);
    enum err err;

    order.id = id;
    err = stage_run(&tale->stage, leave_story, &order);
    say_line(tale, "%s reads all: %s; %s", name, err_name(err), standing_of(tale, name));
}

static void report(struct tale *tale, enum protocol protocol, const char *name, uint32_t id,
                   enum foreign_phase phase)
{
    static const char *const phases[] = {"notes",  "downloads", "asks",  "reboots",
                                         "claims", "fails",     "drops", "keeps"};
    struct order order = order_of(tale, protocol, name);

    order.id = id;
    order.phase = phase;
    order.message = "words of the device";
    tale->stage.now.ms += 1000;
    assert_int_equal(stage_run(&tale->stage, report_story, &order), ERR_OK);
    say_line(tale, "%s %s: %s; %s", name, phases[phase], verdict_of(order.verdict),
             standing_of(tale, name));
}

static void wait_s(struct tale *tale, int64_t seconds, const char *name)
{
    tale->stage.now.ms += seconds * 1000;
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    say_line(tale, "after %lld s: %s", (long long)seconds, standing_of(tale, name));
}

/* ---- furniture ---- */

static enum err register_story(struct stage *stage, void *self)
{
    struct order *order = self;
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
    struct order *order = self;
    char secret[FOREIGN_SECRET_SIZE];

    return foreign_token(&stage->app, stage->tenant, span_of(order->name), span_of(SECRET),
                         "token:ada", stage->now, secret, &stage->why);
}

static void add_device(struct tale *tale, enum protocol protocol, const char *name)
{
    struct order order = order_of(tale, protocol, name);

    assert_int_equal(stage_run(&tale->stage, register_story, &order), ERR_OK);
    if (protocol == PROTOCOL_HAWKBIT)
        assert_int_equal(stage_run(&tale->stage, token_story, &order), ERR_OK);
}

struct furnish {
    int64_t release;
    const char *version;
    enum artifact_format format;
    const char *file;
};

static enum err artifact_row_story(struct stage *stage, void *self)
{
    const struct furnish *what = self;
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
static int64_t add_release(struct tale *tale, const char *version)
{
    struct furnish swu = {.version = version, .format = ARTIFACT_SWU, .file = "box.swu"};
    struct furnish mender = {.version = version, .format = ARTIFACT_MENDER, .file = "box.mender"};

    swu.release = mender.release = stage_release(&tale->stage, version);
    assert_int_equal(stage_run(&tale->stage, artifact_row_story, &swu), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, artifact_row_story, &mender), ERR_OK);
    return swu.release;
}

/* A device of that protocol that runs 1.0, and a rollout that brings 2.0 and is running. */
static void furnish(struct tale *tale, enum protocol protocol, const char *name)
{
    add_device(tale, protocol, name);
    (void)add_release(tale, "1.0");
    poll(tale, protocol, name, protocol == PROTOCOL_MENDER ? "release-1.0" : "1.0");
    tale->rollout = stage_rollout(&tale->stage, "spring", add_release(tale, "2.0"), everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale->buf = buf_over(tale->text, sizeof tale->text);
}

/* ---- claims ---- */

static void test_hawkbit_claim_then_return(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    fetch(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_NOTE);
    leave(tale, "cam", tale->offer.id);
    leave(tale, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_DOWNLOADING);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    wait_s(tale, 1, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_true(tale->offer.wants_attributes);
    assert_int_equal(tale->offer.installed, 2); /* assignment 1, the way there */
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.installed, FOREIGN_CLAIMED);
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam fetches: ok; downloading waiting none\n"
               "cam notes: noted; downloading waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam downloads: noted; switching exposed none\n"
               "cam claims: noted; trial exposed claimed\n"
               "after 1 s: trial exposed claimed\n"
               "cam polls : nothing -; succeeded good returned\n"
               "cam claims: over; succeeded good returned\n");
}

static void test_claim_then_soak(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    leave(tale, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    wait_s(tale, ROLLOUT_CLAIM_SOAK_MIN_S - 1, "cam");
    wait_s(tale, 2, "cam");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam claims: noted; trial exposed claimed\n"
               "after 299 s: trial exposed claimed\n"
               "after 2 s: succeeded good soaked\n");
    assert_int_equal(stage_number(&tale->stage,
                                  "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                                  " '%assignment.proven%'"),
                     1);
}

static void test_mender_claim_then_new_name(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_DOWNLOADING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_REBOOTING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 downloads: noted; downloading waiting none\n"
               "box-7 asks: proceed; switching exposed none\n"
               "box-7 reboots: noted; switching exposed none\n"
               "box-7 asks: proceed; trial exposed none\n"
               "box-7 claims: noted; trial exposed claimed\n"
               "box-7 polls release-2.0: nothing -; succeeded good running\n");
}

static void test_mender_claim_then_old_name(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 asks: proceed; switching exposed none\n"
               "box-7 claims: noted; trial exposed claimed\n"
               "box-7 polls release-1.0: nothing -; reverted failed claimed\n");
}

/* It had proven itself, and then names something else. */
static void test_mender_strays(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", tale->offer.id, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-0.9");
    told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 asks: proceed; switching exposed none\n"
               "box-7 claims: noted; trial exposed claimed\n"
               "box-7 polls release-2.0: nothing -; succeeded good running\n"
               "box-7 polls release-2.0: nothing -; succeeded good running\n"
               "box-7 polls release-0.9: nothing -; reverted failed running\n");
}

static void test_hawkbit_version_attribute(void **state)
{
    const struct foreign_attribute old[] = {{SPAN_LITERAL("version"), SPAN_LITERAL("1.0")}};
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    leave(tale, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    order.attributes = old;
    order.count = 1;
    assert_int_equal(stage_run(&tale->stage, attributes_story, &order), ERR_OK);
    say_line(tale, "says 1.0: %s", standing_of(tale, "cam"));
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam claims: noted; trial exposed claimed\n"
               "says 1.0: reverted failed claimed\n");
}

static void test_failures_before_and_after_leave(void **state)
{
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    fetch(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_FAILED);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    leave(tale, "cam", tale->offer.id);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_FAILED);
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam fetches: ok; downloading waiting none\n"
               "cam fails: noted; assigned waiting none\n" /* a second try */
               "cam polls : install box.swu; assigned waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam fails: noted; reverted failed none\n");
}

/* ---- recalls, windows, holds ---- */

static void test_recall_before_leave(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    leave(tale, "cam", id);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_DROPPED);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam fetches: ok; downloading waiting none\n"
               "cam fetches: not-found; recalled out none\n"
               "cam reads all: denied; recalled out none\n"
               "cam polls : cancel -; recalled out none\n"
               "cam drops: noted; recalled out none\n"
               "cam polls : nothing -; recalled out none\n");
}

/* Nobody can be sure any more; the cancel is sent all the same, and may come in time. */
static void test_recall_after_leave(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    leave(tale, "cam", id);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_KEEPS);
    report(tale, PROTOCOL_HAWKBIT, "cam", id, FOREIGN_DROPPED);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "cam polls : cancel -; switching exposed none\n"
               "cam keeps: noted; switching exposed none\n"
               "cam drops: noted; recalled out none\n"
               "cam polls : nothing -; recalled out none\n");
}

static void test_mender_is_told_no(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    furnish(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    id = tale->offer.id;
    report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_DOWNLOADING);
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_PAUSE), ERR_OK);
    report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_INSTALLING);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_RESUME), ERR_OK);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_HALT), ERR_OK);
    report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_DOWNLOADING);
    report(tale, PROTOCOL_MENDER, "box-7", id, FOREIGN_INSTALLING);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 downloads: noted; downloading waiting none\n"
               "box-7 asks: drop; assigned waiting none\n"
               "box-7 polls release-1.0: nothing -; assigned waiting none\n"
               "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 downloads: drop; recalled out none\n"
               "box-7 asks: drop; recalled out none\n"
               "box-7 polls release-1.0: nothing -; recalled out none\n");
}

static enum err shut_story(struct stage *stage, void *self)
{
    (void)self;
    return db_script(stage->db, "UPDATE rollout SET window_days = 127, window_start_min = 120,"
                                " window_duration_s = 3600");
}

static void test_a_closed_window_offers_nothing(void **state)
{
    struct tale *tale = *state;
    uint32_t id;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    id = tale->offer.id;
    assert_int_equal(stage_run(&tale->stage, shut_story, NULL), ERR_OK);
    tale->stage.now.ms = INT64_C(1795600800000); /* 10:00, and the window is 02:00 for 1 h */
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    fetch(tale, PROTOCOL_HAWKBIT, "cam", id);
    leave(tale, "cam", id);
    tale->stage.now.ms += INT64_C(16) * 3600 * 1000 + 60000;
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam polls : nothing -; assigned waiting none\n"
               "cam fetches: not-found; assigned waiting none\n"
               "cam reads all: denied; assigned waiting none\n"
               "cam polls : install box.swu; assigned waiting none\n");
}

/* A rollback of the rollout is another deployment, with a number of its own. */
static void test_going_back(void **state)
{
    struct tale *tale = *state;
    uint32_t there;

    furnish(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    there = tale->offer.id;
    report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    assert_int_equal(stage_steer(&tale->stage, tale->rollout, ROLLOUT_EV_ROLLBACK), ERR_OK);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-2.0");
    assert_int_equal(tale->offer.id, there + 1);
    assert_string_equal(tale->offer.artifacts[0].target, "box/1.0/box.mender");
    report(tale, PROTOCOL_MENDER, "box-7", there, FOREIGN_CLAIMED);
    report(tale, PROTOCOL_MENDER, "box-7", there + 1, FOREIGN_INSTALLING);
    report(tale, PROTOCOL_MENDER, "box-7", there + 1, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    told(tale, "box-7 polls release-1.0: install box.mender; assigned waiting none\n"
               "box-7 asks: proceed; switching exposed none\n"
               "box-7 claims: noted; trial exposed claimed\n"
               "box-7 polls release-2.0: nothing -; succeeded good running\n"
               "box-7 polls release-2.0: install box.mender; reverting good none\n"
               "box-7 claims: over; reverting good none\n"
               "box-7 asks: proceed; reverting good none\n"
               "box-7 claims: noted; reverting good claimed\n"
               "box-7 polls release-1.0: nothing -; rolled-back good running\n");
}

static void test_silence_and_a_second_offer(void **state)
{
    struct tale *tale = *state;

    for (char name[] = "other-0"; name[6] < '6'; name[6]++) { /* or one silence would halt it */
        add_device(tale, PROTOCOL_HAWKBIT, name);
        poll(tale, PROTOCOL_HAWKBIT, name, "");
    }
    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    leave(tale, "cam", tale->offer.id);
    wait_s(tale, 1001, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_CLAIMED);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "cam reads all: ok; switching exposed none\n"
               "after 1001 s: silent silent none\n"
               "cam polls : install box.swu; silent silent none\n"
               "cam claims: noted; trial exposed claimed\n"
               "cam polls : nothing -; succeeded good returned\n");
}

/* ---- who gets what ---- */

static void check_reason(struct tale *tale, const char *name, enum decide_reason reason)
{
    struct explanation found;

    assert_int_equal(inspect_explain(&tale->stage.app, tale->stage.tenant, span_of(name),
                                     tale->stage.now, &found, &tale->stage.why),
                     ERR_OK);
    assert_string_equal(decide_reason_name(found.reason), decide_reason_name(reason));
}

/* One rollout, one release, one file for each kind of device. */
static void test_a_mixed_fleet(void **state)
{
    struct tale *tale = *state;
    struct native_answer answer;
    struct stage_device gateway;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    add_device(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    poll(tale, PROTOCOL_MENDER, "box-7", "release-1.0");
    told(tale, "cam polls : install box.swu; assigned waiting none\n"
               "box-7 polls release-1.0: install box.mender; assigned waiting none\n");
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_INSTALL);
}

/* A release with an image only is nothing for others, and one without is nothing for ours. */
static void test_no_artifact_no_admission(void **state)
{
    struct furnish swu = {.version = "3.0", .format = ARTIFACT_SWU, .file = "box.swu"};
    struct tale *tale = *state;
    struct native_answer answer;
    struct stage_device gateway;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    (void)stage_rollout(&tale->stage, "image", stage_release(&tale->stage, "2.0"), everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    check_reason(tale, "cam", REASON_ARTIFACT);
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_INSTALL);

    swu.release = stage_release(&tale->stage, "3.0");
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM release"), 2);
    assert_int_equal(stage_run(&tale->stage, artifact_row_story, &swu), ERR_OK);
    (void)stage_rollout(&tale->stage, "both", swu.release, everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    told(tale, "cam polls : nothing -; none\n"
               "cam polls : nothing -; none\n"
               "cam polls : install box.swu; assigned waiting none\n");
}

static void test_selectors_know_protocols(void **state)
{
    struct tale *tale = *state;
    struct device_facts *facts = malloc(sizeof *facts);
    struct selector *selector = malloc(sizeof *selector);
    struct device_row row;

    assert_non_null(facts);
    assert_non_null(selector);
    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(store_device_find(tale->stage.db, 1, span_of("cam"), &row), ERR_OK);
    assert_int_equal(store_device_facts(tale->stage.db, 1, row.id, facts), ERR_OK);
    assert_int_equal(selector_parse(span_of("protocol = hawkbit and hw = a"), selector, NULL, NULL),
                     ERR_OK);
    assert_true(facts_match(selector, facts));
    assert_int_equal(selector_parse(span_of("protocol = native"), selector, NULL, NULL), ERR_OK);
    assert_false(facts_match(selector, facts));
    free(facts);
    free(selector);
}

static void test_files_are_for_whom_they_are_offered(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    order.id = tale->offer.id;
    order.file = "box.swu";
    assert_int_equal(stage_run(&tale->stage, artifact_story, &order), ERR_OK);
    order.file = "box.mender";
    assert_int_equal(stage_run(&tale->stage, artifact_story, &order), ERR_NOT_FOUND);
    order.file = "";
    order.id += 2;
    assert_int_equal(stage_run(&tale->stage, artifact_story, &order), ERR_NOT_FOUND);
    order.id -= 1; /* the way back, which nobody has ordered */
    assert_int_equal(stage_run(&tale->stage, artifact_story, &order), ERR_NOT_FOUND);
}

/* ---- the door ---- */

static enum err knock(struct tale *tale, const struct order *order)
{
    struct order own = *order;

    return stage_run(&tale->stage, poll_story, &own);
}

struct token_order_ {
    const char *name, *chosen;
    char secret[FOREIGN_SECRET_SIZE];
};

static enum err new_token_story(struct stage *stage, void *self)
{
    struct token_order_ *order = self;

    return foreign_token(&stage->app, stage->tenant, span_of(order->name), span_of(order->chosen),
                         "token:ada", stage->now, order->secret, &stage->why);
}

static void test_a_rotated_token(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;
    struct token_order_ token = {.name = "cam", .chosen = ""};
    const char *first = token.secret;

    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, new_token_story, &token), ERR_OK);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.secret = first;
    assert_int_equal(knock(tale, &order), ERR_OK);
    order.secret = "";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.secret = first;
    order.name = "who";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    assert_true(stage_number(&tale->stage,
                             "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                             " '%device.enter%'") > 0);
}

static void test_short_tokens_and_native_devices(void **state)
{
    struct token_order_ order = {.name = "cam", .chosen = "short"};
    struct stage_device gateway;
    struct tale *tale = *state;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_INVALID);
    order.chosen = "";
    order.name = "gw";
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_INVALID);
    order.name = "who";
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_NOT_FOUND);
}

static enum err gateway_story(struct stage *stage, void *self)
{
    struct foreign_gateway_row row = {
        .tenant = stage->tenant, .protocol = PROTOCOL_HAWKBIT, .name = "oslo", .created_by = "ada"};
    char secret[FOREIGN_SECRET_SIZE];

    (void)snprintf(row.selector, sizeof row.selector, "%s", (const char *)self);
    return foreign_gateway_add(&stage->app, &row, span_of("gateway-secret-0123"), "token:ada",
                               stage->now, secret, &stage->why);
}

static void test_a_gateway_token_and_its_selector(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "oslo-1");
    struct tale *tale = *state;
    char selector[] = "name ~ \"oslo-*\"";

    assert_int_equal(stage_run(&tale->stage, gateway_story, selector), ERR_OK);
    order.secret = "gateway-secret-0123";
    order.gateway = true;
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_true(tale->call.fresh);
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_false(tale->call.fresh);
    order.name = "rome-1"; /* unknown, and not within */
    assert_int_equal(knock(tale, &order), ERR_DENIED);
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM device"), 1);
    add_device(tale, PROTOCOL_HAWKBIT, "rome-1");
    assert_int_equal(knock(tale, &order), ERR_DENIED);
    order.secret = "gateway-secret-0124";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.name = "oslo-1";
    order.gateway = false; /* it is no token of the device's own */
    order.secret = "gateway-secret-0123";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
}

static void test_names_that_are_none_of_ours(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "02:00:00:00:00:01");
    struct tale *tale = *state;
    char all[] = "";

    assert_int_equal(stage_run(&tale->stage, gateway_story, all), ERR_OK);
    order.secret = "gateway-secret-0123";
    order.gateway = true;
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_true(strncmp(tale->call.call.device.name, "02-00-00-00-00-01-", 18) == 0);
    assert_string_equal(tale->call.foreign.external, "02:00:00:00:00:01");
    order.name = "02-00:00:00:00:01"; /* would be the same without the digest */
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM device"), 2);
    order.name = "two words";
    assert_int_equal(knock(tale, &order), ERR_INVALID);
}

static enum err revoke_story(struct stage *stage, void *self)
{
    return device_revoke(&stage->app, stage->tenant, span_of((const char *)self), "token:ada",
                         stage->now, &stage->why);
}

static void test_a_revoked_device(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;
    char name[] = "cam";

    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(stage_run(&tale->stage, revoke_story, name), ERR_OK);
    assert_int_equal(knock(tale, &order), ERR_DENIED);
}

static void test_tenants_are_apart(void **state)
{
    struct order order = order_of(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    stage_tenant(&tale->stage, "other");
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    add_device(tale, PROTOCOL_HAWKBIT, "cam"); /* the same name and secret, another device */
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(tale->call.call.device.tenant, tale->stage.tenant);
    stage_tenant(&tale->stage, "default");
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "DEFAULT");
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(tale->call.call.device.tenant, 1);
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "nobody");
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "default");
}

/* ---- keys ---- */

struct verdict_on_key {
    int64_t tenant, id;
    bool accept;
};

static enum err judge_story(struct stage *stage, void *self)
{
    const struct verdict_on_key *verdict = self;

    return foreign_key_judge(&stage->app, verdict->tenant, verdict->id, verdict->accept,
                             "token:ada", stage->now, &stage->why);
}

static enum err judge_key(struct tale *tale, int64_t tenant, int64_t id, bool accept)
{
    struct verdict_on_key verdict = {tenant, id, accept};

    return stage_run(&tale->stage, judge_story, &verdict);
}

static enum err key_story(struct stage *stage, void *self)
{
    return store_foreign_credential_add(stage->db, self);
}

static void test_keys_are_judged(void **state)
{
    struct foreign_credential_row one = {.tenant = 1, .kind = FOREIGN_KEY, .sha256 = {1}};
    struct tale *tale = *state;
    struct foreign_credential_row two, back;
    struct device_row device;

    add_device(tale, PROTOCOL_MENDER, "box-7");
    one.device = tale->call.foreign.device;
    two = one;
    two.sha256[0] = 2;
    assert_int_equal(stage_run(&tale->stage, key_story, &one), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, key_story, &two), ERR_OK);
    assert_int_equal(judge_key(tale, 1, one.id, true), ERR_OK);
    assert_int_equal(judge_key(tale, 1, two.id, true), ERR_OK);
    assert_int_equal(store_foreign_credential_get(tale->stage.db, 1, one.id, &back), ERR_OK);
    assert_int_equal(back.status, DEVICE_REJECTED);
    assert_int_equal(judge_key(tale, 1, two.id, false), ERR_OK);
    assert_int_equal(store_device_get(tale->stage.db, 1, one.device, &device), ERR_OK);
    assert_int_equal(device.status, DEVICE_REJECTED);
    assert_int_equal(judge_key(tale, 2, two.id, true), ERR_NOT_FOUND);
}

/* ---- attributes, words ---- */

static enum err attribute_change(struct tale *tale, enum foreign_mode mode,
                                 const struct foreign_attribute *list, uint32_t count)
{
    struct order order = order_of(tale, PROTOCOL_HAWKBIT, "cam");

    order.mode = mode;
    order.attributes = list;
    order.count = count;
    return stage_run(&tale->stage, attributes_story, &order);
}

static void tell_attributes(struct tale *tale)
{
    struct device_facts *facts = malloc(sizeof *facts);

    assert_non_null(facts);
    assert_int_equal(store_device_facts(tale->stage.db, 1, tale->call.call.device.id, facts),
                     ERR_OK);
    for (uint32_t i = 0; i < facts->attribute_count; i++)
        say_line(tale, "%s=%s", facts->attributes[i].name, facts->attributes[i].value);
    free(facts);
}

static void test_attributes_in_every_mode(void **state)
{
    const struct foreign_attribute two[] = {{SPAN_LITERAL("rev"), SPAN_LITERAL("2")},
                                            {SPAN_LITERAL("site"), SPAN_LITERAL("oslo")}};
    const struct foreign_attribute none[] = {{SPAN_LITERAL("rev"), {0}}};
    const struct foreign_attribute other[] = {{SPAN_LITERAL("hw"), SPAN_LITERAL("b")}};
    struct tale *tale = *state;

    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(attribute_change(tale, FOREIGN_MERGE, two, 2), ERR_OK);
    tell_attributes(tale);
    told(tale, "hw=a\nproduct=box\nrev=2\nsite=oslo\n");
    assert_int_equal(attribute_change(tale, FOREIGN_MERGE, none, 1), ERR_OK);
    tell_attributes(tale);
    told(tale, "hw=a\nproduct=box\nsite=oslo\n");
    assert_int_equal(attribute_change(tale, FOREIGN_REPLACE, other, 1), ERR_OK);
    tell_attributes(tale);
    told(tale, "hw=b\nproduct=box\n");
    assert_int_equal(attribute_change(tale, FOREIGN_REMOVE, other, 1), ERR_OK);
    tell_attributes(tale);
    told(tale, "product=box\n");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_false(tale->offer.wants_attributes);
}

static void test_words_are_kept(void **state)
{
    struct foreign_word words[4];
    struct tale *tale = *state;
    uint32_t count;

    furnish(tale, PROTOCOL_HAWKBIT, "cam");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_NOTE);
    report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_DOWNLOADING);
    assert_int_equal(store_foreign_words(tale->stage.db, 1, tale->call.call.device.id,
                                         tale->offer.id / 2, 0, 4, words, &count),
                     ERR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(words[0].text, "words of the device");
    assert_string_equal(words[0].phase, "closed/success");
}

/* ---- releases without signers ---- */

static enum err foreign_release_story(struct stage *stage, void *self)
{
    struct artifact_row artifact = {
        .format = ARTIFACT_SWU, .file = "cam.swu", .part = "os", .length = 5};
    const struct foreign_release release = {.tenant = stage->tenant,
                                            .protocol = PROTOCOL_HAWKBIT,
                                            .product = "imported",
                                            .version = "9.0",
                                            .artifacts = &artifact,
                                            .artifact_count = 1,
                                            .actor = "token:ada"};

    TRY(blobs_put(stage->blobs, "bytes", 5, artifact.sha256, &stage->why));
    TRY(store_blob_owner_add(stage->db, stage->tenant, artifact.sha256, stage->now));
    return foreign_release_add(&stage->app, &release, stage->now, self, &stage->why);
}

static enum err remove_story(struct stage *stage, void *self)
{
    const struct release_row *row = self;

    return foreign_release_remove(&stage->app, row->tenant, row->id, "token:ada", stage->now,
                                  &stage->why);
}

static void test_unsigned_releases_are_for_their_protocol(void **state)
{
    struct stage_device gateway;
    struct native_answer answer;
    struct release_row release;
    struct blob_digests digests;
    struct tale *tale = *state;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    add_device(tale, PROTOCOL_HAWKBIT, "cam");
    add_device(tale, PROTOCOL_MENDER, "box-7");
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    poll(tale, PROTOCOL_MENDER, "box-7", "x");
    assert_int_equal(stage_run(&tale->stage, foreign_release_story, &release), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, foreign_release_story, &release), ERR_CONFLICT);
    (void)stage_rollout(&tale->stage, "theirs", release.id, everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_int_equal(
        foreign_digests(&tale->stage.app, &tale->offer.artifacts[0], &digests, &tale->stage.why),
        ERR_OK);
    assert_int_equal(digests.md5[0], 0x4b); /* printf bytes | md5sum */
    poll(tale, PROTOCOL_MENDER, "box-7", "x");
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_NOTHING);
    told(tale, "cam polls : nothing -; none\n"
               "box-7 polls x: nothing -; none\n"
               "cam polls : install cam.swu; assigned waiting none\n"
               "box-7 polls x: nothing -; none\n");
    assert_int_equal(stage_run(&tale->stage, remove_story, &release), ERR_CONFLICT);
}

int main(void)
{
#define TALE(test) cmocka_unit_test_setup_teardown(test, open_tale, close_tale)
    const struct CMUnitTest tests[] = {
        TALE(test_hawkbit_claim_then_return),
        TALE(test_claim_then_soak),
        TALE(test_mender_claim_then_new_name),
        TALE(test_mender_claim_then_old_name),
        TALE(test_mender_strays),
        TALE(test_hawkbit_version_attribute),
        TALE(test_failures_before_and_after_leave),
        TALE(test_recall_before_leave),
        TALE(test_recall_after_leave),
        TALE(test_mender_is_told_no),
        TALE(test_a_closed_window_offers_nothing),
        TALE(test_going_back),
        TALE(test_silence_and_a_second_offer),
        TALE(test_a_mixed_fleet),
        TALE(test_no_artifact_no_admission),
        TALE(test_selectors_know_protocols),
        TALE(test_files_are_for_whom_they_are_offered),
        TALE(test_a_rotated_token),
        TALE(test_short_tokens_and_native_devices),
        TALE(test_a_gateway_token_and_its_selector),
        TALE(test_names_that_are_none_of_ours),
        TALE(test_a_revoked_device),
        TALE(test_tenants_are_apart),
        TALE(test_keys_are_judged),
        TALE(test_attributes_in_every_mode),
        TALE(test_words_are_kept),
        TALE(test_unsigned_releases_are_for_their_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
