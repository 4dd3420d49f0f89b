#include "crypto/test_key_host.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "crypto/sha256.h"

/* PKCS#8 around an Ed25519 seed (RFC 8410 7). */
static const uint8_t head[16] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

struct key *test_key(uint8_t number)
{
    uint8_t der[sizeof head + DIGEST_SIZE], base64[80], pem[200];
    struct buf text = buf_over(pem, sizeof pem);
    struct key *key = NULL;
    struct why why = {0};
    int size;

    memcpy(der, head, sizeof head);
    sha256_of((struct span){&number, 1}, der + sizeof head);
    size = EVP_EncodeBlock(base64, der, sizeof der);
    buf_text(&text, "-----BEGIN PRIVATE KEY-----\n");
    buf_put(&text, base64, (size_t)size);
    buf_text(&text, "\n-----END PRIVATE KEY-----\n");
    CHECK(key_from_pem(buf_written(&text), &key, &why) == ERR_OK);
    return key;
}
