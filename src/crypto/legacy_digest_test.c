/* SHA-1 and MD5 of RFC 3174 and RFC 1321. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/hex.h"
#include "crypto/legacy_digest.h"

static void test_abc(void **state)
{
    uint8_t sha1[LEGACY_SHA1_SIZE], md5[LEGACY_MD5_SIZE];
    struct legacy_digest *digest = legacy_digest_open();
    char text[2 * LEGACY_SHA1_SIZE + 1];

    (void)state;
    legacy_digest_update(digest, span_of("a"));
    legacy_digest_update(digest, span_of("bc"));
    legacy_digest_done(digest, sha1, md5);
    hex_print((struct span){sha1, sizeof sha1}, text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hex_print((struct span){md5, sizeof md5}, text);
    assert_string_equal(text, "900150983cd24fb0d6963f7d28e17f72");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_abc)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
