#include "fleet/limit.h"

#include "base/check.h"

#define STEPS     40                  /* Newton from below: a handful are needed */
#define NEAR      64                  /* q32: 1.5e-8 events */
#define LN_TWO_PI INT64_C(7893714143) /* ln(2 pi) in q32 */

/* r in parts of 32, ln r and the logarithm of its weight (8, 4, 4, 4, 4, 4, 4, 2, 1, 1 of 36) in
 * q32. Most weight lies where nothing bad is seen, because that decides how fast a good release
 * may start; the last two are for fleets of a million. The test recomputes the table. */
const struct limit_rate limit_rates[LIMIT_RATES] = {
    {0, 0, -6459963230},
    {4, -8931133415, -9437007702},
    {8, -5954088944, -9437007702},
    {12, -4212629565, -9437007702},
    {16, -2977044472, -9437007702},
    {20, -2018650217, -9437007702},
    {24, -1235585093, -9437007702},
    {28, -573512964, -12414052173},
    {30, -277190838, -15391096645},
    {31, -136359621, -15391096645},
};

struct point {
    int64_t log;   /* ln of the mixture */
    int64_t slope; /* its derivative, q32 in (0, 1] */
};

static struct point mixture(const int64_t *base, uint32_t first, int64_t mean)
{
    int64_t log[LIMIT_RATES], top = INT64_MIN, sum = 0, pull = 0;

    for (uint32_t i = first; i < LIMIT_RATES; i++) {
        log[i] = base[i] + mean / 32 * (32 - limit_rates[i].parts);
        top = log[i] > top ? log[i] : top;
    }
    for (uint32_t i = first; i < LIMIT_RATES; i++) {
        int64_t part = log[i] < top - 23 * FIXED_ONE ? 0 : fixed_exp(log[i] - top);

        sum += part;
        pull += part / 32 * (32 - limit_rates[i].parts);
    }
    return (struct point){top + fixed_ln(sum), fixed_div(pull, sum)};
}

int64_t limit_expected(uint32_t events, int64_t refute)
{
    int64_t base[LIMIT_RATES], mean = (int64_t)events << 32;
    uint32_t first = events > 0 ? 1 : 0; /* r = 0 died with the first event */

    CHECK(refute > 0 && events <= 1u << 30);
    for (uint32_t i = first; i < LIMIT_RATES; i++)
        base[i] = limit_rates[i].log_weight + (int64_t)events * limit_rates[i].log;
    /* The logarithm is convex in the mean, and too small where the mean is `events`: Newton's
     * tangent is at or beyond the root from the second step on and comes down to it. */
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
