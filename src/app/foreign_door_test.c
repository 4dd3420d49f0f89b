/* Who may speak for a device of another protocol, what it says of itself, and releases that nobody
 * has signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/foreign_tale.h"
#include "store/blob_owner.h"

static const uint16_t everybody[] = {1000, 0};

/* ---- the door ---- */

static enum err knock(struct tale *tale, const struct tale_order *order)
{
    struct tale_order own = *order;

    return stage_run(&tale->stage, tale_poll_story, &own);
}

struct token_order_ {
    const char *name, *chosen;
    char secret[FOREIGN_SECRET_SIZE];
};

static enum err new_token_story(struct stage *stage, void *self)
{
    struct token_order_ *order = self;

    return foreign_token(&stage->app, stage->tenant, span_of(order->name), span_of(order->chosen),
                         "token:ada", stage->now, order->secret, &stage->why);
}

static void test_a_rotated_token(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;
    struct token_order_ token = {.name = "cam", .chosen = ""};
    const char *first = token.secret;

    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, new_token_story, &token), ERR_OK);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.secret = first;
    assert_int_equal(knock(tale, &order), ERR_OK);
    order.secret = "";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.secret = first;
    order.name = "who";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    assert_true(stage_number(&tale->stage,
                             "SELECT count(*) FROM audit WHERE CAST(line AS TEXT) LIKE"
                             " '%device.enter%'") > 0);
}

static void test_short_tokens_and_native_devices(void **state)
{
    struct token_order_ order = {.name = "cam", .chosen = "short"};
    struct stage_device gateway;
    struct tale *tale = *state;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_INVALID);
    order.chosen = "";
    order.name = "gw";
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_INVALID);
    order.name = "who";
    assert_int_equal(stage_run(&tale->stage, new_token_story, &order), ERR_NOT_FOUND);
}

static enum err gateway_story(struct stage *stage, void *self)
{
    struct foreign_gateway_row row = {
        .tenant = stage->tenant, .protocol = PROTOCOL_HAWKBIT, .name = "oslo", .created_by = "ada"};
    char secret[FOREIGN_SECRET_SIZE];

    (void)snprintf(row.selector, sizeof row.selector, "%s", (const char *)self);
    return foreign_gateway_add(&stage->app, &row, span_of("gateway-secret-0123"), "token:ada",
                               stage->now, secret, &stage->why);
}

static void test_a_gateway_token_and_its_selector(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "oslo-1");
    struct tale *tale = *state;
    char selector[] = "name ~ \"oslo-*\"";

    assert_int_equal(stage_run(&tale->stage, gateway_story, selector), ERR_OK);
    order.secret = "gateway-secret-0123";
    order.gateway = true;
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_true(tale->call.fresh);
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_false(tale->call.fresh);
    order.name = "rome-1"; /* unknown, and not within */
    assert_int_equal(knock(tale, &order), ERR_DENIED);
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM device"), 1);
    tale_device(tale, PROTOCOL_HAWKBIT, "rome-1");
    assert_int_equal(knock(tale, &order), ERR_DENIED);
    order.secret = "gateway-secret-0124";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    order.name = "oslo-1";
    order.gateway = false; /* it is no token of the device's own */
    order.secret = "gateway-secret-0123";
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
}

static void test_names_that_are_none_of_ours(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "02:00:00:00:00:01");
    struct tale *tale = *state;
    char all[] = "";

    assert_int_equal(stage_run(&tale->stage, gateway_story, all), ERR_OK);
    order.secret = "gateway-secret-0123";
    order.gateway = true;
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_true(strncmp(tale->call.call.device.name, "02-00-00-00-00-01-", 18) == 0);
    assert_string_equal(tale->call.foreign.external, "02:00:00:00:00:01");
    order.name = "02-00:00:00:00:01"; /* would be the same without the digest */
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM device"), 2);
    order.name = "two words";
    assert_int_equal(knock(tale, &order), ERR_INVALID);
}

static enum err revoke_story(struct stage *stage, void *self)
{
    return device_revoke(&stage->app, stage->tenant, span_of((const char *)self), "token:ada",
                         stage->now, &stage->why);
}

static void test_a_revoked_device(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;
    char name[] = "cam";

    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(stage_run(&tale->stage, revoke_story, name), ERR_OK);
    assert_int_equal(knock(tale, &order), ERR_DENIED);
}

static void test_tenants_are_apart(void **state)
{
    struct tale_order order = tale_order(*state, PROTOCOL_HAWKBIT, "cam");
    struct tale *tale = *state;

    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    stage_tenant(&tale->stage, "other");
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    tale_device(tale, PROTOCOL_HAWKBIT, "cam"); /* the same name and secret, another device */
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(tale->call.call.device.tenant, tale->stage.tenant);
    stage_tenant(&tale->stage, "default");
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "DEFAULT");
    assert_int_equal(knock(tale, &order), ERR_OK);
    assert_int_equal(tale->call.call.device.tenant, 1);
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "nobody");
    assert_int_equal(knock(tale, &order), ERR_UNTRUSTED);
    (void)snprintf(tale->stage.tenant_name, sizeof tale->stage.tenant_name, "default");
}

/* ---- keys ---- */

struct verdict_on_key {
    int64_t tenant, id;
    bool accept;
};

static enum err judge_story(struct stage *stage, void *self)
{
    const struct verdict_on_key *verdict = self;

    return foreign_key_judge(&stage->app, verdict->tenant, verdict->id, verdict->accept,
                             "token:ada", stage->now, &stage->why);
}

static enum err judge_key(struct tale *tale, int64_t tenant, int64_t id, bool accept)
{
    struct verdict_on_key verdict = {tenant, id, accept};

    return stage_run(&tale->stage, judge_story, &verdict);
}

static enum err key_story(struct stage *stage, void *self)
{
    return store_foreign_credential_add(stage->db, self);
}

static void test_keys_are_judged(void **state)
{
    struct foreign_credential_row one = {.tenant = 1, .kind = FOREIGN_KEY, .sha256 = {1}};
    struct tale *tale = *state;
    struct foreign_credential_row two, back;
    struct device_row device;

    tale_device(tale, PROTOCOL_MENDER, "box-7");
    one.device = tale->call.foreign.device;
    two = one;
    two.sha256[0] = 2;
    assert_int_equal(stage_run(&tale->stage, key_story, &one), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, key_story, &two), ERR_OK);
    assert_int_equal(judge_key(tale, 1, one.id, true), ERR_OK);
    assert_int_equal(judge_key(tale, 1, two.id, true), ERR_OK);
    assert_int_equal(store_foreign_credential_get(tale->stage.db, 1, one.id, &back), ERR_OK);
    assert_int_equal(back.status, DEVICE_REJECTED);
    assert_int_equal(judge_key(tale, 1, two.id, false), ERR_OK);
    assert_int_equal(store_device_get(tale->stage.db, 1, one.device, &device), ERR_OK);
    assert_int_equal(device.status, DEVICE_REJECTED);
    assert_int_equal(judge_key(tale, 2, two.id, true), ERR_NOT_FOUND);
}

/* ---- attributes, words ---- */

static enum err attribute_change(struct tale *tale, enum foreign_mode mode,
                                 const struct foreign_attribute *list, uint32_t count)
{
    struct tale_order order = tale_order(tale, PROTOCOL_HAWKBIT, "cam");

    order.mode = mode;
    order.attributes = list;
    order.count = count;
    return stage_run(&tale->stage, tale_attributes_story, &order);
}

static void tell_attributes(struct tale *tale)
{
    struct device_facts *facts = malloc(sizeof *facts);

    assert_non_null(facts);
    assert_int_equal(store_device_facts(tale->stage.db, 1, tale->call.call.device.id, facts),
                     ERR_OK);
    for (uint32_t i = 0; i < facts->attribute_count; i++)
        tale_say(tale, "%s=%s", facts->attributes[i].name, facts->attributes[i].value);
    free(facts);
}

static void test_attributes_in_every_mode(void **state)
{
    const struct foreign_attribute two[] = {{SPAN_LITERAL("rev"), SPAN_LITERAL("2")},
                                            {SPAN_LITERAL("site"), SPAN_LITERAL("oslo")}};
    const struct foreign_attribute none[] = {{SPAN_LITERAL("rev"), {0}}};
    const struct foreign_attribute other[] = {{SPAN_LITERAL("hw"), SPAN_LITERAL("b")}};
    struct tale *tale = *state;

    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    assert_int_equal(attribute_change(tale, FOREIGN_MERGE, two, 2), ERR_OK);
    tell_attributes(tale);
    tale_told(tale, "hw=a\nproduct=box\nrev=2\nsite=oslo\n");
    assert_int_equal(attribute_change(tale, FOREIGN_MERGE, none, 1), ERR_OK);
    tell_attributes(tale);
    tale_told(tale, "hw=a\nproduct=box\nsite=oslo\n");
    assert_int_equal(attribute_change(tale, FOREIGN_REPLACE, other, 1), ERR_OK);
    tell_attributes(tale);
    tale_told(tale, "hw=b\nproduct=box\n");
    assert_int_equal(attribute_change(tale, FOREIGN_REMOVE, other, 1), ERR_OK);
    tell_attributes(tale);
    tale_told(tale, "product=box\n");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_false(tale->offer.wants_attributes);
}

static void test_words_are_kept(void **state)
{
    struct foreign_word words[4];
    struct tale *tale = *state;
    uint32_t count;

    tale_furnish(tale, PROTOCOL_HAWKBIT, "cam");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_NOTE);
    tale_report(tale, PROTOCOL_HAWKBIT, "cam", tale->offer.id, FOREIGN_DOWNLOADING);
    assert_int_equal(store_foreign_words(tale->stage.db, 1, tale->call.call.device.id,
                                         tale->offer.id / 2, 0, 4, words, &count),
                     ERR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(words[0].text, "words of the device");
    assert_string_equal(words[0].phase, "closed/success");
}

/* ---- releases without signers ---- */

static enum err foreign_release_story(struct stage *stage, void *self)
{
    struct artifact_row artifact = {
        .format = ARTIFACT_SWU, .file = "cam.swu", .part = "os", .length = 5};
    const struct foreign_release release = {.tenant = stage->tenant,
                                            .protocol = PROTOCOL_HAWKBIT,
                                            .product = "imported",
                                            .version = "9.0",
                                            .artifacts = &artifact,
                                            .artifact_count = 1,
                                            .actor = "token:ada"};

    TRY(blobs_put(stage->blobs, "bytes", 5, artifact.sha256, &stage->why));
    TRY(store_blob_owner_add(stage->db, stage->tenant, artifact.sha256, stage->now));
    return foreign_release_add(&stage->app, &release, stage->now, self, &stage->why);
}

static enum err remove_story(struct stage *stage, void *self)
{
    const struct release_row *row = self;

    return foreign_release_remove(&stage->app, row->tenant, row->id, "token:ada", stage->now,
                                  &stage->why);
}

static void test_unsigned_releases_are_for_their_protocol(void **state)
{
    struct stage_device gateway;
    struct native_answer answer;
    struct release_row release;
    struct blob_digests digests;
    struct tale *tale = *state;

    stage_device(&tale->stage, "gw", "a", "1.0", &gateway);
    tale_device(tale, PROTOCOL_HAWKBIT, "cam");
    tale_device(tale, PROTOCOL_MENDER, "box-7");
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "x");
    assert_int_equal(stage_run(&tale->stage, foreign_release_story, &release), ERR_OK);
    assert_int_equal(stage_run(&tale->stage, foreign_release_story, &release), ERR_CONFLICT);
    (void)stage_rollout(&tale->stage, "theirs", release.id, everybody);
    assert_int_equal(stage_tick(&tale->stage), ERR_OK);
    tale_poll(tale, PROTOCOL_HAWKBIT, "cam", "");
    assert_int_equal(
        foreign_digests(&tale->stage.app, &tale->offer.artifacts[0], &digests, &tale->stage.why),
        ERR_OK);
    assert_int_equal(digests.md5[0], 0x4b); /* printf bytes | md5sum */
    tale_poll(tale, PROTOCOL_MENDER, "box-7", "x");
    assert_int_equal(stage_poll(&tale->stage, &gateway, &answer), ERR_OK);
    assert_int_equal(answer.kind, NATIVE_NOTHING);
    tale_told(tale, "cam polls : nothing -; none\n"
                    "box-7 polls x: nothing -; none\n"
                    "cam polls : install cam.swu; assigned waiting none\n"
                    "box-7 polls x: nothing -; none\n");
    assert_int_equal(stage_run(&tale->stage, remove_story, &release), ERR_CONFLICT);
}

/* Two large files at once: each takes several turns, and both get there. */
struct large {
    struct artifact_row row;
    struct blob_digests digests;
};

static enum err digests_story(struct stage *stage, void *self)
{
    struct large *large = self;

    return foreign_digests(&stage->app, &large->row, &large->digests, &stage->why);
}

static void fill_large(struct tale *tale, size_t size, uint8_t with, struct large *out)
{
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, with, size);
    *out = (struct large){.row = {.file = "large", .length = size}};
    assert_int_equal(blobs_put(tale->stage.blobs, bytes, size, out->row.sha256, &tale->stage.why),
                     ERR_OK);
    free(bytes);
}

static uint32_t turns_of(struct tale *tale, struct large *large, struct large *other)
{
    uint32_t turns = 1;

    while (stage_run(&tale->stage, digests_story, large) != ERR_OK) {
        assert_true(tale->stage.turn_wanted);
        assert_true(++turns < 20);
        if (other)
            (void)stage_run(&tale->stage, digests_story, other);
    }
    return turns;
}

static void test_large_files_take_turns(void **state)
{
    struct tale *tale = *state;
    struct large one, two, absent = {.row = {.file = "absent", .length = 5, .sha256 = {7}}};

    fill_large(tale, 2 * FOREIGN_HASH_SLICE + 1, 'x', &one);
    fill_large(tale, FOREIGN_HASH_SLICE + 1, 'y', &two);
    assert_int_equal(turns_of(tale, &one, &two), 2); /* the other has helped */
    assert_in_range(turns_of(tale, &two, NULL), 1, 2);
    assert_memory_not_equal(one.digests.md5, two.digests.md5, sizeof one.digests.md5);
    assert_int_equal(turns_of(tale, &one, NULL), 1); /* from the database */
    assert_int_equal(stage_run(&tale->stage, digests_story, &absent), ERR_NOT_FOUND);
    assert_int_equal(stage_number(&tale->stage, "SELECT count(*) FROM blob_digests"), 2);
}

int main(void)
{
#define TALE(test) cmocka_unit_test_setup_teardown(test, tale_open, tale_close)
    const struct CMUnitTest tests[] = {
        TALE(test_a_rotated_token),
        TALE(test_short_tokens_and_native_devices),
        TALE(test_a_gateway_token_and_its_selector),
        TALE(test_names_that_are_none_of_ours),
        TALE(test_a_revoked_device),
        TALE(test_tenants_are_apart),
        TALE(test_keys_are_judged),
        TALE(test_attributes_in_every_mode),
        TALE(test_words_are_kept),
        TALE(test_unsigned_releases_are_for_their_protocol),
        TALE(test_large_files_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
