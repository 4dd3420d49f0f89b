#include "agent/reason.h"

#include "base/check.h"

const char *agent_reason_name(enum agent_reason reason)
{
    static const char *const names[AGENT_REASON_COUNT] = {
#define X(code, name, text) [AGENT_REASON_##code] = name,
        AGENT_REASON_MAP(X)
#undef X
    };

    CHECK(reason < AGENT_REASON_COUNT);
    return names[reason];
}

const char *agent_reason_text(enum agent_reason reason)
{
    static const char *const texts[AGENT_REASON_COUNT] = {
#define X(code, name, text) [AGENT_REASON_##code] = text,
        AGENT_REASON_MAP(X)
#undef X
    };

    CHECK(reason < AGENT_REASON_COUNT);
    return texts[reason];
}
