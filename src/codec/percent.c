#include "codec/percent.h"

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

static bool is_among(uint8_t byte, const char *safe)
{
    while (*safe != '\0' && (uint8_t)*safe != byte)
        safe++;
    return *safe != '\0';
}

void percent_put(struct buf *out, struct span text, const char *safe)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];

        if (is_unreserved(byte) || is_among(byte, safe)) {
            buf_byte(out, byte);
        } else {
            buf_byte(out, '%');
            buf_byte(out, (uint8_t)digits[byte >> 4]);
            buf_byte(out, (uint8_t)digits[byte & 15]);
        }
    }
}
