#include "codec/hex.h"

#include "base/buf.h"
#include "base/check.h"

/* The value of a digit, or 16. */
static unsigned digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - (unsigned)'0';
    if (digit >= 'a' && digit <= 'f')
        return digit - (unsigned)'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - (unsigned)'A' + 10;
    return 16;
}

bool hex_parse(struct span text, void *out, size_t size)
{
    uint8_t *to = out;

    if (text.size % 2 != 0 || text.size / 2 != size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (digit_value(text.at[i]) > 15)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(digit_value(text.at[2 * i]) << 4 | digit_value(text.at[2 * i + 1]));
    return true;
}

void hex_print(struct span bytes, char *to)
{
    struct buf buf = buf_over(to, 2 * bytes.size + 1);

    CHECK(to);
    buf_hex(&buf, bytes);
    (void)buf_finish_text(&buf); /* it fits by construction */
}
