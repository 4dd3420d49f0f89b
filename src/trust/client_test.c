/* The workflow when all is well, and what each single file may not be. */
#include "base/buf.h"
#include "trust/client_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trust/tuf_file.h"

/* ---- What is asked for ---- */

static void test_first_refresh(void **state)
{
    struct client_case *it = *state;

    assert_refresh(it, ERR_OK, "2.root.json timestamp.json 1.snapshot.json 1.targets.json");
    assert_stored(it, "1 1 1 1");
}

static void test_nothing_new_asks_for_root_and_timestamp_only(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_refresh(it, ERR_OK, "2.root.json timestamp.json");
    assert_int_equal(client_case_restart(it), ERR_OK);
    assert_string_equal(it->forge->log, "2.root.json timestamp.json ");
}

static void test_only_what_changed_is_fetched(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refresh(it, ERR_OK, "2.root.json timestamp.json");
    assert_stored(it, "1 2 1 1");
    forge_next(it->forge, TUF_SNAPSHOT);
    forge_next(it->forge, TUF_TIMESTAMP);
    assert_refresh(it, ERR_OK, "2.root.json timestamp.json 2.snapshot.json");
    forge_next_all(it->forge);
    assert_refresh(it, ERR_OK, "2.root.json timestamp.json 3.snapshot.json 2.targets.json");
    assert_stored(it, "1 4 3 2");
}

static void test_without_consistent_snapshots(void **state)
{
    struct client_case *it = *state;

    it->forge->consistent = false;
    forge_next(it->forge, TUF_ROOT);
    forge_next_all(it->forge);
    assert_refresh(it, ERR_OK, "2.root.json 3.root.json timestamp.json snapshot.json targets.json");
    assert_stored(it, "2 2 2 2");
}

static void test_without_hashes(void **state)
{
    struct client_case *it = *state;

    it->forge->hashes = false;
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "1 2 2 2");
}

/* The bytes as received are kept, though white space is not part of what is signed. */
static void test_stored_bytes_are_the_received_ones(void **state)
{
    struct client_case *it = *state;
    char altered[4096];
    struct tuf_bytes stored;
    int size;

    size = snprintf(altered, sizeof altered, "\n%.*s \n", (int)it->forge->last[TUF_TIMESTAMP].size,
                    (const char *)it->forge->last[TUF_TIMESTAMP].at);
    forge_put(it->forge, "timestamp.json", (struct span){(uint8_t *)altered, (size_t)size});
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_int_equal(tuf_file_read(it->dir, "timestamp.json", 9999, &stored, NULL), ERR_OK);
    assert_true(
        span_equal(tuf_bytes_span(&stored), (struct span){(uint8_t *)altered, (size_t)size}));
    tuf_bytes_done(&stored);
}

static void test_unknown_fields_are_signed_and_harmless(void **state)
{
    struct client_case *it = *state;

    it->forge->extra = json_pack("{s:{s:[i,n,b]}}", "x-future", "a", 1, 0);
    forge_next(it->forge, TUF_ROOT);
    it->forge->extra = json_pack("{s:s}", "comment", "a\"b\\c\n\t\xc3\xa9");
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "2 2 2 2");
}

/* ---- Targets ---- */

static void test_target_with_facts(void **state)
{
    struct client_case *it = *state;
    struct tuf_target target;

    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_INVALID);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, &it->why),
                     ERR_OK);
    assert_true(target.has_facts);
    assert_string_equal(target.facts.product, "camera");
    assert_int_equal(target.file.length, strlen("camera 1.0"));
    assert_memory_equal(target.file.sha256, target.facts.sha256, DIGEST_SIZE);
    assert_int_equal(tuf_check_bytes(&target.file, span_of("camera 1.0"), NULL), ERR_OK);
    assert_int_equal(tuf_check_bytes(&target.file, span_of("camera 1.1"), NULL), ERR_CORRUPT);
    assert_int_equal(tuf_check_bytes(&target.file, span_of("camera 1.0 "), NULL), ERR_CORRUPT);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image.chunks", &target, NULL),
                     ERR_OK);
    assert_false(target.has_facts);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/2.0/image", &target, NULL),
                     ERR_NOT_FOUND);
}

static enum err note_name(void *self, const struct tuf_target *target, struct why *why)
{
    struct buf *names = self;

    (void)why;
    buf_text(names, target->name);
    buf_text(names, " ");
    return ERR_OK;
}

static void test_targets_in_the_order_of_their_names(void **state)
{
    struct client_case *it = *state;
    char text[256];
    struct buf names = buf_over(text, sizeof text);

    forge_target(it->forge, "b", span_of("b"));
    forge_target(it->forge, "a", span_of("a"));
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_int_equal(tuf_client_for_each_target(it->client, note_name, &names, NULL), ERR_OK);
    assert_string_equal(buf_finish_text(&names), "a b camera/1.0/image camera/1.0/image.chunks ");
}

static void test_targets_change_with_each_version(void **state)
{
    struct client_case *it = *state;
    char contents[12];
    struct tuf_target target;

    for (int round = 0; round < 11; round++) {
        (void)snprintf(contents, sizeof contents, "%d", round);
        forge_target(it->forge, "file", span_of(contents));
        forge_next_all(it->forge);
        assert_int_equal(client_case_refresh(it), ERR_OK);
        assert_int_equal(tuf_client_target(it->client, NULL, "file", &target, NULL), ERR_OK);
        assert_int_equal(tuf_check_bytes(&target.file, span_of(contents), NULL), ERR_OK);
    }
}

static void test_hashes_of_unknown_kinds_only_are_refused(void **state)
{
    struct client_case *it = *state;
    struct tuf_target target;

    assert_int_equal(
        json_object_set_new(it->forge->targets, "odd",
                            json_pack("{s:i, s:{s:s}}", "length", 1, "hashes", "md4", "00")),
        0);
    assert_int_equal(
        json_object_set_new(
            it->forge->targets, "both",
            json_pack("{s:i, s:{s:s, s:s}}", "length", 0, "hashes", "md4", "00", "sha512",
                      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9"
                      "ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927"
                      "da3e")),
        0);
    forge_next_all(it->forge);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_int_equal(tuf_client_target(it->client, NULL, "odd", &target, NULL), ERR_OK);
    assert_int_equal(tuf_check_bytes(&target.file, span_of("x"), NULL), ERR_CORRUPT);
    assert_int_equal(tuf_client_target(it->client, NULL, "both", &target, NULL), ERR_OK);
    assert_int_equal(tuf_check_bytes(&target.file, span_of(""), NULL), ERR_OK);
}

/* ---- Files that are missing, too long, or not what they are named ---- */

static void test_missing_files(void **state)
{
    static const char *const names[] = {"timestamp.json", "1.snapshot.json", "1.targets.json"};
    static const char *const stored[] = {"1 - - -", "1 1 - -", "1 1 1 -"};
    struct client_case *it = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct tuf_bytes kept = tuf_bytes_copy(tuf_bytes_span(forge_file(it->forge, names[i])));

        forge_drop(it->forge, names[i]);
        assert_refused(it, ERR_NOT_FOUND, names[i], stored[i]);
        forge_put(it->forge, names[i], tuf_bytes_span(&kept));
        tuf_bytes_done(&kept);
    }
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

static void test_unreachable_repository(void **state)
{
    struct client_case *it = *state;
    struct tuf_target target;

    assert_int_equal(client_case_refresh(it), ERR_OK);
    it->forge->failure = ERR_LINK;
    assert_refused(it, ERR_LINK, "2.root.json", "1 1 1 1");
    assert_int_equal(tuf_client_resume(it->client, NULL), ERR_OK);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_OK);
    it->forge->failure = ERR_OK;
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

/* A source without end is cut off at each role's limit, or at the length that is known. */
static void test_endless_files(void **state)
{
    static const char *const names[] = {"2.root.json", "timestamp.json", "1.snapshot.json",
                                        "1.targets.json"};
    static const char *const stored[] = {"1 - - -", "1 - - -", "1 1 - -", "1 1 1 -"};
    struct client_case *it = *state;
    size_t size = TUF_ROOT_SIZE_MAX + 1;
    uint8_t *endless = malloc(size);

    assert_non_null(endless);
    memset(endless, ' ', size);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct tuf_bytes kept = {0};

        if (forge_file(it->forge, names[i]))
            kept = tuf_bytes_copy(tuf_bytes_span(forge_file(it->forge, names[i])));
        forge_put(it->forge, names[i], (struct span){endless, size});
        assert_refused(it, ERR_TOO_BIG, names[i], stored[i]);
        if (kept.at)
            forge_put(it->forge, names[i], tuf_bytes_span(&kept));
        else
            forge_drop(it->forge, names[i]);
        tuf_bytes_done(&kept);
    }
    free(endless);
}

static void test_wrong_length_or_hash(void **state)
{
    struct client_case *it = *state;
    struct tuf_bytes *snapshot = forge_file(it->forge, "1.snapshot.json");
    struct tuf_bytes *targets = forge_file(it->forge, "1.targets.json");
    uint8_t *at = snapshot->at;

    snapshot->size--;
    assert_refused(it, ERR_CORRUPT, "instead of", "1 1 - -");
    snapshot->size++;
    at[snapshot->size - 2] ^= 1; /* the hash is looked at before the form */
    assert_refused(it, ERR_CORRUPT, "another SHA-256", "1 1 - -");
    at[snapshot->size - 2] ^= 1;
    targets->at[0] = ' ';
    assert_refused(it, ERR_CORRUPT, "another SHA-256", "1 1 1 -");
    targets->at[0] = '{';
    assert_int_equal(client_case_refresh(it), ERR_OK);
}

static void test_one_role_in_the_place_of_another(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;

    forge->hashes = false;
    forge_next_all(forge);
    forge_put(forge, "timestamp.json", tuf_bytes_span(&forge->last[TUF_SNAPSHOT]));
    assert_refused(it, ERR_CORRUPT, "_type is \"snapshot\"", "1 - - -");
    forge_put(forge, "timestamp.json", tuf_bytes_span(&forge->last[TUF_TIMESTAMP]));
    forge_put(forge, "2.snapshot.json", tuf_bytes_span(&forge->last[TUF_TARGETS]));
    assert_refused(it, ERR_CORRUPT, "_type is \"targets\"", "1 2 - -");
    forge_put(forge, "2.snapshot.json", tuf_bytes_span(&forge->last[TUF_SNAPSHOT]));
    forge_put(forge, "2.targets.json", tuf_bytes_span(&forge->last[TUF_ROOT]));
    assert_refused(it, ERR_CORRUPT, "_type is \"root\"", "1 2 2 -");
    forge_put(forge, "2.root.json", tuf_bytes_span(&forge->last[TUF_TARGETS]));
    assert_refused(it, ERR_CORRUPT, "_type is \"targets\"", "1 2 2 -");
}

/* A file named 2 that says it is 3. */
static void test_version_in_name_and_file_differ(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;

    forge->hashes = false;
    forge_next_all(forge);
    forge->roles[TUF_TARGETS].version = 3;
    forge_write(forge, TUF_TARGETS);
    forge_put(forge, "2.targets.json", tuf_bytes_span(&forge->last[TUF_TARGETS]));
    assert_refused(it, ERR_CONFLICT, "is version 3 instead of 2", "1 2 2 -");
    forge->roles[TUF_SNAPSHOT].version = 3;
    forge_write(forge, TUF_SNAPSHOT);
    forge_put(forge, "2.snapshot.json", tuf_bytes_span(&forge->last[TUF_SNAPSHOT]));
    assert_int_equal(client_case_refresh(it), ERR_CONFLICT); /* the stored one still serves */
    forge->roles[TUF_ROOT].version = 3;
    forge_write(forge, TUF_ROOT);
    forge_put(forge, "2.root.json", tuf_bytes_span(&forge->last[TUF_ROOT]));
    assert_refused(it, ERR_CONFLICT, "root version 3 cannot follow 1", "1 2 2 -");
}

/* ---- Where it begins ---- */

static void test_bad_anchors(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    struct tuf_client *client = NULL;
    char dir[96];

    (void)snprintf(dir, sizeof dir, "%s-2", it->dir);
    assert_int_equal(tuf_client_open(dir, (struct span){NULL, 0}, &client, &it->why),
                     ERR_NOT_FOUND);
    assert_int_equal(tuf_client_open(dir, span_of("{}"), &client, &it->why), ERR_CORRUPT);
    assert_int_equal(
        tuf_client_open(dir, tuf_bytes_span(&forge->last[TUF_TARGETS]), &client, &it->why),
        ERR_CORRUPT);
    forge->roles[TUF_ROOT].signer_count--;
    forge_write(forge, TUF_ROOT);
    forge->roles[TUF_ROOT].signer_count++;
    assert_int_equal(
        tuf_client_open(dir, tuf_bytes_span(&forge->last[TUF_ROOT]), &client, &it->why),
        ERR_UNTRUSTED);
    assert_null(client);
    assert_string_equal(forge->log, "");
    assert_int_equal(rmdir(dir), 0);
}

/* A newer provisioned root wins over the stored one; an older one does not. */
static void test_anchor_and_stored_root(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    struct tuf_bytes first = tuf_bytes_copy(tuf_bytes_span(&forge->last[TUF_ROOT]));

    forge_next(forge, TUF_ROOT);
    tuf_client_close(it->client);
    assert_int_equal(
        tuf_client_open(it->dir, tuf_bytes_span(&forge->last[TUF_ROOT]), &it->client, NULL),
        ERR_OK);
    assert_stored(it, "2 - - -");
    tuf_client_close(it->client);
    assert_int_equal(tuf_client_open(it->dir, tuf_bytes_span(&first), &it->client, NULL), ERR_OK);
    assert_stored(it, "2 - - -");
    assert_refresh(it, ERR_OK, "3.root.json timestamp.json 1.snapshot.json 1.targets.json");
    tuf_bytes_done(&first);
}

/* A damaged store heals from the provisioned root; every other file is only a cache. */
static void test_damaged_store(void **state)
{
    static const char *const names[] = {"root.json", "timestamp.json", "snapshot.json",
                                        "targets.json"};
    struct client_case *it = *state;
    struct tuf_bytes root = tuf_bytes_copy(tuf_bytes_span(&it->forge->last[TUF_ROOT]));

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(client_case_refresh(it), ERR_OK);
        assert_int_equal(tuf_file_replace(it->dir, names[i], span_of("{\"torn"), NULL), ERR_OK);
        tuf_client_close(it->client);
        assert_int_equal(tuf_client_open(it->dir, tuf_bytes_span(&root), &it->client, NULL),
                         ERR_OK);
        assert_int_equal(client_case_refresh(it), ERR_OK);
        assert_stored(it, "1 1 1 1");
    }
    tuf_bytes_done(&root);
}

static void test_resume_trusts_what_is_stored_and_consistent(void **state)
{
    struct client_case *it = *state;
    struct tuf_target target;

    assert_int_equal(tuf_client_resume(it->client, &it->why), ERR_UNTRUSTED);
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_int_equal(tuf_client_resume(it->client, &it->why), ERR_OK);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_OK);
    assert_int_equal(tuf_file_replace(it->dir, "targets.json", span_of("{}"), NULL), ERR_OK);
    assert_int_equal(tuf_client_resume(it->client, &it->why), ERR_UNTRUSTED);
    assert_int_equal(tuf_client_target(it->client, NULL, "camera/1.0/image", &target, NULL),
                     ERR_INVALID);
}

/* The disk refuses each file in turn (a folder is in the way of the write): what was stored
 * before it stays, and the refresh goes on from there once there is room. */
static void test_disk_that_refuses(void **state)
{
    static const char *const names[] = {"root.json", "timestamp.json", "snapshot.json",
                                        "targets.json"};
    static const char *const stored[] = {"1 - - -", "2 - - -", "2 1 - -", "2 1 1 -"};
    struct client_case *it = *state;
    char path[96], aside[104];

    forge_next(it->forge, TUF_ROOT);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", it->dir, names[i]);
        (void)snprintf(aside, sizeof aside, "%s.aside", path);
        (void)rename(path, aside); /* only the root is there */
        assert_int_equal(mkdir(path, 0755), 0);
        assert_int_equal(client_case_refresh(it), ERR_STORAGE);
        assert_non_null(strstr(it->why.text, names[i]));
        assert_int_equal(rmdir(path), 0);
        (void)rename(aside, path);
        assert_stored(it, stored[i]);
    }
    assert_int_equal(client_case_refresh(it), ERR_OK);
    assert_stored(it, "2 1 1 1");
}

/* A write that was cut off leaves a file beside, which the next start takes away. */
static void test_leftover_of_a_cut_write(void **state)
{
    struct client_case *it = *state;

    assert_int_equal(tuf_file_replace(it->dir, ".tmp-0123", span_of("{\"torn"), NULL), ERR_OK);
    assert_int_equal(client_case_restart(it), ERR_OK);
    assert_false(tuf_file_exists(it->dir, ".tmp-0123"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, client_case_open, client_case_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_first_refresh),
        CASE(test_nothing_new_asks_for_root_and_timestamp_only),
        CASE(test_only_what_changed_is_fetched),
        CASE(test_without_consistent_snapshots),
        CASE(test_without_hashes),
        CASE(test_stored_bytes_are_the_received_ones),
        CASE(test_unknown_fields_are_signed_and_harmless),
        CASE(test_target_with_facts),
        CASE(test_targets_in_the_order_of_their_names),
        CASE(test_targets_change_with_each_version),
        CASE(test_hashes_of_unknown_kinds_only_are_refused),
        CASE(test_missing_files),
        CASE(test_unreachable_repository),
        CASE(test_endless_files),
        CASE(test_wrong_length_or_hash),
        CASE(test_one_role_in_the_place_of_another),
        CASE(test_version_in_name_and_file_differ),
        CASE(test_bad_anchors),
        CASE(test_anchor_and_stored_root),
        CASE(test_damaged_store),
        CASE(test_resume_trusts_what_is_stored_and_consistent),
        CASE(test_disk_that_refuses),
        CASE(test_leftover_of_a_cut_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
