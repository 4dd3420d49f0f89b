/* Compact messages in the making: manifests and trust stores for devices without JSON, drawn up
 * from what a repository says, signed by its keys, and listed in it as targets.
 *
 *     draft (the bare payload) --sign--> COSE_Sign, one signature after the other --list--> target
 *
 * A signature changes the bytes, so a message is listed once it has as many as it needs; the list
 * that then names its digest is signed as ever (trust/repository.h). Drafts and messages are
 * files of their own and may be signed far from the repository.
 *
 * Targets: "PRODUCT/VERSION/FILE.manifest" beside the image, and "trust-store/N". */
#pragma once

#include "format/manifest.h"
#include "format/trust_store.h"
#include "trust/repository.h"

#define COMPACT_TRUST_STORE "trust-store/" /* and the version */
#define COMPACT_SIZE_MAX    TRUST_STORE_SIZE_MAX

enum compact_kind {
    COMPACT_IS_MANIFEST,
    COMPACT_IS_TRUST_STORE
};

/* Spans and `store.blocked` borrow from `payload`; not to be copied. */
struct compact {
    enum compact_kind kind;
    struct manifest manifest; /* COMPACT_IS_MANIFEST */
    struct trust_store store; /* COMPACT_IS_TRUST_STORE */
    struct cose_sign message; /* no signatures: a draft */
    uint8_t payload[COMPACT_SIZE_MAX];
};

/* The manifest of a release that is listed, staged or current, unsigned. `slot`, if not NULL and
 * known, is taken into it. ERR_NOT_FOUND; ERR_TOO_BIG: its facts do not fit. */
enum err compact_draft_manifest(const char *dir, const char *product, const char *version,
                                const struct manifest_slot *slot, struct compact *out,
                                struct why *why) MUST_USE;

/* The digest of a bank of `length` bytes with the release's image in it and `fill` behind it.
 * ERR_INVALID: the image is longer, or kept encrypted. */
enum err compact_measure_slot(const char *dir, const struct release_facts *facts, uint64_t length,
                              uint8_t fill, struct manifest_slot *out, struct why *why) MUST_USE;

/* For whose releases a trust store speaks. */
struct compact_product {
    const char *name; /* or TRUST_ANY_PRODUCT: those that top-level targets list */
    uint32_t security_floor;
};

struct compact_plan {
    const struct compact_product *products;
    uint32_t product_count; /* 1 to TRUST_PRODUCTS_MAX */
    struct utc now;
    struct utc expires; /* 0: never */
};

/* The trust store after the last one listed (or the first), from the newest keys and statements,
 * unsigned. ERR_NOT_FOUND: there is no current root yet; ERR_INVALID: a key is of a kind that
 * compact messages do not know; ERR_TOO_BIG: past a limit of format/trust_store.h. */
enum err compact_draft_store(const char *dir, const struct compact_plan *plan, struct compact *out,
                             struct why *why) MUST_USE;

/* A draft or a message. ERR_CORRUPT, ERR_TOO_BIG: neither. */
enum err compact_read(struct span bytes, struct compact *out, struct why *why) MUST_USE;

/* A draft while nobody has signed, else a message. COMPACT_SIZE_MAX bytes of room suffice. */
void compact_write(const struct compact *compact, struct buf *out);

/* Add a signature. Whether the key has a say is found out when the message is listed.
 * ERR_TOO_BIG: the message would be longer than devices take. */
enum err compact_sign(struct compact *compact, const struct key *key, struct why *why) MUST_USE;

/* Count the signatures of those who must sign by the newest repository; `complete`: enough. Of a
 * trust store, by the rule (its own root or the one before) that lacks most. Besides it says what
 * does not fit: ERR_CONFLICT: the message is not what the repository says of the release, or not
 * the next trust store; ERR_NOT_FOUND: the release is not listed. */
enum err compact_count(const char *dir, const struct compact *compact,
                       struct repository_signing *out, struct why *why) MUST_USE;

/* Store the message and list it as a target, which stages a list. ERR_UNTRUSTED: too few have
 * signed; else as compact_count(). `name` gets the target. */
enum err compact_list(struct repository_edit *edit, const struct compact *compact,
                      char name[TARGET_NAME_SIZE_MAX + 1], struct why *why) MUST_USE;
