/* The parts of a request target: path segments and query parameters, percent-decoded into the
 * caller's memory. Pure functions over spans.
 *
 * Source: RFC 3986 2.1 and 3.4; "+" is a space in queries only (HTML form encoding). */
#pragma once

#include "base/err.h"
#include "base/span.h"

/* Decode `text` into `to` with NUL. ERR_INVALID: a broken escape, or a NUL byte hidden in one;
 * ERR_TOO_BIG: does not fit. `plus` also turns '+' into a space. */
enum err http_percent_decode(struct span text, bool plus, char *to, size_t to_size) MUST_USE;

/* The decoded value of `name`. ERR_NOT_FOUND: absent; ERR_INVALID: given twice or broken;
 * ERR_TOO_BIG: longer than `to_size` - 1. */
enum err http_query_text(struct span query, const char *name, char *to, size_t to_size) MUST_USE;

/* A decimal number min..max. ERR_NOT_FOUND, or ERR_INVALID for anything that is not exactly a
 * number in these bounds. */
enum err http_query_uint(struct span query, const char *name, uint64_t min, uint64_t max,
                         uint64_t *out) MUST_USE;

/* ERR_INVALID when the query has a parameter that is not in the NULL-terminated list `known`;
 * its name (cut) is copied to `unknown`. For APIs that refuse what they do not understand. */
enum err http_query_known(struct span query, const char *const *known, char *unknown,
                          size_t unknown_size) MUST_USE;

#define HTTP_PATH_ARGUMENTS_MAX 4u   /* "{}" in one pattern */
#define HTTP_PATH_ARGUMENT_SIZE 192u /* bytes of one argument with NUL */

struct http_path_arguments {
    char text[HTTP_PATH_ARGUMENTS_MAX][HTTP_PATH_ARGUMENT_SIZE];
    size_t count;
};

/* Whether `path` has the form of `pattern`, in which each segment written in braces
 * ("/devices/{name}/logs/{id}") stands for one non-empty segment, decoded into `out`. A decoded
 * segment that contains '/' or a control character, or is "." or "..", does not match. */
bool http_path_match(struct span path, const char *pattern,
                     struct http_path_arguments *out) MUST_USE;
