/* A selector names devices by what is known of them: hw = "a" and site in ("oslo", "rome").
 *
 * Grammar (docs/spec/selector.md; keywords in either case):
 *
 *     expression  all | term, with: not > and > or, and parentheses
 *     term        FIELD = VALUE      FIELD != VALUE      FIELD in (VALUE, ...)   FIELD not in (...)
 *                 FIELD < VALUE      <=  >  >=           whole numbers or versions
 *                 FIELD ~ "ab*c?"    FIELD !~ "..."      * any text, ? one character
 *                 has FIELD                              the device has the attribute
 *     VALUE       "text" with \" and \\, or a bare word of A-Z a-z 0-9 . _ - + : @ /
 *
 * A field may have several values (tag, group): a test holds when it holds for any of them. A
 * missing field fails every test; the negated ones (!=, not in, !~) are exactly "not" of the
 * others, so they hold. An empty selector is refused: whoever means everybody writes "all".
 *
 * The parsed form lives in the caller's memory and refers to nothing outside itself. No
 * recursion, no allocation: nesting and size are bounded, and past the bounds is a parse error.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

#define SELECTOR_SIZE_MAX  2048u /* bytes of the text; a list of 50 device names fits */
#define SELECTOR_NODES_MAX 256u  /* operators, tests and values */
#define SELECTOR_DEPTH_MAX 32u   /* nested parentheses and pending operators */

enum selector_kind {
    SELECTOR_ALL,
    SELECTOR_HAS,
    SELECTOR_EQUAL, /* one value or, for "in", several */
    SELECTOR_LESS,
    SELECTOR_LESS_EQUAL,
    SELECTOR_GREATER,
    SELECTOR_GREATER_EQUAL,
    SELECTOR_LIKE,
    SELECTOR_NOT,
    SELECTOR_AND,
    SELECTOR_OR,
    SELECTOR_VALUE, /* a member of the test before it */
    SELECTOR_KIND_COUNT
};

struct selector_node {
    uint8_t kind;          /* enum selector_kind */
    bool negated;          /* tests only: !=, not in, !~ */
    bool set;              /* SELECTOR_EQUAL written as "in" */
    uint16_t at, size;     /* text of the field (tests) or value, within `text` */
    uint16_t value, count; /* tests: index of the first value node, and how many */
    uint16_t left, right;  /* operands of and, or; `left` also of not */
};

/* Nodes stand in postfix order, operands before their operator; the last one that is not a
 * value is the root. Plain data: may be copied. */
struct selector {
    uint16_t count;     /* nodes */
    uint16_t root;      /* index */
    uint16_t text_size; /* bytes used of `text` */
    struct selector_node nodes[SELECTOR_NODES_MAX];
    char text[SELECTOR_SIZE_MAX];
};

/* Where a parse failed. */
struct selector_fault {
    uint32_t column; /* from 1, in bytes; one past the end for "more was expected" */
};

/* ERR_INVALID, or ERR_TOO_BIG past a limit, with the column in `fault` and a sentence in `why`
 * (field "selector", text "column 12: ..."); both may be NULL. */
enum err selector_parse(struct span text, struct selector *out, struct selector_fault *fault,
                        struct why *why) MUST_USE;

/* The canonical text: the same for every spelling of the same tree, parses back to an equal
 * tree. Quotes and spaces may make it longer than SELECTOR_SIZE_MAX, so keep what was typed. */
void selector_print(const struct selector *selector, struct buf *out);

/* The caller's answer to "what is the `index`-th value of `field`?"; false when there is none.
 * The value must live until the next call. `hardware` arrives as `hw`. */
typedef bool selector_lookup(void *self, struct span field, uint32_t index, struct span *value);

bool selector_matches(const struct selector *selector, selector_lookup *lookup, void *self);

/* The different fields the selector asks for, in order of appearance; spans into `selector`.
 * Returns their number; past `max` it may count a field twice, and `out` has the first ones. */
uint32_t selector_fields(const struct selector *selector, struct span *out, uint32_t max);

/* Whether the selector names exactly every device: the dangerous one. */
bool selector_is_all(const struct selector *selector);
