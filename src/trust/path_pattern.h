/* The patterns by which a delegation says which targets it is for: `*` is any characters, `?` one,
 * `[abc]`, `[a-c]` and `[!abc]` one of a set; none of them crosses a '/'. Letter case counts, there
 * is no escape, characters are those of UTF-8. A '[' that nothing closes stands for itself.
 *
 * Not fnmatch(3): its time is exponential in the stars of a pattern that a signer chose, and it
 * sees bytes. Source: TUF 1.0.34, 4.5 PATHPATTERN; sets are as python-tuf reads them. */
#pragma once

#include "base/types.h"

/* In time proportional to the product of the two lengths. */
bool path_pattern_matches(const char *pattern, const char *path);
