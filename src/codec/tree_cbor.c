/* RFC 8949, as general encoders write it (Jackson: indefinite maps). */
#include "codec/tree.h"

enum major {
    UNSIGNED,
    NEGATIVE,
    BYTES,
    TEXT,
    ARRAY,
    MAP,
    TAG,
    SIMPLE
};

#define BREAK      0xffu
#define INDEFINITE 31u
#define TAGS_MAX   4u /* in front of one item */

/* How many items an open container still has; INDEFINITE_LEFT: until its break. */
#define INDEFINITE_LEFT UINT64_MAX

struct cbor_tree {
    struct tree_builder build;
    uint64_t left[TREE_DEPTH_MAX]; /* values; of maps, pairs */
};

struct head {
    enum major major;
    uint8_t info;
    uint64_t value;
};

static enum err take_head(struct tree_builder *build, struct head *out)
{
    uint8_t first;
    size_t size;

    if (build->at == build->end)
        return ERR_CORRUPT;
    first = *build->at++;
    *out = (struct head){.major = (enum major)(first >> 5), .info = first & 31};
    out->value = out->info;
    if (out->info < 24 || out->info == INDEFINITE)
        return ERR_OK;
    if (out->info > 27)
        return ERR_CORRUPT;
    size = (size_t)1 << (out->info - 24);
    if ((size_t)(build->end - build->at) < size)
        return ERR_CORRUPT;
    out->value = 0;
    for (size_t i = 0; i < size; i++)
        out->value = out->value << 8 | *build->at++;
    return ERR_OK;
}

static enum err copy_piece(struct tree_builder *build, uint64_t size)
{
    if (size > (uint64_t)(build->end - build->at))
        return ERR_CORRUPT;
    buf_put(build->tree->texts, build->at, (size_t)size);
    build->at += size;
    return ERR_OK;
}

/* Behind the head of a text. Without NUL, as in JSON. */
static enum err take_text(struct tree_builder *build, const struct head *head, struct span *out)
{
    size_t from = build->tree->texts->size;
    struct head piece;

    if (head->info != INDEFINITE) {
        TRY(copy_piece(build, head->value));
    } else {
        while (build->at < build->end && *build->at != BREAK) {
            TRY(take_head(build, &piece));
            if (piece.major != TEXT || piece.info == INDEFINITE)
                return ERR_CORRUPT;
            TRY(copy_piece(build, piece.value));
        }
        if (build->at == build->end)
            return ERR_CORRUPT;
        build->at++;
    }
    TRY(tree_text_from(build->tree, from, out));
    for (size_t i = 0; i < out->size; i++) {
        if (out->at[i] == 0)
            return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum err add_text(struct tree_builder *build, const struct head *head)
{
    struct tree_node *node;
    struct span text;

    TRY(take_text(build, head, &text));
    TRY(tree_add(build, TREE_TEXT, &node));
    node->text = text;
    return ERR_OK;
}

static enum err add_integer(struct tree_builder *build, const struct head *head)
{
    struct tree_node *node;

    if (head->info == INDEFINITE)
        return ERR_CORRUPT;
    TRY(tree_add(build, TREE_NUMBER, &node));
    node->whole = head->value <= (uint64_t)INT64_MAX;
    if (node->whole)
        node->number = head->major == UNSIGNED ? (int64_t)head->value : -1 - (int64_t)head->value;
    return ERR_OK;
}

static enum err add_simple(struct tree_builder *build, const struct head *head)
{
    struct tree_node *node;

    switch (head->info) {
    case 20:
    case 21:
        TRY(tree_add(build, TREE_BOOL, &node));
        node->number = head->info == 21;
        return ERR_OK;
    case 22:
    case 23:
        return tree_add(build, TREE_NULL, &node);
    case 25:
    case 26:
    case 27: /* a float: nobody needs its value */
        return tree_add(build, TREE_NUMBER, &node);
    default:
        return ERR_CORRUPT;
    }
}

static enum err open_container(struct cbor_tree *cbor, const struct head *head)
{
    struct tree_builder *build = &cbor->build;

    if (head->info != INDEFINITE && head->value > (uint64_t)(build->end - build->at))
        return ERR_CORRUPT;
    TRY(tree_open(build, head->major == MAP ? TREE_MAP : TREE_LIST));
    cbor->left[build->depth - 1] = head->info == INDEFINITE ? INDEFINITE_LEFT : head->value;
    return ERR_OK;
}

static enum err take_item(struct cbor_tree *cbor)
{
    struct tree_builder *build = &cbor->build;
    struct head head;

    TRY(take_head(build, &head));
    for (unsigned tags = 0; head.major == TAG; tags++) {
        if (head.info == INDEFINITE || tags == TAGS_MAX)
            return ERR_CORRUPT;
        TRY(take_head(build, &head));
    }
    switch (head.major) {
    case UNSIGNED:
    case NEGATIVE:
        return add_integer(build, &head);
    case TEXT:
        return add_text(build, &head);
    case ARRAY:
    case MAP:
        return open_container(cbor, &head);
    case SIMPLE:
        return add_simple(build, &head);
    case BYTES:
    case TAG:
    default:
        return ERR_CORRUPT;
    }
}

/* Whether the innermost container ends here. */
static bool ends_here(struct cbor_tree *cbor)
{
    struct tree_builder *build = &cbor->build;
    uint64_t *left = &cbor->left[build->depth - 1];

    if (*left == INDEFINITE_LEFT) {
        if (build->at == build->end || *build->at != BREAK)
            return false;
        build->at++;
        return true;
    }
    if (*left == 0)
        return true;
    --*left;
    return false;
}

/* Close what ends here, and take the key of what comes next. *more: there is something. */
static enum err before_item(struct cbor_tree *cbor, bool *more)
{
    struct tree_builder *build = &cbor->build;
    struct head head;

    while (build->depth > 0 && ends_here(cbor))
        build->depth--;
    *more = build->depth > 0;
    if (!*more || build->tree->nodes[build->open[build->depth - 1]].kind != TREE_MAP)
        return ERR_OK;
    TRY(take_head(build, &head));
    if (head.major != TEXT)
        return ERR_CORRUPT;
    return take_text(build, &head, &build->name);
}

enum err tree_read_cbor(struct span bytes, struct tree *tree)
{
    struct cbor_tree cbor = {.build = tree_build(bytes, tree)};
    bool more = true;

    while (more) {
        TRY(take_item(&cbor));
        TRY(before_item(&cbor, &more));
    }
    return cbor.build.at == cbor.build.end ? ERR_OK : ERR_CORRUPT;
}
