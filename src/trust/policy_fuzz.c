/* Statements in metadata of any form. */
#include <stdint.h>

#include "base/check.h"
#include "trust/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tuf_metadata *same_again(void *self, const char *name)
{
    (void)name;
    return self;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_source source = {.role = same_again};
    static struct policy policy;
    struct tuf_metadata *targets;

    if (tuf_metadata_read(TUF_TARGETS, (struct span){data, size}, &targets, NULL) != ERR_OK)
        return 0;
    source.targets = targets;
    source.self = targets;
    if (policy_read(&source, &policy, NULL) == ERR_OK)
        CHECK(policy.assignment_key_count <= POLICY_ASSIGNMENT_KEYS_MAX &&
              policy.blocked_count <= POLICY_BLOCKED_MAX &&
              policy.allow_stale_s <= POLICY_STALE_MAX_S);
    tuf_metadata_close(targets);
    return 0;
}
