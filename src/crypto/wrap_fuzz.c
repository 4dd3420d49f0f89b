/* Wraps and sealing keys from strangers: nothing but what was made for the key may open it. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "crypto/wrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct wrap_key *key_of(enum wrap_kind kind)
{
    static struct wrap_key *keys[WRAP_P256 + 1];

    if (!keys[kind])
        CHECK(wrap_key_generate(kind, &keys[kind], NULL) == ERR_OK);
    return keys[kind];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint8_t sha256[DIGEST_SIZE];
    const struct wrap_for to = {"pump-17", sha256};
    struct span in = {bytes, size};
    uint8_t room[WRAP_SIZE_MAX], key[AEAD_KEY_SIZE] = {0};
    struct buf out = buf_over(room, sizeof room);

    CHECK(wrap_unseal(key_of(WRAP_X25519), &to, in, key, NULL) != ERR_OK);
    CHECK(wrap_unseal(key_of(WRAP_P256), &to, in, key, NULL) != ERR_OK);
    CHECK((wrap_seal(in, &to, key, &out, NULL) == ERR_OK) == wrap_public_ok(in));
    return 0;
}
