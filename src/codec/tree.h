/* A small document of maps, lists and scalars, read from JSON or from CBOR into the caller's
 * memory: what other people's devices send. Both syntaxes are read whole and to the same tree, so
 * that whoever understands a message does so once.
 *
 * Lenient where such clients are, strict where a reader could be misled: JSON as RFC 8259 has it,
 * one value and white space; CBOR with indefinite lengths, any length of numbers, floats and tags
 * (which are skipped), but text for every key (RFC 8949). Texts are UTF-8, or refused. When a key
 * is there twice the last one counts, as for those clients' own server.
 *
 * Nothing is allocated, nothing recurses. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define TREE_DEPTH_MAX 16u /* maps and lists inside each other; past it ERR_TOO_BIG */

enum tree_kind {
    TREE_NULL,
    TREE_BOOL,   /* number is 0 or 1 */
    TREE_NUMBER, /* `whole`: number is its value */
    TREE_TEXT,
    TREE_LIST,
    TREE_MAP
};

struct tree_node {
    enum tree_kind kind;
    bool whole;
    int64_t number;
    struct span name;     /* in a map: its key */
    struct span text;     /* TREE_TEXT, and a JSON number as written */
    uint32_t next, first; /* sibling and child; 0: none */
    uint32_t count;       /* of children */
};

struct tree {
    struct tree_node *nodes; /* the caller's; the first one is the document */
    uint32_t room, count;
    struct buf *texts; /* the caller's, as much room as the document has bytes */
};

/* ERR_CORRUPT: not well-formed; ERR_TOO_BIG: more nodes than there is room for, or too deep. */
enum err tree_read_json(struct span bytes, struct tree *tree) MUST_USE;
enum err tree_read_cbor(struct span bytes, struct tree *tree) MUST_USE;

/* NULL when `map` is NULL or no map, or has no such member. */
const struct tree_node *tree_member(const struct tree *tree, const struct tree_node *map,
                                    const char *name);

/* Children in order; NULL at the end. */
const struct tree_node *tree_first(const struct tree *tree, const struct tree_node *parent);
const struct tree_node *tree_next(const struct tree *tree, const struct tree_node *node);

/* ---- for the two readers ---- */

struct tree_builder {
    struct tree *tree;
    const uint8_t *at, *end;
    uint32_t open[TREE_DEPTH_MAX]; /* containers */
    uint32_t last[TREE_DEPTH_MAX]; /* their newest child; 0: none */
    uint32_t depth;
    struct span name; /* of the node that comes next */
};

struct tree_builder tree_build(struct span bytes, struct tree *tree);

/* A node below the innermost open container. */
enum err tree_add(struct tree_builder *builder, enum tree_kind kind,
                  struct tree_node **out) MUST_USE;
enum err tree_open(struct tree_builder *builder, enum tree_kind kind) MUST_USE;

/* A text that was put into tree->texts from `from` on. */
enum err tree_text_from(const struct tree *tree, size_t from, struct span *out) MUST_USE;
