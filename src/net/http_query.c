#include "net/http_query.h"

#include <string.h>

#include "base/check.h"

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

enum err http_percent_decode(struct span text, bool plus, char *to, size_t to_size)
{
    size_t at = 0, made = 0;

    CHECK(to_size > 0);
    while (at < text.size) {
        int byte = text.at[at++];

        if (byte == '%') {
            int high, low;

            if (text.size - at < 2)
                return ERR_INVALID;
            high = hex_digit(text.at[at]);
            low = hex_digit(text.at[at + 1]);
            if (high < 0 || low < 0)
                return ERR_INVALID;
            byte = high * 16 + low;
            at += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        if (byte == '\0')
            return ERR_INVALID;
        if (made + 1 >= to_size)
            return ERR_TOO_BIG;
        to[made++] = (char)byte;
    }
    to[made] = '\0';
    return ERR_OK;
}

/* Cut the next "name=value" off `rest`. False at the end. */
static bool next_pair(struct span *rest, struct span *name, struct span *value)
{
    const uint8_t *end, *equals;
    size_t size;

    if (rest->size == 0)
        return false;
    end = memchr(rest->at, '&', rest->size);
    size = end ? (size_t)(end - rest->at) : rest->size;
    equals = memchr(rest->at, '=', size);
    *name = (struct span){rest->at, equals ? (size_t)(equals - rest->at) : size};
    *value = equals ? (struct span){equals + 1, size - name->size - 1}
                    : (struct span){rest->at + size, 0};
    size += end ? 1 : 0;
    rest->at += size;
    rest->size -= size;
    return true;
}

enum err http_query_text(struct span query, const char *name, char *to, size_t to_size)
{
    struct span key, value, found = {0};
    bool present = false;

    while (next_pair(&query, &key, &value)) {
        if (!span_is(key, name))
            continue;
        if (present)
            return ERR_INVALID;
        present = true;
        found = value;
    }
    if (!present)
        return ERR_NOT_FOUND;
    return http_percent_decode(found, true, to, to_size);
}

enum err http_query_uint(struct span query, const char *name, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    char text[24];
    enum err err = http_query_text(query, name, text, sizeof text);
    uint64_t value = 0;

    if (err == ERR_NOT_FOUND)
        return err;
    if (err != ERR_OK || text[0] == '\0')
        return ERR_INVALID;
    for (size_t i = 0; text[i] != '\0'; i++) {
        uint64_t digit = (uint64_t)(uint8_t)text[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return ERR_INVALID;
        value = value * 10 + digit;
    }
    if (value < min || value > max)
        return ERR_INVALID;
    *out = value;
    return ERR_OK;
}

static bool is_known(struct span name, const char *const *known)
{
    for (; *known; known++) {
        if (span_is(name, *known))
            return true;
    }
    return false;
}

enum err http_query_known(struct span query, const char *const *known, char *unknown,
                          size_t unknown_size)
{
    struct span name, value;

    CHECK(unknown_size > 0);
    while (next_pair(&query, &name, &value)) {
        if ((name.size == 0 && value.size == 0) || is_known(name, known))
            continue;
        name.size = name.size < unknown_size - 1 ? name.size : unknown_size - 1;
        if (!span_to_text(name, unknown, unknown_size))
            unknown[0] = '\0';
        return ERR_INVALID;
    }
    return ERR_OK;
}

/* Cut the next segment off; `path` stands on its '/'. */
static struct span next_segment(struct span *path)
{
    struct span segment = {path->at + 1, 0};
    const uint8_t *slash = memchr(path->at + 1, '/', path->size - 1);

    segment.size = slash ? (size_t)(slash - segment.at) : path->size - 1;
    path->at += segment.size + 1;
    path->size -= segment.size + 1;
    return segment;
}

static bool decode_segment(struct span segment, char to[HTTP_PATH_ARGUMENT_SIZE])
{
    if (segment.size == 0 ||
        http_percent_decode(segment, false, to, HTTP_PATH_ARGUMENT_SIZE) != ERR_OK)
        return false;
    if (strcmp(to, ".") == 0 || strcmp(to, "..") == 0)
        return false;
    for (size_t i = 0; to[i] != '\0'; i++) {
        uint8_t byte = (uint8_t)to[i];

        if (byte < 0x20 || byte == 0x7f || byte == '/')
            return false;
    }
    return true;
}

bool http_path_match(struct span path, const char *pattern, struct http_path_arguments *out)
{
    struct http_path_arguments found = {0};
    struct span shape = span_of(pattern);

    while (shape.size > 0 && path.size > 0 && path.at[0] == '/') {
        struct span want = next_segment(&shape), have = next_segment(&path);

        if (want.size > 0 && want.at[0] == '{') {
            CHECK(found.count < HTTP_PATH_ARGUMENTS_MAX);
            if (!decode_segment(have, found.text[found.count++]))
                return false;
        } else if (!span_equal(want, have)) {
            return false;
        }
    }
    if (shape.size > 0 || path.size > 0)
        return false;
    *out = found;
    return true;
}
