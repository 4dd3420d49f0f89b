/* Bad input in every endpoint: whatever is wrong with a body, the answer is a problem document with
 * a sentence, and not one row of the database has changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api_openapi.h"
#include "server/api_world.h"

#define DEPTH 100000u /* brackets; a parser that recurses without a limit dies of it */

static void path_of(const struct api_route *route, char *to, size_t size)
{
    const char *pattern = route->pattern;
    size_t used = 0;

    while (*pattern != '\0') {
        const char *value = strncmp(pattern, "{name}", 6) == 0      ? "pump-01"
                            : strncmp(pattern, "{release}", 9) == 0 ? "pump@1.1.0"
                            : strncmp(pattern, "{rollout}", 9) == 0 ? "june"
                            : strncmp(pattern, "{sha256}", 8) == 0
                                ? "0000000000000000000000000000000000000000000000000000000000000000"
                            : *pattern == '{' ? "1"
                                              : NULL;

        assert_true(used + 80 < size);
        if (value) {
            used += (size_t)snprintf(to + used, size - used, "%s", value);
            pattern = strchr(pattern, '}') + 1;
        } else {
            to[used++] = *pattern++;
        }
    }
    to[used] = '\0';
}

static void check_problem(const struct world *world, unsigned want)
{
    json_t *json = world_json(world);
    const char *detail = json_string_value(json_object_get(json, "detail"));

    assert_string_equal(world->content_type, "application/problem+json");
    assert_int_equal(json_integer_value(json_object_get(json, "status")), want);
    assert_non_null(json_string_value(json_object_get(json, "type")));
    assert_non_null(json_string_value(json_object_get(json, "title")));
    assert_non_null(detail);
    assert_true(strlen(detail) > 10);
    json_decref(json);
}

/* A rollout to steer, so that it is the body that is refused and not its absence. */
static void make_rollout(struct world *world)
{
    static const char body[] = "{\"name\":\"june\",\"release\":\"pump@1.1.0\",\"selector\":"
                               "\"hw = a\",\"stages\":[{\"percent\":100}]}";

    if (ask_as(world, ROLE_OPERATOR, METHOD_POST, "/api/v1/rollouts", body) != 201)
        fail_msg("%s", world->body);
}

static void refuse(struct world *world, const struct api_route *route, struct span body)
{
    char path[256], before[DIGEST_HEX_SIZE], after[DIGEST_HEX_SIZE];
    struct question question = {
        .method = route->method, .path = path, .secret = world->secrets[ROLE_ADMIN], .body = body};
    bool audit = route->permission != PERMISSION_RELEASE_PUBLISH; /* its failures are entries */
    unsigned status;

    path_of(route, path, sizeof path);
    world_fingerprint(world, audit, before);
    status = world_ask(world, &question);
    world_fingerprint(world, audit, after);
    if (status != 400)
        fail_msg("%s with %.60s: %u %.200s", route->operation, (const char *)body.at, status,
                 world->body);
    check_problem(world, 400);
    assert_string_equal(before, after);
}

static void malformed_bodies_everywhere(void **state)
{
    static const char *const texts[] = {
        "{",
        "{\"name\":",
        "{\"name\":\"a\"",
        "[]",
        "[1,2]",
        "null",
        "7",
        "\"text\"",
        "{\"a\":1,\"a\":2}",
        "{} {}",
        "{}x",
        "{\"a\":1e999}",
        "{\"a\":99999999999999999999999999}",
        "{\"a\":-99999999999999999999999999}",
        "{\"a\":\"\\u0000\"}",
        "{\"\\u0000\":1}",
        "{\"a\":\"\xff\xfe\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\\ud800\"}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"no_such_field\":1}",
        "\xef\xbb\xbf{}",
    };
    static char deep[DEPTH + 8] = "{\"a\":";
    struct world *world = world_open();
    size_t count;
    const struct api_route *routes = api_routes(&count);

    (void)state;
    memset(deep + 5, '[', DEPTH);
    make_rollout(world);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < COUNT_OF(texts); k++)
            refuse(world, &routes[i], span_of(texts[k]));
        refuse(world, &routes[i], SPAN_LITERAL("{\"a\":\"b\0c\"}"));
        refuse(world, &routes[i], SPAN_LITERAL("\0"));
        refuse(world, &routes[i], span_of(deep));
    }
    world_close(world);
}

/* ---- Every field of every example, with every wrong type ---- */

static json_t *example_of(json_t *document, const struct api_route *route)
{
    static const char *const names[] = {
        [METHOD_GET] = "get",     [METHOD_POST] = "post",     [METHOD_PUT] = "put",
        [METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete", [METHOD_OTHER] = "?"};
    json_t *at = json_object_get(json_object_get(document, "paths"), route->pattern);
    static const char *const down[] = {"requestBody", "content", "application/json", "example"};

    at = json_object_get(at, names[route->method]);
    for (size_t i = 0; i < COUNT_OF(down); i++)
        at = json_object_get(at, down[i]);
    return at;
}

static bool same_kind(const json_t *a, const json_t *b)
{
    return json_typeof(a) == json_typeof(b) || (json_is_boolean(a) && json_is_boolean(b)) ||
           (json_is_number(a) && json_is_number(b));
}

/* Put `wrong` in place of each value below `at`, in turn, and send the whole. */
static void spoil(struct world *world, const struct api_route *route, json_t *whole, json_t *at,
                  json_t *wrong);

static void send_spoilt(struct world *world, const struct api_route *route, json_t *whole)
{
    char *text = json_dumps(whole, JSON_COMPACT);

    assert_non_null(text);
    refuse(world, route, span_of(text));
    free(text);
}

static void spoil_object(struct world *world, const struct api_route *route, json_t *whole,
                         json_t *at, json_t *wrong)
{
    json_t *names = json_array(), *name;
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(at, key, value)(void) json_array_append_new(names, json_string(key));
    json_array_foreach(names, i, name)
    {
        json_t *right = json_incref(json_object_get(at, json_string_value(name)));

        if (!same_kind(right, wrong)) {
            (void)json_object_set(at, json_string_value(name), wrong);
            send_spoilt(world, route, whole);
            (void)json_object_set(at, json_string_value(name), right);
        }
        spoil(world, route, whole, right, wrong);
        json_decref(right);
    }
    json_decref(names);
}

static void spoil(struct world *world, const struct api_route *route, json_t *whole, json_t *at,
                  json_t *wrong)
{
    if (json_is_object(at)) {
        spoil_object(world, route, whole, at, wrong);
        return;
    }
    for (size_t i = 0; i < json_array_size(at); i++) { /* 0 for what is no array */
        json_t *right = json_incref(json_array_get(at, i));

        if (!same_kind(right, wrong)) {
            (void)json_array_set(at, i, wrong);
            send_spoilt(world, route, whole);
            (void)json_array_set(at, i, right);
        }
        spoil(world, route, whole, right, wrong);
        json_decref(right);
    }
}

static void wrong_types_in_every_field(void **state)
{
    json_t *wrong[] = {json_null(),        json_true(),  json_integer(-1), json_real(1.5e300),
                       json_string("x\n"), json_array(), json_object(),    json_string("\x01")};
    struct span text = api_openapi_document();
    json_t *document = json_loadb((const char *)text.at, text.size, 0, NULL);
    struct world *world = world_open();
    size_t count, spoilt = 0;
    const struct api_route *routes = api_routes(&count);

    (void)state;
    make_rollout(world);
    for (size_t i = 0; i < count; i++) {
        json_t *example = example_of(document, &routes[i]);

        for (size_t k = 0; example && k < COUNT_OF(wrong); k++, spoilt++)
            spoil(world, &routes[i], example, example, wrong[k]);
    }
    assert_true(spoilt > 80);
    for (size_t k = 0; k < COUNT_OF(wrong); k++)
        json_decref(wrong[k]);
    world_close(world);
    json_decref(document);
}

/* ---- Bounds, names, meanings: field and sentence ---- */

struct fault {
    enum exchange_method method;
    const char *path, *body, *field;
};

static const struct fault faults[] = {
    {METHOD_PATCH, "devices/pump-01", "{}", NULL},
    {METHOD_PATCH, "devices/pump-01", "{\"tags\":[\"a b\"]}", "tags[0]"},
    {METHOD_PATCH, "devices/pump-01", "{\"tags\":[\"a\",\"\"]}", "tags[1]"},
    {METHOD_PATCH, "devices/pump-01", "{\"utc_offset_min\":841}", "utc_offset_min"},
    {METHOD_PATCH, "devices/pump-01", "{\"name\":\"other\"}", "name"},
    {METHOD_POST, "claims", "{\"expires_in_s\":59}", "expires_in_s"},
    {METHOD_POST, "claims", "{\"expires_in_s\":60.5}", "expires_in_s"},
    {METHOD_POST, "claims", "{\"device\":\"../x\"}", "device"},
    {METHOD_POST, "tokens", "{\"name\":\"x\",\"role\":\"root\"}", "role"},
    {METHOD_POST, "tokens", "{\"role\":\"viewer\"}", "name"},
    {METHOD_POST, "devices/preauthorize", "{\"devices\":[]}", "devices"},
    {METHOD_POST, "devices/preauthorize", "{\"devices\":[{\"name\":\"a\"}]}",
     "devices[0].key_sha256"},
    {METHOD_POST, "devices/preauthorize", "{\"devices\":[{\"name\":\"a\",\"key_sha256\":\"AA\"}]}",
     "devices[0].key_sha256"},
    {METHOD_POST, "selectors/check", "{\"selector\":\"hw =\"}", "selector"},
    {METHOD_POST, "selectors/check", "{\"selector\":\"\"}", "selector"},
    {METHOD_PUT, "groups/a%20b/devices/pump-01", NULL, "group"},
    {METHOD_GET, "devices?limit=0", NULL, "limit"},
    {METHOD_GET, "devices?limit=1001", NULL, "limit"},
    {METHOD_GET, "devices?limit=1&limit=2", NULL, "limit"},
    {METHOD_GET, "devices?status=happy", NULL, "status"},
    {METHOD_GET, "devices?selector=%zz", NULL, "selector"},
    {METHOD_GET, "devices?selector=hw", NULL, "selector"},
    {METHOD_GET, "devices?cursor=00", NULL, "cursor"},
    {METHOD_GET, "audit?cursor=%00", NULL, "cursor"},
    {METHOD_GET, "rollouts?state=lost", NULL, "state"},
    {METHOD_GET, "blobs/ABC", NULL, "sha256"},
    {METHOD_POST, "rollouts/june/start", "{\"reason\":7}", "reason"},
};

static void faults_name_their_field(void **state)
{
    struct world *world = world_open();

    (void)state;
    make_rollout(world);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        char path[256];
        const char *field;
        json_t *json;

        (void)snprintf(path, sizeof path, "/api/v1/%s", faults[i].path);
        if (ask(world, faults[i].method, path, faults[i].body) != 400)
            fail_msg("%s %s: %s", path, faults[i].body, world->body);
        check_problem(world, 400);
        json = world_json(world);
        field = json_string_value(json_object_get(json, "field"));
        if (faults[i].field && (!field || strcmp(field, faults[i].field) != 0))
            fail_msg("%s %s: field %s, not %s", path, faults[i].body, field ? field : "none",
                     faults[i].field);
        json_decref(json);
    }
    world_close(world);
}

/* A whole rollout with one member replaced. */
static const struct {
    const char *member, *field;
} drafts[] = {
    {"\"name\":\"7\"", "name"},
    {"\"name\":\"a/b\"", "name"},
    {"\"release\":\"pump\"", "release"},
    {"\"release\":\"pump@9\"", "release"},
    {"\"selector\":\"(hw = a\"", "selector"},
    {"\"stages\":[]", "stages"},
    {"\"stages\":[{}]", "stages[0].percent"},
    {"\"stages\":[{\"percent\":10,\"count\":1}]", "stages[0].percent"},
    {"\"stages\":[{\"percent\":10},{\"percent\":101}]", "stages[1].percent"},
    {"\"stages\":[{\"percent\":10},{\"percent\":0}]", "stages[1].percent"},
    {"\"stages\":[{\"percent\":10.25}]", "stages[0].percent"},
    {"\"stages\":[{\"percent\":50},{\"percent\":10}]", "stages[1].percent"},
    {"\"stages\":[{\"percent\":10,\"failure_percnt\":1}]", "stages[0].failure_percnt"},
    {"\"stages\":[{\"count\":1,\"soak_s\":-1}]", "stages[0].soak_s"},
    {"\"stages\":[7]", "stages[0]"},
    {"\"deadline_s\":0", "deadline_s"},
    {"\"retry_limit\":11", "retry_limit"},
    {"\"window\":{\"days\":[\"mon\"],\"start\":\"24:00\",\"duration_s\":60}", "window.start"},
    {"\"window\":{\"days\":[\"monday\"],\"start\":\"02:00\",\"duration_s\":60}", "window.days"},
    {"\"window\":{\"days\":[\"mon\"],\"start\":\"02:00\",\"duration_s\":1}", "window.duration_s"},
    {"\"window\":{\"days\":[\"mon\"],\"start\":\"02:00\"}", "window.duration_s"},
    {"\"start_at\":\"tomorrow\"", "start_at"},
    {"\"start_at\":\"2030-01-01T00:00:00Z\",\"end_at\":\"2029-01-01T00:00:00Z\"", "end_at"},
    {"\"confirm_count\":-1", "confirm_count"},
    {"\"dry_run\":\"yes\"", "dry_run"},
};

static void drafts_name_their_field(void **state)
{
    struct world *world = world_open();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(drafts); i++) {
        json_t *request = json_pack("{s:s, s:s, s:s, s:[{s:i}]}", "name", "june", "release",
                                    "pump@1.1.0", "selector", "hw = a", "stages", "percent", 100);
        char member[256], *text;
        json_t *change, *json;

        (void)snprintf(member, sizeof member, "{%s}", drafts[i].member);
        change = json_loads(member, 0, NULL);
        assert_non_null(change);
        (void)json_object_update(request, change);
        text = json_dumps(request, JSON_COMPACT);
        if (ask(world, METHOD_POST, "/api/v1/rollouts", text) != 400)
            fail_msg("%s: %u %s", text, world->status, world->body);
        json = world_json(world);
        if (strcmp(json_string_value(json_object_get(json, "field")), drafts[i].field) != 0)
            fail_msg("%s: %s", drafts[i].member, world->body);
        free(text);
        json_decref(json);
        json_decref(change);
        json_decref(request);
    }
    world_close(world);
}

static void other_media_types(void **state)
{
    struct world *world = world_open();
    struct question question = {.method = METHOD_POST,
                                .path = "/api/v1/tokens",
                                .secret = world->secrets[ROLE_ADMIN],
                                .body = SPAN_LITERAL("{\"name\":\"x\",\"role\":\"viewer\"}"),
                                .content_type = "text/plain"};

    (void)state;
    assert_int_equal(world_ask(world, &question), 415);
    question.content_type = "application/json; charset=utf-8";
    assert_int_equal(world_ask(world, &question), 201);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_bodies_everywhere), cmocka_unit_test(wrong_types_in_every_field),
        cmocka_unit_test(faults_name_their_field),     cmocka_unit_test(drafts_name_their_field),
        cmocka_unit_test(other_media_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
