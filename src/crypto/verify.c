#include "crypto/verify.h"

#include "crypto/sha256.h"

#define SCALAR_SIZE 32u /* bytes of S, r and s */

/* p = 2^255 - 19, little-endian. */
static const uint8_t ed25519_p[VERIFY_ED25519_SIZE] = {
    0xED, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F};

/* L = 2^252 + 27742317777372353535851937790883648493, little-endian. */
static const uint8_t ed25519_order[SCALAR_SIZE] = {
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10};

/* The y coordinates of the points whose order divides 8, but 0, 1 and p - 1. */
static const uint8_t ed25519_order8[2][VERIFY_ED25519_SIZE] = {
    {0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4,
     0x89, 0xF2, 0xEF, 0x98, 0xF0, 0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6,
     0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53, 0xFC, 0x05},
    {0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B,
     0x76, 0x0D, 0x10, 0x67, 0x0F, 0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39,
     0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC, 0x03, 0x7A}};

/* n of P-256 (SP 800-186 3.2.1.3), big-endian. */
static const uint8_t p256_order[SCALAR_SIZE] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51};

static bool below_le(const uint8_t *number, const uint8_t *limit)
{
    for (uint32_t i = SCALAR_SIZE; i > 0; i--) {
        if (number[i - 1] != limit[i - 1])
            return number[i - 1] < limit[i - 1];
    }
    return false;
}

static bool below_be(const uint8_t *number, const uint8_t *limit)
{
    return memcmp(number, limit, SCALAR_SIZE) < 0;
}

static bool is_zero(const uint8_t *number)
{
    uint8_t any = 0;

    for (uint32_t i = 0; i < SCALAR_SIZE; i++)
        any = (uint8_t)(any | number[i]);
    return any == 0;
}

/* Points of small order have many signatures that are good for any message. */
static bool ed25519_small(const uint8_t *y)
{
    uint8_t number[VERIFY_ED25519_SIZE];

    memcpy(number, y, sizeof number);
    for (uint32_t i = 0; i < COUNT_OF(ed25519_order8); i++) {
        if (memcmp(number, ed25519_order8[i], sizeof number) == 0)
            return true;
    }
    if (number[0] == ed25519_p[0] - 1) { /* p - 1: zero but for p's other bytes */
        number[0] = ed25519_p[0];
        return memcmp(number, ed25519_p, sizeof number) == 0;
    }
    number[0] &= 0xFE; /* 0 and 1 */
    return is_zero(number);
}

static bool ed25519_key_ok(const uint8_t *public)
{
    uint8_t y[VERIFY_ED25519_SIZE];

    memcpy(y, public, sizeof y);
    y[sizeof y - 1] &= 0x7F; /* the sign of x */
    return below_le(y, ed25519_p) && !ed25519_small(y);
}

static bool public_ok(enum verify_alg alg, struct span public)
{
    if (alg == VERIFY_ED25519)
        return public.size == VERIFY_ED25519_SIZE && ed25519_key_ok(public.at);
    return alg == VERIFY_ES256 && public.size == VERIFY_ES256_SIZE && public.at[0] == 4;
}

bool verify_key_init(struct verify_key *out, enum verify_alg alg, struct span public)
{
    uint8_t digest[DIGEST_SIZE];

    if (!public_ok(alg, public))
        return false;
    sha256_of(public, digest);
    *out = (struct verify_key){.alg = alg, .size = (uint8_t) public.size};
    memcpy(out->public, public.at, public.size);
    memcpy(out->kid, digest, sizeof out->kid);
    return true;
}

bool verify_key_same(const struct verify_key *a, const struct verify_key *b)
{
    return a->alg == b->alg && a->size == b->size && memcmp(a->public, b->public, a->size) == 0;
}

static bool signature_ok(enum verify_alg alg, const uint8_t *signature)
{
    const uint8_t *second = signature + SCALAR_SIZE;

    if (alg == VERIFY_ED25519)
        return below_le(second, ed25519_order);
    return !is_zero(signature) && !is_zero(second) && below_be(signature, p256_order) &&
           below_be(second, p256_order);
}

bool verify_good(const struct verify *verify, const struct verify_key *key, struct span message,
                 struct span signature)
{
    if (!public_ok(key->alg, (struct span){key->public, key->size}))
        return false;
    if (signature.size != VERIFY_SIGNATURE_SIZE || !signature_ok(key->alg, signature.at))
        return false;
    return verify->good(verify->self, key, message, signature);
}
