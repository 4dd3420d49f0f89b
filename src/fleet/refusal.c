#include "fleet/refusal.h"

#include "base/check.h"

const char *refusal_name(enum refusal refusal)
{
    static const char *const names[] = {
#define X(code, name) [REFUSAL_##code] = (name),
        REFUSAL_MAP(X)
#undef X
    };

    CHECK(refusal < REFUSAL_COUNT);
    return names[refusal];
}

enum refusal refusal_of_name(struct span name)
{
    for (enum refusal i = REFUSAL_OTHER + 1; i < REFUSAL_COUNT; i++) {
        if (span_is(name, refusal_name(i)))
            return i;
    }
    return REFUSAL_OTHER;
}
