/* The server's two roles over time, judged by a client. */
#include "trust/client_case.h"

#include <stdio.h>
#include <string.h>

#include "trust/online.h"

/* The forge's root and targets, published by a server with the forge's online keys. */
static enum err publish(struct client_case *it, struct utc now, struct online_made *made)
{
    struct forge *forge = it->forge;
    const struct online_state state = {
        .root = tuf_bytes_span(&forge->last[TUF_ROOT]),
        .targets = tuf_bytes_span(&forge->last[TUF_TARGETS]),
        .snapshot = tuf_bytes_span(&forge->last[TUF_SNAPSHOT]),
        .timestamp = tuf_bytes_span(&forge->last[TUF_TIMESTAMP]),
    };
    const struct online_keys keys = {forge->roles[TUF_SNAPSHOT].keys[0],
                                     forge->roles[TUF_TIMESTAMP].keys[0]};
    char name[TUF_FILE_NAME_SIZE];

    why_clear(&it->why);
    TRY(online_make(&state, &keys, NULL, now, made, &it->why));
    if (made->snapshot_changed) {
        tuf_file_name(TUF_SNAPSHOT, made->snapshot_version, name);
        forge_put(forge, name, tuf_bytes_span(&made->snapshot));
        tuf_bytes_done(&forge->last[TUF_SNAPSHOT]);
        forge->last[TUF_SNAPSHOT] = made->snapshot;
    }
    if (made->timestamp_changed) {
        forge_put(forge, "timestamp.json", tuf_bytes_span(&made->timestamp));
        tuf_bytes_done(&forge->last[TUF_TIMESTAMP]);
        forge->last[TUF_TIMESTAMP] = made->timestamp;
    }
    return ERR_OK;
}

/* "snapshot timestamp" versions, an asterisk behind those that were made now. */
static void assert_published(struct client_case *it, struct utc now, const char *expected)
{
    struct online_made made;
    char text[64];
    enum err err = publish(it, now, &made);

    if (err != ERR_OK)
        fail_msg("%s", it->why.text);
    (void)snprintf(text, sizeof text, "%d%s %d%s", (int)made.snapshot_version,
                   made.snapshot_changed ? "*" : "", (int)made.timestamp_version,
                   made.timestamp_changed ? "*" : "");
    assert_string_equal(text, expected);
    assert_true(made.due.ms > now.ms);
}

static int open_without_online(void **state)
{
    struct client_case *it;

    assert_int_equal(client_case_open(state), 0);
    it = *state;
    tuf_bytes_done(&it->forge->last[TUF_SNAPSHOT]);
    tuf_bytes_done(&it->forge->last[TUF_TIMESTAMP]);
    for (int role = 0; role < TUF_ROLE_COUNT; role++)
        it->forge->roles[role].expires.ms += 400 * DAY_MS;
    forge_write(it->forge, TUF_TARGETS);
    return 0;
}

static void test_first_time(void **state)
{
    struct client_case *it = *state;

    assert_published(it, FORGE_NOW, "1* 1*");
    assert_published(it, FORGE_NOW, "1 1");
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

static void test_new_targets(void **state)
{
    struct client_case *it = *state;

    assert_published(it, FORGE_NOW, "1* 1*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_release(it->forge, "camera", "2.0");
    forge_next(it->forge, TUF_TARGETS);
    assert_published(it, FORGE_NOW, "2* 2*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "1 2 2 2");
}

/* A day at a time for a hundred days: the client never finds anything expired. */
static void test_renewed_in_time(void **state)
{
    struct client_case *it = *state;
    struct online_made made;

    for (int day = 0; day < 100; day++) {
        it->now.ms = FORGE_NOW.ms + day * DAY_MS;
        assert_int_equal(publish(it, it->now, &made), ERR_OK);
        assert_true(made.due.ms > it->now.ms && made.due.ms <= it->now.ms + 15 * DAY_MS);
        if (it->now.ms < FORGE_NOW.ms + 30 * DAY_MS) /* as long as the first root lives */
            assert_int_equal(client_case_refresh(it), ERR_OK);
    }
    assert_int_equal(made.timestamp_version, 27); /* every 4th day, and with each snapshot */
    assert_int_equal(made.snapshot_version, 7);   /* every 15th day, 30 days each */
}

static void test_due_at_half_the_life(void **state)
{
    struct client_case *it = *state;
    const int64_t half = ONLINE_TIMESTAMP_LIFETIME_MS / 2;

    assert_published(it, FORGE_NOW, "1* 1*");
    assert_published(it, (struct utc){FORGE_NOW.ms + half - 1}, "1 1");
    assert_published(it, (struct utc){FORGE_NOW.ms + half}, "1 2*");
}

/* The server's clock ran ten years ahead for a while: what it made then is made anew. */
static void test_clock_that_was_ahead(void **state)
{
    struct client_case *it = *state;

    assert_published(it, (struct utc){FORGE_NOW.ms + 3650 * DAY_MS}, "1* 1*");
    assert_published(it, FORGE_NOW, "2* 2*");
    assert_published(it, FORGE_NOW, "2 2");
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

static void test_new_online_keys(void **state)
{
    struct client_case *it = *state;

    assert_published(it, FORGE_NOW, "1* 1*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_replace_keys(it->forge, TUF_SNAPSHOT);
    forge_replace_keys(it->forge, TUF_TIMESTAMP);
    forge_next(it->forge, TUF_ROOT);
    assert_published(it, FORGE_NOW, "2* 2*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "2 2 2 1");
}

static void test_keys_the_root_does_not_name(void **state)
{
    struct client_case *it = *state;
    struct online_made made;
    struct key *own = it->forge->roles[TUF_SNAPSHOT].keys[0];

    it->forge->roles[TUF_SNAPSHOT].keys[0] = it->forge->roles[TUF_TIMESTAMP].keys[0];
    assert_int_equal(publish(it, FORGE_NOW, &made), ERR_UNTRUSTED);
    it->forge->roles[TUF_SNAPSHOT].keys[0] = own;
}

/* The server can choose among what is signed, and nothing else. */
static void test_targets_the_root_did_not_sanction(void **state)
{
    struct client_case *it = *state;
    struct online_made made;

    it->forge->roles[TUF_TARGETS].signer_count = 0;
    forge_next(it->forge, TUF_TARGETS);
    assert_int_equal(publish(it, FORGE_NOW, &made), ERR_UNTRUSTED);
}

static void test_targets_never_go_back(void **state)
{
    struct client_case *it = *state;
    struct online_made made;

    forge_next(it->forge, TUF_TARGETS);
    assert_published(it, FORGE_NOW, "1* 1*");
    it->forge->roles[TUF_TARGETS].version = 1;
    forge_write(it->forge, TUF_TARGETS);
    assert_int_equal(publish(it, FORGE_NOW, &made), ERR_CONFLICT);
    assert_non_null(strstr(it->why.text, "would follow version 2"));
}

static void test_damaged_state(void **state)
{
    struct client_case *it = *state;
    struct online_made made;

    it->forge->last[TUF_SNAPSHOT] = tuf_bytes_copy(span_of("{}"));
    assert_int_equal(publish(it, FORGE_NOW, &made), ERR_CORRUPT);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_without_online, client_case_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_first_time),
        CASE(test_new_targets),
        CASE(test_renewed_in_time),
        CASE(test_due_at_half_the_life),
        CASE(test_clock_that_was_ahead),
        CASE(test_new_online_keys),
        CASE(test_keys_the_root_does_not_name),
        CASE(test_targets_the_root_did_not_sanction),
        CASE(test_targets_never_go_back),
        CASE(test_damaged_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
