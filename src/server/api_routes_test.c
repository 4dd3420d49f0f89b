/* The route table and docs/spec/openapi.json say the same, both ways; and every route, with every
 * role, does what it says about roles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api_openapi.h"
#include "server/api_world.h"

static const char *method_name(enum exchange_method method)
{
    switch (method) {
    case METHOD_GET:
        return "get";
    case METHOD_POST:
        return "post";
    case METHOD_PUT:
        return "put";
    case METHOD_PATCH:
        return "patch";
    case METHOD_DELETE:
        return "delete";
    case METHOD_OTHER:
        break;
    }
    return "?";
}

static json_t *document(void)
{
    struct span text = api_openapi_document();
    json_error_t error;
    json_t *json = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        fail_msg("openapi.json line %d: %s", error.line, error.text);
    return json;
}

static json_t *operation_of(json_t *document, const struct api_route *route)
{
    json_t *path = json_object_get(json_object_get(document, "paths"), route->pattern);

    return json_object_get(path, method_name(route->method));
}

static void every_route_is_described(void **state)
{
    json_t *json = document();
    size_t count;
    const struct api_route *routes = api_routes(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct api_route *route = &routes[i];
        json_t *operation = operation_of(json, route);
        const char *role =
            (route->flags & ROUTE_OPEN) ? "none" : role_name(access_least_role(route->permission));

        if (!operation)
            fail_msg("%s %s is not described", method_name(route->method), route->pattern);
        assert_string_equal(json_string_value(json_object_get(operation, "operationId")),
                            route->operation);
        if (strcmp(json_string_value(json_object_get(operation, "x-role")), role) != 0)
            fail_msg("%s needs x-role %s", route->operation, role);
    }
    json_decref(json);
}

static const struct api_route *find(const char *operation)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(routes[i].operation, operation) == 0)
            return &routes[i];
    }
    return NULL;
}

static void every_description_has_a_route(void **state)
{
    json_t *json = document(), *path, *operation;
    const char *pattern, *method;
    size_t described = 0, count;

    (void)state;
    (void)api_routes(&count);
    json_object_foreach(json_object_get(json, "paths"), pattern, path)
    {
        json_object_foreach(path, method, operation)
        {
            const char *id = json_string_value(json_object_get(operation, "operationId"));
            const struct api_route *route;

            if (strcmp(method, "head") == 0) /* every GET answers HEAD */
                continue;
            route = find(id);
            if (!route)
                fail_msg("%s has no route", id);
            assert_string_equal(route->pattern, pattern);
            assert_string_equal(method_name(route->method), method);
            described++;
        }
    }
    assert_int_equal(described, count);
    json_decref(json);
}

/* {"$ref":"#/components/parameters/limit"} to the parameter itself. */
static json_t *resolve(json_t *document, json_t *parameter)
{
    const char *ref = json_string_value(json_object_get(parameter, "$ref"));
    json_t *components = json_object_get(document, "components");

    assert_non_null(ref);
    return json_object_get(json_object_get(components, "parameters"), strrchr(ref, '/') + 1);
}

static bool knows(const struct api_route *route, const char *name)
{
    for (const char *const *at = route->query; at && *at; at++) {
        if (strcmp(*at, name) == 0)
            return true;
    }
    return false;
}

static void parameters_are_the_same(void **state)
{
    json_t *json = document(), *reference;
    size_t count, index;
    const struct api_route *routes = api_routes(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const struct api_route *route = &routes[i];
        json_t *list = json_object_get(operation_of(json, route), "parameters");
        size_t described = 0, known = 0;
        bool if_match = false;

        json_array_foreach(list, index, reference)
        {
            json_t *parameter = resolve(json, reference);
            const char *name = json_string_value(json_object_get(parameter, "name"));
            const char *in = json_string_value(json_object_get(parameter, "in"));

            if_match |= strcmp(name, "If-Match") == 0;
            if (strcmp(in, "query") != 0)
                continue;
            described++;
            if (!knows(route, name))
                fail_msg("%s does not know the parameter %s", route->operation, name);
        }
        for (const char *const *at = route->query; at && *at; at++)
            known++;
        assert_int_equal(described, known);
        assert_int_equal(if_match, (route->flags & ROUTE_IF_MATCH) != 0);
        assert_int_equal(json_object_get(operation_of(json, route), "requestBody") != NULL,
                         (route->flags & (ROUTE_JSON | ROUTE_BYTES)) != 0);
    }
    json_decref(json);
}

/* ---- Roles ---- */

/* The pattern with things that are there (or are not: 404 is as good a proof of entry). */
static void path_of(const struct world *world, const char *pattern, char *to, size_t size)
{
    size_t used = 0;

    while (*pattern != '\0') {
        const char *value = NULL;

        if (strncmp(pattern, "{name}", 6) == 0)
            value = "pump-01";
        else if (strncmp(pattern, "{sha256}", 8) == 0)
            value = world->blob;
        else if (strncmp(pattern, "{release}", 9) == 0)
            value = "pump@1.1.0";
        else if (*pattern == '{')
            value = "999"; /* not the caller's own token */
        if (value) {
            used += (size_t)snprintf(to + used, size - used, "%s", value);
            pattern = strchr(pattern, '}') + 1;
        } else {
            to[used++] = *pattern++;
        }
        assert_true(used < size);
    }
    to[used] = '\0';
}

static void check_role(struct world *world, const struct api_route *route, int role)
{
    char path[256];
    struct question question = {.method = route->method, .path = path};
    unsigned status;

    path_of(world, route->pattern, path, sizeof path);
    if (role >= 0)
        question.secret = world->secrets[role];
    status = world_ask(world, &question);
    if (route->flags & ROUTE_OPEN)
        assert_true(status == 200);
    else if (role < 0)
        assert_int_equal(status, 401);
    else if (!access_allows((enum role)role, route->permission))
        assert_int_equal(status, 403);
    else if (status == 401 || status == 403 || status >= 500)
        fail_msg("%s as %s: %u %s", route->operation, role_name((enum role)role), status,
                 world->body);
    if (status >= 400)
        assert_string_equal(world->content_type, "application/problem+json");
}

static void every_route_with_every_role(void **state)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);

    struct world *world = world_open();

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (int role = -1; role < (int)ROLE_COUNT; role++)
            check_role(world, &routes[i], role);
    }
    world_close(world);
}

static void unknown_paths_and_methods(void **state)
{
    struct world *world = world_open();

    (void)state;
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/nothing", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/devices/", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/devices/..", NULL), 404);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/devices/a%2Fb", NULL), 404);
    assert_int_equal(ask(world, METHOD_DELETE, "/api/v1/devices", NULL), 405);
    assert_int_equal(ask(world, METHOD_OTHER, "/api/v1/devices", NULL), 405);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/devices?color=red", NULL), 400);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/whoami?limit=1", NULL), 400);
    assert_int_equal(ask(world, METHOD_GET, "/api/v1/openapi.json", NULL), 200);
    assert_int_equal(world->body_size, api_openapi_document().size);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_description_has_a_route),
        cmocka_unit_test(parameters_are_the_same),
        cmocka_unit_test(every_route_with_every_role),
        cmocka_unit_test(unknown_paths_and_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
