/* Any bytes, taken as lines of an export: the verifier moves by one entry or not at all, and
 * every refusal has a sentence with a line number. Signatures are taken for good. */
#include "base/check.h"
#include "fleet/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool any(void *self, struct span text, struct span signature, struct span key)
{
    (void)self, (void)signature, (void)key;
    return text.size > 0;
}

static void feed(struct audit_verifier *verifier, struct span line)
{
    struct audit_verifier before = *verifier;
    struct why why = {0};
    enum err err = audit_verify_line(verifier, line, &why);

    if (err != ERR_OK) {
        CHECK(memcmp(&before, verifier, sizeof before) == 0);
        CHECK(memcmp(why.text, "line ", 5) == 0);
    } else {
        CHECK(verifier->line == before.line + 1);
        CHECK(verifier->seq == before.seq + (verifier->headed ? 0 : 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_verifier verifier = audit_verifier_init(any, NULL);
    size_t begin = 0;

    for (size_t i = 0; i <= size; i++) {
        if (i < size && data[i] != '\n')
            continue;
        feed(&verifier, (struct span){data + begin, i - begin});
        begin = i + 1;
    }
    return 0;
}
