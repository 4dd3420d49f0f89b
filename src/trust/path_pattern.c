#include "trust/path_pattern.h"

/* The character at *at, which moves behind it. Bytes that are no UTF-8 count one by one. */
static uint32_t take_character(const char **at)
{
    uint8_t first = (uint8_t) * (*at)++;
    uint32_t value = first;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;

    if (more > 0)
        value = first & (0x3fu >> more);
    for (; more > 0 && ((uint8_t) * *at & 0xc0) == 0x80; more--)
        value = value << 6 | ((uint8_t) * (*at)++ & 0x3fu);
    return value;
}

/* Behind the ']' of a set whose '[' is before `at`; NULL when there is none in this segment. The
 * first member may be a ']' itself. */
static const char *end_of_set(const char *at)
{
    if (*at == '!')
        at++;
    if (*at == ']')
        at++;
    while (*at != '\0' && *at != '/' && *at != ']')
        at++;
    return *at == ']' ? at + 1 : NULL;
}

/* Whether the set from `at` (behind its '[') to `end` (behind its ']') takes the character. */
static bool set_has(const char *at, const char *end, uint32_t character)
{
    bool inverted = *at == '!', found = false;

    if (inverted)
        at++;
    while (at < end - 1) {
        uint32_t low = take_character(&at), high = low;

        if (*at == '-' && at + 1 < end - 1) {
            at++;
            high = take_character(&at);
        }
        found = found || (character >= low && character <= high);
    }
    return found != inverted;
}

/* One element of the pattern that is no star against one character of the path; both move on. */
static bool step(const char **pattern, const char **path)
{
    const char *end = **pattern == '[' ? end_of_set(*pattern + 1) : NULL;
    const char *set = *pattern + 1;
    uint32_t character;

    if (**path == '\0' || **pattern == '\0' || (**path == '/') != (**pattern == '/'))
        return false;
    character = take_character(path);
    if (end) {
        *pattern = end;
        return set_has(set, end, character);
    }
    if (**pattern == '?') {
        (*pattern)++;
        return true;
    }
    return take_character(pattern) == character;
}

/* When something does not fit, the last star takes one character more; a star before it never
 * has to, and a '/' ends what it may take. */
bool path_pattern_matches(const char *pattern, const char *path)
{
    const char *after_star = NULL, *taken = NULL;

    while (*pattern != '\0' || *path != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            taken = path;
        } else if (step(&pattern, &path)) {
            if (path[-1] == '/')
                after_star = NULL;
        } else if (after_star && *taken != '\0' && *taken != '/') {
            (void)take_character(&taken);
            pattern = after_star;
            path = taken;
        } else {
            return false;
        }
    }
    return true;
}
