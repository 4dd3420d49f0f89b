/* Golden transcripts of hawkBit's device API: what real clients send, what it means here, and what
 * they are answered.
 *   usage: hawkbit_test DIR
 *
 * "# " says where a request is from, "> " is the request, "= " what was understood, "< " the
 * answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "wire/hawkbit.h"

#define TEXT_MAX 32768

static const char *golden_dir;
static char text[TEXT_MAX];

static void add(const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + at, TEXT_MAX - at, format, args);
    va_end(args);
}

static void begin(const char *source)
{
    text[0] = '\0';
    add("# %s\n", source);
}

static void source(const char *of)
{
    add("# %s\n", of);
}

static void assert_transcript(const char *name)
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
    if (strcmp(golden, text) == 0)
        return;
    printf("%s is now:\n%s---\n", path, text); /* print_message() cuts long text */
    fail_msg("transcript %s differs", name);
}

/* ---- reading ---- */

struct reading {
    struct tree_node nodes[HAWKBIT_NODES_MAX];
    uint8_t texts[HAWKBIT_BODY_SIZE_MAX];
    struct buf buf;
    struct tree tree;
};

static struct reading reading;

static enum err read_body(struct span body, bool cbor)
{
    reading.buf = buf_over(reading.texts, sizeof reading.texts);
    reading.tree =
        (struct tree){.nodes = reading.nodes, .room = HAWKBIT_NODES_MAX, .texts = &reading.buf};
    return cbor ? tree_read_cbor(body, &reading.tree) : tree_read_json(body, &reading.tree);
}

static enum err add_route(const char *verb, const char *where, struct hawkbit_call *call)
{
    const char *query = strchr(where, '?');
    struct span path = {(const uint8_t *)where, query ? (size_t)(query - where) : strlen(where)};
    enum err err = hawkbit_route(span_of(verb), path, span_of(query ? query + 1 : ""), call);

    add("> %s %s\n", verb, where);
    if (err != ERR_OK)
        add("= %s\n\n", err_name(err));
    return err;
}

static void ask(const char *verb, const char *where)
{
    struct hawkbit_call call;

    if (add_route(verb, where, &call) != ERR_OK)
        return;
    add("= %s tenant=%s device=%s", hawkbit_kind_name(call.kind), call.tenant, call.device);
    if (call.id != 0)
        add(" id=%u", call.id);
    if (call.file[0] != '\0')
        add(" file=%s", call.file);
    if (call.history != 0)
        add(" history=%u", call.history);
    add("\n\n");
}

static void add_feedback(bool of_cancel)
{
    static const char *const meanings[] = {"note",    "download", "claim",
                                           "failure", "dropped",  "keeps"};
    struct hawkbit_feedback feedback;
    enum err err = hawkbit_read_feedback(&reading.tree, &feedback);

    if (err != ERR_OK) {
        add("= %s\n\n", err_name(err));
        return;
    }
    add("= %s: %s", hawkbit_words(&feedback), meanings[hawkbit_meaning(&feedback, of_cancel)]);
    if (feedback.code != 0)
        add(" code=%d", feedback.code);
    if (feedback.percent != 0)
        add(" percent=%u", feedback.percent);
    for (uint32_t i = 0; i < feedback.message_count; i++)
        add("\n= \"%.*s\"", (int)feedback.messages[i].size, (const char *)feedback.messages[i].at);
    add("\n\n");
}

static void add_config(void)
{
    static const char *const modes[] = {"merge", "replace", "remove"};
    static struct hawkbit_config config;
    enum err err = hawkbit_read_config(&reading.tree, &config);

    if (err != ERR_OK) {
        add("= %s\n\n", err_name(err));
        return;
    }
    add("= %s", modes[config.mode]);
    for (uint32_t i = 0; i < config.count; i++) {
        const struct hawkbit_attribute *one = &config.list[i];

        add(" %.*s", (int)one->name.size, (const char *)one->name.at);
        if (one->value.at)
            add("=%.*s", (int)one->value.size, (const char *)one->value.at);
    }
    add("\n\n");
}

static void understand(enum hawkbit_kind kind, struct span body, bool cbor)
{
    enum err err = read_body(body, cbor);

    if (err != ERR_OK)
        add("= %s\n\n", err_name(err));
    else if (kind == HAWKBIT_CONFIG)
        add_config();
    else
        add_feedback(kind == HAWKBIT_CANCEL_FEEDBACK);
}

static void send_json(const char *verb, const char *where, const char *body)
{
    struct hawkbit_call call;

    assert_int_equal(add_route(verb, where, &call), ERR_OK);
    add("> %s\n", body);
    understand(call.kind, span_of(body), false);
}

static void send_cbor(const char *verb, const char *where, const char *hex)
{
    uint8_t bytes[512];
    struct hawkbit_call call;

    assert_int_equal(add_route(verb, where, &call), ERR_OK);
    assert_true(hex_parse(span_of(hex), bytes, strlen(hex) / 2));
    add("> Content-Type: application/cbor\n> %s\n", hex);
    understand(call.kind, (struct span){bytes, strlen(hex) / 2}, true);
}

#define DEV "/DEFAULT/controller/v1/dev1"

static void paths_are_understood(void **state)
{
    (void)state;
    begin("paths of eclipse-hawkbit/hawkbit 1.1, DdiRootControllerRestApi");
    ask("GET", DEV);
    ask("GET", "/default/controller/v1/urn%3Adev%2F1");
    ask("GET", DEV "/deploymentBase/11?c=-2127183556");
    ask("GET", DEV "/deploymentBase/11?c=1&actionHistory=5");
    ask("GET", DEV "/deploymentBase/11?actionHistory=-1");
    ask("POST", DEV "/deploymentBase/11/feedback");
    ask("GET", DEV "/cancelAction/11");
    ask("POST", DEV "/cancelAction/11/feedback");
    ask("GET", DEV "/installedBase/9");
    ask("PUT", DEV "/installedBase");
    ask("PUT", DEV "/configData");
    ask("GET", DEV "/softwaremodules/3/artifacts");
    ask("GET", DEV "/softwaremodules/3/artifacts/fw-1.0.1.swu");
    ask("GET", DEV "/softwaremodules/3/artifacts/fw-1.0.1.swu.MD5SUM");
    source("not ours, not with this method, not a name");
    ask("GET", DEV "/confirmationBase");
    ask("GET", DEV "/deploymentBase/x");
    ask("GET", DEV "/deploymentBase/0");
    ask("GET", DEV "/deploymentBase/2147483647");
    ask("GET", DEV "/deploymentBase/2147483648");
    ask("GET", DEV "/deploymentBase/99999999999999999999");
    ask("POST", DEV);
    ask("GET", DEV "/configData");
    ask("GET", "/DEFAULT/controller/v1/a%20b");
    ask("GET", "/DEFAULT/controller/v1/a%00b");
    ask("GET", "/DEFAULT/controller/v1/a%2");
    ask("GET", "/DEFAULT/controller/v1//x");
    ask("GET", "/DEFAULT/controller/v1");
    ask("GET", "/DEFAULT/controller/v2/dev1");
    assert_transcript("paths");
}

static void feedback_is_understood(void **state)
{
    (void)state;
    begin("swupdate 2022.12 (Debian 12), recorded from the client");
    send_json("POST", DEV "/deploymentBase/422/feedback",
              "{ \"id\": 422, \"time\": \"20261122T234606\", \"status\": { \"result\": { "
              "\"progress\": { \"cnt\" : 0, \"of\" : 1 }, \"finished\": \"none\" }, \"execution\": "
              "\"proceeding\", \"details\" : [ \"Installing Update Chunk Artifacts.\" ] } }");
    source("rauc-hawkbit-updater 1.4, test suite");
    send_json("POST", DEV "/deploymentBase/35/feedback",
              "{\"id\":\"35\",\"time\":\"20261122T234606\",\"status\":{\"result\":{\"finished\":"
              "\"none\"},\"execution\":\"proceeding\",\"details\":[\"Download complete. 0.07 "
              "MB/s\"]}}");
    send_json("POST", DEV "/deploymentBase/6/feedback",
              "{\"id\":\"6\",\"status\":{\"result\":{\"finished\":\"failure\"},\"execution\":"
              "\"closed\",\"details\":[\"Deployment 6 unsupported: cannot handle multiple "
              "chunks.\"]}}");
    send_json("POST", DEV "/deploymentBase/151/feedback",
              "{\"id\":\"151\",\"status\":{\"result\":{\"finished\":\"success\"},\"execution\":"
              "\"downloaded\",\"details\":[\"File checksum OK.\"]}}");
    send_json("POST", DEV "/cancelAction/21/feedback",
              "{\"id\":\"21\",\"status\":{\"result\":{\"finished\":\"success\"},\"execution\":"
              "\"closed\",\"details\":[\"Action canceled.\"]}}");
    source("Zephyr, subsys/mgmt/hawkbit: no details");
    send_json("POST", DEV "/deploymentBase/7/feedback",
              "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"success\"}}}");
    source("hawkBit's documentation: code, progress, one text instead of a list");
    send_json("POST", DEV "/deploymentBase/11/feedback",
              "{\"timestamp\":1627997501890,\"status\":{\"execution\":\"proceeding\",\"result\":{"
              "\"finished\":\"none\",\"progress\":{\"cnt\":2,\"of\":5}},\"code\":200,\"details\":"
              "\"one\"}}");
    source("CBOR as Jackson writes it: indefinite maps");
    send_cbor("POST", DEV "/deploymentBase/11/feedback",
              "bf66737461747573bf69657865637574696f6e66636c6f73656466726573756c74bf6866696e6973"
              "6865646773756363657373ffffff");
    assert_transcript("feedback");
}

static void every_pair_means_something(void **state)
{
    static const char *const executions[] = {
#define X(code, name) name,
        HAWKBIT_EXECUTION_MAP(X)
#undef X
    };
    static const char *const finished[] = {"none", "success", "failure"};
    char body[256];

    (void)state;
    begin("the whole table of execution and finished, for deployments and for cancelling");
    for (size_t i = 0; i < COUNT_OF(executions); i++) {
        for (size_t j = 0; j < COUNT_OF(finished); j++) {
            (void)snprintf(body, sizeof body,
                           "{\"status\":{\"execution\":\"%s\",\"result\":{\"finished\":\"%s\"}}}",
                           executions[i], finished[j]);
            send_json("POST", DEV "/deploymentBase/1/feedback", body);
            send_json("POST", DEV "/cancelAction/1/feedback", body);
        }
    }
    assert_transcript("meanings");
}

static void bad_feedback_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"status\":{}}",
        "{\"status\":{\"execution\":\"closed\"}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{}}}",
        "{\"status\":{\"execution\":\"CLOSED\",\"result\":{\"finished\":\"none\"}}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"ok\"}}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\"},\"code\":\"x\"}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\"},\"details\":{}}}",
        "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\"},\"details\":[[]]}"
        "}",
    };

    (void)state;
    begin("what hawkBit answers with 400 rest.body.notReadable");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        send_json("POST", DEV "/deploymentBase/1/feedback", bad[i]);
    assert_transcript("bad-feedback");
}

static void long_messages_are_split(void **state)
{
    static char body[HAWKBIT_BODY_SIZE_MAX];
    struct hawkbit_feedback feedback;
    size_t at;

    (void)state;
    at = (size_t)snprintf(body, sizeof body,
                          "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":\"none\"}"
                          ",\"details\":[\"");
    for (int i = 0; i < 512; i++) /* two bytes each: a split must not cut one */
        at += (size_t)snprintf(body + at, sizeof body - at, "%s", i == 0 ? "x" : "\xc3\xa9");
    (void)snprintf(body + at, sizeof body - at, "\"]}}");
    assert_int_equal(read_body(span_of(body), false), ERR_OK);
    assert_int_equal(hawkbit_read_feedback(&reading.tree, &feedback), ERR_OK);
    assert_int_equal(feedback.message_count, 2);
    assert_int_equal(feedback.messages[0].size, 511);
    assert_int_equal(feedback.messages[1].size, 512);
}

static void too_many_messages_are_refused(void **state)
{
    static char body[HAWKBIT_BODY_SIZE_MAX];
    struct hawkbit_feedback feedback;
    size_t at;

    (void)state;
    for (unsigned count = HAWKBIT_MESSAGES_MAX; count <= HAWKBIT_MESSAGES_MAX + 1; count++) {
        at = (size_t)snprintf(body, sizeof body,
                              "{\"status\":{\"execution\":\"closed\",\"result\":{\"finished\":"
                              "\"none\"},\"details\":[\"\"");
        for (unsigned i = 1; i < count; i++)
            at += (size_t)snprintf(body + at, sizeof body - at, ",\"m\"");
        (void)snprintf(body + at, sizeof body - at, "]}}");
        assert_int_equal(read_body(span_of(body), false), ERR_OK);
        assert_int_equal(hawkbit_read_feedback(&reading.tree, &feedback),
                         count > HAWKBIT_MESSAGES_MAX ? ERR_TOO_BIG : ERR_OK);
    }
}

static void attributes_are_understood(void **state)
{
    (void)state;
    begin("swupdate 2022.12 (Debian 12), recorded from the client");
    send_json("PUT", DEV "/configData",
              "{ \"id\": \"\", \"time\": \"20261122T234606\", \"status\": { \"result\": { "
              "\"finished\": \"success\" }, \"execution\": \"closed\", \"details\" : [ \"\" ] }, "
              "\"data\" : {  \"serialNo\": \"42\",\"hwId\": \"sim\" } }");
    source("rauc-hawkbit-updater 1.4, test suite");
    send_json("PUT", DEV "/configData",
              "{\"time\":\"20261122T234606\",\"status\":{\"result\":{\"finished\":\"success\"},"
              "\"execution\":\"closed\"},\"data\":{\"product\":\"Terminator\"}}");
    source("hawkBit's documentation: modes");
    send_json("PUT", DEV "/configData", "{\"mode\":\"replace\",\"data\":{\"a\":\"\",\"n\":1.5}}");
    send_json("PUT", DEV "/configData", "{\"mode\":\"remove\",\"data\":{\"a\":\"x\"}}");
    send_json("PUT", DEV "/configData", "{\"mode\":\"merge\",\"data\":{\"a\":null,\"b\":true}}");
    send_cbor("PUT", DEV "/configData", "bf6464617461bf61616162ffff");
    source("refused");
    send_json("PUT", DEV "/configData", "{}");
    send_json("PUT", DEV "/configData", "{\"data\":{}}");
    send_json("PUT", DEV "/configData", "{\"data\":[]}");
    send_json("PUT", DEV "/configData", "{\"mode\":\"add\",\"data\":{\"a\":\"b\"}}");
    send_json("PUT", DEV "/configData", "{\"data\":{\"a\":{}}}");
    send_json("PUT", DEV "/configData", "{\"data\":{\"\":\"b\"}}");
    send_json("PUT", DEV "/configData", "{\"data\":{\"a~\":\"b\"}}");
    send_json("PUT", DEV "/configData", "{\"data\":{\"a\":\"\xc3\xa9\"}}");
    assert_transcript("attributes");
}

/* ---- answers ---- */

static const struct hawkbit_place place = {
    "https://h:8443", {(const uint8_t *)"DEFAULT", 7}, {(const uint8_t *)"dev1", 4}};

static void add_answer(const char *what, const struct buf *buf, bool cbor)
{
    char hex[2 * 4096 + 1];

    assert_false(buf->overflow);
    if (cbor)
        hex_print(buf_written(buf), hex);
    add("= %s\n< %.*s\n\n", what, cbor ? (int)(2 * buf->size) : (int)buf->size,
        cbor ? hex : (const char *)buf->at);
}

static void add_base(const char *what, struct hawkbit_base base, bool cbor)
{
    uint8_t room[4096];
    struct buf buf = buf_over(room, sizeof room);
    struct tree_out out = tree_out(&buf, cbor);

    hawkbit_write_base(&place, &base, &out);
    add_answer(what, &buf, cbor);
}

static const uint8_t digest[32] = {0xab, 0xcd, 1};
#define LITERAL(text)                             \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

static const struct hawkbit_artifact files[] = {
    {LITERAL("fw.swu"), {NULL, 0}, 524288, digest, digest, digest},
    {LITERAL("app.bin"), LITERAL("application"), 1, digest, digest, digest},
    {LITERAL("fw2.swu"), LITERAL("os"), 2, digest, digest, digest},
};

static void answers_are_written(void **state)
{
    static const struct span words[] = {LITERAL("newest"), LITERAL("\"older\"")};
    struct hawkbit_deployment deployment = {.id = 11,
                                            .name = SPAN_LITERAL("pump"),
                                            .version = SPAN_LITERAL("1.2.3"),
                                            .artifacts = files,
                                            .artifact_count = 1};
    static const struct hawkbit_error error = {"org.eclipse.hawkbit.X", "rest.body.notReadable",
                                               "no \"status\""};
    uint8_t room[4096];
    struct buf buf;
    struct tree_out out;

    (void)state;
    begin("forms of eclipse-hawkbit/hawkbit 1.1, DdiControllerBase and DdiDeploymentBase");
    add_base("nothing", (struct hawkbit_base){.sleep_s = 300}, false);
    add_base("work", (struct hawkbit_base){.sleep_s = 60, .deployment = 11, .config = true}, false);
    add_base(
        "cancel before work",
        (struct hawkbit_base){.sleep_s = 90000, .deployment = 12, .cancel = 11, .installed = 9},
        false);
    add_base("work", (struct hawkbit_base){.sleep_s = 0, .deployment = 2147483647}, true);
    buf = buf_over(room, sizeof room);
    out = tree_out(&buf, false);
    hawkbit_write_deployment(&place, &deployment, &out);
    add_answer("deployment", &buf, false);
    deployment.artifact_count = 3;
    deployment.history_status = "RUNNING";
    deployment.history = words;
    deployment.history_count = 2;
    buf = buf_over(room, sizeof room);
    out = tree_out(&buf, false);
    hawkbit_write_deployment(&place, &deployment, &out);
    add_answer("two parts and a history", &buf, false);
    buf = buf_over(room, sizeof room);
    out = tree_out(&buf, false);
    hawkbit_write_artifacts(&place, &deployment, &out);
    add_answer("artifacts", &buf, false);
    buf = buf_over(room, sizeof room);
    out = tree_out(&buf, false);
    hawkbit_write_cancel(11, &out);
    add_answer("cancel", &buf, false);
    buf = buf_over(room, sizeof room);
    out = tree_out(&buf, false);
    hawkbit_write_error(&error, &out);
    add_answer("error", &buf, false);
    buf = buf_over(room, sizeof room);
    hawkbit_write_md5sum(&files[0], &buf);
    add_answer("md5sum", &buf, false);
    assert_transcript("answers");
}

static void media_types_are_chosen(void **state)
{
    static const struct {
        const char *accept, *media;
    } cases[] = {
        {"", "application/hal+json"},
        {"*/*", "application/hal+json"},
        {"application/json;charset=UTF-8", "application/json"}, /* rauc */
        {"application/json", "application/json"},
        {"application/hal+json", "application/hal+json"},
        {"Application/CBOR", "application/cbor"},
        {"application/json;q=0.5, application/cbor", "application/cbor"},
        {"text/html, application/json;q=0.1", "application/json"},
        {"text/html", NULL},
        {"application/json;q=0", NULL},
        {",;,", NULL},
    };
    enum hawkbit_media media;
    bool cbor;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum err err = hawkbit_accept(span_of(cases[i].accept), &media);

        assert_int_equal(err, cases[i].media ? ERR_OK : ERR_UNSUITABLE);
        if (cases[i].media)
            assert_string_equal(hawkbit_media_name(media), cases[i].media);
    }
    assert_int_equal(hawkbit_content(span_of("application/json;charset=UTF-8"), &cbor), ERR_OK);
    assert_false(cbor);
    assert_int_equal(hawkbit_content(span_of(""), &cbor), ERR_OK);
    assert_int_equal(hawkbit_content(span_of("application/cbor"), &cbor), ERR_OK);
    assert_true(cbor);
    assert_int_equal(hawkbit_content(span_of("text/plain"), &cbor), ERR_UNSUITABLE);
}

/* Zephyr copies these into arrays of 50 and 200 bytes, and needs eight characters of "sleep". */
static void links_are_short(void **state)
{
    uint8_t room[4096];
    struct buf buf = buf_over(room, sizeof room);
    struct tree_out out = tree_out(&buf, false);
    struct hawkbit_base base = {.sleep_s = 7, .deployment = 2147483647};
    const char *tail;

    (void)state;
    hawkbit_write_base(&place, &base, &out);
    tail = strstr(buf_finish_text(&buf), "/deploymentBase/");
    assert_non_null(tail);
    assert_true(strchr(tail, '"') - tail < 50);
    assert_non_null(strstr((const char *)room, "\"sleep\":\"00:00:07\""));
    assert_non_null(strstr((const char *)room, "/DEFAULT/controller/v1/"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_understood),
        cmocka_unit_test(feedback_is_understood),
        cmocka_unit_test(every_pair_means_something),
        cmocka_unit_test(bad_feedback_is_refused),
        cmocka_unit_test(long_messages_are_split),
        cmocka_unit_test(too_many_messages_are_refused),
        cmocka_unit_test(attributes_are_understood),
        cmocka_unit_test(answers_are_written),
        cmocka_unit_test(media_types_are_chosen),
        cmocka_unit_test(links_are_short),
    };

    if (argc != 2)
        return EXIT_FAILURE;
    golden_dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
