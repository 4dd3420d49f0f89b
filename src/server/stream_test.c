/* Events and their memory, and the metadata shelf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/shelf.h"
#include "server/stream.h"

static struct exchange *reader_after(const char *last_event_id)
{
    struct exchange_parts parts = {.request.last_event_id = span_of(last_event_id)};
    struct exchange *exchange = exchange_open(&parts);

    assert_non_null(exchange);
    reply_stream(exchange, "default", "rollout/1");
    return exchange;
}

static void writes_events_as_lines(void **state)
{
    struct stream_text *text =
        stream_text_open(12, "default", "rollout/1", "device", SPAN_LITERAL("{\"a\":1}"));

    (void)state;
    assert_int_equal(text->size, strlen("id: 12\nevent: device\ndata: {\"a\":1}\n\n"));
    assert_memory_equal(text->bytes, "id: 12\nevent: device\ndata: {\"a\":1}\n\n", text->size);
    assert_true(stream_wants("default", "rollout/1", text));
    assert_true(stream_wants("default", "events", text));
    assert_false(stream_wants("default", "rollout/11", text));
    assert_false(stream_wants("other", "events", text));
    stream_text_release(text);
}

static void the_audit_log_is_not_for_everybody(void **state)
{
    struct stream_text *text =
        stream_text_open(12, "default", "audit", "entry", SPAN_LITERAL("{\"seq\":1}"));

    (void)state;
    assert_false(stream_wants("default", "events", text));
    assert_false(stream_wants("default", "rollout/1", text));
    assert_false(stream_wants("other", "audit", text));
    assert_true(stream_wants("default", "audit", text));
    stream_text_release(text);
}

static void fill(struct stream_history *history, uint64_t from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        stream_history_add(history, stream_text_open(from + i, "default",
                                                     i % 2 == 0 ? "rollout/1" : "rollout/2", "e",
                                                     SPAN_LITERAL("{}")));
}

static void replays_what_was_missed(void **state)
{
    struct stream_history *history = calloc(1, sizeof *history);
    struct exchange *exchange;

    (void)state;
    fill(history, 100, 6); /* rollout/1: 100, 102, 104 */
    exchange = reader_after("101");
    stream_history_replay(history, exchange);
    assert_memory_equal(exchange->reply.body,
                        "id: 102\nevent: e\ndata: {}\n\nid: 104\nevent: e\ndata: {}\n\n",
                        exchange->reply.body_size);
    assert_int_equal(exchange->reply.body_size, 54);
    exchange_close(exchange);

    exchange = reader_after("105");
    stream_history_replay(history, exchange);
    assert_int_equal(exchange->reply.body_size, 0);
    exchange_close(exchange);

    exchange = reader_after("");
    stream_history_replay(history, exchange);
    assert_int_equal(exchange->reply.body_size, 0);
    exchange_close(exchange);
    stream_history_close(history);
    free(history);
}

static void says_lost_when_too_much_was_missed(void **state)
{
    static const char *const ids[] = {"98", "abc", "-1", "99999999999999999999"};
    struct stream_history *history = calloc(1, sizeof *history);

    (void)state;
    fill(history, 0, 200);
    fill(history, 200, STREAM_HISTORY_MAX - 100);
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct exchange *exchange = reader_after(ids[i]);

        stream_history_replay(history, exchange);
        assert_int_equal(exchange->reply.body_size, strlen(STREAM_LOST));
        exchange_close(exchange);
    }
    stream_history_close(history);
    free(history);
}

static void parcels_share_their_text(void **state)
{
    struct stream_text *text = stream_text_open(1, "default", "events", "e", SPAN_LITERAL("{}"));
    struct stream_parcel *one = stream_parcel_open(text), *two = stream_parcel_open(text);

    (void)state;
    stream_text_release(text);
    assert_int_equal(stream_kind_of(&one->item), EXCHANGE_EVENT);
    stream_parcel_close(one);
    assert_int_equal(two->text->id, 1);
    stream_parcel_close(two);
}

static void shelf_hands_out_by_reference(void **state)
{
    struct shelf *shelf = shelf_open();
    const struct shelf_file *old, *fresh;

    (void)state;
    assert_null(shelf_get(shelf, SPAN_LITERAL("default"), SPAN_LITERAL("timestamp.json")));
    shelf_put(shelf, "default", "timestamp.json", SPAN_LITERAL("one"));
    shelf_put(shelf, "default", "1.root.json", SPAN_LITERAL("root"));
    old = shelf_get(shelf, SPAN_LITERAL("default"), SPAN_LITERAL("timestamp.json"));
    assert_true(span_is(old->bytes, "one"));
    shelf_put(shelf, "default", "timestamp.json", SPAN_LITERAL("two"));
    fresh = shelf_get(shelf, SPAN_LITERAL("default"), SPAN_LITERAL("timestamp.json"));
    assert_true(span_is(fresh->bytes, "two"));
    assert_true(span_is(old->bytes, "one")); /* as long as somebody still sends it */
    assert_null(shelf_get(shelf, SPAN_LITERAL("other"), SPAN_LITERAL("timestamp.json")));
    shelf_release(old);
    shelf_release(fresh);
    shelf_close(shelf);
}

static bool is_there(struct shelf *shelf, const char *tenant, const char *name)
{
    const struct shelf_file *file = shelf_get(shelf, span_of(tenant), span_of(name));

    shelf_release(file);
    return file != NULL;
}

static void shelf_forgets_old_versions(void **state)
{
    static const char *const files[] = {"root", "targets", "snapshot", "a%20b"};
    struct shelf *shelf = shelf_open();
    char name[64];

    (void)state;
    shelf_put(shelf, "other", "1.targets.json", SPAN_LITERAL("{}"));
    for (unsigned version = 1; version <= 100; version++) {
        for (size_t i = 0; i < COUNT_OF(files); i++) {
            (void)snprintf(name, sizeof name, "%u.%s.json", version, files[i]);
            shelf_put(shelf, "default", name, SPAN_LITERAL("{}"));
        }
        shelf_put(shelf, "default", "timestamp.json", SPAN_LITERAL("{}"));
    }
    for (unsigned version = 1; version <= 100; version++) {
        for (size_t i = 0; i < COUNT_OF(files); i++) {
            (void)snprintf(name, sizeof name, "%u.%s.json", version, files[i]);
            assert_int_equal(is_there(shelf, "default", name),
                             i == 0 || version > 100 - SHELF_VERSIONS_KEPT);
        }
    }
    assert_true(is_there(shelf, "default", "timestamp.json"));
    assert_true(is_there(shelf, "other", "1.targets.json"));
    shelf_close(shelf);
}

static void shelf_takes_the_longest_name(void **state)
{
    struct shelf *shelf = shelf_open();
    char name[SHELF_NAME_SIZE_MAX + 1];

    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    shelf_put(shelf, "default", name, SPAN_LITERAL("{}"));
    assert_true(is_there(shelf, "default", name));
    shelf_close(shelf);
}

static void shelf_knows_what_all_may_have(void **state)
{
    struct shelf *shelf = shelf_open();
    uint8_t sha256[DIGEST_SIZE] = {7};

    (void)state;
    assert_false(shelf_allows(shelf, SPAN_LITERAL(""), (uint8_t[DIGEST_SIZE]){0}));
    shelf_allow(shelf, SPAN_LITERAL("a"), sha256);
    shelf_allow(shelf, SPAN_LITERAL("a"), sha256);
    shelf_allow(shelf, SPAN_LITERAL("b"), sha256);
    assert_true(shelf_allows(shelf, SPAN_LITERAL("a"), sha256));
    assert_false(shelf_allows(shelf, SPAN_LITERAL("c"), sha256));
    shelf_put(shelf, "a", "timestamp.json", SPAN_LITERAL("{}")); /* ask again */
    assert_false(shelf_allows(shelf, SPAN_LITERAL("a"), sha256));
    assert_true(shelf_allows(shelf, SPAN_LITERAL("b"), sha256));
    for (uint32_t i = 0; i < SHELF_BLOBS_MAX; i++) {
        memcpy(sha256, &i, sizeof i);
        shelf_allow(shelf, SPAN_LITERAL("a"), sha256);
    }
    assert_true(shelf_allows(shelf, SPAN_LITERAL("a"), sha256));
    memset(sha256, 0, sizeof sha256);
    sha256[0] = 7;
    assert_false(shelf_allows(shelf, SPAN_LITERAL("b"), sha256)); /* the oldest has gone */
    shelf_close(shelf);
}

static void exchanges_carry_copies(void **state)
{
    char path[] = "/a", bearer[] = "bEaReR swt_x";
    struct exchange_parts parts = {
        .request = {.path = span_of(path),
                    .authorization = span_of(bearer),
                    .content_type = SPAN_LITERAL("Application/JSON; charset=utf-8")}};
    struct exchange *exchange = exchange_open(&parts);

    (void)state;
    memset(path, 'x', sizeof path - 1);
    memset(bearer, 'x', sizeof bearer - 1);
    assert_true(span_is(exchange->request.path, "/a"));
    assert_true(span_is(exchange->request.bearer, "swt_x"));
    assert_true(exchange_content_is(exchange, "application/json"));
    assert_false(exchange_content_is(exchange, "application/jso"));
    assert_false(exchange_content_is(exchange, "application/jsonp"));
    reply_problem(exchange, 503, ERR_AGAIN, "a\"b", "line\nbreak");
    reply_append(exchange, "", 1);
    assert_string_equal((const char *)exchange->reply.body,
                        "{\"type\":\"urn:slipway:error:again\",\"title\":\"Try again later\","
                        "\"status\":503,\"detail\":\"line\\u000abreak\",\"field\":\"a\\\"b\"}");
    assert_string_equal(exchange->reply.headers[0].name, "Retry-After");
    exchange_close(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_events_as_lines),
        cmocka_unit_test(the_audit_log_is_not_for_everybody),
        cmocka_unit_test(replays_what_was_missed),
        cmocka_unit_test(says_lost_when_too_much_was_missed),
        cmocka_unit_test(parcels_share_their_text),
        cmocka_unit_test(shelf_hands_out_by_reference),
        cmocka_unit_test(shelf_forgets_old_versions),
        cmocka_unit_test(shelf_takes_the_longest_name),
        cmocka_unit_test(shelf_knows_what_all_may_have),
        cmocka_unit_test(exchanges_carry_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
