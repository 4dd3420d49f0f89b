/* Golden transcripts: requests as clients send them, and what they mean.
 *   usage: mender_test DIR
 *
 * A transcript is text: "# " says where it comes from, "> " lines are a request (verb and path,
 * then the body), "= " lines what was understood. Answers are in mender_answers() below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/mender_host.h"

#define TEXT_MAX 65536u

static const char *golden_dir;

static void add(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(char *text, const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + at, TEXT_MAX - at, format, args);
    va_end(args);
}

/* ---- What was understood ---- */

static void describe_text(char *text, const struct mender_call *call)
{
    const char *at = call->text;
    size_t left = call->text_size;

    while (left > 0) {
        size_t size = (size_t)((const char *)memchr(at, '\n', left) - at);

        add(text, "=   %.*s\n", (int)size, at);
        at += size + 1;
        left -= size + 1;
    }
}

static void describe(char *text, const struct mender_call *call)
{
    static const char *const names[MENDER_KIND_COUNT] = {
        "authenticate", "inventory", "next", "status", "log", "control map", "download"};
    char *provides;

    add(text, "= %s", names[call->kind]);
    if (call->kind == MENDER_STATUS || call->kind == MENDER_LOG || call->kind == MENDER_CONTROL_MAP)
        add(text, " of %u", call->deployment);
    if (call->kind == MENDER_INVENTORY)
        add(text, "%s", call->replaces ? ", all of it" : ", added to it");
    if (call->kind == MENDER_STATUS)
        add(text, ": %s \"%s\"", mender_status_name(call->status), call->substate);
    add(text, "\n");
    if (call->kind == MENDER_AUTHENTICATE)
        add(text, "=   identity %s\n=   tenant \"%s\"\n=   key of %zu bytes\n", call->identity,
            call->tenant, strlen(call->pem));
    for (uint32_t i = 0; i < call->attributes_count; i++)
        add(text, "=   %s = %s\n", call->attributes[i].name, call->attributes[i].value);
    if (call->kind == MENDER_NEXT) {
        provides = json_dumps(call->provides, JSON_COMPACT | JSON_SORT_KEYS);
        add(text, "=   %s\n", provides);
        free(provides);
    }
    if (call->kind == MENDER_LOG)
        describe_text(text, call);
}

static void answer(char *text, const char *verb, const char *where, const char *body)
{
    struct message message = {
        .verb = span_of(verb), .where = span_of(where), .body = span_of(body)};
    struct mender_call call;
    struct why why;
    enum err err;

    why_clear(&why);
    err = mender_decode(&message, &call, &why);
    if (err != ERR_OK) {
        add(text, "= refused: %s%s%s\n", err_name(err), why.text[0] != '\0' ? ", " : "", why.text);
        return;
    }
    describe(text, &call);
    mender_call_close(&call);
}

/* ---- Transcripts ---- */

/* Write the transcript again from its requests. */
static void rewrite(char *golden, char *text)
{
    char *line = golden, verb[16] = "", where[1024] = "", *body = calloc(1, TEXT_MAX);

    assert_non_null(body);
    while (*line != '\0') {
        char *end = strchr(line, '\n');

        assert_non_null(end);
        *end = '\0';
        if (strncmp(line, "> ", 2) == 0 && verb[0] == '\0')
            assert_int_equal(sscanf(line + 2, "%15s %1023s", verb, where), 2);
        else if (strncmp(line, "> ", 2) == 0)
            add(body, "%s\n", line + 2);
        if (strncmp(line, "= ", 2) != 0)
            add(text, "%s\n", line);
        if (strncmp(end + 1, "> ", 2) != 0 && verb[0] != '\0') {
            answer(text, verb, where, body);
            verb[0] = body[0] = '\0';
        }
        line = end + 1;
    }
    free(body);
}

static void check_golden(const char *name)
{
    char path[1024];
    char *golden = calloc(1, TEXT_MAX), *before = calloc(1, TEXT_MAX), *text = calloc(1, TEXT_MAX);
    FILE *file;

    assert_true(golden && before && text);
    (void)snprintf(path, sizeof path, "%s/%s", golden_dir, name);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(golden, 1, TEXT_MAX - 1, file) > 0);
    (void)fclose(file);
    memcpy(before, golden, TEXT_MAX);
    rewrite(golden, text);
    assert_string_equal(text, before);
    free(golden);
    free(before);
    free(text);
}

static void test_clients(void **state)
{
    (void)state;
    check_golden("client-3.4.txt");
    check_golden("client-5.1.txt");
    check_golden("others.txt");
}

static void test_nonsense(void **state)
{
    (void)state;
    check_golden("nonsense.txt");
}

/* ---- Answers ---- */

static void test_answers(void **state)
{
    json_t *types = json_pack("[s, s]", "sandbox", "other");
    struct mender_offer offer = {.deployment = 42,
                                 .artifact = 7,
                                 .name = "release-2",
                                 .uri = "/x?y=1",
                                 .expires = {1780000000000},
                                 .device_types = types};
    char text[1024];
    struct buf buf = buf_over(text, sizeof text);

    (void)state;
    assert_int_equal(mender_write_offer(&offer, &buf), ERR_OK);
    assert_string_equal(
        buf_finish_text(&buf),
        "{\"id\":\"00000010-0000-8000-8000-00000000002a\",\"artifact\":{\"id\":"
        "\"00000040-0000-8000-8000-000000000007\",\"artifact_name\":\"release-2\",\"source\":{"
        "\"uri\":\"/x?y=1\",\"expire\":\"2026-05-28T20:26:40Z\"},"
        "\"device_types_compatible\":[\"sandbox\",\"other\"]}}");
    buf = buf_over(text, 20);
    assert_int_equal(mender_write_offer(&offer, &buf), ERR_TOO_BIG);
    buf = buf_over(text, sizeof text);
    mender_write_error("no \"such\" thing", "r", &buf);
    assert_string_equal(buf_finish_text(&buf),
                        "{\"error\":\"no \\\"such\\\" thing\",\"request_id\":\"r\"}");
    json_decref(types);
}

static void test_numbers_as_uuids(void **state)
{
    char text[MENDER_UUID_SIZE];
    uint64_t number;

    (void)state;
    mender_uuid(MENDER_OF_DEVICE, 0xabcdef012345, text);
    assert_string_equal(text, "00000020-0000-8000-8000-abcdef012345");
    assert_true(mender_uuid_parse(MENDER_OF_DEVICE, span_of(text), &number));
    assert_int_equal(number, 0xabcdef012345);
    assert_false(mender_uuid_parse(MENDER_OF_KEY, span_of(text), &number));
    text[30] = 'A';
    assert_false(mender_uuid_parse(MENDER_OF_DEVICE, span_of(text), &number));
    assert_false(mender_uuid_parse(MENDER_OF_DEVICE, span_of("7"), &number));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_numbers_as_uuids),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
