/* Public keys as tokens keep them. */
#include <openssl/x509.h>
#include <string.h>

#include "base/check.h"
#include "crypto/key_host.h"
#include "crypto/key_pkcs11_host.h"

#define POINT_SIZE   65u /* bytes of an uncompressed point of P-256 */
#define OCTET_STRING 4u

/* SubjectPublicKeyInfo of a P-256 key up to the point (RFC 5480). */
static const uint8_t p256_prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};

static enum err from_p256(struct span point, struct key **out, struct why *why)
{
    uint8_t der[sizeof p256_prefix + POINT_SIZE];
    const uint8_t *at = der;
    EVP_PKEY *pkey;

    memcpy(der, p256_prefix, sizeof p256_prefix);
    memcpy(der + sizeof p256_prefix, point.at, POINT_SIZE);
    key_quiet_begin();
    pkey = d2i_PUBKEY(NULL, &at, (long)sizeof der);
    key_quiet_end();
    return key_wrap(pkey, false, out, why);
}

enum err token_key_of_point(enum key_kind kind, struct span point, struct key **out,
                            struct why *why)
{
    size_t size = kind == KEY_ED25519 ? KEY_RAW_SIZE : POINT_SIZE;

    if (point.size == size + 2 && point.at[0] == OCTET_STRING && point.at[1] == size)
        point = (struct span){point.at + 2, size};
    if (point.size != size) {
        why_say(why, NULL, "the token's public key has another size than keys of its kind");
        return ERR_CORRUPT;
    }
    return kind == KEY_ED25519 ? key_from_raw(point, out, why) : from_p256(point, out, why);
}

enum err token_key_of_certificate(struct span der, struct key **out, struct why *why)
{
    const uint8_t *at = der.at;
    X509 *certificate;
    EVP_PKEY *pkey;

    key_quiet_begin();
    certificate = d2i_X509(NULL, &at, (long)der.size);
    pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    key_quiet_end();
    X509_free(certificate);
    return key_wrap(pkey, false, out, why);
}
