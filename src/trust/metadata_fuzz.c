/* Any bytes as each role's metadata: read, asked everything, verified against themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "trust/delegation.h"
#include "trust/json_canon.h"
#include "trust/metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err look(void *self, const struct tuf_target *target, struct why *why)
{
    (void)self, (void)why;
    CHECK(target->name[TARGET_NAME_SIZE_MAX] == '\0');
    if (target->has_facts)
        CHECK(release_facts_check(&target->facts, NULL) == ERR_OK);
    return ERR_OK;
}

/* What canonical form yields is read again, and yields itself. */
static void check_canonical(const json_t *json)
{
    struct tuf_bytes once, twice;
    json_t *again;

    CHECK(json_canonical(json, &once, NULL) == ERR_OK);
    /* Control characters stand raw in canonical form, which JSON proper forbids. */
    if (json_read(tuf_bytes_span(&once), &again, NULL) == ERR_OK) {
        CHECK(json_canonical(again, &twice, NULL) == ERR_OK);
        CHECK(span_equal(tuf_bytes_span(&once), tuf_bytes_span(&twice)));
        tuf_bytes_done(&twice);
        json_decref(again);
    }
    tuf_bytes_done(&once);
}

/* Every delegation by number and by name, and those for one path; none of many bins. */
static void check_delegations(const struct tuf_metadata *targets)
{
    struct tuf_delegation one, same;
    uint64_t at = 0;

    while (tuf_delegation_next(targets, NULL, &at, &one) && at < 64) {
        CHECK(one.authority.threshold > 0);
        CHECK(tuf_delegation_to(targets, one.role, &same));
        CHECK(strcmp(one.role, same.role) == 0);
        (void)!tuf_signature_count(&one.authority, targets);
    }
    at = 0;
    while (tuf_delegation_next(targets, "a/b.c", &at, &one))
        CHECK(one.role[TUF_ROLE_NAME_SIZE_MAX] == '\0');
}

static void use(enum tuf_role role, const struct tuf_metadata *metadata)
{
    struct tuf_file file;

    CHECK(tuf_metadata_version(metadata) > 0);
    check_canonical(tuf_metadata_signed(metadata));
    switch (role) {
    case TUF_ROOT:
        (void)!tuf_verify_by_root(metadata, metadata, NULL);
        break;
    case TUF_TIMESTAMP:
        CHECK(tuf_listed_file(metadata, "snapshot.json", &file));
        break;
    case TUF_SNAPSHOT:
        CHECK(tuf_check_snapshot_rollback(metadata, metadata, NULL) == ERR_OK);
        break;
    case TUF_TARGETS:
        (void)!tuf_for_each_target(metadata, look, NULL, NULL);
        check_delegations(metadata);
        break;
    case TUF_ROLE_COUNT:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int role = 0; role < TUF_ROLE_COUNT; role++) {
        struct tuf_metadata *metadata;
        struct why why = {0};

        if (tuf_metadata_read((enum tuf_role)role, (struct span){data, size}, &metadata, &why) ==
            ERR_OK) {
            use((enum tuf_role)role, metadata);
            tuf_metadata_close(metadata);
        } else {
            CHECK(why.text[0] != '\0');
        }
    }
    return 0;
}
