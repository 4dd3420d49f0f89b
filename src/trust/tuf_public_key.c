#include "trust/tuf_public_key.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/tuf_key.h"

/* clang-format off */
static const struct {
    const char *keytype, *scheme;
    enum public_key_scheme means;
} forms[] = {
    {"ed25519",             "ed25519",               PUBLIC_KEY_ED25519},
    {"ecdsa",               "ecdsa-sha2-nistp256",   PUBLIC_KEY_ECDSA_P256_SHA256},
    {"ecdsa",               "ecdsa-sha2-nistp384",   PUBLIC_KEY_ECDSA_P384_SHA384},
    {"ecdsa",               "ecdsa-sha2-nistp521",   PUBLIC_KEY_ECDSA_P521_SHA512},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256",   PUBLIC_KEY_ECDSA_P256_SHA256}, /* before 1.0.20 */
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384",   PUBLIC_KEY_ECDSA_P384_SHA384},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521",   PUBLIC_KEY_ECDSA_P521_SHA512},
    {"rsa",                 "rsassa-pss-sha256",     PUBLIC_KEY_RSA_PSS_SHA256},
    {"rsa",                 "rsassa-pss-sha384",     PUBLIC_KEY_RSA_PSS_SHA384},
    {"rsa",                 "rsassa-pss-sha512",     PUBLIC_KEY_RSA_PSS_SHA512},
    {"rsa",                 "rsa-pkcs1v15-sha256",   PUBLIC_KEY_RSA_PKCS1_SHA256},
    {"rsa",                 "rsa-pkcs1v15-sha384",   PUBLIC_KEY_RSA_PKCS1_SHA384},
    {"rsa",                 "rsa-pkcs1v15-sha512",   PUBLIC_KEY_RSA_PKCS1_SHA512},
};
/* clang-format on */

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static bool has_id(const json_t *json, const char *id)
{
    char computed[DIGEST_HEX_SIZE];

    return tuf_key_id_of_json(json, computed, NULL) == ERR_OK && strcmp(computed, id) == 0;
}

static enum err check_id(const json_t *json, const char *id, struct why *why)
{
    json_t *core =
        json_pack("{s:O, s:O, s:O}", "keytype", json_object_get(json, "keytype"), "scheme",
                  json_object_get(json, "scheme"), "keyval", json_object_get(json, "keyval"));
    bool good;

    CHECK(core);
    good = has_id(json, id) || has_id(core, id);
    json_decref(core);
    if (!good)
        return say(why, ERR_CONFLICT, NULL, "key %.16s is not the key of that id", id);
    return ERR_OK;
}

/* Hex digits for Ed25519, PEM for the others; an ECDSA point was hex before TUF 1.0. */
static enum err read_public(enum public_key_scheme scheme, const char *text,
                            struct public_key **out, struct why *why)
{
    uint8_t raw[PUBLIC_KEY_RAW_SIZE_MAX];
    size_t size = strlen(text) / 2;

    if (strstr(text, "-----"))
        return public_key_from_pem(scheme, span_of(text), out, why);
    if (size > sizeof raw || !hex_parse(span_of(text), raw, size))
        return say(why, ERR_CORRUPT, NULL, "a public key is neither PEM nor hex digits");
    return public_key_from_raw(scheme, (struct span){raw, size}, out, why);
}

enum err tuf_public_key_read(const json_t *json, const char *id, struct public_key **out,
                             struct why *why)
{
    const char *keytype = text_of(json, "keytype"), *scheme = text_of(json, "scheme");
    const char *public_half = text_of(json_object_get(json, "keyval"), "public");

    if (!keytype || !scheme)
        return say(why, ERR_CORRUPT, NULL, "a key lacks keytype or scheme");
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strcmp(keytype, forms[i].keytype) != 0 || strcmp(scheme, forms[i].scheme) != 0)
            continue;
        if (!public_half)
            return say(why, ERR_CORRUPT, NULL, "a key lacks keyval.public");
        TRY(check_id(json, id, why));
        return read_public(forms[i].means, public_half, out, why);
    }
    return say(why, ERR_INVALID, NULL, "keys of type %.20s with scheme %.30s are not used here",
               keytype, scheme);
}
