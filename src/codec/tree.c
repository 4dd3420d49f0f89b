#include "codec/tree.h"

#include "codec/utf8.h"

const struct tree_node *tree_first(const struct tree *tree, const struct tree_node *parent)
{
    return parent && parent->first != 0 ? &tree->nodes[parent->first] : NULL;
}

const struct tree_node *tree_next(const struct tree *tree, const struct tree_node *node)
{
    return node->next != 0 ? &tree->nodes[node->next] : NULL;
}

const struct tree_node *tree_member(const struct tree *tree, const struct tree_node *map,
                                    const char *name)
{
    const struct tree_node *found = NULL;

    if (!map || map->kind != TREE_MAP)
        return NULL;
    for (const struct tree_node *node = tree_first(tree, map); node; node = tree_next(tree, node)) {
        if (span_is(node->name, name))
            found = node;
    }
    return found;
}

struct tree_builder tree_build(struct span bytes, struct tree *tree)
{
    tree->count = 0;
    return (struct tree_builder){.tree = tree, .at = bytes.at, .end = bytes.at + bytes.size};
}

enum err tree_add(struct tree_builder *builder, enum tree_kind kind, struct tree_node **out)
{
    struct tree *tree = builder->tree;
    uint32_t index = tree->count;

    if (index == tree->room)
        return ERR_TOO_BIG;
    tree->count++;
    tree->nodes[index] = (struct tree_node){.kind = kind, .name = builder->name};
    builder->name = (struct span){0};
    if (builder->depth > 0) {
        uint32_t *last = &builder->last[builder->depth - 1];

        if (*last != 0)
            tree->nodes[*last].next = index;
        else
            tree->nodes[builder->open[builder->depth - 1]].first = index;
        tree->nodes[builder->open[builder->depth - 1]].count++;
        *last = index;
    }
    *out = &tree->nodes[index];
    return ERR_OK;
}

enum err tree_open(struct tree_builder *builder, enum tree_kind kind)
{
    struct tree_node *node;

    if (builder->depth == TREE_DEPTH_MAX)
        return ERR_TOO_BIG;
    TRY(tree_add(builder, kind, &node));
    builder->open[builder->depth] = (uint32_t)(node - builder->tree->nodes);
    builder->last[builder->depth] = 0;
    builder->depth++;
    return ERR_OK;
}

enum err tree_text_from(const struct tree *tree, size_t from, struct span *out)
{
    struct span text, rest;

    if (tree->texts->overflow)
        return ERR_TOO_BIG;
    text = (struct span){tree->texts->at + from, tree->texts->size - from};
    rest = text;
    while (rest.size > 0) {
        size_t size = utf8_size(rest);

        if (size == 0)
            return ERR_CORRUPT;
        rest.at += size;
        rest.size -= size;
    }
    *out = text;
    return ERR_OK;
}
