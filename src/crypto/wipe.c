#include "crypto/wipe.h"

void wipe(void *at, size_t size)
{
    volatile uint8_t *bytes = at;

    while (size-- > 0)
        bytes[size] = 0;
}
