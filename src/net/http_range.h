/* Range requests and conditions, for a representation whose ETag is strong and known.
 *
 * Source: RFC 9110 13 (conditions), 14 (ranges). Only single byte ranges are served; several in
 * one request, other units and nonsense are ignored, as 14.2 allows: the answer is then the
 * whole. */
#pragma once

#include "base/err.h"
#include "base/span.h"

struct http_range {
    uint64_t from, size; /* bytes */
};

/* ERR_OK: *out lies inside. ERR_NOT_FOUND: no usable range, send everything. ERR_INVALID: cannot
 * be satisfied, status 416. */
enum err http_range_parse(struct span header, uint64_t whole, struct http_range *out) MUST_USE;

/* Whether an If-None-Match or If-Match list names `etag` (with its quotes) or is "*". `weak` also
 * lets W/"..." match (If-None-Match). */
bool http_etag_listed(struct span header, struct span etag, bool weak);

struct http_condition {
    struct span range, if_range, if_match, if_none_match; /* header values; empty = absent */
};

/* The status that follows: 200, 206 (*out set), 304, 412 or 416. */
uint16_t http_condition_status(const struct http_condition *condition, struct span etag,
                               uint64_t whole, struct http_range *out);
