#include "crypto/aead.h"

#include "base/check.h"

static const char *const names[AEAD_COUNT] = {
    [AEAD_CHACHA20_POLY1305] = "chacha20-poly1305",
    [AEAD_AES_256_GCM] = "aes-256-gcm",
};

const char *aead_kind_name(enum aead_kind kind)
{
    CHECK((size_t)kind < COUNT_OF(names));
    return names[kind];
}

bool aead_kind_parse(struct span name, enum aead_kind *out)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (span_is(name, names[i])) {
            *out = (enum aead_kind)i;
            return true;
        }
    }
    return false;
}
