/* Any bytes as a filter: what comes of it is a selector, but for what only that can judge. */
#include "base/check.h"
#include "fleet/rsql.h"
#include "fleet/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct selector selector;
    static char text[SELECTOR_SIZE_MAX];
    struct buf buf = buf_over(text, sizeof text);
    struct rsql_fault fault = {RSQL_SYNTAX, 0};
    enum err err = rsql_to_selector((struct span){data, size}, &buf, &fault);

    if (err == ERR_INVALID)
        CHECK(fault.column >= 1 && fault.column <= size + 1);
    if (err != ERR_OK)
        return 0;
    CHECK(buf.size > 0);
    if (selector_parse(buf_written(&buf), &selector, NULL, NULL) == ERR_OK)
        CHECK(selector.count > 0);
    return 0;
}
