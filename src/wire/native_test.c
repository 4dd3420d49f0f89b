/* Golden transcripts: requests as they come in, what they mean, and how they are answered.
 *   usage: native_test DIR
 *
 * A transcript is text: "> " lines are the request (verb and path, headers, body as hex), "= "
 * says what was understood, and after "< " lines comes the answer in the same form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/wire.h"

static const char *golden_dir;

#define TEXT_MAX 16384

/* One request of a transcript. */
struct request {
    const char *verb, *where, *mime;
    struct span body;
};

static void add_hex(char *text, struct span bytes)
{
    size_t at = strlen(text);

    for (size_t i = 0; i < bytes.size; i++)
        at += (size_t)snprintf(text + at, TEXT_MAX - at, "%02x", bytes.at[i]);
    (void)snprintf(text + at, TEXT_MAX - at, "\n");
}

static void add_line(char *text, const char *format, ...)
{
    size_t at = strlen(text);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text + at, TEXT_MAX - at, format, args);
    va_end(args);
}

static struct message message_of(const struct request *request)
{
    struct message message = {
        .verb = span_of(request->verb), .where = span_of(request->where), .body = request->body};

    if (request->mime) {
        message.headers[0].name = SPAN_LITERAL("Content-Type");
        message.headers[0].value = span_of(request->mime);
        message.header_count = 1;
    }
    return message;
}

static void add_request(char *text, const struct request *request)
{
    add_line(text, "> %s %s\n", request->verb, request->where);
    if (request->mime)
        add_line(text, "> Content-Type: %s\n", request->mime);
    if (request->body.size > 0) {
        add_line(text, "> ");
        add_hex(text, request->body);
    }
}

static void add_answer(char *text, const struct message *message)
{
    add_line(text, "< %u\n", message->status);
    for (uint32_t i = 0; i < message->header_count; i++)
        add_line(text, "< %.*s: %.*s\n", (int)message->headers[i].name.size,
                 (const char *)message->headers[i].name.at, (int)message->headers[i].value.size,
                 (const char *)message->headers[i].value.at);
    if (message->body.size > 0) {
        add_line(text, "< ");
        add_hex(text, message->body);
    }
}

/* Append one exchange to the transcript. */
static void exchange(char *text, struct request request, struct answer answer)
{
    struct message in = message_of(&request), out;
    uint8_t room[MESSAGE_SIZE_MAX];
    struct buf buf = buf_over(room, sizeof room);
    static struct call call;
    enum err err;

    add_request(text, &request);
    assert_ptr_equal(wire_of(&in), &wire_native);
    err = wire_native.decode(&in, &call);
    add_line(text, "= %s\n", err == ERR_OK ? call_name(call.kind) : err_name(err));
    if (err != ERR_OK)
        answer = (struct answer){.kind = ANSWER_REFUSED, .refused = {.err = err}};
    assert_int_equal(wire_native.encode(&call, &answer, &buf, &out), ERR_OK);
    add_answer(text, &out);
    add_line(text, "\n");
}

static void assert_transcript(const char *name, const char *text)
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

#define CBOR(bytes) NATIVE_MIME, SPAN_LITERAL(bytes)
#define GET(where)          \
    {                       \
        "GET", where, NULL, \
        {                   \
            0               \
        }                   \
    }
#define POST(where, bytes)         \
    {                              \
        "POST", where, CBOR(bytes) \
    }

static void test_enrolment(void **state)
{
    char text[TEXT_MAX] = "";
    struct answer enrolled = {
        .kind = ANSWER_ENROLLED,
        .enrolled = {SPAN_LITERAL("\x30\x01"), SPAN_LITERAL("\x30\x02"), 300}};
    struct answer pending = {.kind = ANSWER_PENDING, .pending = {600}};
    struct answer denied = {.kind = ANSWER_REFUSED,
                            .refused = {ERR_DENIED, SPAN_LITERAL("the claim was used before"), 0}};

    (void)state;
    exchange(text, (struct request)POST("/device/v1/enroll", "\xA3\x01\x61z\x03\x41\x30\x04\xA0"),
             enrolled);
    exchange(text, (struct request)POST("/device/v1/enroll", "\xA3\x01\x61z\x03\x41\x30\x04\xA0"),
             pending);
    exchange(text, (struct request)POST("/device/v1/enroll", "\xA3\x01\x61z\x03\x41\x30\x04\xA0"),
             denied);
    exchange(text, (struct request)POST("/device/v1/renew", "\xA1\x03\x41\x30"), enrolled);
    assert_transcript("enrolment", text);
}

static void test_poll_and_report(void **state)
{
    char text[TEXT_MAX] = "";
    struct answer nothing = {.kind = ANSWER_POLL, .poll = {.next_poll_s = 300}};
    struct answer proceed = {.kind = ANSWER_VERDICT, .verdict = {NATIVE_PROCEED, 0}};
    struct answer details = {
        .kind = ANSWER_DETAILS,
        .details = {.assignment = 7, .target = SPAN_LITERAL("p/1/f"), .length = 4096}};
    struct answer noted = {.kind = ANSWER_NOTED};
    struct answer full = {.kind = ANSWER_REFUSED, .refused = {ERR_AGAIN, {0}, 8}};

    (void)state;
    exchange(text, (struct request)POST("/device/v1/poll", "\xA2\x03\x01\x04\x00"), nothing);
    exchange(text, (struct request)POST("/device/v1/poll", "\xA2\x03\x01\x04\x00"), full);
    exchange(text, (struct request)GET("/device/v1/assignments/7"), details);
    exchange(text, (struct request)POST("/device/v1/report", "\xA3\x01\x09\x02\x07\x03\x01"),
             proceed);
    exchange(text, (struct request)POST("/device/v1/inventory", "\xA1\x01\xA1\x62hw\x61z"), noted);
    exchange(text,
             (struct request){"POST", "/device/v1/logs?assignment=7", "text/plain; charset=utf-8",
                              SPAN_LITERAL("boot\n")},
             noted);
    assert_transcript("work", text);
}

static void test_files(void **state)
{
    static const char blob[] =
        "/device/v1/blobs/000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    char text[TEXT_MAX] = "";
    struct answer bytes = {.kind = ANSWER_BYTES, .bytes = SPAN_LITERAL("{}")};
    struct answer missing = {.kind = ANSWER_REFUSED, .refused = {ERR_NOT_FOUND, {0}, 0}};

    (void)state;
    exchange(text, (struct request)GET("/device/v1/tuf/timestamp.json"), bytes);
    exchange(text, (struct request)GET("/device/v1/tuf/9.root.json"), missing);
    exchange(text, (struct request)GET(blob), missing);
    exchange(text, (struct request){"HEAD", blob, NULL, {0}}, missing);
    assert_transcript("files", text);
}

static void test_nonsense(void **state)
{
    char text[TEXT_MAX] = "";
    struct answer never = {.kind = ANSWER_NOTED};

    (void)state;
    exchange(text, (struct request)GET("/device/v1/"), never);
    exchange(text, (struct request)GET("/device/v1/polls"), never);
    exchange(text, (struct request)GET("/device/v1/poll"), never);
    exchange(text, (struct request){"DELETE", "/device/v1/assignments/7", NULL, {0}}, never);
    exchange(text, (struct request)GET("/device/v1/assignments/"), never);
    exchange(text, (struct request)GET("/device/v1/assignments/0"), never);
    exchange(text, (struct request)GET("/device/v1/assignments/-1"), never);
    exchange(text, (struct request)GET("/device/v1/assignments/9999999999999999999"), never);
    exchange(text, (struct request)GET("/device/v1/tuf/../admin.token"), never);
    exchange(text, (struct request)GET("/device/v1/tuf/.."), never);
    exchange(text, (struct request)GET("/device/v1/tuf/a%2fb"), never);
    exchange(text, (struct request)GET("/device/v1/blobs/00"), never);
    exchange(text,
             (struct request){"POST", "/device/v1/poll", "application/json", SPAN_LITERAL("{}")},
             never);
    exchange(text, (struct request)POST("/device/v1/poll", ""), never);
    exchange(text, (struct request)POST("/device/v1/poll", "\xA1\x03"), never);
    exchange(text, (struct request)POST("/device/v1/report", "\xA3\x01\x00\x02\x07\x03\x01"),
             never);
    exchange(text,
             (struct request){"POST", "/device/v1/logs?assignment=x", "text/plain",
                              SPAN_LITERAL("boot\n")},
             never);
    assert_transcript("nonsense", text);
}

static void test_a_log_past_the_limit(void **state)
{
    static uint8_t log[LOG_UPLOAD_SIZE_MAX + 1];
    struct request request = {"POST", "/device/v1/logs", "text/plain", {log, sizeof log}};
    struct message in = message_of(&request);
    static struct call call;

    (void)state;
    assert_int_equal(wire_native.decode(&in, &call), ERR_TOO_BIG);
    in.body.size--;
    assert_int_equal(wire_native.decode(&in, &call), ERR_OK);
    assert_int_equal(call.assignment, 0);
}

static void test_others_are_not_claimed(void **state)
{
    static const char *const paths[] = {"/api/v1/devices", "/", "", "/device/v1",
                                        "/device/v2/poll"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct message in = {.verb = SPAN_LITERAL("GET"), .where = span_of(paths[i])};
        static struct call call;

        assert_null(wire_of(&in));
        assert_int_equal(wire_native.decode(&in, &call), ERR_NOT_FOUND);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrolment),
        cmocka_unit_test(test_poll_and_report),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_a_log_past_the_limit),
        cmocka_unit_test(test_others_are_not_claimed),
    };

    golden_dir = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
