#include "fleet/protocol.h"

#include "base/check.h"

#define FORMATS_OF_PROTOCOL_MAX 3u

struct use {
    uint8_t count;
    uint8_t formats[FORMATS_OF_PROTOCOL_MAX]; /* enum artifact_format, best first */
};

static const struct use uses[PROTOCOL_COUNT] = {
    [PROTOCOL_NATIVE] = {1, {ARTIFACT_IMAGE}},
    [PROTOCOL_HAWKBIT] = {3, {ARTIFACT_SWU, ARTIFACT_RAUCB, ARTIFACT_FILE}},
    [PROTOCOL_MENDER] = {1, {ARTIFACT_MENDER}},
};

bool protocol_format(enum protocol protocol, unsigned index, enum artifact_format *out)
{
    CHECK(protocol < PROTOCOL_COUNT);
    if (index >= uses[protocol].count)
        return false;
    *out = (enum artifact_format)uses[protocol].formats[index];
    return true;
}

bool protocol_asks(enum protocol protocol)
{
    CHECK(protocol < PROTOCOL_COUNT);
    return protocol == PROTOCOL_NATIVE;
}

bool protocol_proves(enum protocol protocol)
{
    CHECK(protocol < PROTOCOL_COUNT);
    return protocol == PROTOCOL_NATIVE;
}

const char *protocol_name(enum protocol protocol)
{
    static const char *const names[] = {
#define X(code, wire) [PROTOCOL_##code] = (wire),
        PROTOCOL_MAP(X)
#undef X
    };

    CHECK(protocol < PROTOCOL_COUNT);
    return names[protocol];
}

const char *artifact_format_name(enum artifact_format format)
{
    static const char *const names[] = {
#define X(code, wire, text) [ARTIFACT_##code] = (wire),
        ARTIFACT_FORMAT_MAP(X)
#undef X
    };

    CHECK(format < ARTIFACT_FORMAT_COUNT);
    return names[format];
}

const char *artifact_format_text(enum artifact_format format)
{
    static const char *const texts[] = {
#define X(code, wire, text) [ARTIFACT_##code] = (text),
        ARTIFACT_FORMAT_MAP(X)
#undef X
    };

    CHECK(format < ARTIFACT_FORMAT_COUNT);
    return texts[format];
}

enum err protocol_parse(struct span name, enum protocol *out)
{
    for (enum protocol i = 0; i < PROTOCOL_COUNT; i++) {
        if (span_is(name, protocol_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

enum err artifact_format_parse(struct span name, enum artifact_format *out)
{
    for (enum artifact_format i = 0; i < ARTIFACT_FORMAT_COUNT; i++) {
        if (span_is(name, artifact_format_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
