#include "crypto/equal.h"

bool equal_secret(const void *a, const void *b, size_t size)
{
    const volatile uint8_t *left = a, *right = b;
    uint8_t differs = 0;

    for (size_t i = 0; i < size; i++)
        differs = (uint8_t)(differs | (left[i] ^ right[i]));
    return differs == 0;
}
