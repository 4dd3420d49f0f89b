#include "net/http_range.h"

#include <string.h>

static struct span trimmed(struct span text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.size--;
    }
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

/* Decimal digits only; false when empty, when something else is inside or past 64 bits. */
static bool number(struct span text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)text.at[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

/* "bytes=" in any case (RFC 9110 14.1: range units are case-insensitive). */
static bool cut_unit(struct span *text)
{
    static const char unit[] = "bytes=";

    if (text->size < sizeof unit - 1)
        return false;
    for (size_t i = 0; i < sizeof unit - 1; i++) {
        uint8_t byte = text->at[i];

        if (byte >= 'A' && byte <= 'Z')
            byte = (uint8_t)(byte - 'A' + 'a');
        if (byte != (uint8_t)unit[i])
            return false;
    }
    text->at += sizeof unit - 1;
    text->size -= sizeof unit - 1;
    return true;
}

/* "-N": the last N bytes. */
static enum err suffix(uint64_t count, uint64_t whole, struct http_range *out)
{
    if (count == 0 || whole == 0)
        return ERR_INVALID;
    count = count < whole ? count : whole;
    *out = (struct http_range){.from = whole - count, .size = count};
    return ERR_OK;
}

enum err http_range_parse(struct span header, uint64_t whole, struct http_range *out)
{
    struct span text = trimmed(header), left, right;
    const uint8_t *dash;
    uint64_t first, last = UINT64_MAX;

    if (!cut_unit(&text) || memchr(text.at, ',', text.size) != NULL)
        return ERR_NOT_FOUND;
    dash = memchr(text.at, '-', text.size);
    if (!dash)
        return ERR_NOT_FOUND;
    left = trimmed((struct span){text.at, (size_t)(dash - text.at)});
    right = trimmed((struct span){dash + 1, text.size - (size_t)(dash - text.at) - 1});
    if (right.size > 0 && !number(right, &last))
        return ERR_NOT_FOUND;
    if (left.size == 0)
        return right.size > 0 ? suffix(last, whole, out) : ERR_NOT_FOUND;
    if (!number(left, &first) || last < first)
        return ERR_NOT_FOUND;
    if (first >= whole)
        return ERR_INVALID;
    last = last < whole ? last : whole - 1;
    *out = (struct http_range){.from = first, .size = last - first + 1};
    return ERR_OK;
}

bool http_etag_listed(struct span header, struct span etag, bool weak)
{
    struct span rest = trimmed(header);

    if (span_is(rest, "*"))
        return true;
    while (rest.size > 0) {
        const uint8_t *comma = memchr(rest.at, ',', rest.size);
        size_t size = comma ? (size_t)(comma - rest.at) : rest.size;
        struct span item = trimmed((struct span){rest.at, size});

        if (weak && item.size > 2 && item.at[0] == 'W' && item.at[1] == '/') {
            item.at += 2;
            item.size -= 2;
        }
        if (span_equal(item, etag))
            return true;
        size += comma ? 1 : 0;
        rest.at += size;
        rest.size -= size;
    }
    return false;
}

/* Source: RFC 9110 13.2.2, without the steps that need dates: an If-Range with a date never
 * matches, because we have none. */
uint16_t http_condition_status(const struct http_condition *condition, struct span etag,
                               uint64_t whole, struct http_range *out)
{
    enum err err;

    if (condition->if_match.size > 0 && !http_etag_listed(condition->if_match, etag, false))
        return 412;
    if (condition->if_none_match.size > 0 && http_etag_listed(condition->if_none_match, etag, true))
        return 304;
    if (condition->range.size == 0)
        return 200;
    if (condition->if_range.size > 0 && !span_equal(trimmed(condition->if_range), etag))
        return 200;
    err = http_range_parse(condition->range, whole, out);
    if (err == ERR_INVALID)
        return 416;
    return err == ERR_OK ? 206 : 200;
}
