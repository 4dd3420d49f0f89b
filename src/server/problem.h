/* An error as people and programs are told it: problem details for HTTP APIs.
 *
 *     {"type":"urn:slipway:error:invalid","title":"Invalid request","status":400,
 *      "detail":"must be a whole number from 1 to 100","field":"stages[1].percent"}
 *
 * `title` belongs to the type and is always the same; `detail` is about this occurrence.
 *
 * Source: RFC 9457 3.1. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define PROBLEM_SIZE_MAX 2560u /* bytes of the longest: every character an escape */

struct problem {
    uint16_t status;
    enum err err;
    const char *field;    /* the input at fault; NULL or "": no single one */
    const char *sentence; /* without final period; at most WHY_TEXT_MAX */
    uint32_t column;      /* in the text of `field`, from 1; 0: not known */
};

/* A few words for the kind of error; never NULL. */
const char *problem_title(enum err err);

/* The JSON, appended to `out`. */
void problem_print(const struct problem *problem, struct buf *out);
