#include "crypto/ed25519.h"

#include "base/bytes.h"
#include "crypto/sha512.h"

#define WORDS       8u   /* of 32 bits in a number of 256, least significant first */
#define SCALAR_BITS 253u /* the group order and all that is below it */
#define FOLD        38u  /* 2^256 modulo p = 2^255 - 19 */

/* An element of the field modulo p, as any number below 2^256 with that remainder. */
struct fe {
    uint32_t w[WORDS];
};

/* Extended coordinates (RFC 8032 5.1.4): x = X/Z, y = Y/Z, x * y = T/Z. */
struct point {
    struct fe x, y, z, t;
};

static const struct fe zero = {{0}};
static const struct fe one = {{1}};

/* d = -121665/121666, 2d and a square root of -1. */
static const struct fe curve_d = {{0x135978A3, 0x75EB4DCA, 0x4141D8AB, 0x00700A4D, 0x7779E898,
                                   0x8CC74079, 0x2B6FFE73, 0x52036CEE}};
static const struct fe curve_2d = {{0x26B2F159, 0xEBD69B94, 0x8283B156, 0x00E0149A, 0xEEF3D130,
                                    0x198E80F2, 0x56DFFCE7, 0x2406D9DC}};
static const struct fe root_of_minus_one = {{0x4A0EA0B0, 0xC4EE1B27, 0xAD2FE478, 0x2F431806,
                                             0x3DFBD7A7, 0x2B4D0099, 0x4FC1DF0B, 0x2B832480}};

/* The base point (RFC 8032 table 1). */
static const struct point base = {
    .x = {{0x8F25D51A, 0xC9562D60, 0x9525A7B2, 0x692CC760, 0xFDD6DC5C, 0xC0A4E231, 0xCD6E53FE,
           0x216936D3}},
    .y = {{0x66666658, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666, 0x66666666,
           0x66666666}},
    .z = {{1}},
    .t = {{0xA5B7DDA3, 0x6DDE8AB3, 0x775152F5, 0x20F09F80, 0x64ABE37D, 0x66EA4E8E, 0xD78B7665,
           0x67875F0F}},
};

/* L, the order of the base point. */
static const uint32_t order[WORDS] = {0x5CF5D3ED, 0x5812631A, 0xA2F79CD6, 0x14DEF9DE,
                                      0x00000000, 0x00000000, 0x00000000, 0x10000000};

/* number += small; returns the carry. */
static uint32_t add_small(uint32_t number[WORDS], uint32_t small)
{
    uint32_t carry = small;

    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t sum = (uint64_t)number[i] + carry;

        number[i] = (uint32_t)sum;
        carry = (uint32_t)(sum >> 32);
    }
    return carry;
}

/* number -= other; returns the borrow, 0 or 1. */
static uint32_t subtract(uint32_t number[WORDS], const uint32_t other[WORDS])
{
    uint32_t borrow = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t difference = (uint64_t)number[i] - other[i] - borrow;

        number[i] = (uint32_t)difference;
        borrow = (uint32_t)(difference >> 32) & 1;
    }
    return borrow;
}

static bool below(const uint32_t a[WORDS], const uint32_t b[WORDS])
{
    for (uint32_t i = WORDS; i > 0; i--) {
        if (a[i - 1] != b[i - 1])
            return a[i - 1] < b[i - 1];
    }
    return false;
}

/* What went over 2^256 comes back in as 38 times as much. A second time can only be by 1, and
 * then what is left is so small that there is no third. */
static void fold_in(struct fe *number, uint32_t over)
{
    over = add_small(number->w, FOLD * over);
    number->w[0] += FOLD * over;
}

static void fe_add(struct fe *out, const struct fe *a, const struct fe *b)
{
    uint64_t carry = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        carry += (uint64_t)a->w[i] + b->w[i];
        out->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    fold_in(out, (uint32_t)carry);
}

static void fe_subtract(struct fe *out, const struct fe *a, const struct fe *b)
{
    static const uint32_t fold[WORDS] = {FOLD};
    struct fe difference = *a;

    if (subtract(difference.w, b->w) && subtract(difference.w, fold))
        difference.w[0] -= FOLD; /* what is left is just below 2^256 */
    *out = difference;
}

static void fe_multiply(struct fe *out, const struct fe *a, const struct fe *b)
{
    uint32_t product[2 * WORDS] = {0};
    uint64_t carry;

    for (uint32_t i = 0; i < WORDS; i++) {
        carry = 0;
        for (uint32_t j = 0; j < WORDS; j++) {
            carry += (uint64_t)a->w[i] * b->w[j] + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i + WORDS] = (uint32_t)carry;
    }
    carry = 0;
    for (uint32_t i = 0; i < WORDS; i++) {
        carry += (uint64_t)product[i + WORDS] * FOLD + product[i];
        out->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
    fold_in(out, (uint32_t)carry);
}

/* Square `a` `times` times. */
static void fe_square(struct fe *out, const struct fe *a, uint32_t times)
{
    struct fe number = *a;

    for (uint32_t i = 0; i < times; i++)
        fe_multiply(&number, &number, &number);
    *out = number;
}

/* The one number below p that stands for `a`. */
static struct fe fe_reduced(const struct fe *a)
{
    struct fe number = *a, more;
    uint32_t top = number.w[WORDS - 1] >> 31;

    number.w[WORDS - 1] &= 0x7FFFFFFF;
    (void)add_small(number.w, 19 * top); /* below p + 38 */
    more = number;
    (void)add_small(more.w, 19);
    if (more.w[WORDS - 1] >> 31 == 0)
        return number;
    more.w[WORDS - 1] &= 0x7FFFFFFF;
    return more;
}

static bool fe_is_zero(const struct fe *a)
{
    struct fe number = fe_reduced(a);

    return memcmp(number.w, zero.w, sizeof zero.w) == 0;
}

static bool fe_is_odd(const struct fe *a)
{
    return (fe_reduced(a).w[0] & 1) != 0;
}

static bool fe_equal(const struct fe *a, const struct fe *b)
{
    struct fe difference;

    fe_subtract(&difference, a, b);
    return fe_is_zero(&difference);
}

/* out = a^(2^250 - 1), from which both powers below are a few steps; `a_11` gets a^11. */
static void fe_power_of_ones(struct fe *out, struct fe *a_11, const struct fe *a)
{
    struct fe ones, more, number; /* `ones` is a^(2^n - 1) for n = 5, 10, 20, 40, 50, 100, ... */

    fe_square(&number, a, 1);
    fe_square(&more, &number, 2);
    fe_multiply(&more, &more, a);       /* a^9 */
    fe_multiply(a_11, &more, &number);  /* a^11 */
    fe_square(&number, a_11, 1);        /* a^22 */
    fe_multiply(&ones, &number, &more); /* n = 5 */
    fe_square(&number, &ones, 5);
    fe_multiply(&ones, &number, &ones); /* 10 */
    fe_square(&number, &ones, 10);
    fe_multiply(&more, &number, &ones); /* 20 */
    fe_square(&number, &more, 20);
    fe_multiply(&number, &number, &more); /* 40 */
    fe_square(&number, &number, 10);
    fe_multiply(&ones, &number, &ones); /* 50 */
    fe_square(&number, &ones, 50);
    fe_multiply(&more, &number, &ones); /* 100 */
    fe_square(&number, &more, 100);
    fe_multiply(&number, &number, &more); /* 200 */
    fe_square(&number, &number, 50);
    fe_multiply(out, &number, &ones); /* 250 */
}

/* 1/a = a^(p - 2), p - 2 = (2^250 - 1) * 2^5 + 11. */
static void fe_invert(struct fe *out, const struct fe *a)
{
    struct fe ones, a_11;

    fe_power_of_ones(&ones, &a_11, a);
    fe_square(&ones, &ones, 5);
    fe_multiply(out, &ones, &a_11);
}

/* a^((p - 5) / 8), and that exponent is (2^250 - 1) * 2^2 + 1. */
static void fe_power_root(struct fe *out, const struct fe *a)
{
    struct fe ones, a_11;

    fe_power_of_ones(&ones, &a_11, a);
    fe_square(&ones, &ones, 2);
    fe_multiply(out, &ones, a);
}

static void load_number(uint32_t out[WORDS], const uint8_t *bytes)
{
    for (uint32_t i = 0; i < WORDS; i++)
        out[i] = load_le32(bytes + 4 * i);
}

/* x with v * x^2 = u, or false when there is none (RFC 8032 5.1.3 steps 2 and 3). */
static bool root_of_ratio(struct fe *x, const struct fe *u, const struct fe *v)
{
    struct fe v3, power, square, minus_u;

    fe_square(&v3, v, 1);
    fe_multiply(&v3, &v3, v);
    fe_square(&power, &v3, 1);
    fe_multiply(&power, &power, v);
    fe_multiply(&power, &power, u); /* u * v^7 */
    fe_power_root(&power, &power);
    fe_multiply(x, u, &v3);
    fe_multiply(x, x, &power);
    fe_square(&square, x, 1);
    fe_multiply(&square, &square, v);
    if (fe_equal(&square, u))
        return true;
    fe_subtract(&minus_u, &zero, u);
    fe_multiply(x, x, &root_of_minus_one);
    return fe_equal(&square, &minus_u);
}

/* RFC 8032 5.1.3. False for bytes that are no point, or not in the one form it is written in. */
static bool point_decode(struct point *out, const uint8_t bytes[ED25519_KEY_SIZE])
{
    bool odd = bytes[ED25519_KEY_SIZE - 1] >> 7 != 0;
    struct fe u, v, reduced;

    load_number(out->y.w, bytes);
    out->y.w[WORDS - 1] &= 0x7FFFFFFF;
    reduced = fe_reduced(&out->y);
    if (memcmp(&reduced, &out->y, sizeof reduced) != 0)
        return false;
    fe_square(&u, &out->y, 1);
    fe_multiply(&v, &u, &curve_d);
    fe_subtract(&u, &u, &one);
    fe_add(&v, &v, &one);
    if (!root_of_ratio(&out->x, &u, &v) || (fe_is_zero(&out->x) && odd))
        return false;
    if (fe_is_odd(&out->x) != odd)
        fe_subtract(&out->x, &zero, &out->x);
    out->z = one;
    fe_multiply(&out->t, &out->x, &out->y);
    return true;
}

static void point_encode(uint8_t bytes[ED25519_KEY_SIZE], const struct point *point)
{
    struct fe inverse, x, y;

    fe_invert(&inverse, &point->z);
    fe_multiply(&x, &point->x, &inverse);
    fe_multiply(&y, &point->y, &inverse);
    y = fe_reduced(&y);
    for (uint32_t i = 0; i < WORDS; i++)
        store_le32(bytes + 4 * i, y.w[i]);
    if (fe_is_odd(&x))
        bytes[ED25519_KEY_SIZE - 1] |= 0x80;
}

/* From E, F, G, H of RFC 8032 5.1.4 to the sum or the double. */
static void point_from(struct point *out, const struct fe *e, const struct fe *f,
                       const struct fe *g, const struct fe *h)
{
    fe_multiply(&out->x, e, f);
    fe_multiply(&out->y, g, h);
    fe_multiply(&out->t, e, h);
    fe_multiply(&out->z, f, g);
}

static void point_add(struct point *out, const struct point *p, const struct point *q)
{
    struct fe a, b, c, d, e, f;

    fe_subtract(&a, &p->y, &p->x);
    fe_subtract(&b, &q->y, &q->x);
    fe_multiply(&a, &a, &b);
    fe_add(&b, &p->y, &p->x);
    fe_add(&c, &q->y, &q->x);
    fe_multiply(&b, &b, &c);
    fe_multiply(&c, &p->t, &curve_2d);
    fe_multiply(&c, &c, &q->t);
    fe_multiply(&d, &p->z, &q->z);
    fe_add(&d, &d, &d);
    fe_subtract(&e, &b, &a);
    fe_subtract(&f, &d, &c);
    fe_add(&d, &d, &c); /* G */
    fe_add(&a, &b, &a); /* H */
    point_from(out, &e, &f, &d, &a);
}

static void point_double(struct point *out, const struct point *p)
{
    struct fe a, b, c, e, g;

    fe_square(&a, &p->x, 1);
    fe_square(&b, &p->y, 1);
    fe_square(&c, &p->z, 1);
    fe_add(&c, &c, &c);
    fe_add(&e, &p->x, &p->y);
    fe_square(&e, &e, 1);
    fe_subtract(&g, &a, &b);
    fe_add(&a, &a, &b); /* H */
    fe_subtract(&e, &a, &e);
    fe_add(&c, &c, &g); /* F */
    point_from(out, &e, &c, &g, &a);
}

static uint32_t bit_of(const uint32_t number[WORDS], uint32_t bit)
{
    return number[bit / 32] >> (bit % 32) & 1;
}

/* out = s * base + h * point, both bit by bit at once. */
static void point_combine(struct point *out, const uint32_t s[WORDS], const uint32_t h[WORDS],
                          const struct point *point)
{
    struct point both;

    *out = (struct point){.x = zero, .y = one, .z = one, .t = zero};
    point_add(&both, &base, point);
    for (uint32_t i = SCALAR_BITS; i > 0; i--) {
        uint32_t in_s = bit_of(s, i - 1), in_h = bit_of(h, i - 1);

        point_double(out, out);
        if (in_s && in_h)
            point_add(out, out, &both);
        else if (in_s)
            point_add(out, out, &base);
        else if (in_h)
            point_add(out, out, point);
    }
}

/* out = digest modulo L, by long division in base 2. */
static void reduce_digest(uint32_t out[WORDS], const uint8_t digest[SHA512_OUT_SIZE])
{
    memset(out, 0, WORDS * sizeof out[0]);
    for (uint32_t bit = 8 * SHA512_OUT_SIZE; bit > 0; bit--) {
        uint32_t next = (uint32_t)digest[(bit - 1) / 8] >> ((bit - 1) % 8) & 1;

        for (uint32_t i = 0; i < WORDS; i++) {
            uint32_t over = out[i] >> 31;

            out[i] = out[i] << 1 | next;
            next = over;
        }
        if (!below(out, order))
            (void)subtract(out, order);
    }
}

/* SHA-512(R || A || message) modulo L. */
static void challenge(uint32_t out[WORDS], const uint8_t *r, const uint8_t *key,
                      struct span message)
{
    uint8_t digest[SHA512_OUT_SIZE];
    struct sha512 sha;

    sha512_init(&sha);
    sha512_update(&sha, (struct span){r, ED25519_KEY_SIZE});
    sha512_update(&sha, (struct span){key, ED25519_KEY_SIZE});
    sha512_update(&sha, message);
    sha512_done(&sha, digest);
    reduce_digest(out, digest);
}

bool ed25519_verify(const uint8_t key[ED25519_KEY_SIZE], struct span message,
                    const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
    uint8_t expected[ED25519_KEY_SIZE];
    uint32_t s[WORDS], h[WORDS];
    struct point a, r;

    load_number(s, signature + ED25519_KEY_SIZE);
    if (!below(s, order) || !point_decode(&a, key))
        return false;
    challenge(h, signature, key, message);
    fe_subtract(&a.x, &zero, &a.x); /* -A */
    fe_subtract(&a.t, &zero, &a.t);
    point_combine(&r, s, h, &a);
    point_encode(expected, &r);
    return memcmp(expected, signature, sizeof expected) == 0;
}
