/* Signed metadata in, releases and a working TUF repository out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/blob.h"
#include "app/device.h"
#include "app/publish.h"
#include "app/stage.h"
#include "codec/hex.h"
#include "store/metadata.h"
#include "trust/forge.h"

#define SHELF_MAX 32u

struct shop {
    struct stage stage;
    struct forge *forge;
    struct {
        char name[64];
        struct tuf_bytes bytes;
    } shelf[SHELF_MAX];
    uint32_t shelf_count;
    struct published published;
    uint32_t root_version;
};

static void shelve(void *self, const char *tenant, const char *name, struct span bytes)
{
    struct shop *shop = self;
    uint32_t i = 0;

    (void)tenant;
    while (i < shop->shelf_count && strcmp(shop->shelf[i].name, name) != 0)
        i++;
    assert_true(i < SHELF_MAX);
    if (i == shop->shelf_count)
        shop->shelf_count++;
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

static int open_shop(void **state)
{
    struct shop *shop = calloc(1, sizeof *shop);

    assert_non_null(shop);
    stage_open(&shop->stage, false);
    shop->stage.now = FORGE_NOW;
    shop->forge = forge_open();
    shop->stage.app.config.shelf = (struct shelf_ops){.self = shop, .put = shelve};
    shop->stage.app.config.snapshot_key = shop->forge->roles[TUF_SNAPSHOT].signers[0];
    shop->stage.app.config.timestamp_key = shop->forge->roles[TUF_TIMESTAMP].signers[0];
    *state = shop;
    return 0;
}

static int close_shop(void **state)
{
    struct shop *shop = *state;

    stage_check(&shop->stage);
    stage_close(&shop->stage);
    forge_close(shop->forge);
    for (uint32_t i = 0; i < shop->shelf_count; i++)
        tuf_bytes_done(&shop->shelf[i].bytes);
    free(shop);
    return 0;
}

static enum err root_story(struct stage *stage, void *self)
{
    struct shop *shop = self;

    return publish_root(&stage->app, 1, "token:ada", tuf_bytes_span(&shop->forge->last[TUF_ROOT]),
                        stage->now, &shop->root_version, &stage->why);
}

static enum err targets_story(struct stage *stage, void *self)
{
    struct shop *shop = self;

    return publish_targets(&stage->app, 1, "token:ada",
                           tuf_bytes_span(&shop->forge->last[TUF_TARGETS]), stage->now,
                           &shop->published, &stage->why);
}

static enum err publish_both(struct shop *shop)
{
    enum err err = stage_run(&shop->stage, root_story, shop);

    return err == ERR_OK ? stage_run(&shop->stage, targets_story, shop) : err;
}

/* A blob that the first tenant has brought. */
static void bring(struct shop *shop, const void *bytes, size_t size, uint8_t sha256[DIGEST_SIZE])
{
    assert_int_equal(blobs_put(shop->stage.blobs, bytes, size, sha256, NULL), ERR_OK);
    assert_int_equal(app_begin(&shop->stage.app, NULL), ERR_OK);
    assert_int_equal(blob_brought(&shop->stage.app, 1, sha256, shop->stage.now), ERR_OK);
    assert_int_equal(app_commit(&shop->stage.app, NULL), ERR_OK);
    app_settled(&shop->stage.app, true);
}

/* What forge_release() makes of a product and version, as blobs. */
static void upload(struct shop *shop, const char *version)
{
    uint8_t sha256[DIGEST_SIZE], list[DIGEST_SIZE];
    char image[64];

    (void)snprintf(image, sizeof image, "camera %s", version);
    bring(shop, image, strlen(image), list);
    bring(shop, list, sizeof list, sha256);
}

static void test_devices_can_follow_what_is_published(void **state)
{
    struct shop *shop = *state;
    const struct tuf_fetch fetch = {.self = shop, .get = get};
    struct tuf_client *client;
    struct tuf_target target;
    struct release_row row;
    char dir[96];

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    assert_int_equal(shop->root_version, 1);
    assert_int_equal(shop->published.added, 1);
    assert_int_equal(store_release_find(shop->stage.db, 1, span_of("camera"), span_of("1.0"), &row),
                     ERR_OK);
    assert_string_equal(row.hardware, "board");
    assert_string_equal(row.target, "camera/1.0/image");
    assert_int_equal(row.length, strlen("camera 1.0"));

    (void)snprintf(dir, sizeof dir, "%s/client", shop->stage.dir);
    assert_int_equal(tuf_client_open(dir, tuf_bytes_span(&shop->forge->last[TUF_ROOT]), &client,
                                     &shop->stage.why),
                     ERR_OK);
    assert_int_equal(tuf_client_refresh(client, &fetch, shop->stage.now, &shop->stage.why), ERR_OK);
    assert_int_equal(tuf_client_target(client, &fetch, "camera/1.0/image", &target, NULL), ERR_OK);
    assert_memory_equal(target.file.sha256, row.sha256, DIGEST_SIZE);

    /* Half a life later the tick renews what the server signs, and clients follow. */
    shop->stage.now.ms += 20 * DAY_MS;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(tuf_client_refresh(client, &fetch, shop->stage.now, &shop->stage.why), ERR_OK);
    assert_true(stage_number(&shop->stage, "SELECT max(version) FROM metadata WHERE role = 3") > 1);
    tuf_client_close(client);
}

static void test_the_same_bytes_again_are_no_error(void **state)
{
    struct shop *shop = *state;

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    assert_int_equal(publish_both(shop), ERR_OK);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 1);
}

static void test_blobs_must_be_there_and_right(void **state)
{
    struct shop *shop = *state;
    uint8_t sha256[DIGEST_SIZE];

    assert_int_equal(publish_both(shop), ERR_NOT_FOUND);
    assert_non_null(strstr(shop->stage.why.text, "has not been uploaded"));
    assert_int_equal(blobs_put(shop->stage.blobs, "camera 1.0", 10, sha256, NULL), ERR_OK);
    assert_int_equal(publish_both(shop), ERR_NOT_FOUND); /* somebody else has brought it */
    bring(shop, "camera 1.0", 10, sha256);
    assert_int_equal(publish_both(shop), ERR_NOT_FOUND); /* the chunk list */
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 0);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM metadata WHERE role = 1"), 0);
    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
}

static void test_targets_need_a_root_and_its_signatures(void **state)
{
    struct shop *shop = *state;

    upload(shop, "1.0");
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_INVALID);
    assert_int_equal(stage_run(&shop->stage, root_story, shop), ERR_OK);
    shop->forge->roles[TUF_TARGETS].signer_count = 0;
    forge_write(shop->forge, TUF_TARGETS);
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_UNTRUSTED);
    shop->forge->roles[TUF_TARGETS].signer_count = 1;
    shop->forge->roles[TUF_TARGETS].expires.ms = FORGE_NOW.ms - DAY_MS;
    forge_write(shop->forge, TUF_TARGETS);
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_UNTRUSTED);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 0);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM audit"
                                                " WHERE CAST(line AS TEXT) LIKE '%refused%'"),
                     3);
}

static void test_older_targets_are_refused(void **state)
{
    struct shop *shop = *state;
    struct tuf_bytes old = tuf_bytes_copy(tuf_bytes_span(&shop->forge->last[TUF_TARGETS]));

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    forge_next(shop->forge, TUF_TARGETS);
    assert_int_equal(publish_both(shop), ERR_OK);
    tuf_bytes_done(&shop->forge->last[TUF_TARGETS]);
    shop->forge->last[TUF_TARGETS] = old;
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_CONFLICT);
}

static void test_a_version_means_one_image_for_ever(void **state)
{
    struct shop *shop = *state;

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    assert_int_equal(db_script(shop->stage.db, "UPDATE release SET sha256 = chunks_sha256"),
                     ERR_OK);
    forge_next(shop->forge, TUF_TARGETS);
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_CONFLICT);
}

static void test_a_withdrawn_release_halts_its_rollout(void **state)
{
    static const uint16_t everybody[] = {1000, 0};
    struct shop *shop = *state;
    struct stage_device device;
    struct rollout_row row;
    int64_t id;

    upload(shop, "1.0");
    upload(shop, "2.0");
    forge_release(shop->forge, "camera", "2.0");
    forge_write(shop->forge, TUF_TARGETS);
    assert_int_equal(publish_both(shop), ERR_OK);
    assert_int_equal(shop->published.added, 2);
    assert_int_equal(db_script(shop->stage.db, "UPDATE release SET product = 'box', hardware = ''"
                                               " WHERE version = '1.0'"),
                     ERR_OK);
    stage_device(&shop->stage, "gw-1", "a", "0.9", &device);
    id = stage_rollout(&shop->stage, "r", 1, everybody);
    assert_int_equal(json_object_del(shop->forge->targets, "camera/1.0/image"), 0);
    assert_int_equal(json_object_del(shop->forge->targets, "camera/1.0/image.chunks"), 0);
    forge_next(shop->forge, TUF_TARGETS);
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_OK);
    assert_int_equal(shop->published.withdrawn, 1);
    stage_rollout_read(&shop->stage, id, &row);
    assert_int_equal(row.rollout.state, ROLLOUT_HALTED);
    assert_int_equal(rollout_standing(&row.rollout, STANDING_WAITING), 0);
}

static void test_orphan_blobs_are_retired(void **state)
{
    struct shop *shop = *state;
    struct blob_info info;
    uint8_t orphan[DIGEST_SIZE];

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    bring(shop, "nobody's", 8, orphan);
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_OK);
    shop->stage.now.ms = info.stored.ms + ORPHAN_BLOB_KEPT_MS - 1000;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_OK);
    shop->stage.now.ms += 3700000;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_NOT_FOUND);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM blob_owner"), 2);
    stage_image("camera 1.0", orphan); /* an image that a release needs stays */
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_OK);
}

/* A plain file of the list, such as a manifest. */
static void list_file(struct shop *shop, const char *name, const uint8_t sha256[DIGEST_SIZE],
                      int length)
{
    char hex[DIGEST_HEX_SIZE];

    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    assert_int_equal(
        json_object_set_new(shop->forge->targets, name,
                            json_pack("{s:i, s:{s:s}}", "length", length, "hashes", "sha256", hex)),
        0);
}

/* Kept and readable while it is listed; another's bytes are not to be had by naming them. */
static void test_listed_files(void **state)
{
    struct shop *shop = *state;
    struct stage_device device;
    struct device_call call = {0};
    struct blob_info info;
    uint8_t mine[DIGEST_SIZE], foreign[DIGEST_SIZE];
    struct utc before = shop->stage.now; /* blobs have the real time, the lists another */

    upload(shop, "1.0");
    bring(shop, "manifest", 8, mine);
    assert_int_equal(blobs_put(shop->stage.blobs, "secret", 6, foreign, NULL), ERR_OK);
    list_file(shop, "camera/1.0/image.manifest", mine, 8);
    list_file(shop, "camera/1.0/stolen", foreign, 6);
    forge_write(shop->forge, TUF_TARGETS);
    assert_int_equal(publish_both(shop), ERR_OK);
    stage_device(&shop->stage, "gw-1", "a", "0.9", &device);
    call.device.tenant = 1;
    assert_int_equal(device_may_read(&shop->stage.app, &call, mine), ERR_OK);
    assert_int_equal(device_may_read(&shop->stage.app, &call, foreign), ERR_NOT_FOUND);
    call.device.tenant = 2;
    assert_int_equal(device_may_read(&shop->stage.app, &call, mine), ERR_NOT_FOUND);
    call.device.tenant = 1;
    assert_int_equal(blobs_stat(shop->stage.blobs, mine, &info), ERR_OK);
    shop->stage.now.ms = info.stored.ms + 2 * ORPHAN_BLOB_KEPT_MS;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, mine, &info), ERR_OK);

    assert_int_equal(json_object_del(shop->forge->targets, "camera/1.0/image.manifest"), 0);
    forge_next(shop->forge, TUF_TARGETS);
    shop->stage.now = before;
    assert_int_equal(stage_run(&shop->stage, targets_story, shop), ERR_OK);
    assert_int_equal(device_may_read(&shop->stage.app, &call, mine), ERR_NOT_FOUND);
    shop->stage.now.ms = info.stored.ms + 3 * ORPHAN_BLOB_KEPT_MS;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, mine, &info), ERR_NOT_FOUND);
}

/* The clock was ten years ahead for a while: what the tick does must not wait ten years. */
static void test_a_clock_that_was_ahead_stops_nothing(void **state)
{
    struct shop *shop = *state;
    struct blob_info info;
    uint8_t orphan[DIGEST_SIZE];

    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    shop->stage.now.ms += 3650 * DAY_MS;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    shop->stage.now.ms -= 3650 * DAY_MS;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_put(shop->stage.blobs, "nobody's", 8, orphan, NULL), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_OK);
    shop->stage.now.ms = info.stored.ms + ORPHAN_BLOB_KEPT_MS + 3700000;
    assert_int_equal(stage_tick(&shop->stage), ERR_OK);
    assert_int_equal(blobs_stat(shop->stage.blobs, orphan, &info), ERR_NOT_FOUND);
}

/* The numbers below it may be of another server, or of nobody. */
static void test_the_first_root_may_have_any_number(void **state)
{
    struct shop *shop = *state;
    uint32_t roots = 0;

    shop->forge->roles[TUF_ROOT].version = 2000000000;
    forge_write(shop->forge, TUF_ROOT);
    upload(shop, "1.0");
    assert_int_equal(publish_both(shop), ERR_OK);
    for (uint32_t i = 0; i < shop->shelf_count; i++)
        roots += strstr(shop->shelf[i].name, "root") != NULL;
    assert_int_equal(roots, 1);
    assert_int_equal(shop->shelf_count, 4);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(test_devices_can_follow_what_is_published),
        STORY(test_the_same_bytes_again_are_no_error),
        STORY(test_blobs_must_be_there_and_right),
        STORY(test_targets_need_a_root_and_its_signatures),
        STORY(test_older_targets_are_refused),
        STORY(test_a_version_means_one_image_for_ever),
        STORY(test_a_withdrawn_release_halts_its_rollout),
        STORY(test_orphan_blobs_are_retired),
        STORY(test_listed_files),
        STORY(test_a_clock_that_was_ahead_stops_nothing),
        STORY(test_the_first_root_may_have_any_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
