/* Numbers with 32 binary digits after the point, for decisions that must be replayed bit for bit.
 *
 * The judges of a rollout compare likelihoods. In floating point their last bit would depend on
 * the compiler (contraction to fused multiply-add), on the processor and on the version of libm;
 * a decision near a threshold could then be taken one way and replayed the other. Here every
 * operation is defined on integers, so one journal has one meaning on every machine.
 *
 * A value is an int64_t in units of 2^-32, called *q32* in names: 2^31 in magnitude, 2.3e-10
 * apart. Logarithms are natural. Errors are stated per function and checked in the test.
 *
 * ln: range reduction and the series of artanh (Abramowitz and Stegun 4.1.27); exp: range
 * reduction by ln 2 and the Taylor series. */
#pragma once

#include "base/types.h"

#define FIXED_ONE ((int64_t)1 << 32)
#define FIXED_MAX INT64_MAX

/* numerator / denominator, rounded down; numerator below 2^31, denominator at least 1. */
int64_t fixed_ratio(uint64_t numerator, uint64_t denominator);

/* Product rounded down; both at least 0, FIXED_MAX when it does not fit. */
int64_t fixed_mul(int64_t a, int64_t b);

/* Quotient rounded down; a at least 0, b above 0, FIXED_MAX when it does not fit. */
int64_t fixed_div(int64_t a, int64_t b);

/* Whether a * b <= c * d, exactly; all at least 0. */
bool fixed_product_at_most(int64_t a, int64_t b, int64_t c, int64_t d);

/* Natural logarithm of x > 0, within 4e-9. */
int64_t fixed_ln(int64_t x);

/* e to the x for x <= 0, within 4e-9. */
int64_t fixed_exp(int64_t x);

/* ln(sum exp(log[i])), i < count, 1 <= count. */
int64_t fixed_ln_sum(const int64_t *log, uint32_t count);

/* A q32 as a text for people, rounded to `digits` (0 to 4) after the point. */
struct buf;
void fixed_put(struct buf *out, int64_t value, unsigned digits);
