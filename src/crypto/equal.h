/* Comparison whose time does not depend on where the bytes differ: for tokens, digests of
 * tokens and authentication tags. */
#pragma once

#include "base/types.h"

bool equal_secret(const void *a, const void *b, size_t size);
