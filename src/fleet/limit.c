#include "fleet/limit.h"

#include "base/check.h"

#define RATES     10
#define STEPS     40                  /* Newton from below: a handful are needed */
#define NEAR      64                  /* q32: 1.5e-8 events */
#define LN_TWO_PI INT64_C(7893714143) /* ln(2 pi) in q32 */

/* r in parts of 32, and its weight of 36. Most weight lies where nothing bad is seen, because that
 * decides how fast a good release may start; the last two are for fleets of a million. */
static const uint8_t parts[RATES] = {0, 4, 8, 12, 16, 20, 24, 28, 30, 31};
static const uint8_t weights[RATES] = {8, 4, 4, 4, 4, 4, 4, 2, 1, 1};

struct point {
    int64_t log;   /* ln of the mixture */
    int64_t slope; /* its derivative, q32 in (0, 1] */
};

static struct point mixture(const int64_t *base, uint32_t first, int64_t mean)
{
    int64_t log[RATES], top = INT64_MIN, sum = 0, pull = 0;

    for (uint32_t i = first; i < RATES; i++) {
        log[i] = base[i] + mean / 32 * (32 - parts[i]);
        top = log[i] > top ? log[i] : top;
    }
    for (uint32_t i = first; i < RATES; i++) {
        int64_t part = log[i] < top - 23 * FIXED_ONE ? 0 : fixed_exp(log[i] - top);

        sum += part;
        pull += part / 32 * (32 - parts[i]);
    }
    return (struct point){top + fixed_ln(sum), fixed_div(pull, sum)};
}

int64_t limit_expected(uint32_t events, int64_t refute)
{
    int64_t base[RATES], mean = 0;
    uint32_t first = events > 0 ? 1 : 0; /* r = 0 died with the first event */

    CHECK(refute > 0);
    for (uint32_t i = first; i < RATES; i++) {
        base[i] = fixed_ln(fixed_ratio(weights[i], 36));
        if (events > 0)
            base[i] += (int64_t)events * fixed_ln(fixed_ratio(parts[i], 32));
    }
    /* The logarithm is convex in the mean: Newton's tangent from the left stays at or beyond the
     * root from the second step on and comes down to it. */
    for (int step = 0; step < STEPS; step++) {
        struct point at = mixture(base, first, mean);
        int64_t gap = refute - at.log;

        if (gap <= NEAR && gap >= -NEAR)
            break;
        mean += gap > 0 ? fixed_div(gap, at.slope) : -fixed_div(-gap, at.slope);
    }
    return mean + 64 * NEAR;
}

/* ln P(Poisson(mean) > count), an upper bound; mean below count. */
static int64_t tail_log(uint32_t count, int64_t mean)
{
    int64_t k = (int64_t)count + 1, log_k = fixed_ln(k << 32);
    int64_t factorial =
        k * log_k - (k << 32) + (LN_TWO_PI + log_k) / 2 + fixed_ratio(1, (uint64_t)(12 * k + 1));
    int64_t first = k * fixed_ln(mean) - mean - factorial;
    int64_t ratio = fixed_div(mean, (k + 1) << 32); /* of the geometric series */

    return first - fixed_ln(FIXED_ONE - ratio);
}

int64_t limit_mean(uint32_t count, int64_t refute)
{
    int64_t low = 0, high = (int64_t)count << 32;

    CHECK(count >= 1 && count <= 1u << 20 && refute > 0);
    while (high - low > 1 << 12) {
        int64_t middle = low + (high - low) / 2;

        if (tail_log(count, middle) <= -refute)
            low = middle;
        else
            high = middle;
    }
    return low;
}
