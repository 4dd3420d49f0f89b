/* HMAC, HKDF and the key schedule of HPKE against the vectors of their RFCs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "crypto/hkdf.h"
#include "crypto/hpke.h"

struct bytes {
    uint8_t at[256];
    size_t size;
};

static struct bytes from_hex(const char *text)
{
    struct bytes bytes = {.size = strlen(text) / 2};

    assert_true(bytes.size <= sizeof bytes.at);
    assert_true(hex_parse(span_of(text), bytes.at, bytes.size));
    return bytes;
}

static struct span span_from(const struct bytes *bytes)
{
    return (struct span){bytes->at, bytes->size};
}

static void assert_hex(const uint8_t *at, size_t size, const char *text)
{
    struct bytes wanted = from_hex(text);

    assert_int_equal(wanted.size, size);
    assert_memory_equal(wanted.at, at, size);
}

/* RFC 4231, cases 1, 2 and 6: a short key, a shorter one, one longer than a block. */
static void test_hmac(void **state)
{
    static const struct {
        const char *key, *data, *mac;
    } cases[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368"
         "204b6579204669727374",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    uint8_t mac[DIGEST_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes key = from_hex(cases[i].key), data = from_hex(cases[i].data);
        struct hmac hmac;

        if (i == 2)
            key = (struct bytes){.size = 131}, memset(key.at, 0xAA, key.size);
        hmac_init(&hmac, span_from(&key));
        hmac_update(&hmac, (struct span){data.at, 3});
        hmac_update(&hmac, (struct span){data.at + 3, data.size - 3});
        hmac_done(&hmac, mac);
        assert_hex(mac, sizeof mac, cases[i].mac);
    }
}

/* RFC 5869, A.1 and A.3, as far as one block goes. */
static void test_hkdf(void **state)
{
    struct bytes secret = from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
    struct bytes salt = from_hex("000102030405060708090a0b0c");
    struct bytes info = from_hex("f0f1f2f3f4f5f6f7f8f9");
    uint8_t key[DIGEST_SIZE], out[DIGEST_SIZE];

    (void)state;
    hkdf_extract(span_from(&salt), span_from(&secret), key);
    assert_hex(key, sizeof key, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    hkdf_expand(key, span_from(&info), out, sizeof out);
    assert_hex(out, sizeof out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    hkdf_extract((struct span){0}, span_from(&secret), key);
    assert_hex(key, sizeof key, "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
    memset(out, 0, sizeof out);
    hkdf_expand(key, (struct span){0}, out, 12);
    assert_hex(out, 13, "8da4e775a563c18f715f802a00");
}

/* RFC 9180, A.2.1 (X25519) and A.5.1 (P-256); `agreed` is their Diffie-Hellman result. */
static void test_hpke(void **state)
{
    static const struct {
        enum hpke_kem kem;
        const char *agreed, *enc, *recipient, *key, *nonce;
    } cases[] = {
        {HPKE_X25519, "abcb90ca2fce0148743e01e11bdad631767e47ba4d10947ddf0db562cbd65b74",
         "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
         "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
         "ad2744de8e17f4ebba575b3f5f5a8fa1f69c2a07f6e7500bc60ca6e3e3ec1c91",
         "5c4d98150661b848853b547f"},
        {HPKE_P256, "a65d78f0f0b1a25e3f63a1447a8ec2ea0cb84b9b0d2e76332c8a92253ba4ace2",
         "04c07836a0206e04e31d8ae99bfd549380b072a1b1b82e563c935c095827824fc1"
         "559eac6fb9e3c70cd3193968994e7fe9781aa103f5b50e934b5b2f387e381291",
         "04a697bffde9405c992883c5c439d6cc358170b51af72812333b015621dc0f40ba"
         "d9bb726f68a5c013806a790ec716ab8669f84f6b694596c2987cf35baba2a006",
         "a8f45490a92a3b04d1dbf6cf2c3939ad8bfc9bfcb97c04bffe116730c9dfe3fc",
         "726b4390ed2209809f58c693"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bytes agreed = from_hex(cases[i].agreed), enc = from_hex(cases[i].enc);
        struct bytes recipient = from_hex(cases[i].recipient);
        struct hpke_keys keys;

        hpke_schedule(&(struct hpke_input){.kem = cases[i].kem,
                                           .agreed = span_from(&agreed),
                                           .enc = span_from(&enc),
                                           .recipient = span_from(&recipient),
                                           .info = SPAN_LITERAL("Ode on a Grecian Urn")},
                      &keys);
        assert_hex(keys.key, sizeof keys.key, cases[i].key);
        assert_hex(keys.nonce, sizeof keys.nonce, cases[i].nonce);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_hpke),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
