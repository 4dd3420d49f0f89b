/* Lists of delegated roles, changed facts, newer keys and expiry, with a repository that real
 * signers' tools make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/blob.h"
#include "app/expiring.h"
#include "app/online_key.h"
#include "app/publish.h"
#include "app/stage.h"
#include "store/delegated.h"
#include "store/metadata.h"
#include "trust/client.h"
#include "trust/forge.h"
#include "trust/repository.h"
#include "trust/tuf_file.h"

#define SHELF_MAX 64u

struct shop {
    struct stage stage;
    struct key *root, *targets, *team[2], *snapshot[2], *timestamp;
    char repo[128], image[160];
    struct {
        char name[TUF_FILE_NAME_SIZE];
        struct tuf_bytes bytes;
    } shelf[SHELF_MAX];
    uint32_t shelf_count;
    struct tuf_client *client;
    struct span bytes; /* of the next story */
    const char *role;
    struct published published;
    struct delegated delegated;
};

static void shelve(void *self, const char *tenant, const char *name, struct span bytes)
{
    struct shop *shop = self;
    uint32_t i = 0;

    (void)tenant;
    while (i < shop->shelf_count && strcmp(shop->shelf[i].name, name) != 0)
        i++;
    assert_true(i < SHELF_MAX);
    shop->shelf_count += i == shop->shelf_count;
    tuf_bytes_done(&shop->shelf[i].bytes);
    (void)snprintf(shop->shelf[i].name, sizeof shop->shelf[i].name, "%s", name);
    shop->shelf[i].bytes = tuf_bytes_copy(bytes);
}

static enum err get(void *self, const char *name, size_t size_max, struct tuf_bytes *out,
                    struct why *why)
{
    struct shop *shop = self;

    (void)size_max, (void)why;
    for (uint32_t i = 0; i < shop->shelf_count; i++) {
        if (strcmp(shop->shelf[i].name, name) == 0) {
            *out = tuf_bytes_copy(tuf_bytes_span(&shop->shelf[i].bytes));
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

static struct key *generate(void)
{
    struct key *key;

    assert_int_equal(key_generate(KEY_ED25519, &key, NULL), ERR_OK);
    return key;
}

static struct utc later(const struct shop *shop, int days)
{
    return (struct utc){(shop->stage.now.ms + days * DAY_MS) / 1000 * 1000};
}

static int open_shop(void **state)
{
    struct shop *shop = calloc(1, sizeof *shop);

    assert_non_null(shop);
    stage_open(&shop->stage, false);
    shop->stage.now = FORGE_NOW;
    shop->root = generate();
    shop->targets = generate();
    shop->timestamp = generate();
    for (int i = 0; i < 2; i++) {
        shop->team[i] = generate();
        shop->snapshot[i] = generate();
    }
    (void)snprintf(shop->repo, sizeof shop->repo, "%s/repo", shop->stage.dir);
    (void)snprintf(shop->image, sizeof shop->image, "%s/image", shop->stage.dir);
    shop->stage.app.config.shelf = (struct shelf_ops){.self = shop, .put = shelve};
    shop->stage.app.config.snapshot_key = shop->snapshot[0];
    shop->stage.app.config.timestamp_key = shop->timestamp;
    {
        const struct repository_plan plan = {
            .roles = {[TUF_ROOT] = {&shop->root, 1, 1},
                      [TUF_TARGETS] = {&shop->targets, 1, 1},
                      [TUF_SNAPSHOT] = {shop->snapshot, 1, 1},
                      [TUF_TIMESTAMP] = {&shop->timestamp, 1, 1}},
            .root_expires = later(shop, 400),
            .targets_expires = later(shop, 90),
        };

        assert_int_equal(repository_init(shop->repo, &plan, &shop->stage.why), ERR_OK);
    }
    *state = shop;
    return 0;
}

static int close_shop(void **state)
{
    struct shop *shop = *state;

    tuf_client_close(shop->client);
    stage_check(&shop->stage);
    stage_close(&shop->stage);
    for (uint32_t i = 0; i < shop->shelf_count; i++)
        tuf_bytes_done(&shop->shelf[i].bytes);
    key_close(shop->root);
    key_close(shop->targets);
    key_close(shop->timestamp);
    for (int i = 0; i < 2; i++) {
        key_close(shop->team[i]);
        key_close(shop->snapshot[i]);
    }
    free(shop);
    return 0;
}

/* ---- Signers ---- */

static void sign(struct shop *shop, const char *role, const struct key *key)
{
    struct repository_signing signing;

    if (repository_sign(shop->repo, role, key, &signing, &shop->stage.why) != ERR_OK)
        fail_msg("%s", shop->stage.why.text);
}

static void bring(struct shop *shop, const uint8_t sha256[DIGEST_SIZE])
{
    char path[256];
    struct tuf_bytes bytes;
    uint8_t again[DIGEST_SIZE];

    assert_int_equal(repository_blob_path(shop->repo, sha256, path, sizeof path, NULL), ERR_OK);
    assert_int_equal(tuf_file_read_path(path, 1000, &bytes, NULL), ERR_OK);
    assert_int_equal(blobs_put(shop->stage.blobs, bytes.at, bytes.size, again, NULL), ERR_OK);
    tuf_bytes_done(&bytes);
    assert_int_equal(app_begin(&shop->stage.app, NULL), ERR_OK);
    assert_int_equal(blob_brought(&shop->stage.app, 1, sha256, shop->stage.now), ERR_OK);
    assert_int_equal(app_commit(&shop->stage.app, NULL), ERR_OK);
    app_settled(&shop->stage.app, true);
}

/* A release of the camera, with its blobs on the server. */
static void add(struct shop *shop, const char *version)
{
    struct repository_edit edit = {.dir = shop->repo, .expires = later(shop, 90)};
    struct repository_release release = {.image = shop->image,
                                         .file = "image",
                                         .facts = {.product = "camera",
                                                   .hardware = {"board"},
                                                   .hardware_count = 1,
                                                   .kind = RELEASE_FEATURE}};
    struct tuf_target target;
    FILE *file = fopen(shop->image, "w");

    assert_non_null(file);
    (void)fprintf(file, "camera %s", version);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(release.facts.version, sizeof release.facts.version, "%s", version);
    assert_int_equal(repository_add_release(&edit, &release, &target, &shop->stage.why), ERR_OK);
    bring(shop, target.facts.sha256);
    bring(shop, target.facts.chunks_sha256);
}

static void delegate(struct shop *shop)
{
    const struct repository_delegation delegation = {.role = "product-camera",
                                                     .pattern = "camera/*/*",
                                                     .keys = {shop->team, 1, 1},
                                                     .expires = later(shop, 90)};

    assert_int_equal(repository_delegate(shop->repo, &delegation, &shop->stage.why), ERR_OK);
    sign(shop, "product-camera", shop->team[0]);
    sign(shop, REPOSITORY_TARGETS, shop->targets);
}

/* ---- The server ---- */

static enum err root_story(struct stage *stage, void *self)
{
    struct shop *shop = self;
    uint32_t version;

    return publish_root(&stage->app, 1, "token:ada", shop->bytes, stage->now, &version,
                        &stage->why);
}

static enum err targets_story(struct stage *stage, void *self)
{
    struct shop *shop = self;

    return publish_targets(&stage->app, 1, "token:ada", shop->bytes, stage->now, &shop->published,
                           &stage->why);
}

static enum err list_story(struct stage *stage, void *self)
{
    struct shop *shop = self;
    const struct delegated_upload upload = {.role = shop->role, .bytes = shop->bytes};

    return publish_delegated(&stage->app, 1, "token:ada", &upload, stage->now, &shop->delegated,
                             &stage->why);
}

static enum err send(struct shop *shop, const char *role)
{
    struct tuf_metadata *metadata;
    enum err err;

    assert_int_equal(repository_current(shop->repo, role, &metadata, &shop->stage.why), ERR_OK);
    shop->bytes = tuf_metadata_bytes(metadata);
    shop->role = role;
    why_clear(&shop->stage.why);
    err = stage_run(&shop->stage,
                    strcmp(role, REPOSITORY_ROOT) == 0      ? root_story
                    : strcmp(role, REPOSITORY_TARGETS) == 0 ? targets_story
                                                            : list_story,
                    shop);
    tuf_metadata_close(metadata);
    return err;
}

/* What a device that has always been there makes of the shelf. */
static enum err follow(struct shop *shop, const char *target)
{
    const struct tuf_fetch fetch = {.self = shop, .get = get};
    struct tuf_metadata *root;
    struct tuf_target found;
    char dir[160];

    if (!shop->client) {
        (void)snprintf(dir, sizeof dir, "%s/client", shop->stage.dir);
        assert_int_equal(repository_root(shop->repo, 1, &root, NULL), ERR_OK);
        assert_int_equal(
            tuf_client_open(dir, tuf_metadata_bytes(root), &shop->client, &shop->stage.why),
            ERR_OK);
        tuf_metadata_close(root);
    }
    TRY(tuf_client_refresh(shop->client, &fetch, shop->stage.now, &shop->stage.why));
    return tuf_client_target(shop->client, &fetch, target, &found, &shop->stage.why);
}

/* ---- Delegated lists ---- */

static void test_a_list_waits_for_its_delegator(void **state)
{
    struct shop *shop = *state;

    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    delegate(shop);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_CONFLICT);
    assert_non_null(strstr(shop->stage.why.text, "send it first"));
    add(shop, "1.0");
    sign(shop, "product-camera", shop->team[0]);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_true(shop->delegated.waits);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 0);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 1);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_false(shop->delegated.waits);

    add(shop, "1.1");
    sign(shop, "product-camera", shop->team[0]);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_int_equal(shop->delegated.published.added, 1);
    assert_int_equal(follow(shop, "camera/1.1/image"), ERR_OK);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release WHERE withdrawn"), 0);
}

/* Old and new keys change places in one transaction. */
static void test_a_team_changes_its_keys(void **state)
{
    struct shop *shop = *state;
    const struct repository_role next = {&shop->team[1], 1, 1};

    delegate(shop);
    add(shop, "1.0");
    sign(shop, "product-camera", shop->team[0]);
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(
        repository_set_role(shop->repo, "product-camera", &next, later(shop, 90), NULL), ERR_OK);
    assert_int_equal(repository_renew(shop->repo, "product-camera", later(shop, 90), NULL), ERR_OK);
    sign(shop, "product-camera", shop->team[1]);
    sign(shop, REPOSITORY_TARGETS, shop->targets);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_CONFLICT);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_true(shop->delegated.waits);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM delegated WHERE waiting"), 0);
}

static void test_names_that_are_no_roles(void **state)
{
    static const char *const names[] = {"root", "targets", "snapshot", "timestamp", ""};
    struct shop *shop = *state;

    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        shop->role = names[i];
        shop->bytes = SPAN_LITERAL("{}");
        assert_int_equal(stage_run(&shop->stage, list_story, shop), ERR_INVALID);
    }
    shop->role = "x";
    assert_int_equal(stage_run(&shop->stage, list_story, shop), ERR_CORRUPT);
}

/* ---- Facts never change ---- */

static void test_changed_facts_are_named(void **state)
{
    static const struct {
        const char *change, *field;
    } cases[] = {
        {"kind = 1 - kind", "kind"},
        {"hardware = 'other'", "hardware"},
        {"bases = '0.9'", "from"},
        {"security_version = 7", "security_version"},
        {"security_floor = 7", "security_floor"},
        {"release_counter = 7", "release_counter"},
        {"length = length + 1", "length"},
        {"sha256 = chunks_sha256", "hashes"},
        {"plain_length = plain_length + 1", "plain"},
        {"plain_sha256 = chunks_sha256", "plain"},
        {"chunk_size = 1024", "chunks"},
        {"chunks_sha256 = sha256", "chunks"},
        {"target = 'camera/1.0/other'", "target"},
        {"seal = 1", "sealed"},
    };
    struct shop *shop = *state;
    char sql[160], said[64];

    add(shop, "1.0");
    sign(shop, REPOSITORY_TARGETS, shop->targets);
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(repository_renew(shop->repo, REPOSITORY_TARGETS, later(shop, 90), NULL),
                     ERR_OK);
    sign(shop, REPOSITORY_TARGETS, shop->targets);
    assert_int_equal(db_script(shop->stage.db, "CREATE TEMP TABLE kept AS SELECT * FROM release"),
                     ERR_OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        (void)snprintf(sql, sizeof sql, "UPDATE release SET %s", cases[i].change);
        assert_int_equal(db_script(shop->stage.db, sql), ERR_OK);
        assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_CONFLICT);
        (void)snprintf(said, sizeof said, "camera@1.0 was published with another \"%s\"",
                       cases[i].field);
        if (!strstr(shop->stage.why.text, said))
            fail_msg("%s: %s", cases[i].change, shop->stage.why.text);
        assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM metadata WHERE role = 1"),
                         1);
        assert_int_equal(db_script(shop->stage.db, "DELETE FROM release; INSERT INTO release"
                                                   " SELECT * FROM kept"),
                         ERR_OK);
    }
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
}

/* ---- The server's own keys and versions ---- */

static enum err make_key(void *self, enum online_key kind, uint32_t number, const struct key **out,
                         struct why *why)
{
    struct shop *shop = self;

    (void)why;
    assert_int_equal(kind, ONLINE_SNAPSHOT);
    assert_int_equal(number, 2);
    *out = shop->snapshot[1];
    return ERR_OK;
}

static enum err key_story(struct stage *stage, void *self)
{
    const struct key **out = self;

    return online_key_make(&stage->app, 1, "token:ada", ONLINE_SNAPSHOT, stage->now, out,
                           &stage->why);
}

static void test_a_newer_key_is_used_once_it_is_named(void **state)
{
    struct shop *shop = *state;
    const struct repository_role next = {&shop->snapshot[1], 1, 1};
    const struct key *made = NULL;
    struct online_key_pair pair;

    add(shop, "1.0");
    sign(shop, REPOSITORY_TARGETS, shop->targets);
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(stage_run(&shop->stage, key_story, &made), ERR_INVALID); /* makes none */
    shop->stage.app.config.keys = (struct online_ops){.self = shop, .make = make_key};
    for (int i = 0; i < 2; i++) { /* asked again, it is the same */
        assert_int_equal(stage_run(&shop->stage, key_story, &made), ERR_OK);
        assert_ptr_equal(made, shop->snapshot[1]);
    }
    assert_int_equal(online_key_show(&shop->stage.app, 1, ONLINE_SNAPSHOT, &pair), ERR_OK);
    assert_ptr_equal(pair.now, shop->snapshot[0]);
    assert_ptr_equal(pair.next, shop->snapshot[1]);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(repository_set_role(shop->repo, "snapshot", &next, later(shop, 400), NULL),
                     ERR_OK);
    sign(shop, REPOSITORY_ROOT, shop->root);
    shop->stage.now.ms += 5000;
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(online_key_show(&shop->stage.app, 1, ONLINE_SNAPSHOT, &pair), ERR_OK);
    assert_ptr_equal(pair.now, shop->snapshot[1]);
    assert_null(pair.next);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
}

/* The database forgets what was published in a week; devices do not. */
static void test_a_restored_database(void **state)
{
    struct shop *shop = *state;

    add(shop, "1.0");
    sign(shop, REPOSITORY_TARGETS, shop->targets);
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    assert_int_equal(db_script(shop->stage.db, "CREATE TEMP TABLE m AS SELECT * FROM metadata;"
                                               "CREATE TEMP TABLE r AS SELECT * FROM release"),
                     ERR_OK);
    for (int i = 1; i <= 3; i++) {
        char version[8];

        shop->stage.now.ms += 2 * DAY_MS;
        (void)snprintf(version, sizeof version, "1.%d", i);
        add(shop, version);
        sign(shop, REPOSITORY_TARGETS, shop->targets);
        assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
        assert_int_equal(follow(shop, "camera/1.0/image"), ERR_OK);
    }
    assert_int_equal(db_script(shop->stage.db, "DELETE FROM metadata; DELETE FROM release;"
                                               "INSERT INTO metadata SELECT * FROM m;"
                                               "INSERT INTO release SELECT * FROM r"),
                     ERR_OK);
    shop->stage.now.ms += 60000;
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK); /* the signers' folder has it all */
    assert_int_equal(follow(shop, "camera/1.3/image"), ERR_OK);
}

/* ---- Expiry ---- */

static int64_t told(struct shop *shop)
{
    return stage_number(&shop->stage, "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                                      " '%trust.expiring%'");
}

static void test_what_runs_out_is_told_once_a_day(void **state)
{
    struct shop *shop = *state;
    struct expiring_wanted wanted = {.tenant = 1, .devices = true, .max = 10};
    struct expiring_row rows[10];
    uint32_t count;

    delegate(shop);
    assert_int_equal(send(shop, REPOSITORY_ROOT), ERR_OK);
    assert_int_equal(send(shop, "product-camera"), ERR_OK);
    assert_int_equal(send(shop, REPOSITORY_TARGETS), ERR_OK);
    wanted.now = shop->stage.now;
    assert_int_equal(store_expiring(shop->stage.db, &wanted, rows, &count), ERR_OK);
    assert_int_equal(count, 5);
    assert_int_equal(rows[0].kind, EXPIRING_TIMESTAMP);
    assert_int_equal(rows[1].kind, EXPIRING_SNAPSHOT);
    assert_int_equal(rows[4].kind, EXPIRING_ROOT);
    assert_false(expiring_is_low(&rows[4], shop->stage.now));
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(told(shop), 0);
    for (int i = 1; i <= 3; i++) { /* 90 days' life: less than a quarter is left after 68 */
        shop->stage.now.ms += (i == 1 ? 70 : 1) * DAY_MS;
        assert_int_equal(stage_tick(&shop->stage), ERR_OK);
        assert_int_equal(stage_tick(&shop->stage), ERR_OK);
        assert_int_equal(told(shop), i);
    }
    assert_int_equal(stage_number(&shop->stage,
                                  "SELECT count(*) FROM audit WHERE CAST(line AS TEXT)"
                                  " LIKE '%delegated product-camera expires in%'"),
                     3);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_a_list_waits_for_its_delegator),
        STORY(test_a_team_changes_its_keys),
        STORY(test_names_that_are_no_roles),
        STORY(test_changed_facts_are_named),
        STORY(test_a_newer_key_is_used_once_it_is_named),
        STORY(test_a_restored_database),
        STORY(test_what_runs_out_is_told_once_a_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
