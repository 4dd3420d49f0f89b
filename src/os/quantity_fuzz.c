/* Any text: parsers answer, and what they accept survives printing and parsing again. */
#include <string.h>

#include "base/check.h"
#include "os/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256], printed[QUANTITY_TEXT_SIZE];
    int64_t seconds, again;
    uint64_t bytes;
    uint32_t permille, permille_again;

    size = size < sizeof text - 1 ? size : sizeof text - 1;
    memcpy(text, data, size);
    text[size] = '\0';
    if (quantity_duration_s(text, &seconds) == ERR_OK) {
        CHECK(quantity_duration_s(quantity_print_duration(seconds, printed), &again) == ERR_OK);
        CHECK(again == seconds);
    }
    if (quantity_permille(text, &permille) == ERR_OK) {
        CHECK(quantity_permille(quantity_print_permille(permille, printed), &permille_again) ==
              ERR_OK);
        CHECK(permille_again == permille);
    }
    if (quantity_size(text, &bytes) == ERR_OK)
        (void)quantity_print_size(bytes, printed);
    return 0;
}
