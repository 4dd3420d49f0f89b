#include "os/entropy.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void entropy_fill(void *to, size_t size)
{
    uint8_t *at = to;
    size_t done = 0;

    while (done < size) {
        ssize_t got = getrandom(at + done, size - done, 0);

        CHECK(got > 0 || errno == EINTR);
        if (got > 0)
            done += (size_t)got;
    }
}

uint64_t entropy_seed(void)
{
    uint64_t seed;

    entropy_fill(&seed, sizeof seed);
    return seed;
}
