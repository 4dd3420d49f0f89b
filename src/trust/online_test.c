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

/* Versions are seconds; 1 is the first one at the time of these tests. */
static int number_of(uint64_t version)
{
    return (int)(version - (uint64_t)FORGE_NOW.ms / 1000) + 1;
}

/* "snapshot timestamp" versions, an asterisk behind those that were made now. */
static void assert_published(struct client_case *it, struct utc now, const char *expected)
{
    struct online_made made;
    char text[64];
    enum err err = publish(it, now, &made);

    if (err != ERR_OK)
        fail_msg("%s", it->why.text);
    (void)snprintf(text, sizeof text, "%d%s %d%s", number_of(made.snapshot_version),
                   made.snapshot_changed ? "*" : "", number_of(made.timestamp_version),
                   made.timestamp_changed ? "*" : "");
    assert_string_equal(text, expected);
    assert_true(made.due.ms > now.ms);
}

/* What the client has: versions of root and targets, numbers of the other two. */
static void assert_current(struct client_case *it, int root, int timestamp, int snapshot,
                           int targets)
{
    const uint64_t base = (uint64_t)FORGE_NOW.ms / 1000 - 1;
    char expected[96];

    (void)snprintf(expected, sizeof expected, "%d %llu %llu %d", root,
                   (unsigned long long)(base + (uint64_t)timestamp),
                   (unsigned long long)(base + (uint64_t)snapshot), targets);
    assert_stored(it, expected);
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
    assert_current(it, 1, 2, 2, 2);
}

/* A day at a time for a hundred days: the client never finds anything expired. */
static void test_renewed_in_time(void **state)
{
    struct client_case *it = *state;
    struct online_made made;
    int snapshots = 0, timestamps = 0;

    for (int day = 0; day < 100; day++) {
        it->now.ms = FORGE_NOW.ms + day * DAY_MS;
        assert_int_equal(publish(it, it->now, &made), ERR_OK);
        snapshots += made.snapshot_changed;
        timestamps += made.timestamp_changed;
        assert_true(made.due.ms > it->now.ms && made.due.ms <= it->now.ms + 15 * DAY_MS);
        if (it->now.ms < FORGE_NOW.ms + 30 * DAY_MS) /* as long as the first root lives */
            assert_int_equal(client_case_refresh(it), ERR_OK);
    }
    assert_int_equal(timestamps, 27); /* every 4th day, and with each snapshot */
    assert_int_equal(snapshots, 7);   /* every 15th day, 30 days each */
}

static void test_due_at_half_the_life(void **state)
{
    struct client_case *it = *state;
    const int64_t half = ONLINE_TIMESTAMP_LIFETIME_MS / 2;

    assert_published(it, FORGE_NOW, "1* 1*");
    assert_published(it, (struct utc){FORGE_NOW.ms + half - 1}, "1 1");
    assert_published(it, (struct utc){FORGE_NOW.ms + half}, "1 302401*"); /* half a week on */
}

/* The server's clock ran ten years ahead for a while: what it made then is made anew. */
static void test_clock_that_was_ahead(void **state)
{
    struct client_case *it = *state;

    assert_published(it, (struct utc){FORGE_NOW.ms + 3650 * DAY_MS}, "315360001* 315360001*");
    assert_published(it, FORGE_NOW, "315360002* 315360002*");
    assert_published(it, FORGE_NOW, "315360002 315360002");
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
    assert_published(it, (struct utc){FORGE_NOW.ms + 1000}, "2* 2*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_current(it, 2, 2, 2, 1);
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

/* ---- A restored backup ---- */

/* The server forgets a week of what it published, devices do not. */
static void test_restored_backup(void **state)
{
    struct client_case *it = *state;
    struct tuf_bytes snapshot, timestamp;

    assert_published(it, FORGE_NOW, "1* 1*");
    snapshot = tuf_bytes_copy(tuf_bytes_span(&it->forge->last[TUF_SNAPSHOT]));
    timestamp = tuf_bytes_copy(tuf_bytes_span(&it->forge->last[TUF_TIMESTAMP]));
    for (int i = 1; i <= 5; i++) { /* more than one a second at first */
        forge_next(it->forge, TUF_TARGETS);
        it->now.ms = FORGE_NOW.ms + i * DAY_MS / 2;
        (void)client_case_refresh(it);
        assert_int_equal(publish(it, it->now, &(struct online_made){0}), ERR_OK);
        assert_int_equal(client_case_refresh(it), ERR_OK);
    }
    tuf_bytes_done(&it->forge->last[TUF_SNAPSHOT]);
    tuf_bytes_done(&it->forge->last[TUF_TIMESTAMP]);
    it->forge->last[TUF_SNAPSHOT] = snapshot; /* the backup; its signers publish their list again */
    it->forge->last[TUF_TIMESTAMP] = timestamp;
    it->now.ms += 60000;
    assert_int_equal(publish(it, it->now, &(struct online_made){0}), ERR_OK);
    if (client_case_refresh(it) != ERR_OK)
        fail_msg("%s", it->why.text);
}

/* A clock of the year 2106 made versions that no later one could exceed for eighty years; new keys
 * begin at the time again. */
static void test_versions_that_ran_away(void **state)
{
    struct client_case *it = *state;

    assert_published(it, (struct utc){FORGE_NOW.ms + 1000 * DAY_MS}, "86400001* 86400001*");
    it->now.ms = FORGE_NOW.ms + 10000;
    assert_published(it, it->now, "86400002* 86400002*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_replace_keys(it->forge, TUF_SNAPSHOT);
    forge_replace_keys(it->forge, TUF_TIMESTAMP);
    forge_next(it->forge, TUF_ROOT);
    assert_published(it, it->now, "11* 11*");
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_current(it, 2, 11, 11, 1);
}

static void test_versions_have_an_end(void **state)
{
    struct client_case *it = *state;
    struct online_made made;

    assert_int_equal(publish(it, (struct utc){INT64_C(9007199254740993) * 1000}, &made),
                     ERR_TOO_BIG);
    assert_int_equal(publish(it, (struct utc){-5000}, &made), ERR_OK);
    assert_int_equal(made.snapshot_version, 1);
}

/* ---- Delegated lists ---- */

static struct tuf_bytes list_of(uint64_t version)
{
    json_t *envelope =
        tuf_envelope_new(TUF_TARGETS, version, (struct utc){FORGE_NOW.ms + 400 * DAY_MS});
    struct tuf_bytes bytes;

    assert_int_equal(json_object_set_new(tuf_envelope_signed(envelope), "targets", json_object()),
                     0);
    bytes = tuf_envelope_bytes(envelope);
    json_decref(envelope);
    return bytes;
}

static enum err make_with(struct client_case *it, const char *const *roles,
                          const uint64_t *versions, size_t count, struct online_made *made)
{
    struct forge *forge = it->forge;
    struct online_role_file files[4];
    struct tuf_bytes bytes[4];
    struct online_state state = {
        .root = tuf_bytes_span(&forge->last[TUF_ROOT]),
        .targets = tuf_bytes_span(&forge->last[TUF_TARGETS]),
        .roles = files,
        .role_count = count,
        .snapshot = tuf_bytes_span(&forge->last[TUF_SNAPSHOT]),
        .timestamp = tuf_bytes_span(&forge->last[TUF_TIMESTAMP]),
    };
    const struct online_keys keys = {forge->roles[TUF_SNAPSHOT].keys[0],
                                     forge->roles[TUF_TIMESTAMP].keys[0]};
    enum err err;

    for (size_t i = 0; i < count; i++) {
        bytes[i] = list_of(versions[i]);
        files[i] = (struct online_role_file){roles[i], tuf_bytes_span(&bytes[i])};
    }
    why_clear(&it->why);
    err = online_make(&state, &keys, NULL, FORGE_NOW, made, &it->why);
    for (size_t i = 0; i < count; i++)
        tuf_bytes_done(&bytes[i]);
    if (err == ERR_OK && made->snapshot_changed) {
        tuf_bytes_done(&forge->last[TUF_SNAPSHOT]);
        forge->last[TUF_SNAPSHOT] = made->snapshot;
    }
    if (err == ERR_OK && made->timestamp_changed) {
        tuf_bytes_done(&forge->last[TUF_TIMESTAMP]);
        forge->last[TUF_TIMESTAMP] = made->timestamp;
    }
    return err;
}

static uint64_t listed_version(struct client_case *it, const char *name)
{
    struct tuf_metadata *snapshot;
    struct tuf_file file = {0};

    assert_int_equal(tuf_metadata_read(TUF_SNAPSHOT, tuf_bytes_span(&it->forge->last[TUF_SNAPSHOT]),
                                       &snapshot, NULL),
                     ERR_OK);
    (void)!tuf_listed_file(snapshot, name, &file);
    tuf_metadata_close(snapshot);
    return file.version;
}

static void test_delegated_lists(void **state)
{
    static const char *const roles[] = {"product-camera", "product-router", "policy"};
    struct client_case *it = *state;
    struct online_made made;

    assert_int_equal(make_with(it, roles, (uint64_t[]){1, 1, 1}, 3, &made), ERR_OK);
    assert_true(made.snapshot_changed && made.timestamp_changed);
    assert_int_equal(listed_version(it, "product-router.json"), 1);
    assert_int_equal(make_with(it, roles, (uint64_t[]){1, 1, 1}, 3, &made), ERR_OK);
    assert_false(made.snapshot_changed || made.timestamp_changed);
    assert_int_equal(make_with(it, roles, (uint64_t[]){1, 2, 1}, 3, &made), ERR_OK);
    assert_true(made.snapshot_changed && made.timestamp_changed);
    assert_int_equal(listed_version(it, "product-router.json"), 2);
    assert_int_equal(make_with(it, roles, (uint64_t[]){1, 1, 1}, 3, &made), ERR_CONFLICT);
    assert_non_null(strstr(it->why.text, "product-router.json version 1 would follow version 2"));
    /* A restored server that has forgotten a role still lists it: clients insist on that. */
    assert_int_equal(make_with(it, roles, (uint64_t[]){2}, 1, &made), ERR_OK);
    assert_int_equal(listed_version(it, "product-camera.json"), 2);
    assert_int_equal(listed_version(it, "product-router.json"), 2);
    assert_int_equal(listed_version(it, "policy.json"), 1);
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
        CASE(test_restored_backup),
        CASE(test_versions_that_ran_away),
        CASE(test_versions_have_an_end),
        CASE(test_delegated_lists),
        CASE(test_damaged_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
