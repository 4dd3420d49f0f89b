#include "base/why.h"

/* strlcpy without libc. */
static size_t copy_cut(char *to, size_t size, const char *from)
{
    size_t at = 0;

    while (from[at] != '\0' && at + 1 < size) {
        to[at] = from[at];
        at++;
    }
    to[at] = '\0';
    return at;
}

void why_clear(struct why *why)
{
    if (!why)
        return;
    why->field[0] = '\0';
    why->text[0] = '\0';
}

void why_say(struct why *why, const char *field, const char *text)
{
    if (!why)
        return;
    (void)copy_cut(why->field, sizeof why->field, field ? field : "");
    (void)copy_cut(why->text, sizeof why->text, text);
}

void why_wrap(struct why *why, const char *context)
{
    char deeper[WHY_TEXT_MAX];
    size_t at;

    if (!why)
        return;
    (void)copy_cut(deeper, sizeof deeper, why->text);
    at = copy_cut(why->text, sizeof why->text, context);
    at += copy_cut(why->text + at, sizeof why->text - at, ": ");
    (void)copy_cut(why->text + at, sizeof why->text - at, deeper);
}
