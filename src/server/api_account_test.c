/* Tokens, claims, idempotency, paging and the audit log, as a client meets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/audit.h"
#include "server/api_world.h"
#include "store/audit_log.h"

#define API "/api/v1"

static char *member(const struct world *world, const char *name)
{
    json_t *json = world_json(world);
    const char *text = json_string_value(json_object_get(json, name));
    char *copy = text ? strdup(text) : NULL;

    json_decref(json);
    return copy;
}

static int64_t number(const struct world *world, const char *name)
{
    json_t *json = world_json(world);
    int64_t value = json_integer_value(json_object_get(json, name));

    json_decref(json);
    return value;
}

static unsigned enter(struct world *world, const char *secret)
{
    struct question question = {.path = API "/whoami", .secret = secret};

    return world_ask(world, &question);
}

/* ---- Tokens ---- */

static void a_token_is_shown_once_and_kept_hashed(void **state)
{
    struct world *world = world_open();
    char *secret, *role, path[64];

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/tokens",
                         "{\"name\":\"ada\",\"role\":\"operator\",\"expires_in_s\":3600}"),
                     201);
    secret = member(world, "token");
    (void)snprintf(path, sizeof path, API "/tokens/%lld", (long long)number(world, "id"));
    assert_int_equal(strlen(secret), SECRET_SIZE - 1);
    assert_false(world_holds(world, secret));
    assert_int_equal(enter(world, secret), 200);
    role = member(world, "role");
    assert_string_equal(role, "operator");
    assert_int_equal(ask(world, METHOD_GET, API "/tokens", NULL), 200);
    assert_null(strstr(world->body, secret));
    assert_non_null(strstr(world->body, "\"name\":\"ada\""));
    assert_int_equal(
        ask(world, METHOD_POST, API "/tokens", "{\"name\":\"ada\",\"role\":\"viewer\"}"),
        409); /* the name is taken */
    assert_int_equal(ask(world, METHOD_DELETE, path, NULL), 204);
    assert_int_equal(ask(world, METHOD_DELETE, path, NULL), 404);
    assert_int_equal(enter(world, secret), 401);
    free(role);
    free(secret);
    world_close(world);
}

static void a_token_expires(void **state)
{
    struct world *world = world_open();
    char *secret;

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/tokens",
                         "{\"name\":\"ada\",\"role\":\"operator\",\"expires_in_s\":60}"),
                     201);
    secret = member(world, "token");
    world->now.ms += 59999;
    assert_int_equal(enter(world, secret), 200);
    world->now.ms += 1;
    assert_int_equal(enter(world, secret), 401);
    assert_int_equal(
        ask(world, METHOD_POST, API "/tokens", "{\"name\":\"ada\",\"role\":\"operator\"}"),
        201); /* the name is free again */
    free(secret);
    world_close(world);
}

static void strangers_stay_outside(void **state)
{
    static const char *const secrets[] = {
        "swt_", "x", "swt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "' OR 1=1 --"};
    struct world *world = world_open();

    (void)state;
    assert_int_equal(enter(world, NULL), 401);
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        assert_int_equal(enter(world, secrets[i]), 401);
    world_close(world);
}

static void the_last_admin_cannot_leave(void **state)
{
    struct world *world = world_open();
    char path[64], secret[SECRET_SIZE];
    struct why why = {0};

    (void)state;
    (void)snprintf(path, sizeof path, API "/tokens/%d", ROLE_ADMIN + 1); /* in order of roles */
    assert_int_equal(ask(world, METHOD_DELETE, path, NULL), 409);
    assert_int_equal(ask(world, METHOD_GET, API "/whoami", NULL), 200);
    assert_int_equal(api_first_token(&world->app, 1, world->now, secret, sizeof secret, &why),
                     ERR_CONFLICT);
    world_close(world);
}

static void the_last_use_is_noted_to_the_minute(void **state)
{
    struct world *world = world_open();
    json_t *json, *items;
    const char *used;

    (void)state;
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/whoami", NULL), 200);
    assert_int_equal(ask(world, METHOD_GET, API "/tokens", NULL), 200);
    json = world_json(world);
    items = json_object_get(json, "items");
    used = json_string_value(json_object_get(json_array_get(items, ROLE_VIEWER), "last_used_at"));
    assert_non_null(used);
    assert_true(
        json_is_null(json_object_get(json_array_get(items, ROLE_OPERATOR), "last_used_at")));
    json_decref(json);
    world_close(world);
}

/* ---- Claims ---- */

static void claims_come_and_go(void **state)
{
    struct world *world = world_open();
    char *secret, path[64];

    (void)state;
    assert_int_equal(ask_as(world, ROLE_OPERATOR, METHOD_POST, API "/claims", NULL), 201);
    secret = member(world, "token");
    assert_false(world_holds(world, secret));
    (void)snprintf(path, sizeof path, API "/claims/%lld", (long long)number(world, "id"));
    assert_int_equal(ask(world, METHOD_POST, API "/claims",
                         "{\"note\":\"\xc3\xa9t\xc3\xa9\",\"device\":\"pump-99\"}"),
                     201);
    assert_int_equal(ask(world, METHOD_GET, API "/claims?limit=1", NULL), 200);
    assert_non_null(strstr(world->body, "\"note\":\"\xc3\xa9t\xc3\xa9\""));
    assert_non_null(strstr(world->body, "\"device\":\"pump-99\""));
    assert_int_equal(ask(world, METHOD_DELETE, path, NULL), 204);
    assert_int_equal(ask(world, METHOD_DELETE, path, NULL), 404);
    assert_int_equal(ask(world, METHOD_DELETE, API "/claims/abc", NULL), 404);
    free(secret);
    world_close(world);
}

static void keys_are_preauthorised(void **state)
{
    static const char body[] =
        "{\"devices\":[{\"name\":\"pump-40\",\"key_sha256\":"
        "\"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\"}]}";
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/devices/preauthorize", body), 201);
    assert_int_equal(number(world, "count"), 1);
    assert_true(world_holds(world, "pump-40"));
    world_close(world);
}

/* ---- Idempotency ---- */

static void a_repeat_gets_the_same_reply(void **state)
{
    struct world *world = world_open();
    struct question question = {
        .method = METHOD_POST,
        .path = API "/rollouts",
        .secret = world->secrets[ROLE_OPERATOR],
        .body =
            SPAN_LITERAL("{\"name\":\"june\",\"release\":\"pump@1.1.0\",\"selector\":\"hw = a\","
                         "\"stages\":[{\"percent\":100}]}"),
        .idempotency_key = "7f0c"};
    char before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE], *first;

    (void)state;
    assert_int_equal(world_ask(world, &question), 201);
    first = strdup(world->body);
    assert_false(world->replayed);
    world_fingerprint(world, true, before);
    assert_int_equal(world_ask(world, &question), 201);
    assert_true(world->replayed);
    assert_string_equal(world->body, first);
    world_fingerprint(world, true, after);
    assert_string_equal(before, after);
    question.body = SPAN_LITERAL("{}");
    assert_int_equal(world_ask(world, &question), 409);
    question.idempotency_key = "bad key";
    assert_int_equal(world_ask(world, &question), 400);
    question.idempotency_key = "another"; /* a failure is not kept */
    assert_int_equal(world_ask(world, &question), 400);
    question.body =
        SPAN_LITERAL("{\"name\":\"july\",\"release\":\"pump@1.1.0\",\"selector\":\"hw = a\","
                     "\"stages\":[{\"percent\":100}]}");
    assert_int_equal(world_ask(world, &question), 201);
    free(first);
    world_close(world);
}

static void a_repeat_does_not_show_a_secret_again(void **state)
{
    struct world *world = world_open();
    struct question question = {.method = METHOD_POST,
                                .path = API "/claims",
                                .secret = world->secrets[ROLE_OPERATOR],
                                .idempotency_key = "once"};
    char *secret;

    (void)state;
    assert_int_equal(world_ask(world, &question), 201);
    secret = member(world, "token");
    assert_false(world_holds(world, secret));
    assert_int_equal(world_ask(world, &question), 409);
    assert_null(strstr(world->body, secret));
    /* a key belongs to its token */
    question.secret = world->secrets[ROLE_ADMIN];
    assert_int_equal(world_ask(world, &question), 201);
    free(secret);
    world_close(world);
}

/* ---- Paging ---- */

static void pages_follow_each_other(void **state)
{
    struct world *world = world_open();
    char path[512], seen[2048] = "";
    char *next = NULL;
    size_t count = 0, pages = 0;

    (void)state;
    do {
        json_t *json, *item;
        size_t i;

        (void)snprintf(path, sizeof path, API "/devices?limit=10%s%s", next ? "&cursor=" : "",
                       next ? next : "");
        free(next);
        assert_int_equal(ask(world, METHOD_GET, path, NULL), 200);
        json = world_json(world);
        json_array_foreach(json_object_get(json, "items"), i, item)
        {
            const char *name = json_string_value(json_object_get(item, "name"));

            assert_null(strstr(seen, name));
            (void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", name);
            count++;
        }
        json_decref(json);
        next = member(world, "next");
        pages++;
    } while (next);
    assert_int_equal(count, WORLD_DEVICES);
    assert_int_equal(pages, 3);
    world_close(world);
}

static void cursors_belong_to_their_list(void **state)
{
    struct world *world = world_open();
    char path[512], *next;

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, API "/devices?limit=1", NULL), 200);
    next = member(world, "next");
    (void)snprintf(path, sizeof path, API "/audit?cursor=%s", next);
    assert_int_equal(ask(world, METHOD_GET, path, NULL), 400);
    next[9] = next[9] == '0' ? '1' : '0';
    (void)snprintf(path, sizeof path, API "/devices?cursor=%s", next);
    assert_int_equal(ask(world, METHOD_GET, path, NULL), 400);
    free(next);
    world_close(world);
}

/* ---- Audit ---- */

static void check_last_audit(struct world *world, const char *actor, const char *action,
                             bool refused)
{
    json_t *entry = world_last_audit(world);

    assert_string_equal(json_string_value(json_object_get(entry, "actor")), actor);
    assert_string_equal(json_string_value(json_object_get(entry, "action")), action);
    assert_string_equal(json_string_value(json_object_get(entry, "outcome")),
                        refused ? "refused" : "done");
    json_decref(entry);
}

static uint64_t entries(struct world *world)
{
    struct audit_head head;

    assert_int_equal(store_audit_head(world->db, 1, &head), ERR_OK);
    return head.seq;
}

static void deeds_and_refusals_are_recorded(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_PATCH, API "/devices/pump-01", "{\"hold\":true}"), 200);
    check_last_audit(world, "token:admin", "device.edit", false);
    assert_int_equal(
        ask_as(world, ROLE_VIEWER, METHOD_PATCH, API "/devices/pump-01", "{\"hold\":false}"), 403);
    check_last_audit(world, "token:viewer", "device.edit", true);
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-01/accept", NULL), 409);
    check_last_audit(world, "token:admin", "device.accept", true);
    assert_int_equal(enter(world, "nonsense"), 401);
    check_last_audit(world, "anonymous", "read", true);
    world_close(world);
}

static void a_flood_of_strangers_cannot_fill_the_log(void **state)
{
    struct world *world = world_open();
    uint64_t before = entries(world);
    json_t *entry;

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(enter(world, "nonsense"), 401);
    assert_in_range(entries(world), before + 1, before + 20);
    before = entries(world);
    world->now.ms += 10000;
    assert_int_equal(enter(world, "nonsense"), 401);
    assert_int_equal(entries(world), before + 1);
    entry = world_last_audit(world);
    assert_non_null(strstr(json_string_value(json_object_get(entry, "detail")), "980 more"));
    json_decref(entry);
    for (int i = 0; i < 1000; i++) /* nor can a token */
        assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, API "/tokens", NULL), 403);
    assert_in_range(entries(world), before + 1, before + 201);
    world_close(world);
}

static bool signature_good(void *self, struct span text, struct span signature, struct span key)
{
    struct world *world = self;
    struct key *public;
    bool good;

    if (key_from_raw(key, &public, NULL) != ERR_OK)
        return false;
    good = key_same(public, world->audit_key) && key_verify(public, text, signature);
    key_close(public);
    return good;
}

/* 0 when the export as it stands is good, else the line at fault. */
static uint64_t verify(struct world *world, char *export)
{
    struct audit_verifier verifier = audit_verifier_init(signature_good, world);
    char *rest = export, *line;

    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        if (audit_verify_line(&verifier, span_of(line), NULL) != ERR_OK)
            return verifier.line;
    }
    return audit_verify_end(&verifier, NULL) == ERR_OK ? 0 : verifier.line + 1;
}

static void the_export_can_be_verified(void **state)
{
    struct world *world = world_open();
    char *copy;

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-02/revoke", NULL), 204);
    assert_int_equal(ask_as(world, ROLE_OPERATOR, METHOD_GET, API "/audit/export", NULL), 200);
    assert_string_equal(world->content_type, "application/jsonl");
    copy = strdup(world->body);
    assert_int_equal(verify(world, copy), 0);
    free(copy);
    copy = strdup(world->body);
    strstr(copy, "device.revoke")[7] = 'x';
    assert_int_not_equal(verify(world, copy), 0);
    free(copy);
    world_close(world);
}

static void the_log_is_read_newest_first(void **state)
{
    struct world *world = world_open();
    json_t *json;

    (void)state;
    assert_int_equal(ask(world, METHOD_POST, API "/devices/pump-02/revoke", NULL), 204);
    assert_int_equal(ask_as(world, ROLE_OPERATOR, METHOD_GET, API "/audit?limit=2", NULL), 200);
    json = world_json(world);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(json, "items"), 0), "action")),
                        "device.revoke");
    assert_true(json_is_string(json_object_get(json, "next")));
    json_decref(json);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_shown_once_and_kept_hashed),
        cmocka_unit_test(a_token_expires),
        cmocka_unit_test(strangers_stay_outside),
        cmocka_unit_test(the_last_admin_cannot_leave),
        cmocka_unit_test(the_last_use_is_noted_to_the_minute),
        cmocka_unit_test(claims_come_and_go),
        cmocka_unit_test(keys_are_preauthorised),
        cmocka_unit_test(a_repeat_gets_the_same_reply),
        cmocka_unit_test(a_repeat_does_not_show_a_secret_again),
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(cursors_belong_to_their_list),
        cmocka_unit_test(deeds_and_refusals_are_recorded),
        cmocka_unit_test(a_flood_of_strangers_cannot_fill_the_log),
        cmocka_unit_test(the_export_can_be_verified),
        cmocka_unit_test(the_log_is_read_newest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
