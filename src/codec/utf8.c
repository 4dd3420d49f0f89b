#include "codec/utf8.h"

size_t utf8_size(struct span text)
{
    uint8_t first = text.at[0], low = 0x80, high = 0xBF;
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

    if (size == 1)
        return 1;
    if (first < 0xC2 || first > 0xF4 || size > text.size)
        return 0;
    if (first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    if (text.at[1] < low || text.at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((text.at[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}
