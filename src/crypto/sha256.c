#include "crypto/sha256.h"

#include "base/bytes.h"
#include "base/check.h"

#define LENGTH_AT (SHA256_BLOCK_SIZE - 8u) /* where the last block holds the length in bits */

/* FIPS 180-4, 4.2.2. */
/* clang-format off */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
/* clang-format on */

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

/* FIPS 180-4, 6.2.2 step 1. */
static void schedule(uint32_t w[64], const uint8_t block[SHA256_BLOCK_SIZE])
{
    for (size_t i = 0; i < 16; i++)
        w[i] = load_be32(block + 4 * i);
    for (size_t i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
        uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;

        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

/* FIPS 180-4, 6.2.2 steps 2 to 4; s[0..7] are its a..h. */
static void compress(uint32_t state[8], const uint8_t block[SHA256_BLOCK_SIZE])
{
    uint32_t w[64], s[8];

    schedule(w, block);
    memcpy(s, state, sizeof s);
    for (size_t i = 0; i < 64; i++) {
        uint32_t sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t t1 = s[7] + sum1 + choice + K[i] + w[i];
        uint32_t sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);

        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += t1;
        s[0] = t1 + sum0 + majority;
    }
    for (size_t i = 0; i < 8; i++)
        state[i] += s[i];
}

void sha256_init(struct sha256 *sha)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

    CHECK(sha);
    memcpy(sha->state, start, sizeof start);
    sha->size = 0;
}

void sha256_update(struct sha256 *sha, struct span bytes)
{
    size_t have = (size_t)(sha->size % SHA256_BLOCK_SIZE), at = 0;

    CHECK(bytes.at || bytes.size == 0);
    sha->size += bytes.size;
    if (have + bytes.size >= SHA256_BLOCK_SIZE && have > 0) {
        at = SHA256_BLOCK_SIZE - have;
        memcpy(sha->block + have, bytes.at, at);
        compress(sha->state, sha->block);
        have = 0;
    }
    for (; bytes.size - at >= SHA256_BLOCK_SIZE; at += SHA256_BLOCK_SIZE)
        compress(sha->state, bytes.at + at);
    if (bytes.size > at)
        memcpy(sha->block + have, bytes.at + at, bytes.size - at);
}

void sha256_done(struct sha256 *sha, uint8_t out[DIGEST_SIZE])
{
    size_t have = (size_t)(sha->size % SHA256_BLOCK_SIZE);

    CHECK(out);
    sha->block[have++] = 0x80;
    if (have > LENGTH_AT) {
        memset(sha->block + have, 0, SHA256_BLOCK_SIZE - have);
        compress(sha->state, sha->block);
        have = 0;
    }
    memset(sha->block + have, 0, LENGTH_AT - have);
    store_be64(sha->block + LENGTH_AT, sha->size * 8);
    compress(sha->state, sha->block);
    for (size_t i = 0; i < 8; i++)
        store_be32(out + 4 * i, sha->state[i]);
}

void sha256_of(struct span bytes, uint8_t out[DIGEST_SIZE])
{
    struct sha256 sha;

    sha256_init(&sha);
    sha256_update(&sha, bytes);
    sha256_done(&sha, out);
}
