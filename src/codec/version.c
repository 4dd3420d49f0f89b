#include "codec/version.h"

#include "base/limits.h"

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_word(uint8_t byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           byte == '-';
}

static struct span rest_after(struct span text, size_t size)
{
    return (struct span){text.at + size, text.size - size};
}

/* Bytes before the first of the two separators, or all. */
static size_t part_size(struct span text, uint8_t a, uint8_t b)
{
    size_t size = 0;

    while (size < text.size && text.at[size] != a && text.at[size] != b)
        size++;
    return size;
}

/* Parts separated by dots, none empty; all digits, or of word characters. */
static bool parts_valid(struct span text, bool numeric)
{
    bool empty = true;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '.') {
            if (empty)
                return false;
            empty = true;
        } else {
            if (numeric ? !is_digit(text.at[i]) : !is_word(text.at[i]))
                return false;
            empty = false;
        }
    }
    return !empty;
}

struct pieces {
    struct span core;
    struct span before; /* pre-release; `at` is NULL when there is none */
};

static bool split(struct span text, struct pieces *out)
{
    struct span tail;
    size_t size;

    if (text.size == 0 || text.size > VERSION_SIZE_MAX)
        return false;
    if (text.at[0] == 'v')
        text = rest_after(text, 1);
    size = part_size(text, '-', '+');
    out->core = (struct span){text.at, size};
    out->before = (struct span){0};
    tail = rest_after(text, size);
    if (tail.size != 0 && tail.at[0] == '-') {
        tail = rest_after(tail, 1);
        size = part_size(tail, '+', '+');
        out->before = (struct span){tail.at, size};
        if (!parts_valid(out->before, false))
            return false;
        tail = rest_after(tail, size);
    }
    if (tail.size != 0 && !parts_valid(rest_after(tail, 1), false))
        return false; /* it starts with "+" here */
    return parts_valid(out->core, true);
}

bool version_valid(struct span text)
{
    struct pieces pieces;

    return split(text, &pieces);
}

static int compare_bytes(struct span a, struct span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size != 0 ? memcmp(a.at, b.at, size) : 0;

    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

/* Of digits only; an empty one is 0. */
static int compare_numbers(struct span a, struct span b)
{
    while (a.size != 0 && a.at[0] == '0')
        a = rest_after(a, 1);
    while (b.size != 0 && b.at[0] == '0')
        b = rest_after(b, 1);
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return compare_bytes(a, b);
}

/* The next part of `text`, which then begins after it. */
static struct span take_part(struct span *text)
{
    size_t size = part_size(*text, '.', '.');
    struct span part = {text->at, size};

    *text = rest_after(*text, size < text->size ? size + 1 : size);
    return part;
}

static int compare_cores(struct span a, struct span b)
{
    while (a.size != 0 || b.size != 0) {
        int order = compare_numbers(take_part(&a), take_part(&b));

        if (order != 0)
            return order;
    }
    return 0;
}

static bool all_digits(struct span part)
{
    for (size_t i = 0; i < part.size; i++)
        if (!is_digit(part.at[i]))
            return false;
    return true;
}

/* semver.org 11.4; both are not empty. */
static int compare_pre_releases(struct span a, struct span b)
{
    while (a.size != 0 && b.size != 0) {
        struct span x = take_part(&a), y = take_part(&b);
        bool x_number = all_digits(x), y_number = all_digits(y);
        int order;

        if (x_number != y_number)
            return x_number ? -1 : 1;
        order = x_number ? compare_numbers(x, y) : compare_bytes(x, y);
        if (order != 0)
            return order;
    }
    return (a.size > 0) - (b.size > 0); /* more parts are higher */
}

int version_compare(struct span a, struct span b)
{
    struct pieces x, y;
    bool x_valid = split(a, &x), y_valid = split(b, &y);
    int order;

    if (!x_valid || !y_valid)
        return x_valid == y_valid ? compare_bytes(a, b) : x_valid - y_valid;
    order = compare_cores(x.core, y.core);
    if (order != 0)
        return order;
    if (!x.before.at || !y.before.at)
        return (y.before.at != NULL) - (x.before.at != NULL);
    return compare_pre_releases(x.before, y.before);
}
