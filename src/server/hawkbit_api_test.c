/* hawkBit's device API as whole requests, against the real stories: golden transcripts, and what
 * must be refused. usage: hawkbit_api_test DIR */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/hawkbit_world.h"

static const char *golden_dir;

/* ---- transcripts ---- */

static void add(struct world *world, const char *format, ...)
{
    size_t at = strlen(world->text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(world->text + at, TEXT_MAX - at, format, args);
    va_end(args);
}

static void tell(struct world *world, struct asking asking)
{
    static const char *const verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OTHER"};

    asking.token = asking.token ? asking.token : TOKEN;
    (void)ask(world, asking);
    add(world, "> %s %s%s%s\n", asking.head_only ? "HEAD" : verbs[asking.method], asking.path,
        asking.query ? "?" : "", asking.query ? asking.query : "");
    if (asking.accept)
        add(world, "> Accept: %s\n", asking.accept);
    if (asking.range)
        add(world, "> Range: %s\n", asking.range);
    if (asking.body)
        add(world, "> %s\n", asking.body);
    add(world, "< %u %s\n", world->status, world->has_blob ? "(the file)" : world->type);
    if (world->etag[0] != '\0')
        add(world, "< ETag: %s\n", world->etag);
    if (world->body[0] != '\0')
        add(world, "< %s\n", world->body);
    add(world, "\n");
}

static void assert_transcript(struct world *world, const char *name)
{
    static char golden[TEXT_MAX];
    char path[512];
    size_t size = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s.txt", golden_dir, name);
    file = fopen(path, "r");
    if (file) {
        size = fread(golden, 1, sizeof golden - 1, file);
        (void)fclose(file);
    }
    golden[size] = '\0';
    if (strcmp(golden, world->text) == 0)
        return;
    printf("%s is now:\n%s---\n", path, world->text); /* print_message() cuts long text */
    fail_msg("transcript %s differs", name);
}

#define FEEDBACK(execution, finished, words)               \
    "{\"id\":\"2\",\"status\":{\"execution\":\"" execution \
    "\",\"result\":{\"finished\":\"" finished "\"},\"details\":[\"" words "\"]}}"

static void an_update_is_told(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    add(world, "# the calls of swupdate 2022.12 in their order, and what else may be asked\n");
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2", .query = "c=1"});
    tell(world, (struct asking){.method = METHOD_PUT,
                                .path = DEV "/configData",
                                .type = "application/json",
                                .body = "{\"data\":{\"serialNo\":\"42\"}}"});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("proceeding", "none", "Installing.")});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu.MD5SUM"});
    tell(world,
         (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu", .head_only = true});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu",
                                .accept = "application/octet-stream",
                                .range = "bytes=0-3"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/other.swu"});
    tell(world, (struct asking){.path = DEV "/installedBase/2"});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2",
                                .query = "actionHistory=-1",
                                .accept = "application/json"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("closed", "success", "Update Installed.")});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/installedBase/2", .query = "actionHistory=1"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/deploymentBase/2/feedback",
                                .body = FEEDBACK("closed", "success", "Update Installed.")});
    assert_transcript(world, "update");
}

static void a_cancelled_update_is_told(void **state)
{
    struct world *world = *state;
    int64_t rollout = furnish(world);

    add(world, "# rauc-hawkbit-updater's order: GET cancelAction, then its feedback\n");
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2"});
    tell(world, (struct asking){.path = DEV "/cancelAction/2"});
    assert_int_equal(stage_steer(&world->stage, rollout, ROLLOUT_EV_ABORT), ERR_OK);
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.path = DEV "/cancelAction/2"});
    tell(world, (struct asking){.path = DEV "/deploymentBase/2"});
    tell(world, (struct asking){.path = DEV "/softwaremodules/2/artifacts/box.swu"});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/cancelAction/2/feedback",
                                .body = FEEDBACK("closed", "success", "Action canceled.")});
    tell(world, (struct asking){.path = DEV});
    tell(world, (struct asking){.method = METHOD_POST,
                                .path = DEV "/cancelAction/2/feedback",
                                .body = FEEDBACK("closed", "success", "Action canceled.")});
    assert_transcript(world, "cancel");
}

/* ---- without a transcript ---- */

static void last_byte_is_leave(void **state)
{
    struct world *world = *state;
    const char *file = DEV "/softwaremodules/2/artifacts/box.swu";
    const char *sql;
    char switching[96];

    (void)furnish(world);
    (void)snprintf(switching, sizeof switching, "SELECT count(*) FROM assignment WHERE state = %d",
                   ASSIGNMENT_SWITCHING);
    sql = switching;
    assert_int_equal(get(world, DEV "/deploymentBase/2"), 200);
    assert_int_equal(ask(world, (struct asking){.path = file, .token = TOKEN, .head_only = true}),
                     200);
    assert_int_equal(stage_number(&world->stage, sql), 0);
    assert_int_equal(
        ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=0-5"}), 200);
    assert_int_equal(stage_number(&world->stage, sql), 0);
    assert_int_equal(
        ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=99-"}), 200);
    assert_int_equal(stage_number(&world->stage, sql), 0); /* the front says 416 */
    assert_int_equal(ask(world, (struct asking){.path = file, .token = TOKEN, .range = "bytes=6-"}),
                     200);
    assert_int_equal(stage_number(&world->stage, sql), 1);
}

static void answers_have_etags(void **state)
{
    struct world *world = *state;
    char etag[64];

    register_device(world, "dev1");
    assert_int_equal(get(world, DEV), 200);
    (void)snprintf(etag, sizeof etag, "%s", world->etag);
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .if_none_match = etag}), 304);
    assert_string_equal(world->body, "");
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .if_none_match = "\"x\""}), 200);
}

static void media_types_are_heeded(void **state)
{
    struct world *world = *state;

    register_device(world, "dev1");
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .accept = "application/cbor"}),
        200);
    assert_string_equal(world->type, "application/cbor");
    assert_int_equal((uint8_t)world->body[0], 0xbf);
    assert_int_equal(
        ask(world, (struct asking){.path = DEV, .token = TOKEN, .accept = "text/html"}), 406);
    assert_int_equal(ask(world, (struct asking){.method = METHOD_PUT,
                                                .path = DEV "/configData",
                                                .token = TOKEN,
                                                .type = "text/plain",
                                                .body = "{\"data\":{\"a\":\"b\"}}"}),
                     415);
    assert_int_equal(ask(world, (struct asking){.method = METHOD_PUT,
                                                .path = DEV "/configData",
                                                .token = TOKEN,
                                                .type = "application/cbor",
                                                .body = "\xbf\x64"
                                                        "data\xbf\x61"
                                                        "a\x61"
                                                        "b\xff\xff"}),
                     200);
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        enum exchange_method method;
        const char *path, *body;
        unsigned status;
        const char *code;
    } cases[] = {
        {METHOD_PUT, DEV "/configData", "{", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/configData", "{}", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/configData", "{\"data\":{\"a~\":\"b\"}}", 400,
         "repo.invalidTargetAttributes"},
        {METHOD_POST, DEV "/deploymentBase/2/feedback", "{}", 400, "rest.body.notReadable"},
        {METHOD_POST, DEV "/deploymentBase/99/feedback", FEEDBACK("closed", "success", "x"), 404,
         ""},
        {METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\"}", 400, "rest.body.notReadable"},
        {METHOD_PUT, DEV "/installedBase", "{\"name\":\"box\",\"version\":\"77\"}", 404, ""},
        {METHOD_POST, DEV, "{}", 405, ""},
        {METHOD_GET, DEV "/deploymentBase/99", NULL, 404, ""},
        {METHOD_GET, DEV "/installedBase/99", NULL, 404, ""},
        {METHOD_GET, DEV "/cancelAction/99", NULL, 404, ""},
        {METHOD_GET, DEV "/confirmationBase", NULL, 404, ""},
        {METHOD_GET, "/DEFAULT/controller/v1/a%20b", NULL, 400, "repo.constraintViolation"},
    };
    struct world *world = *state;

    (void)furnish(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned status = send_json(world, cases[i].method, cases[i].path, cases[i].body);

        if (status != cases[i].status || !strstr(world->body, cases[i].code))
            fail_msg("%s: %u %s", cases[i].path, status, world->body);
    }
}

static void strangers_stay_out(void **state)
{
    static const struct asking cases[] = {
        {.path = DEV},
        {.path = DEV, .token = "0123456789abcdef0123456789abcdee"},
        {.path = DEV, .token = ""},
        {.path = DEV, .token = TOKEN, .scheme = "GatewayToken"},
        {.path = DEV, .token = TOKEN, .scheme = "Bearer"},
        {.path = "/DEFAULT/controller/v1/dev2", .token = TOKEN},
        {.path = "/other/controller/v1/dev1", .token = TOKEN},
        {.path = DEV, .device = "dev1"},
        {.path = DEV, .device = "dev1", .authorities = "ffff;eeee"},
        {.path = DEV, .device = "dev2", .authorities = "0a1b2c"},
        {.path = "/other/controller/v1/dev1", .device = "dev1", .authorities = "0a1b2c"},
        {.path = DEV, .peer = "dev2"},
    };
    struct world *world = *state;

    register_device(world, "dev1");
    register_device(world, "dev3");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (ask(world, cases[i]) != 401 || world->body[0] != '\0')
            fail_msg("case %zu: %u %s", i, world->status, world->body);
    }
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM device"), 2);
}

static void a_proxy_or_our_certificate_vouches(void **state)
{
    struct world *world = *state;

    assert_int_equal(
        ask(world,
            (struct asking){.path = DEV, .device = "dev1", .authorities = "dead; 0A1B2C ;beef;"}),
        200);
    assert_int_equal(
        ask(world, (struct asking){.path = "/default/controller/v1/dev9", .peer = "dev9"}), 200);
    assert_int_equal(stage_number(&world->stage, "SELECT count(*) FROM device"), 2);
}

static void a_device_says_what_it_runs(void **state)
{
    struct world *world = *state;

    (void)furnish(world);
    assert_int_equal(send_json(world, METHOD_PUT, DEV "/installedBase",
                               "{\"name\":\"box\",\"version\":\"2.0\"}"),
                     201);
    assert_int_equal(send_json(world, METHOD_PUT, DEV "/installedBase",
                               "{\"name\":\"box\",\"version\":\"2.0\"}"),
                     200);
}

static void floods_are_told_so(void **state)
{
    struct world *world = *state;
    unsigned status = 200;

    (void)furnish(world);
    assert_int_equal(get(world, DEV "/deploymentBase/2"), 200);
    for (unsigned i = 0; i < FOREIGN_WORDS_MAX + 1 && status == 200; i++)
        status = send_json(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                           FEEDBACK("proceeding", "none", "again"));
    assert_int_equal(status, 429);
    assert_non_null(strstr(world->body, "quota.tooManyEntries"));
    /* what ends it still gets through */
    assert_int_equal(get(world, DEV "/softwaremodules/2/artifacts/box.swu"), 200);
    assert_int_equal(send_json(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                               FEEDBACK("closed", "failure", "no")),
                     200);
    assert_int_equal(send_json(world, METHOD_POST, DEV "/deploymentBase/2/feedback",
                               FEEDBACK("closed", "failure", "no")),
                     410);
}

int main(int argc, char **argv)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(an_update_is_told),          TEST(a_cancelled_update_is_told),
        TEST(last_byte_is_leave),         TEST(answers_have_etags),
        TEST(media_types_are_heeded),     TEST(bad_requests_are_refused),
        TEST(strangers_stay_out),         TEST(a_proxy_or_our_certificate_vouches),
        TEST(a_device_says_what_it_runs), TEST(floods_are_told_so),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    golden_dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
