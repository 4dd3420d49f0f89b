/* Reading YAML that people write: configuration files and rollout plans. A thin layer over
 * libfyaml that keeps line numbers and refuses what such files never need: anchors, aliases and
 * tags. Duplicate keys are errors. */
#pragma once

#include "base/err.h"
#include "base/why.h"

struct yaml; /* a parsed document; owns all its nodes and texts */

/* Borrowed from its document. */
struct yaml_node;

enum yaml_kind {
    YAML_NONE,   /* nothing after the colon, or null */
    YAML_PLAIN,  /* a scalar without quotes: a number, true, a word */
    YAML_QUOTED, /* a scalar in quotes or a block text */
    YAML_LIST,
    YAML_MAP
};

/* `name` stands in sentences ("NAME:12: ..."). ERR_NOT_FOUND when there is no such file,
 * ERR_TOO_BIG past `size_max` bytes, ERR_INVALID for bad YAML. */
enum err yaml_open_file(const char *path, size_t size_max, struct yaml **out,
                        struct why *why) MUST_USE;
enum err yaml_open_text(const char *name, const char *text, size_t size, struct yaml **out,
                        struct why *why) MUST_USE;
void yaml_close(struct yaml *yaml); /* NULL-safe */

/* NULL for an empty document. */
const struct yaml_node *yaml_root(const struct yaml *yaml);
const char *yaml_name(const struct yaml *yaml);

enum yaml_kind yaml_kind(const struct yaml_node *node); /* NULL: YAML_NONE */
unsigned yaml_line(const struct yaml_node *node);       /* from 1; of the first character */

/* The text of a scalar, NUL-terminated and owned by the document; NULL for lists, maps, nothing
 * and texts with a NUL character inside. */
const char *yaml_text(const struct yaml_node *node);

/* Walk a map or list: start with `*cursor` NULL; false at the end. Keys that are not scalars were
 * refused when the document was opened. */
bool yaml_next_pair(const struct yaml_node *map, void **cursor, const char **key,
                    const struct yaml_node **value);
const struct yaml_node *yaml_next_item(const struct yaml_node *list, void **cursor);

/* Make the sentence "NAME:LINE: text" with `field`; returns ERR_INVALID. `node` may be NULL. */
enum err yaml_refuse(const struct yaml *yaml, const struct yaml_node *node, const char *field,
                     const char *text, struct why *why);
