/* /metrics is what Prometheus reads and what its naming rules ask for. A small parser of our own
 * stands in for promtool.
 *
 * Sources: the text-based exposition format 0.0.4, and "Metric and label naming", both from the
 * documentation of Prometheus. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api_world.h"

#define FAMILIES_MAX 256u
#define NAME_SIZE    96u

struct family {
    char name[NAME_SIZE], kind[16];
    unsigned samples;
    double bucket, bound; /* of the last one of a histogram */
    bool endless;         /* its bucket +Inf has been seen */
};

struct reading {
    struct family families[FAMILIES_MAX];
    size_t count;
    bool helped; /* a # HELP waits for its # TYPE */
};

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* Base units, plurals of nothing, "_total" on counters and on nothing else. */
static void check_name(const struct family *family)
{
    static const char *const units[] = {"_ms", "_us", "_milliseconds", "_microseconds", "_minutes",
                                        "_kb", "_mb", "_percent",      "_permille"};

    assert_int_equal(strncmp(family->name, "slipway_", 8), 0);
    for (const char *at = family->name; *at != '\0'; at++)
        assert_true(islower(*at) || isdigit(*at) || *at == '_');
    assert_null(strstr(family->name, "__"));
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strstr(family->name, units[i]))
            fail_msg("%s is not in a base unit", family->name);
    }
    if ((strcmp(family->kind, "counter") == 0) != ends_with(family->name, "_total"))
        fail_msg("%s is a %s", family->name, family->kind);
}

static void read_help(struct reading *reading, const char *line)
{
    struct family *family = &reading->families[reading->count];
    int used = 0;

    assert_true(reading->count < FAMILIES_MAX && !reading->helped);
    if (sscanf(line, "# HELP %95s %n", family->name, &used) != 1 || strlen(line + used) < 10)
        fail_msg("no help: %s", line);
    for (size_t i = 0; i < reading->count; i++) {
        if (strcmp(reading->families[i].name, family->name) == 0)
            fail_msg("%s comes twice", family->name);
    }
    reading->helped = true;
}

static void read_type(struct reading *reading, const char *line)
{
    struct family *family = &reading->families[reading->count];
    char name[NAME_SIZE];

    if (!reading->helped || sscanf(line, "# TYPE %95s %15s", name, family->kind) != 2 ||
        strcmp(name, family->name) != 0)
        fail_msg("a type without its help: %s", line);
    if (strcmp(family->kind, "counter") != 0 && strcmp(family->kind, "gauge") != 0 &&
        strcmp(family->kind, "histogram") != 0)
        fail_msg("no kind: %s", line);
    check_name(family);
    reading->helped = false;
    reading->count++;
}

/* {name="value",...}; returns what is behind it. `bound` gets the value of "le". */
static const char *read_labels(const char *at, char bound[32])
{
    while (*at != '}') {
        const char *name = ++at; /* behind { or , */
        size_t name_size = strspn(at, "abcdefghijklmnopqrstuvwxyz_"), size;

        at += name_size;
        assert_true(name_size > 0 && at[0] == '=' && at[1] == '"');
        at += 2;
        size = strcspn(at, "\"\\\n");
        assert_true(at[size] == '"'); /* ours need no escapes */
        if (strncmp(name, "le=", 3) == 0)
            (void)snprintf(bound, 32, "%.*s", (int)size, at);
        at += size + 1;
        assert_true(*at == ',' || *at == '}');
    }
    return at + 1;
}

/* Buckets grow, in bound and in value, up to +Inf, which is the count. */
static void check_histogram(struct family *family, const char *suffix, const char *bound,
                            double value)
{
    if (strcmp(suffix, "_bucket") == 0) {
        double limit = strtod(bound, NULL); /* "+Inf" too */

        assert_false(family->endless);
        assert_true(family->samples == 0 || limit > family->bound);
        assert_true(value >= family->bucket);
        family->bucket = value;
        family->bound = limit;
        family->endless = strcmp(bound, "+Inf") == 0;
    } else if (strcmp(suffix, "_count") == 0) {
        assert_true(family->endless && value == family->bucket);
    } else {
        assert_string_equal(suffix, "_sum");
    }
}

static void read_sample(struct reading *reading, const char *line)
{
    struct family *family;
    size_t size = strcspn(line, "{ "), name_size;
    char bound[32] = "", *end;
    const char *at = line + size;
    char name[NAME_SIZE];
    double value;

    assert_true(reading->count > 0 && !reading->helped && size < sizeof name);
    family = &reading->families[reading->count - 1];
    name_size = strlen(family->name);
    (void)snprintf(name, sizeof name, "%.*s", (int)size, line);
    if (strncmp(name, family->name, name_size) != 0)
        fail_msg("%s below %s", line, family->name);
    if (*at == '{')
        at = read_labels(at, bound);
    assert_int_equal(*at, ' ');
    value = strtod(at + 1, &end);
    if (end == at + 1 || *end != '\0')
        fail_msg("no value: %s", line);
    assert_true(value >= 0 || strcmp(family->kind, "gauge") == 0);
    if (strcmp(family->kind, "histogram") == 0)
        check_histogram(family, name + name_size, bound, value);
    else
        assert_int_equal(name[name_size], '\0');
    family->samples++;
}

static void prometheus_can_read_it(void **state)
{
    struct world *world = world_open();
    struct reading *reading = calloc(1, sizeof *reading);
    char *rest, *line;

    (void)state;
    assert_non_null(reading);
    STATS_ADD(&world->stats, engine_busy_us, 1500000);
    assert_int_equal(ask_as(world, ROLE_VIEWER, METHOD_GET, "/metrics", NULL), 200);
    assert_string_equal(world->content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(world->body[world->body_size - 1], '\n');
    assert_non_null(strstr(world->body, "\nslipway_engine_busy_seconds_total 1.500000\n"));
    world->body[world->body_size - 1] = '\0';
    rest = world->body;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, "# HELP ", 7) == 0)
            read_help(reading, line);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            read_type(reading, line);
        else
            read_sample(reading, line);
    }
    assert_true(reading->count > 30 && !reading->helped);
    for (size_t i = 0; i < reading->count; i++) {
        if (strcmp(reading->families[i].name, "slipway_metadata_expiry_seconds") != 0 &&
            strcmp(reading->families[i].name, "slipway_trust_expires_seconds") != 0)
            assert_true(reading->families[i].samples > 0);
    }
    free(reading);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(prometheus_can_read_it)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
