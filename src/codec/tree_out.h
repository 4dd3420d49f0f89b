/* The other way: maps, lists and scalars written as JSON or as CBOR, in one pass. */
#pragma once

#include "base/buf.h"

struct tree_out {
    struct buf *buf;
    bool cbor;  /* otherwise JSON */
    bool comma; /* something stands in front */
};

struct tree_out tree_out(struct buf *buf, bool cbor);

/* `name` is the key inside a map, and NULL inside a list or of the document itself. What is not
 * UTF-8 in a text is replaced. */
void tree_out_map(struct tree_out *out, const char *name);
void tree_out_map_end(struct tree_out *out);
void tree_out_list(struct tree_out *out, const char *name);
void tree_out_list_end(struct tree_out *out);
void tree_out_text(struct tree_out *out, const char *name, struct span text);
void tree_out_int(struct tree_out *out, const char *name, int64_t value);
void tree_out_bool(struct tree_out *out, const char *name, bool value);
