#include "crypto/p256.h"

#include "base/bytes.h"
#include "crypto/sha256.h"

#define WORDS 8u   /* of 32 bits in a number, least significant first */
#define BITS  256u /* of a number */

/* A number below the modulus it belongs to. Field elements are in Montgomery's form: times 2^256
 * modulo p. */
struct number {
    uint32_t w[WORDS];
};

/* What Montgomery's multiplication needs of a modulus. */
struct modulus {
    struct number m;
    uint32_t inverse;     /* -1/m modulo 2^32 */
    struct number square; /* 2^512 modulo m */
};

/* The point (x / z^2, y / z^3); z = 0 is the one at infinity. */
struct point {
    struct number x, y, z;
};

static const struct modulus field = {
    .m = {{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000000, 0x00000000, 0x00000000, 0x00000001,
           0xFFFFFFFF}},
    .inverse = 0x00000001,
    .square = {{0x00000003, 0x00000000, 0xFFFFFFFF, 0xFFFFFFFB, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD,
                0x00000004}},
};

/* n, the order of the group. */
static const struct modulus order = {
    .m = {{0xFC632551, 0xF3B9CAC2, 0xA7179E84, 0xBCE6FAAD, 0xFFFFFFFF, 0xFFFFFFFF, 0x00000000,
           0xFFFFFFFF}},
    .inverse = 0xEE00BC4F,
    .square = {{0xBE79EEA2, 0x83244C95, 0x49BD6FA6, 0x4699799C, 0x2B6BEC59, 0x2845B239, 0xF3D95620,
                0x66E12D94}},
};

/* The curve is y^2 = x^3 - 3x + b; all of these in Montgomery's form. */
static const struct number curve_b = {{0x29C4BDDF, 0xD89CDF62, 0x78843090, 0xACF005CD, 0xF7212ED6,
                                       0xE5A220AB, 0x04874834, 0xDC30061D}};
static const struct number one = {{0x00000001, 0x00000000, 0x00000000, 0xFFFFFFFF, 0xFFFFFFFF,
                                   0xFFFFFFFF, 0xFFFFFFFE, 0x00000000}};
static const struct point generator = {
    .x = {{0x18A9143C, 0x79E730D4, 0x5FEDB601, 0x75BA95FC, 0x77622510, 0x79FB732B, 0xA53755C6,
           0x18905F76}},
    .y = {{0xCE95560A, 0xDDF25357, 0xBA19E45C, 0x8B4AB8E4, 0xDD21F325, 0xD2E88688, 0x25885D85,
           0x8571FF18}},
    .z = {{0x00000001, 0x00000000, 0x00000000, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE,
           0x00000000}},
};

static bool is_zero(const struct number *a)
{
    uint32_t any = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        any |= a->w[i];
    return any == 0;
}

static bool equal(const struct number *a, const struct number *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool below(const struct number *a, const struct number *b)
{
    for (uint32_t i = WORDS; i > 0; i--) {
        if (a->w[i - 1] != b->w[i - 1])
            return a->w[i - 1] < b->w[i - 1];
    }
    return false;
}

/* out = a + b; returns the carry. */
static uint32_t add_plain(struct number *out, const struct number *a, const struct number *b)
{
    uint64_t carry = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        carry += (uint64_t)a->w[i] + b->w[i];
        out->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return (uint32_t)carry;
}

/* out = a - b; returns the borrow, 0 or 1. */
static uint32_t subtract_plain(struct number *out, const struct number *a, const struct number *b)
{
    uint32_t borrow = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t difference = (uint64_t)a->w[i] - b->w[i] - borrow;

        out->w[i] = (uint32_t)difference;
        borrow = (uint32_t)(difference >> 32) & 1;
    }
    return borrow;
}

/* out += carry * 2^256, brought below the modulus; the sum is below twice the modulus. */
static void reduce_once(struct number *out, uint32_t carry, const struct modulus *modulus)
{
    if (carry != 0 || !below(out, &modulus->m))
        (void)subtract_plain(out, out, &modulus->m);
}

static void add(struct number *out, const struct number *a, const struct number *b)
{
    reduce_once(out, add_plain(out, a, b), &field);
}

static void subtract(struct number *out, const struct number *a, const struct number *b)
{
    if (subtract_plain(out, a, b))
        (void)add_plain(out, out, &field.m);
}

/* out = a * b / 2^256 (Montgomery 1985), word by word. */
static void multiply_by(struct number *out, const struct number *a, const struct number *b,
                        const struct modulus *modulus)
{
    const uint32_t *m = modulus->m.w;
    uint32_t sum[WORDS + 1] = {0};

    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t low = (uint64_t)a->w[0] * b->w[i] + sum[0];
        uint32_t times = (uint32_t)low * modulus->inverse;
        uint64_t high = (uint64_t)times * m[0] + (uint32_t)low;

        low >>= 32;
        high >>= 32;
        for (uint32_t j = 1; j < WORDS; j++) {
            low += (uint64_t)a->w[j] * b->w[i] + sum[j];
            high += (uint64_t)times * m[j] + (uint32_t)low;
            sum[j - 1] = (uint32_t)high;
            low >>= 32;
            high >>= 32;
        }
        low += sum[WORDS];
        high += (uint32_t)low;
        sum[WORDS - 1] = (uint32_t)high;
        sum[WORDS] = (uint32_t)(low >> 32) + (uint32_t)(high >> 32);
    }
    memcpy(out->w, sum, sizeof out->w);
    reduce_once(out, sum[WORDS], modulus);
}

static void multiply(struct number *out, const struct number *a, const struct number *b)
{
    multiply_by(out, a, b, &field);
}

static void square(struct number *out, const struct number *a)
{
    multiply_by(out, a, a, &field);
}

/* Big-endian, as keys, signatures and digests are. */
static void load_number(struct number *out, const uint8_t *bytes)
{
    for (uint32_t i = 0; i < WORDS; i++)
        out->w[i] = load_be32(bytes + 4 * (WORDS - 1 - i));
}

static bool bit_of(const struct number *a, uint32_t bit)
{
    return (a->w[bit / 32] >> (bit % 32) & 1) != 0;
}

/* 2^256 / a modulo n, as a^(n - 2); `a` is plain, and so are products with what comes out. */
static void invert_in_order(struct number *out, const struct number *a)
{
    static const struct number two = {{2}};
    struct number exponent, base, power;

    (void)subtract_plain(&exponent, &order.m, &two);
    multiply_by(&base, a, &order.square, &order);
    power = base; /* for the highest bit, which is set */
    for (uint32_t i = BITS - 1; i > 0; i--) {
        multiply_by(&power, &power, &power, &order);
        if (bit_of(&exponent, i - 1))
            multiply_by(&power, &power, &base, &order);
    }
    *out = power;
}

/* Doubling for a = -3 ("dbl-2001-b" of the Explicit-Formulas Database). */
static void point_double(struct point *out, const struct point *p)
{
    struct number delta, gamma, beta, alpha, more;

    square(&delta, &p->z);
    square(&gamma, &p->y);
    multiply(&beta, &p->x, &gamma);
    subtract(&alpha, &p->x, &delta);
    add(&more, &p->x, &delta);
    multiply(&alpha, &alpha, &more);
    add(&more, &alpha, &alpha);
    add(&alpha, &more, &alpha);
    add(&more, &p->y, &p->z);
    square(&more, &more);
    subtract(&more, &more, &gamma);
    subtract(&out->z, &more, &delta);
    add(&beta, &beta, &beta);
    add(&beta, &beta, &beta); /* 4 beta */
    square(&out->x, &alpha);
    subtract(&out->x, &out->x, &beta);
    subtract(&out->x, &out->x, &beta);
    square(&gamma, &gamma);
    add(&gamma, &gamma, &gamma);
    add(&gamma, &gamma, &gamma);
    add(&gamma, &gamma, &gamma); /* 8 gamma^2 */
    subtract(&more, &beta, &out->x);
    multiply(&more, &more, &alpha);
    subtract(&out->y, &more, &gamma);
}

/* x * z^2 and y * z^3: a point's coordinates over the other's denominator. */
static void scaled(struct number *x, struct number *y, const struct point *p,
                   const struct number *z)
{
    struct number zz;

    square(&zz, z);
    multiply(x, &p->x, &zz);
    multiply(&zz, &zz, z);
    multiply(y, &p->y, &zz);
}

/* The sum of two points that differ in x by `h`, scaled as u and s are, and in y by `r`. */
static void point_sum(struct point *out, const struct number *h, const struct number *r,
                      const struct number *u, const struct number *s)
{
    struct number hh, hhh, v;

    square(&hh, h);
    multiply(&hhh, &hh, h);
    multiply(&v, u, &hh);
    square(&out->x, r);
    subtract(&out->x, &out->x, &hhh);
    subtract(&out->x, &out->x, &v);
    subtract(&out->x, &out->x, &v);
    subtract(&v, &v, &out->x);
    multiply(&v, &v, r);
    multiply(&hhh, &hhh, s);
    subtract(&out->y, &v, &hhh);
    multiply(&out->z, &out->z, h);
}

static void point_add(struct point *out, const struct point *p, const struct point *q)
{
    struct number u1, s1, u2, s2;
    struct point sum;

    if (is_zero(&p->z) || is_zero(&q->z)) {
        *out = is_zero(&p->z) ? *q : *p;
        return;
    }
    scaled(&u1, &s1, p, &q->z);
    scaled(&u2, &s2, q, &p->z);
    subtract(&u2, &u2, &u1);
    subtract(&s2, &s2, &s1);
    if (is_zero(&u2) && is_zero(&s2)) {
        point_double(out, p);
        return;
    }
    multiply(&sum.z, &p->z, &q->z); /* zero times h below when the two are opposite */
    point_sum(&sum, &u2, &s2, &u1, &s1);
    *out = sum;
}

/* out = s * generator + h * point, both bit by bit at once. */
static void point_combine(struct point *out, const struct number *s, const struct number *h,
                          const struct point *point)
{
    struct point both, sum = {.x = one, .y = one};

    point_add(&both, &generator, point);
    for (uint32_t i = BITS; i > 0; i--) {
        bool in_s = bit_of(s, i - 1), in_h = bit_of(h, i - 1);

        point_double(&sum, &sum);
        if (in_s || in_h)
            point_add(&sum, &sum, in_s && in_h ? &both : in_s ? &generator : point);
    }
    *out = sum;
}

/* SP 800-186 D.1.1.1: the form, the range, the equation. */
static bool point_decode(struct point *out, const uint8_t key[P256_KEY_SIZE])
{
    struct number left, right, x3;

    load_number(&out->x, key + 1);
    load_number(&out->y, key + 33);
    if (key[0] != 4 || !below(&out->x, &field.m) || !below(&out->y, &field.m))
        return false;
    multiply(&out->x, &out->x, &field.square);
    multiply(&out->y, &out->y, &field.square);
    out->z = one;
    square(&left, &out->y);
    square(&right, &out->x);
    multiply(&right, &right, &out->x);
    add(&x3, &out->x, &out->x);
    add(&x3, &x3, &out->x);
    subtract(&right, &right, &x3);
    add(&right, &right, &curve_b);
    return equal(&left, &right);
}

/* Whether the point's x is `x` as a number: x * z^2 = X. */
static bool point_has_x(const struct point *point, const struct number *x)
{
    struct number zz, expected;

    multiply(&expected, x, &field.square);
    square(&zz, &point->z);
    multiply(&expected, &expected, &zz);
    return equal(&expected, &point->x);
}

/* Whether the point's x, brought below n, is r: it may have been r or r + n. */
static bool point_matches(const struct point *point, const struct number *r)
{
    struct number more;

    if (is_zero(&point->z))
        return false;
    if (point_has_x(point, r))
        return true;
    return add_plain(&more, r, &order.m) == 0 && below(&more, &field.m) &&
           point_has_x(point, &more);
}

static bool in_range(const struct number *scalar)
{
    return !is_zero(scalar) && below(scalar, &order.m);
}

bool p256_verify(const uint8_t key[P256_KEY_SIZE], struct span message,
                 const uint8_t signature[P256_SIGNATURE_SIZE])
{
    struct number r, s, e, u1, u2;
    uint8_t digest[DIGEST_SIZE];
    struct point public, sum;

    load_number(&r, signature);
    load_number(&s, signature + 32);
    if (!in_range(&r) || !in_range(&s) || !point_decode(&public, key))
        return false;
    sha256_of(message, digest);
    load_number(&e, digest);
    reduce_once(&e, 0, &order);
    invert_in_order(&s, &s);
    multiply_by(&u1, &e, &s, &order);
    multiply_by(&u2, &r, &s, &order);
    point_combine(&sum, &u1, &u2, &public);
    return point_matches(&sum, &r);
}
