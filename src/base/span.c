#include "base/span.h"

struct span span_of(const char *text)
{
    struct span span = {(const uint8_t *)text, 0};

    while (text && text[span.size] != '\0')
        span.size++;
    return span;
}

bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool span_is(struct span span, const char *text)
{
    return span_equal(span, span_of(text));
}

bool span_begins(struct span span, const char *prefix)
{
    size_t size = span_of(prefix).size;

    return span.size >= size && memcmp(span.at, prefix, size) == 0;
}

bool span_to_text(struct span span, char *to, size_t to_size)
{
    to[0] = '\0';
    if (span.size >= to_size)
        return false;
    for (size_t i = 0; i < span.size; i++) {
        if (span.at[i] == 0) {
            to[0] = '\0';
            return false;
        }
        to[i] = (char)span.at[i];
    }
    to[span.size] = '\0';
    return true;
}
