/* Lists of the management API end where they end, and what is too long for memory comes in pages
 * that belong together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/audit.h"
#include "server/api_world.h"

#define API "/api/v1"

/* ---- Lists ---- */

static const char *const lists[] = {
    API "/devices?",
    API "/devices?selector=hw%20=%20b&",
    API "/devices?status=active&",
    API "/devices/pump-01/history?",
    API "/claims?",
    API "/groups?",
    API "/releases?",
    API "/rollouts?",
    API "/rollouts?state=running&",
    API "/rollouts/june/devices?",
    API "/rollouts/june/devices?state=assigned&",
    API "/audit?",
    API "/tokens?",
};

static void furnish(struct world *world)
{
    static const char *const names[] = {"june", "july", "june-2", "july-2"};
    char text[256];

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(text, sizeof text,
                       "{\"name\":\"%s\",\"release\":\"pump@1.1.0\",\"selector\":\"hw = a\","
                       "\"stages\":[{\"percent\":100}]}",
                       names[i]);
        if (ask(world, METHOD_POST, API "/rollouts", text) != 201)
            fail_msg("%s", world->body);
        (void)snprintf(text, sizeof text, API "/groups/g%zu/devices/pump-01", i);
        assert_int_equal(ask(world, METHOD_PUT, text, NULL), 204);
        assert_int_equal(ask(world, METHOD_POST, API "/claims", "{}"), 201);
        (void)snprintf(text, sizeof text, "{\"name\":\"t%zu\",\"role\":\"viewer\"}", i);
        assert_int_equal(ask(world, METHOD_POST, API "/tokens", text), 201);
    }
    assert_int_equal(ask(world, METHOD_DELETE, API "/tokens/8", NULL), 204); /* the last one */
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text, API "/rollouts/%s/start", names[i]);
        assert_int_equal(ask(world, METHOD_POST, text, "{}"), 200);
    }
}

/* One page; its number of items, and what comes next (to be freed) or NULL. */
static size_t get_page(struct world *world, const char *path, char **next)
{
    const json_t *token;
    json_t *json;
    size_t count;

    if (ask(world, METHOD_GET, path, NULL) != 200)
        fail_msg("%s: %s", path, world->body);
    json = world_json(world);
    count = json_array_size(json_object_get(json, "items"));
    token = json_object_get(json, "next");
    assert_true(json_is_null(token) || json_is_string(token));
    *next = json_is_string(token) ? strdup(json_string_value(token)) : NULL;
    json_decref(json);
    return count;
}

static void check_list(struct world *world, const char *list)
{
    char path[512], *next;
    size_t all;

    (void)snprintf(path, sizeof path, "%slimit=1000", list);
    all = get_page(world, path, &next);
    assert_null(next);
    if (all == 0)
        return;
    (void)snprintf(path, sizeof path, "%slimit=%zu", list, all);
    assert_int_equal(get_page(world, path, &next), all);
    if (next)
        fail_msg("%s has an empty page at its end", list);
    if (all == 1)
        return;
    (void)snprintf(path, sizeof path, "%slimit=%zu", list, all - 1);
    assert_int_equal(get_page(world, path, &next), all - 1);
    assert_non_null(next);
    (void)snprintf(path, sizeof path, "%slimit=%zu&cursor=%s", list, all - 1, next);
    free(next);
    assert_int_equal(get_page(world, path, &next), 1);
    assert_null(next);
}

static void lists_end_with_their_last_item(void **state)
{
    struct world *world = world_open();
    char path[512], *next;

    (void)state;
    furnish(world);
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        check_list(world, lists[i]);
    /* and the table above is about something */
    (void)snprintf(path, sizeof path, "%slimit=1000", API "/devices?selector=hw%20=%20b&");
    assert_int_equal(get_page(world, path, &next), 5);
    assert_int_equal(get_page(world, API "/rollouts?state=running", &next), 2);
    assert_int_equal(get_page(world, API "/groups", &next), 4);
    assert_int_equal(get_page(world, API "/tokens", &next), 7);
    world_close(world);
}

static void selectors_say_where_everywhere(void **state)
{
    struct world *world = world_open();
    json_t *json;

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, API "/devices?selector=hw%20=", NULL), 400);
    json = world_json(world);
    assert_string_equal(json_string_value(json_object_get(json, "field")), "selector");
    assert_int_equal(json_integer_value(json_object_get(json, "column")), 5);
    assert_string_equal(json_string_value(json_object_get(json, "title")), "Invalid request");
    json_decref(json);
    world_close(world);
}

static void problems_are_json_whatever_was_asked_for(void **state)
{
    struct world *world = world_open();
    json_t *json;

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, API "/devices/a%FF%22b", NULL), 404);
    json = world_json(world);
    assert_string_equal(json_string_value(json_object_get(json, "detail")),
                        "there is no device a\xef\xbf\xbd\"b");
    json_decref(json);
    world_close(world);
}

/* ---- The export ---- */

static bool signature_good(void *self, struct span public, struct span message,
                           struct span signature)
{
    (void)self;
    (void)public;
    (void)message;
    return signature.size > 0;
}

/* How many entries the export has; fails the test unless it verifies. */
static uint64_t verify(const struct world *world)
{
    struct audit_verifier verifier = audit_verifier_init(signature_good, NULL);
    char *copy = strdup(world->body), *rest = copy, *line;
    uint64_t lines = 0;

    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        assert_int_equal(audit_verify_line(&verifier, span_of(line), NULL), ERR_OK);
        lines++;
    }
    assert_int_equal(audit_verify_end(&verifier, NULL), ERR_OK);
    free(copy);
    return lines - 1; /* the head */
}

static void add_entries(struct world *world, uint32_t count)
{
    const struct deed deed = {.tenant = 1, .actor = "server", .action = "test.write"};

    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(app_audit(&world->app, world->now, &deed), ERR_OK);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
}

/* What is written while an export is under way is not in it, and does not spoil it. */
static void add_one(struct world *world)
{
    add_entries(world, 1);
}

static void exports_come_in_pages_that_belong_together(void **state)
{
    struct world *world = world_open();
    uint64_t before;

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, API "/audit/export", NULL), 200);
    assert_int_equal(world->pages, 0);
    before = verify(world);
    add_entries(world, 5000);
    world->between_pages = add_one;
    assert_int_equal(ask(world, METHOD_GET, API "/audit/export", NULL), 200);
    assert_in_range(world->pages, 5, 100);
    assert_int_equal(verify(world), before + 5000);
    world->between_pages = NULL;
    before += 5000 + world->pages;
    assert_int_equal(ask(world, METHOD_GET, API "/audit/export", NULL), 200);
    assert_int_equal(verify(world), before);
    world_close(world);
}

/* Each page is asked for by the same token, which may have gone meanwhile. */
static void revoke_operator(struct world *world)
{
    assert_int_equal(app_begin(&world->app, NULL), ERR_OK);
    assert_int_equal(
        account_token_revoke(&world->app, 1, ROLE_OPERATOR + 1, "test", world->now, NULL), ERR_OK);
    assert_int_equal(app_commit(&world->app, NULL), ERR_OK);
    app_settled(&world->app, true);
    world->between_pages = NULL;
}

static void exports_end_with_their_token(void **state)
{
    struct world *world = world_open();

    (void)state;
    add_entries(world, 3000);
    world->between_pages = revoke_operator;
    assert_int_equal(ask_as(world, ROLE_OPERATOR, METHOD_GET, API "/audit/export", NULL), 401);
    assert_null(strstr(world->body, "test.write"));
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_end_with_their_last_item),
        cmocka_unit_test(selectors_say_where_everywhere),
        cmocka_unit_test(problems_are_json_whatever_was_asked_for),
        cmocka_unit_test(exports_come_in_pages_that_belong_together),
        cmocka_unit_test(exports_end_with_their_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
