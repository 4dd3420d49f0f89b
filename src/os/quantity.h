/* Quantities as people write them, to numbers and back: durations, sizes, shares.
 *
 * Parsers refuse everything that is not wholly understood, and sums that overflow. */
#pragma once

#include "base/err.h"

#define QUANTITY_TEXT_SIZE 32u /* bytes that any text made here needs, with NUL */

/* Decimal with an optional sign, nothing else. */
enum err quantity_int(const char *text, int64_t *out) MUST_USE;

/* Bytes: digits and an optional K, M, G or T (powers of 1024), then an optional "iB" or "B". */
enum err quantity_size(const char *text, uint64_t *out) MUST_USE;

/* Seconds: "90" or a sum of parts in falling order of unit: "1w2d3h4m5s", each at most once. */
enum err quantity_duration_s(const char *text, int64_t *out) MUST_USE;

/* "10%" or "0.5%" (one decimal at most) to thousandths, 0 to 1000. The sign % may be left out. */
enum err quantity_permille(const char *text, uint32_t *out) MUST_USE;

/* "45s", "1h30m", "30d": the largest units that lose nothing, weeks only alone ("2w").
 * Negative: "-" in front. */
const char *quantity_print_duration(int64_t seconds, char to[QUANTITY_TEXT_SIZE]);

/* "812 B", "1.5 MiB": for people, rounded to one decimal. */
const char *quantity_print_size(uint64_t bytes, char to[QUANTITY_TEXT_SIZE]);

/* "10%", "0.5%". */
const char *quantity_print_permille(uint32_t permille, char to[QUANTITY_TEXT_SIZE]);
