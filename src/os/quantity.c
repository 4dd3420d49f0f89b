#include "os/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* Read digits at `*text` and step over them. False without any, or past `max`. */
static bool take_digits(const char **text, uint64_t max, uint64_t *out)
{
    const char *at = *text;
    uint64_t value = 0;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');

        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = at;
    *out = value;
    return true;
}

enum err quantity_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    uint64_t value;

    text += negative || *text == '+';
    if (!take_digits(&text, INT64_MAX, &value) || *text != '\0')
        return ERR_INVALID;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return ERR_OK;
}

enum err quantity_size(const char *text, uint64_t *out)
{
    static const char units[] = "KMGT";
    unsigned shift = 0;
    const char *unit;
    uint64_t value;

    if (!take_digits(&text, INT64_MAX, &value))
        return ERR_INVALID;
    unit = *text ? strchr(units, *text) : NULL;
    if (unit) {
        shift = 10u * (unsigned)(unit - units + 1);
        text += text[1] == 'i' && text[2] == 'B' ? 2 : 1;
    }
    text += *text == 'B' && (!unit || text[-1] != 'B');
    if (*text != '\0' || value > (uint64_t)INT64_MAX >> shift)
        return ERR_INVALID;
    *out = value << shift;
    return ERR_OK;
}

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

enum err quantity_duration_s(const char *text, int64_t *out)
{
    uint64_t sum = 0, value;
    size_t unit = 0;

    if (strspn(text, "0123456789") == strlen(text))
        return quantity_int(text, out);
    while (*text != '\0') {
        if (!take_digits(&text, INT64_MAX, &value))
            return ERR_INVALID;
        while (unit < COUNT_OF(units) && units[unit].letter != *text)
            unit++;
        if (unit == COUNT_OF(units) ||
            value > ((uint64_t)INT64_MAX - sum) / (uint64_t)units[unit].seconds)
            return ERR_INVALID;
        sum += value * (uint64_t)units[unit].seconds;
        unit++;
        text++;
    }
    *out = (int64_t)sum;
    return ERR_OK;
}

enum err quantity_permille(const char *text, uint32_t *out)
{
    uint64_t whole, tenth = 0;

    if (!take_digits(&text, 100, &whole))
        return ERR_INVALID;
    if (*text == '.') {
        text++;
        if (*text < '0' || *text > '9')
            return ERR_INVALID;
        tenth = (uint64_t)(*text++ - '0'); /* one digit: "0.05" is not 0.5 */
    }
    text += *text == '%';
    if (*text != '\0' || whole * 10 + tenth > 1000)
        return ERR_INVALID;
    *out = (uint32_t)(whole * 10 + tenth);
    return ERR_OK;
}

const char *quantity_print_duration(int64_t seconds, char to[QUANTITY_TEXT_SIZE])
{
    uint64_t left = seconds < 0 ? 0u - (uint64_t)seconds : (uint64_t)seconds;
    size_t at = 0;

    if (seconds < 0)
        to[at++] = '-';
    if (left == 0)
        (void)snprintf(to, QUANTITY_TEXT_SIZE, "0s");
    for (size_t i = 0; i < COUNT_OF(units) && left > 0; i++) {
        uint64_t count = left / (uint64_t)units[i].seconds;

        /* Weeks only when nothing is left over: 30d, not 4w2d. */
        if (units[i].letter == 'w' && left % (uint64_t)units[i].seconds != 0)
            continue;
        left %= (uint64_t)units[i].seconds;
        if (count > 0)
            at += (size_t)snprintf(to + at, QUANTITY_TEXT_SIZE - at, "%" PRIu64 "%c", count,
                                   units[i].letter);
        CHECK(at < QUANTITY_TEXT_SIZE);
    }
    return to;
}

const char *quantity_print_size(uint64_t bytes, char to[QUANTITY_TEXT_SIZE])
{
    static const char names[] = "KMGTPE";
    unsigned power = 0;

    while (power < 6 && bytes >> (10 * power) >= 1024)
        power++;
    if (power == 0)
        (void)snprintf(to, QUANTITY_TEXT_SIZE, "%" PRIu64 " B", bytes);
    else
        (void)snprintf(to, QUANTITY_TEXT_SIZE, "%.1f %ciB",
                       (double)bytes / (double)(UINT64_C(1) << (10 * power)), names[power - 1]);
    return to;
}

const char *quantity_print_permille(uint32_t permille, char to[QUANTITY_TEXT_SIZE])
{
    if (permille % 10 == 0)
        (void)snprintf(to, QUANTITY_TEXT_SIZE, "%" PRIu32 "%%", permille / 10);
    else
        (void)snprintf(to, QUANTITY_TEXT_SIZE, "%" PRIu32 ".%" PRIu32 "%%", permille / 10,
                       permille % 10);
    return to;
}
