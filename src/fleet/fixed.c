#include "fleet/fixed.h"

#include "base/buf.h"
#include "base/check.h"

#define LN_2      INT64_C(2977044472) /* ln 2 in q32, rounded */
#define EXP_TERMS 13                  /* 0.7^13 / 13! is below 2^-38 */
#define LN_TERMS  10                  /* (1/3)^21 / 21 is below 2^-37 */

struct wide {
    uint64_t high, low;
};

/* 64 x 64 bits without a 128-bit type, which C17 does not have. */
static struct wide multiply(uint64_t a, uint64_t b)
{
    uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    uint64_t p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
    uint64_t middle = (p00 >> 32) + (p01 & UINT32_MAX) + (p10 & UINT32_MAX);

    return (struct wide){p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32),
                         middle << 32 | (p00 & UINT32_MAX)};
}

bool fixed_product_at_most(int64_t a, int64_t b, int64_t c, int64_t d)
{
    struct wide ab, cd;

    CHECK(a >= 0 && b >= 0 && c >= 0 && d >= 0);
    ab = multiply((uint64_t)a, (uint64_t)b);
    cd = multiply((uint64_t)c, (uint64_t)d);
    return ab.high != cd.high ? ab.high < cd.high : ab.low <= cd.low;
}

int64_t fixed_mul(int64_t a, int64_t b)
{
    struct wide product;

    CHECK(a >= 0 && b >= 0);
    product = multiply((uint64_t)a, (uint64_t)b);
    if (product.high >> 31 != 0)
        return FIXED_MAX;
    return (int64_t)(product.high << 32 | product.low >> 32);
}

int64_t fixed_ratio(uint64_t numerator, uint64_t denominator)
{
    CHECK(numerator >> 31 == 0 && denominator != 0);
    return (int64_t)((numerator << 32) / denominator);
}

/* a * 2^32 / b by schoolbook division, a bit at a time after the integral part. */
int64_t fixed_div(int64_t a, int64_t b)
{
    uint64_t whole, rest;

    CHECK(a >= 0 && b > 0);
    whole = (uint64_t)a / (uint64_t)b;
    rest = (uint64_t)a % (uint64_t)b;
    if (whole >> 31 != 0)
        return FIXED_MAX;
    if (rest >> 32 == 0)
        return (int64_t)(whole << 32 | (rest << 32) / (uint64_t)b);
    for (int i = 0; i < 32; i++) {
        bool bit;

        rest <<= 1; /* b < 2^63, so rest < 2^64 */
        bit = rest >= (uint64_t)b;
        rest -= bit ? (uint64_t)b : 0;
        whole = whole << 1 | bit;
    }
    return (int64_t)whole;
}

int64_t fixed_ln(int64_t x)
{
    int64_t power = 0, z, square, term, sum = 0;

    CHECK(x > 0);
    while (x >= 2 * FIXED_ONE) {
        x >>= 1;
        power++;
    }
    while (x < FIXED_ONE) {
        x <<= 1;
        power--;
    }
    z = ((x - FIXED_ONE) << 30) / ((x + FIXED_ONE) >> 2); /* (x-1)/(x+1), at most a third */
    square = (z * z) >> 32;
    term = z;
    for (int k = 0; k <= LN_TERMS; k++) {
        sum += term / (2 * k + 1);
        term = (term * square) >> 32;
    }
    return power * LN_2 + 2 * sum;
}

int64_t fixed_exp(int64_t x)
{
    int64_t halvings, rest, sum = FIXED_ONE;

    CHECK(x <= 0);
    if (x <= -32 * LN_2)
        return 0;
    halvings = -x / LN_2;
    rest = -x % LN_2; /* below ln 2 */
    /* Horner: 1 - r(1 - r/2(1 - r/3(...))); every partial sum lies in (0, 1]. */
    for (int k = EXP_TERMS; k >= 1; k--) {
        int64_t part = (int64_t)(((uint64_t)rest * (uint64_t)(sum >> 1)) >> 31);

        sum = FIXED_ONE - part / k;
    }
    return sum >> halvings;
}

int64_t fixed_ln_sum(const int64_t *log, uint32_t count)
{
    int64_t top, sum = 0;

    CHECK(count >= 1);
    top = log[0];
    for (uint32_t i = 1; i < count; i++)
        top = log[i] > top ? log[i] : top;
    for (uint32_t i = 0; i < count; i++)
        sum += log[i] < top - 23 * FIXED_ONE ? 0 : fixed_exp(log[i] - top);
    return top + fixed_ln(sum);
}

void fixed_put(struct buf *out, int64_t value, unsigned digits)
{
    static const uint32_t tens[] = {1, 10, 100, 1000, 10000};
    uint64_t size = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value, scaled;

    CHECK(digits < COUNT_OF(tens));
    scaled = (size >> 32) * tens[digits];
    scaled += ((size & UINT32_MAX) * tens[digits] + (UINT64_C(1) << 31)) >> 32;
    if (value < 0 && scaled != 0)
        buf_byte(out, '-');
    buf_uint(out, scaled / tens[digits]);
    if (digits == 0)
        return;
    buf_byte(out, '.');
    for (unsigned i = digits; i-- > 0;)
        buf_byte(out, (uint8_t)('0' + scaled / tens[i] % 10));
}
