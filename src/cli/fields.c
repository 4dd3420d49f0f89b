#include "cli/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

const char *field_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

int64_t field_int(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

bool field_bool(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

const char *field_joined(const json_t *object, const char *name, char *to, size_t size)
{
    const json_t *array = json_object_get(object, name);
    size_t at = 0;

    to[0] = '\0';
    for (size_t i = 0; i < json_array_size(array) && at + 1 < size; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        int wrote = snprintf(to + at, size - at, "%s%s", i ? ", " : "", text ? text : "");

        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return to;
}

const char *field_age(const char *at, int64_t now_s, char to[AGE_SIZE])
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    struct utc utc;
    int64_t age;

    if (!utc_parse(span_of(at), &utc)) {
        (void)snprintf(to, AGE_SIZE, "-");
        return to;
    }
    age = now_s - utc.ms / 1000;
    (void)snprintf(to, AGE_SIZE, "now");
    for (size_t i = 0; i < COUNT_OF(units) && age > 0; i++) {
        /* Up to two of a unit, the smaller one says more: 90s, 47h. */
        if (age >= 2 * units[i].seconds || units[i].seconds == 1) {
            (void)snprintf(to, AGE_SIZE, "%" PRId64 "%c", age / units[i].seconds, units[i].unit);
            break;
        }
    }
    return to;
}
