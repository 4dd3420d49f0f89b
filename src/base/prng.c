#include "base/prng.h"

#include "base/check.h"

static uint64_t rotate_left(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

struct prng prng_seeded(uint64_t seed)
{
    struct prng prng;

    for (size_t i = 0; i < COUNT_OF(prng.state); i++) { /* splitmix64 */
        uint64_t mixed;

        seed += 0x9E3779B97F4A7C15u;
        mixed = seed;
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
        prng.state[i] = mixed ^ mixed >> 31;
    }
    return prng;
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    uint64_t threshold, drawn;

    CHECK(bound > 0);
    threshold = (0u - bound) % bound; /* values below it would make low results likelier */
    do {
        drawn = prng_next(prng);
    } while (drawn < threshold); /* ends: at least half of all values pass each time */
    return drawn % bound;
}
