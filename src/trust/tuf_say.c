#include "trust/tuf_say.h"

#include <stdarg.h>
#include <stdio.h>

enum err tuf_say(struct why *why, enum err err, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    why_say(why, NULL, text);
    return err;
}

enum err tuf_wrap(struct why *why, enum err err, const char *format, ...)
{
    char text[WHY_TEXT_MAX];
    va_list arguments;

    if (err == ERR_OK)
        return ERR_OK;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    why_wrap(why, text);
    return err;
}
