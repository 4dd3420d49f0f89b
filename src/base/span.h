/* Borrowed bytes: a pointer and a length. Whoever hands out a span keeps the memory. */
#pragma once

#include "base/types.h"

struct span {
    const uint8_t *at;
    size_t size; /* bytes */
};

/* The span of a string literal, without its NUL. */
#define SPAN_LITERAL(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

/* The span of a NUL-terminated string; `text` may be NULL (empty span). */
struct span span_of(const char *text);

bool span_equal(struct span a, struct span b);

/* Whether `span` holds exactly the characters of `text`. */
bool span_is(struct span span, const char *text);

/* Whether it begins with the characters of `prefix`. */
bool span_begins(struct span span, const char *prefix);

/* Copy into a NUL-terminated array. False, with `to` an empty string, when it does not fit or
 * holds a NUL byte itself. */
bool span_to_text(struct span span, char *to, size_t to_size) MUST_USE;
