/* RSQL, in which hawkBit's users name devices (id==gw-*;attribute.hw==b), as text of our selector
 * language. One pass, no tree: both have the same operators in the same order of binding.
 *
 *     or          and { ("," | "or") and }
 *     and         test { (";" | "and") test }
 *     test        "(" or ")" | FIELD OPERATOR ( VALUE | "(" VALUE { "," VALUE } ")" )
 *     OPERATOR    == != < <= > >= =lt= =le= =gt= =ge= =in= =out= =is= =eq= =not= =ne=
 *     VALUE       'text' or "text" with \ before a character meant as itself, or a bare word
 *
 * Fields: id, controllerid, name; attribute.KEY; tag; group; installedds.name (product) and
 * installedds.version (version). Others are known to hawkBit and not to us, and refused.
 *
 * "*" in the value of == and != stands for any text, "\*" for itself. An empty value also means
 * that the field is not there; so does the bare word null behind =is= and =not=. Texts compare byte
 * for byte, unlike hawkBit's, which ignore case.
 *
 * Sources: github.com/jirutka/rsql-parser (grammar), hawkBit's documentation of filters. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

#define RSQL_SIZE_MAX  1024u /* bytes of the text */
#define RSQL_DEPTH_MAX 16u   /* parentheses */

enum rsql_fault_kind {
    RSQL_SYNTAX,
    RSQL_FIELD, /* not one of ours */
    RSQL_VALUE  /* cannot be said in our language */
};

struct rsql_fault {
    enum rsql_fault_kind kind;
    uint32_t column; /* from 1, in bytes */
};

/* ERR_INVALID, with `fault`; ERR_TOO_BIG: longer than RSQL_SIZE_MAX, or `out` is full. What is
 * written still has to pass selector_parse(): that knows which values can be compared. */
enum err rsql_to_selector(struct span text, struct buf *out, struct rsql_fault *fault) MUST_USE;
