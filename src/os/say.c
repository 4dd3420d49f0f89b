#include "os/say.h"

#include <stdarg.h>
#include <stdio.h>

enum err say(struct why *why, enum err err, const char *field, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    why_say(why, field, text);
    return err;
}

void say_wrap(struct why *why, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    why_wrap(why, text);
}

enum err say_where(struct why *why, enum err err, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list list;

    if (err == ERR_OK)
        return ERR_OK;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    why_wrap(why, text);
    return err;
}
