#include "os/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "base/check.h"
#include "base/span.h"
#include "codec/cbor.h"
#include "os/say.h"

#define DEPTH_MAX 16u /* nested lists and maps; people write three or four */

/* struct yaml_node is libfyaml's node under another name: it is only ever a pointer. */
struct yaml {
    char *name;
    char *text; /* the document's nodes point into it */
    struct fy_document *document;
};

static struct fy_node *inner(const struct yaml_node *node)
{
    return (struct fy_node *)(uintptr_t)node;
}

static const struct yaml_node *outer(const struct fy_node *node)
{
    return (const struct yaml_node *)(const void *)node;
}

const struct yaml_node *yaml_root(const struct yaml *yaml)
{
    return yaml->document ? outer(fy_document_root(yaml->document)) : NULL;
}

const char *yaml_name(const struct yaml *yaml)
{
    return yaml->name;
}

/* "" for a bare `key:`, and the words that YAML 1.2's core schema takes for null. */
static bool is_null(struct fy_node *node)
{
    size_t size;
    const char *text = fy_node_get_scalar(node, &size);
    struct span span = {(const uint8_t *)text, text ? size : 0};

    return fy_node_get_style(node) == FYNS_PLAIN &&
           (span.size == 0 || span_is(span, "~") || span_is(span, "null"));
}

enum yaml_kind yaml_kind(const struct yaml_node *node)
{
    struct fy_node *in = inner(node);

    if (!in)
        return YAML_NONE;
    if (fy_node_is_mapping(in))
        return YAML_MAP;
    if (fy_node_is_sequence(in))
        return YAML_LIST;
    if (is_null(in))
        return YAML_NONE;
    return fy_node_get_style(in) == FYNS_PLAIN ? YAML_PLAIN : YAML_QUOTED;
}

unsigned yaml_line(const struct yaml_node *node)
{
    struct fy_node *in = inner(node);
    const struct fy_mark *mark = NULL;
    void *cursor = NULL;

    /* A block map or list begins where its first key or item does. */
    for (unsigned depth = 0; in && depth <= DEPTH_MAX && !mark; depth++) {
        if (fy_node_is_scalar(in)) {
            struct fy_token *token = fy_node_get_scalar_token(in);

            mark = token ? fy_token_start_mark(token) : NULL;
            break;
        }
        cursor = NULL;
        in = fy_node_is_mapping(in) ? fy_node_pair_key(fy_node_mapping_iterate(in, &cursor))
                                    : fy_node_sequence_iterate(in, &cursor);
    }
    return mark ? (unsigned)mark->line + 1 : 1;
}

const char *yaml_text(const struct yaml_node *node)
{
    size_t size;
    const char *text;

    if (yaml_kind(node) != YAML_PLAIN && yaml_kind(node) != YAML_QUOTED)
        return NULL;
    text = fy_node_get_scalar0(inner(node));
    (void)fy_node_get_scalar(inner(node), &size);
    return text && strlen(text) == size ? text : NULL;
}

bool yaml_next_pair(const struct yaml_node *map, void **cursor, const char **key,
                    const struct yaml_node **value)
{
    struct fy_node_pair *pair = fy_node_mapping_iterate(inner(map), cursor);

    if (!pair)
        return false;
    *key = yaml_text(outer(fy_node_pair_key(pair)));
    *value = outer(fy_node_pair_value(pair));
    CHECK(*key != NULL);
    return true;
}

const struct yaml_node *yaml_next_item(const struct yaml_node *list, void **cursor)
{
    return outer(fy_node_sequence_iterate(inner(list), cursor));
}

enum err yaml_refuse(const struct yaml *yaml, const struct yaml_node *node, const char *field,
                     const char *text, struct why *why)
{
    return say(why, ERR_INVALID, field, "%s:%u: %s", yaml->name, yaml_line(node), text);
}

void yaml_close(struct yaml *yaml)
{
    if (!yaml)
        return;
    if (yaml->document)
        fy_document_destroy(yaml->document);
    free(yaml->text);
    free(yaml->name);
    free(yaml);
}

/* What no configuration needs and what would let a small file mean a large one. */
static const char *refused(struct fy_node *node, unsigned depth)
{
    if (depth == DEPTH_MAX)
        return "nested too deeply";
    if (fy_node_is_alias(node) || fy_node_get_anchor(node))
        return "anchors and aliases (& and *) are not allowed";
    if (fy_node_get_tag_token(node))
        return "tags (!) are not allowed";
    return NULL;
}

/* A depth-first walk with its own stack: `stack[i]` is open and `cursor[i]` its place. */
static enum err check_nodes(const struct yaml *yaml, struct fy_node *root, struct why *why)
{
    struct fy_node *stack[DEPTH_MAX];
    void *cursor[DEPTH_MAX] = {NULL};
    unsigned depth = 0;
    struct fy_node *node = root;

    for (;;) {
        const char *problem = node ? refused(node, depth) : NULL;

        if (problem)
            return yaml_refuse(yaml, outer(node), NULL, problem, why);
        if (node && !fy_node_is_scalar(node)) {
            cursor[depth] = NULL;
            stack[depth++] = node;
        }
        node = NULL;
        while (depth > 0 && !node) {
            struct fy_node *top = stack[depth - 1];

            if (fy_node_is_sequence(top)) {
                node = fy_node_sequence_iterate(top, &cursor[depth - 1]);
            } else {
                struct fy_node_pair *pair = fy_node_mapping_iterate(top, &cursor[depth - 1]);

                if (pair && !yaml_text(outer(fy_node_pair_key(pair))))
                    return yaml_refuse(yaml, outer(top), NULL, "a key must be a word", why);
                node = pair ? fy_node_pair_value(pair) : NULL;
                if (pair && !node)
                    continue;
            }
            if (!node)
                depth--;
        }
        if (!node)
            return ERR_OK;
    }
}

/* The sentence for the first thing libfyaml found wrong. */
static enum err refuse_syntax(const struct yaml *yaml, struct fy_diag *diag, struct why *why)
{
    void *cursor = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &cursor);

    return say(why, ERR_INVALID, NULL, "%s:%d: %s", yaml->name, error ? error->line : 1,
               error && error->msg ? error->msg : "this is not YAML");
}

/* An empty file is no document, which is fine; a second document would go unread, which is not. */
static enum err load(struct yaml *yaml, struct fy_parser *parser, struct why *why)
{
    struct fy_document *second;

    yaml->document = fy_parse_load_document(parser);
    if (fy_parser_get_stream_error(parser))
        return ERR_INVALID;
    if (!yaml->document)
        return ERR_OK;
    second = fy_parse_load_document(parser);
    if (fy_parser_get_stream_error(parser))
        return ERR_INVALID;
    if (second) {
        fy_parse_document_destroy(parser, second);
        return say(why, ERR_INVALID, NULL, "%s: holds a second document", yaml->name);
    }
    return ERR_OK;
}

static enum err parse(struct yaml *yaml, size_t size, struct why *why)
{
    struct fy_diag *diag = fy_diag_create(NULL);
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *parser;
    enum err err;

    CHECK(diag != NULL);
    fy_diag_set_collect_errors(diag, true);
    parser = fy_parser_create(&config);
    CHECK(parser != NULL && fy_parser_set_string(parser, yaml->text, size) == 0);
    err = load(yaml, parser, why);
    if (err != ERR_OK && fy_parser_get_stream_error(parser))
        err = refuse_syntax(yaml, diag, why);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    if (err != ERR_OK || !yaml->document)
        return err;
    return check_nodes(yaml, fy_document_root(yaml->document), why);
}

/* A line of a text file: UTF-8, no control characters but tabs and a carriage return at the end. */
static bool is_text(struct span line)
{
    for (size_t i = 0; i < line.size; i++) {
        uint8_t c = line.at[i];

        if (c == 0x7f || (c < 0x20 && c != '\t' && !(c == '\r' && i + 1 == line.size)))
            return false;
    }
    return cbor_text_valid(line);
}

/* Refuse what no file of ours has and libfyaml 0.7.12 does not survive: it never returns from a
 * directive (a line that begins with %) with bytes that are not UTF-8. */
static enum err check_text(const char *name, const char *text, size_t size, struct why *why)
{
    unsigned number = 1;

    for (size_t at = 0; at < size; number++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t line_size = end ? (size_t)(end - text) - at : size - at;

        if (!is_text((struct span){(const uint8_t *)text + at, line_size}))
            return say(why, ERR_INVALID, NULL, "%s:%u: holds a byte that is not text", name,
                       number);
        if (text[at] == '%')
            return say(why, ERR_INVALID, NULL, "%s:%u: directives (%%) are not allowed", name,
                       number);
        at += line_size + 1;
    }
    return ERR_OK;
}

/* Takes `text`. */
static enum err open_taken(const char *name, char *text, size_t size, struct yaml **out,
                           struct why *why)
{
    struct yaml *yaml = calloc(1, sizeof *yaml);
    enum err err;

    CHECK(yaml != NULL && text != NULL);
    yaml->text = text;
    yaml->name = strdup(name);
    CHECK(yaml->name != NULL);
    err = check_text(name, text, size, why);
    if (err == ERR_OK)
        err = parse(yaml, size, why);
    if (err != ERR_OK) {
        yaml_close(yaml);
        return err;
    }
    *out = yaml;
    return ERR_OK;
}

enum err yaml_open_text(const char *name, const char *text, size_t size, struct yaml **out,
                        struct why *why)
{
    char *copy = malloc(size + 1);

    CHECK(copy != NULL);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return open_taken(name, copy, size, out, why);
}

enum err yaml_open_file(const char *path, size_t size_max, struct yaml **out, struct why *why)
{
    FILE *file = fopen(path, "rbe");
    enum err err = ERR_OK;
    char *text;
    size_t size;

    if (!file) {
        err = errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE;
        return say(why, err, NULL, "%s: %s", path, strerror(errno));
    }
    text = malloc(size_max + 1);
    CHECK(text != NULL);
    size = fread(text, 1, size_max + 1, file);
    if (ferror(file))
        err = say(why, ERR_STORAGE, NULL, "%s: %s", path, strerror(errno));
    else if (size > size_max)
        err = say(why, ERR_TOO_BIG, NULL, "%s: is longer than %zu bytes", path, size_max);
    (void)fclose(file);
    if (err != ERR_OK) {
        free(text);
        return err;
    }
    text[size] = '\0';
    return open_taken(path, text, size, out, why);
}
