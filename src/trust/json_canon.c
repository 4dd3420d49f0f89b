#include "trust/json_canon.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"

/* Where a walk through nested values is: an array or object, and its next member. */
struct level {
    const json_t *container;
    const char **keys; /* sorted names of an object's members; NULL in an array */
    size_t next, count;
};

struct walk {
    struct level levels[JSON_DEPTH_MAX];
    size_t depth;
    bool only_looks; /* nothing is written, and so nothing sorted */
    uint8_t *at;     /* what was written */
    size_t size, room;
};

static void put(struct walk *walk, const void *bytes, size_t size)
{
    if (walk->only_looks)
        return;
    if (size > walk->room - walk->size) {
        walk->room = 2 * (walk->room + size) + 256;
        walk->at = realloc(walk->at, walk->room);
        CHECK(walk->at);
    }
    memcpy(walk->at + walk->size, bytes, size);
    walk->size += size;
}

static void put_char(struct walk *walk, char c)
{
    put(walk, &c, 1);
}

static void put_string(struct walk *walk, const char *text, size_t size)
{
    size_t done = 0; /* up to here it is put */

    put_char(walk, '"');
    for (size_t i = 0; i < size && !walk->only_looks; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            put(walk, text + done, i - done);
            put_char(walk, '\\');
            done = i;
        }
    }
    put(walk, text + done, size - done);
    put_char(walk, '"');
}

static void put_integer(struct walk *walk, json_int_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRId64, (int64_t)value);

    put(walk, digits, (size_t)size);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the members in the order of their bytes, which is that of code points. */
static const char **sorted_keys(const struct walk *walk, const json_t *object)
{
    size_t count = json_object_size(object), at = 0;
    const char **keys = calloc(count + 1, sizeof *keys);

    CHECK(keys);
    for (void *i = json_object_iter((json_t *)(uintptr_t)object); i;
         i = json_object_iter_next((json_t *)(uintptr_t)object, i))
        keys[at++] = json_object_iter_key(i);
    if (!walk->only_looks)
        qsort(keys, count, sizeof *keys, compare_keys);
    return keys;
}

static enum err enter(struct walk *walk, const json_t *container, struct why *why)
{
    struct level *level = &walk->levels[walk->depth];

    if (walk->depth == JSON_DEPTH_MAX)
        return say(why, ERR_CORRUPT, NULL, "nests deeper than %u levels", JSON_DEPTH_MAX);
    walk->depth++;
    *level = (struct level){.container = container};
    if (json_is_object(container)) {
        level->keys = sorted_keys(walk, container);
        level->count = json_object_size(container);
    } else {
        level->count = json_array_size(container);
    }
    put_char(walk, level->keys ? '{' : '[');
    return ERR_OK;
}

static void leave(struct walk *walk)
{
    struct level *level = &walk->levels[--walk->depth];

    put_char(walk, level->keys ? '}' : ']');
    free(level->keys);
}

static enum err put_value(struct walk *walk, const json_t *value, struct why *why)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return enter(walk, value, why);
    case JSON_STRING:
        put_string(walk, json_string_value(value), json_string_length(value));
        return ERR_OK;
    case JSON_INTEGER:
        put_integer(walk, json_integer_value(value));
        return ERR_OK;
    case JSON_TRUE:
        put(walk, "true", 4);
        return ERR_OK;
    case JSON_FALSE:
        put(walk, "false", 5);
        return ERR_OK;
    case JSON_NULL:
        put(walk, "null", 4);
        return ERR_OK;
    case JSON_REAL:
    default:
        return say(why, ERR_CORRUPT, NULL, "holds a number that is not a 64-bit integer");
    }
}

/* One member of the innermost container, or its end. */
static enum err step(struct walk *walk, struct why *why)
{
    struct level *level = &walk->levels[walk->depth - 1];
    const json_t *value;

    if (level->next == level->count) {
        leave(walk);
        return ERR_OK;
    }
    if (level->next > 0)
        put_char(walk, ',');
    if (level->keys) {
        const char *key = level->keys[level->next];

        put_string(walk, key, strlen(key));
        put_char(walk, ':');
        value = json_object_get(level->container, key);
    } else {
        value = json_array_get(level->container, level->next);
    }
    level->next++;
    return put_value(walk, value, why);
}

static enum err go_through(struct walk *walk, const json_t *json, struct why *why)
{
    enum err err = put_value(walk, json, why);

    while (err == ERR_OK && walk->depth > 0)
        err = step(walk, why);
    while (walk->depth > 0)
        free(walk->levels[--walk->depth].keys);
    return err;
}

enum err json_canonical(const json_t *json, struct tuf_bytes *out, struct why *why)
{
    struct walk walk = {0};
    enum err err = go_through(&walk, json, why);

    if (err != ERR_OK) {
        free(walk.at);
        return err;
    }
    *out = (struct tuf_bytes){.at = walk.at, .size = walk.size};
    return ERR_OK;
}

enum err json_read(struct span text, json_t **out, struct why *why)
{
    struct walk look = {.only_looks = true};
    json_error_t error;
    json_t *json;
    enum err err;

    json = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        return say(why, ERR_CORRUPT, NULL, "line %d, column %d: %s", error.line, error.column,
                   error.text);
    err = go_through(&look, json, why);
    if (err != ERR_OK) {
        json_decref(json);
        return err;
    }
    *out = json;
    return ERR_OK;
}
