/* Release facts: what a signer states about one firmware image. Agents, the server and the
 * command line decide by them and by nothing else that is said about an image.
 *
 * In a TUF repository they are the target's `custom` (docs/spec/trust.md); reading and writing
 * that JSON is trust/release_json.h. This module is the plain struct and its rules, pure. */
#pragma once

#include "base/err.h"
#include "base/limits.h"
#include "base/span.h"
#include "crypto/aead.h"

enum release_kind {
    RELEASE_FEATURE,
    RELEASE_SECURITY
};

/* One release an update may be applied on: named by version, or by the image's digest. */
struct release_base {
    bool by_digest;
    uint8_t sha256[DIGEST_SIZE];        /* by_digest */
    char version[VERSION_SIZE_MAX + 1]; /* otherwise */
};

/* How a sealed image is encrypted; docs/spec/sealed.md. What is stored and sent is `sha256`. */
struct release_sealed {
    bool used; /* false: the image is published in the clear, and the rest is zero */
    enum aead_kind alg;
    uint64_t length;                /* bytes, with a tag for each chunk */
    uint8_t sha256[DIGEST_SIZE];    /* of the encrypted image */
    uint8_t key_check[DIGEST_SIZE]; /* tells the right content key; see crypto/sealing.h */
};

#define RELEASE_ISSUED_S_MAX UINT64_C(32503680000) /* the year 3000: later is no time */

struct release_facts {
    char product[NAME_SIZE_MAX + 1];
    char version[VERSION_SIZE_MAX + 1];
    char hardware[HARDWARE_MAX][NAME_SIZE_MAX + 1]; /* hardware it runs on; at least one */
    uint32_t hardware_count;
    uint32_t security_version; /* of this release; compared with a device's floor */
    uint32_t security_floor;   /* what a device's floor becomes once this release is confirmed */
    uint32_t release_counter;  /* of the product's releases, growing; 0 = not stated */
    uint64_t issued_s;         /* unix time at which the facts were drawn up; 0 = not stated */
    enum release_kind kind;
    uint64_t length;                    /* bytes of the plain image */
    uint8_t sha256[DIGEST_SIZE];        /* of the plain image */
    uint32_t chunk_size;                /* bytes; the last chunk may be shorter */
    uint8_t chunks_sha256[DIGEST_SIZE]; /* of the chunk list */
    struct release_sealed sealed;
    struct release_base bases[BASES_MAX];
    uint32_t bases_count; /* 0: may be applied on anything */
};

/* The chunk list of an image is the SHA-256 of each chunk, one after the other; it is a target
 * of its own, named as the image plus this. */
#define RELEASE_CHUNKS_SUFFIX ".chunks"

/* Whether the facts are complete and within the limits. `field`, if not NULL, gets the JSON
 * name of the first offending one on failure (static text).
 * ERR_CORRUPT: missing, malformed or contradictory; ERR_TOO_BIG: past a limit. */
enum err release_facts_check(const struct release_facts *facts, const char **field) MUST_USE;

/* Chunks an image has; `chunk_size` at least 1. */
uint64_t release_chunk_count(uint64_t length, uint32_t chunk_size);

/* What is stored, sent and listed as a target: the sealed image if there is one. */
uint64_t release_sent_length(const struct release_facts *facts);
const uint8_t *release_sent_sha256(const struct release_facts *facts);

/* [A-Za-z0-9._-]{1,64}, and not "." or "..": products, hardware, files. */
bool release_name_ok(const char *name) MUST_USE;

/* As a name, plus "+" and "~", at most 32 bytes: as versions are written. */
bool release_version_ok(const char *version) MUST_USE;

/* Whether a target is named "PRODUCT/...": signers of one product are bound by these names, not by
 * what the facts say. */
bool release_listed_for(struct span target, const char *product) MUST_USE;
