#include "base/check.h"
#include "wire/wire.h"

static const struct wire *const wires[] = {
    &wire_native,
};

const struct wire *wire_of(const struct message *in)
{
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        if (wires[i]->claims(in))
            return wires[i];
    }
    return NULL;
}

const char *call_name(enum call_kind kind)
{
    static const char *const names[CALL_COUNT] = {
        [CALL_ENROL] = "enrol",     [CALL_RENEW] = "renew",       [CALL_POLL] = "poll",
        [CALL_DETAILS] = "details", [CALL_REPORT] = "report",     [CALL_INVENTORY] = "inventory",
        [CALL_LOG] = "log",         [CALL_METADATA] = "metadata", [CALL_FETCH] = "fetch",
    };

    CHECK(kind < CALL_COUNT);
    return names[kind];
}
