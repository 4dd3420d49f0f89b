/* Any bytes as JSON or CBOR, by the first one; whatever is read is walked through. */
#include "base/check.h"
#include "codec/tree.h"
#include "codec/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NODES 256u

static void walk(const struct tree *tree)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct tree_node *node = &tree->nodes[i];
        uint32_t count = 0;

        CHECK(node->next == 0 || (node->next > i && node->next < tree->count));
        CHECK(node->first == 0 || (node->first > i && node->first < tree->count));
        for (const struct tree_node *at = tree_first(tree, node); at; at = tree_next(tree, at))
            count++;
        CHECK(count == node->count);
        CHECK(node->text.size == 0 || node->kind == TREE_NUMBER || utf8_size(node->text) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tree_node nodes[NODES];
    static uint8_t texts[4096];
    struct buf buf = buf_over(texts, sizeof texts);
    struct tree tree = {.nodes = nodes, .room = NODES, .texts = &buf};

    if (size == 0)
        return 0;
    if ((data[0] == 'C' ? tree_read_cbor((struct span){data + 1, size - 1}, &tree)
                        : tree_read_json((struct span){data, size}, &tree)) == ERR_OK) {
        CHECK(tree.count > 0);
        walk(&tree);
    }
    return 0;
}
