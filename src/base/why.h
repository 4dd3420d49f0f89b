/* The sentence for a human that travels beside enum err.
 *
 * Functions that face the outside take a last parameter `struct why *why` (may be NULL) and,
 * when they fail, say what was wrong and where. Programs react to the enum err; people read
 * this. Neither is parsed by the other. */
#pragma once

#include "base/types.h"

#define WHY_TEXT_MAX 256u /* bytes with the final NUL; longer text is cut */

struct why {
    char field[64];          /* the name of the offending input, "" if none */
    char text[WHY_TEXT_MAX]; /* a whole sentence without final period, "" if none */
};

/* Forget what was said. */
void why_clear(struct why *why);

/* Say `text`; `field` names the input at fault or is NULL. Both are copied. */
void why_say(struct why *why, const char *field, const char *text);

/* Put `context` and ": " in front of what was said deeper down. */
void why_wrap(struct why *why, const char *context);
