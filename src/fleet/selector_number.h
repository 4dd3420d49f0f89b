/* Whole numbers as selectors compare them; shared by the parser and the evaluation. */
#pragma once

#include "base/span.h"

/* An optional minus and 1 to 18 digits; false for anything else. */
bool selector_number(struct span text, int64_t *out) MUST_USE;
