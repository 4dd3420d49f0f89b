/* Signed artifacts in, releases with files for other clients out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/artifacts.h"
#include "app/blob.h"
#include "app/publish.h"
#include "app/stage.h"
#include "trust/forge.h"

struct shop {
    struct stage stage;
    struct forge *forge;
    struct published published;
};

static int open_shop(void **state)
{
    struct shop *shop = calloc(1, sizeof *shop);

    assert_non_null(shop);
    stage_open(&shop->stage, false);
    shop->stage.now = FORGE_NOW;
    shop->forge = forge_open();
    (void)json_object_clear(shop->forge->targets);
    *state = shop;
    return 0;
}

static int close_shop(void **state)
{
    struct shop *shop = *state;

    stage_check(&shop->stage);
    stage_close(&shop->stage);
    forge_close(shop->forge);
    free(shop);
    return 0;
}

static enum err root_story(struct stage *stage, void *self)
{
    struct shop *shop = self;
    uint32_t version;

    return publish_root(&stage->app, 1, "token:ada", tuf_bytes_span(&shop->forge->last[TUF_ROOT]),
                        stage->now, &version, &stage->why);
}

static enum err targets_story(struct stage *stage, void *self)
{
    struct shop *shop = self;

    return publish_targets(&stage->app, 1, "token:ada",
                           tuf_bytes_span(&shop->forge->last[TUF_TARGETS]), stage->now,
                           &shop->published, &stage->why);
}

static enum err publish(struct shop *shop)
{
    forge_next(shop->forge, TUF_TARGETS);
    assert_int_equal(stage_run(&shop->stage, root_story, shop), ERR_OK);
    return stage_run(&shop->stage, targets_story, shop);
}

static enum err bring_story(struct stage *stage, void *self)
{
    const char *text = self;
    uint8_t sha256[DIGEST_SIZE];

    TRY(blobs_put(stage->blobs, text, strlen(text), sha256, &stage->why));
    return blob_brought(&stage->app, 1, sha256, stage->now);
}

/* A file "box/VERSION/FILE" whose bytes are its own name. */
static void list(struct shop *shop, const char *version, const char *file, const char *format)
{
    struct artifact_facts facts = {.product = "box", .security_version = 3};
    char name[TARGET_NAME_SIZE_MAX + 1];

    (void)snprintf(facts.version, sizeof facts.version, "%s", version);
    (void)snprintf(facts.format, sizeof facts.format, "%s", format);
    (void)snprintf(facts.runs_as, sizeof facts.runs_as, "release-%s", version);
    assert_int_equal(artifact_target_name(&facts, file, name, NULL), ERR_OK);
    forge_target(shop->forge, name, span_of(name));
    assert_int_equal(json_object_set_new(json_object_get(shop->forge->targets, name), "custom",
                                         artifact_to_custom(&facts)),
                     0);
    assert_int_equal(stage_run(&shop->stage, bring_story, name), ERR_OK);
}

static void read_back(struct shop *shop, const char *version, struct release_row *release,
                      struct artifacts *artifacts)
{
    assert_int_equal(
        store_release_find(shop->stage.db, 1, span_of("box"), span_of(version), release), ERR_OK);
    assert_int_equal(artifacts_of(&shop->stage.app, release, artifacts), ERR_OK);
}

static void test_a_release_without_an_image(void **state)
{
    struct artifacts artifacts;
    struct release_row release;
    struct shop *shop = *state;

    list(shop, "2.0", "box.mender", "mender");
    list(shop, "2.0", "box.swu", "swu");
    assert_int_equal(publish(shop), ERR_OK);
    assert_int_equal(shop->published.added, 1);
    read_back(shop, "2.0", &release, &artifacts);
    assert_true(release.no_image);
    assert_int_equal(release.security_version, 3);
    assert_int_equal(release.authority, PROTOCOL_NATIVE);
    assert_int_equal(artifacts.count, 2);
    assert_int_equal(artifacts.list[0].format, ARTIFACT_MENDER);
    assert_string_equal(artifacts.list[0].name, "release-2.0");
    assert_string_equal(artifacts.list[0].target, "box/2.0/box.mender");
    assert_int_equal(publish(shop), ERR_OK); /* again, in a newer list */
    assert_int_equal(shop->published.added, 0);
    assert_int_equal(shop->published.withdrawn, 0);
}

static void test_what_is_listed_no_more(void **state)
{
    struct artifacts artifacts;
    struct release_row release;
    struct shop *shop = *state;

    list(shop, "2.0", "box.mender", "mender");
    list(shop, "2.0", "box.swu", "swu");
    assert_int_equal(publish(shop), ERR_OK);
    (void)json_object_del(shop->forge->targets, "box/2.0/box.mender");
    assert_int_equal(publish(shop), ERR_OK);
    read_back(shop, "2.0", &release, &artifacts);
    assert_false(release.withdrawn);
    assert_true(artifacts.list[0].withdrawn);
    assert_false(artifacts.list[1].withdrawn);
    (void)json_object_clear(shop->forge->targets);
    assert_int_equal(publish(shop), ERR_OK);
    read_back(shop, "2.0", &release, &artifacts);
    assert_true(release.withdrawn);
    assert_true(artifacts.list[1].withdrawn);
    list(shop, "2.0", "box.swu", "swu"); /* and back */
    assert_int_equal(publish(shop), ERR_OK);
    read_back(shop, "2.0", &release, &artifacts);
    assert_false(release.withdrawn);
    assert_false(artifacts.list[1].withdrawn);
}

static void test_blobs_must_be_there(void **state)
{
    struct shop *shop = *state;

    list(shop, "2.0", "box.swu", "swu");
    forge_target(shop->forge, "box/2.0/other.swu", span_of("nobody has it"));
    assert_int_equal(
        json_object_set(
            json_object_get(shop->forge->targets, "box/2.0/other.swu"), "custom",
            json_object_get(json_object_get(shop->forge->targets, "box/2.0/box.swu"), "custom")),
        0);
    assert_int_equal(publish(shop), ERR_NOT_FOUND);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM artifact"), 0);
}

static void test_an_artifact_never_changes(void **state)
{
    struct shop *shop = *state;
    char other[] = "other bytes";
    json_t *changed;

    list(shop, "2.0", "box.swu", "swu");
    assert_int_equal(publish(shop), ERR_OK);
    assert_int_equal(stage_run(&shop->stage, bring_story, other), ERR_OK);
    changed = tuf_file_to_json(span_of(other), 0);
    assert_int_equal(
        json_object_update(json_object_get(shop->forge->targets, "box/2.0/box.swu"), changed), 0);
    json_decref(changed);
    assert_int_equal(publish(shop), ERR_CONFLICT);
}

static void test_a_format_of_tomorrow_is_a_plain_file(void **state)
{
    struct shop *shop = *state;

    list(shop, "2.0", "box.new", "tomorrow");
    assert_int_equal(publish(shop), ERR_OK);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM artifact"), 0);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM listed_file"), 1);
    list(shop, "2.0", "box.img", "image"); /* that is listed otherwise */
    assert_int_equal(publish(shop), ERR_CORRUPT);
}

static void test_a_name_that_is_not_of_the_release(void **state)
{
    struct shop *shop = *state;

    list(shop, "2.0", "box.swu", "swu");
    (void)json_object_set(shop->forge->targets, "box/3.0/box.swu",
                          json_object_get(shop->forge->targets, "box/2.0/box.swu"));
    assert_int_equal(publish(shop), ERR_CORRUPT);
}

static enum err image_story(struct stage *stage, void *self)
{
    (void)self;
    return db_script(stage->db, "UPDATE release SET authority = 1");
}

static void test_what_others_brought_is_not_signed_over(void **state)
{
    struct shop *shop = *state;

    list(shop, "2.0", "box.swu", "swu");
    assert_int_equal(publish(shop), ERR_OK);
    assert_int_equal(stage_run(&shop->stage, image_story, NULL), ERR_OK);
    assert_int_equal(publish(shop), ERR_CONFLICT);
}

/* First the file for others, then the image: one release. */
static void test_an_image_comes_later(void **state)
{
    struct artifact_facts facts = {
        .format = "swu", .product = "camera", .version = "1.0", .security_version = 1};
    char image[] = "camera 1.0", swu[] = "camera/1.0/a.swu";
    struct release_row release;
    struct shop *shop = *state;
    uint8_t list_of_one[DIGEST_SIZE], sha256[DIGEST_SIZE];

    forge_target(shop->forge, swu, span_of(swu));
    assert_int_equal(json_object_set_new(json_object_get(shop->forge->targets, swu), "custom",
                                         artifact_to_custom(&facts)),
                     0);
    assert_int_equal(stage_run(&shop->stage, bring_story, swu), ERR_OK);
    assert_int_equal(publish(shop), ERR_OK);
    forge_release(shop->forge, "camera", "1.0");
    assert_int_equal(stage_run(&shop->stage, bring_story, image), ERR_OK);
    digest_of(DIGEST_SHA256, span_of(image), list_of_one);
    assert_int_equal(blobs_put(shop->stage.blobs, list_of_one, sizeof list_of_one, sha256, NULL),
                     ERR_OK);
    assert_int_equal(app_begin(&shop->stage.app, NULL), ERR_OK);
    assert_int_equal(blob_brought(&shop->stage.app, 1, sha256, shop->stage.now), ERR_OK);
    assert_int_equal(app_commit(&shop->stage.app, NULL), ERR_OK);
    app_settled(&shop->stage.app, true);
    assert_int_equal(publish(shop), ERR_OK);
    assert_int_equal(
        store_release_find(shop->stage.db, 1, span_of("camera"), span_of("1.0"), &release), ERR_OK);
    assert_false(release.no_image);
    assert_string_equal(release.target, "camera/1.0/image");
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM release"), 1);
    assert_int_equal(stage_number(&shop->stage, "SELECT count(*) FROM artifact"
                                                " WHERE withdrawn = 0"),
                     1);
}

int main(void)
{
#define SHOP(test) cmocka_unit_test_setup_teardown(test, open_shop, close_shop)
    const struct CMUnitTest tests[] = {
        SHOP(test_a_release_without_an_image),
        SHOP(test_what_is_listed_no_more),
        SHOP(test_blobs_must_be_there),
        SHOP(test_an_artifact_never_changes),
        SHOP(test_a_format_of_tomorrow_is_a_plain_file),
        SHOP(test_a_name_that_is_not_of_the_release),
        SHOP(test_what_others_brought_is_not_signed_over),
        SHOP(test_an_image_comes_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
