/* What a failed check does in a program on a host: say where, and stop. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

_Noreturn void check_failed(const char *file, unsigned line, const char *condition)
{
    (void)fprintf(stderr, "%s:%u: check failed: %s\n", file, line, condition);
    abort();
}
