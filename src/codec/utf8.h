/* UTF-8 as everything here reads it: strictly. */
#pragma once

#include "base/span.h"

/* Bytes of the character at the start of `text`, which is not empty; 0 when it is not well-formed:
 * overlong forms, surrogates and code points past U+10FFFF are not.
 *
 * Source: Unicode 15, table 3-7. */
size_t utf8_size(struct span text);

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, for what is not well-formed */
