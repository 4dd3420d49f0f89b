/* Any text either fails with a column inside it and a sentence, or prints as a canonical text
 * that parses back to the same text and means the same. */
#include "base/check.h"
#include "fleet/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A device whose values follow from the names of its fields: enough of both answers. */
static bool lookup(void *self, struct span field, uint32_t index, struct span *value)
{
    static const char *const values[] = {"a", "oslo", "2.0.9", "512", "", "canary"};
    uint32_t sum = index * 7;

    (void)self;
    for (size_t i = 0; i < field.size; i++)
        sum = sum * 31 + field.at[i];
    *value = span_of(values[sum % COUNT_OF(values)]);
    return index < sum % 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct selector first, second;
    static uint8_t rooms[2][16384]; /* parentheses and quotes may be added */
    struct buf printed[2] = {buf_over(rooms[0], sizeof rooms[0]),
                             buf_over(rooms[1], sizeof rooms[1])};
    struct selector_fault fault = {0};
    struct why why = {0};

    if (selector_parse((struct span){data, size}, &first, &fault, &why) != ERR_OK) {
        CHECK(fault.column >= 1 && fault.column <= size + 1);
        CHECK(why.text[0] != '\0');
        return 0;
    }
    selector_print(&first, &printed[0]);
    CHECK(!printed[0].overflow);
    if (printed[0].size > SELECTOR_SIZE_MAX)
        return 0; /* quoting made it longer than a selector may be */
    CHECK(selector_parse(buf_written(&printed[0]), &second, NULL, NULL) == ERR_OK);
    selector_print(&second, &printed[1]);
    CHECK(span_equal(buf_written(&printed[0]), buf_written(&printed[1])));
    CHECK(selector_matches(&first, lookup, NULL) == selector_matches(&second, lookup, NULL));
    return 0;
}
