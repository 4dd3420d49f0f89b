/* The offline side of the stolen server: signers whose keys nobody has stolen, and what they have
 * signed. Real keys, real signatures, the formats of microcontrollers (format/manifest.h and
 * format/trust_store.h). */
#pragma once

#include "base/prng.h"
#include "crypto/key.h"
#include "format/manifest.h"
#include "format/trust_store.h"

#define STOLEN_IMAGE_SIZE 1500u /* bytes; no multiple of anything */
#define STOLEN_CHUNK_SIZE 1024u
#define STOLEN_CHUNKS     2u
#define STOLEN_RELEASES   24u
#define STOLEN_STORES     5u

#define STOLEN_BEGIN_S UINT64_C(1795600954) /* when the first trust store was issued */
#define STOLEN_DAY_S   86400u

struct stolen_release {
    struct manifest manifest;
    uint8_t image[STOLEN_IMAGE_SIZE];
    uint8_t list[STOLEN_CHUNKS * DIGEST_SIZE];
    uint8_t message[MANIFEST_SIZE_MAX]; /* the signed manifest */
    size_t size;
};

struct stolen_store {
    uint8_t message[TRUST_STORE_SIZE_MAX];
    size_t size;
    uint64_t expires_s;
};

struct stolen_authority {
    struct key *root, *signers[2];                   /* offline: both signers must sign a release */
    struct key *assignment;                          /* the server's, and so the thief's */
    struct stolen_release releases[STOLEN_RELEASES]; /* the first is the factory's */
    struct stolen_store stores[STOLEN_STORES];       /* version is the index plus one */
};

/* Make everything anew, by chance from `prng`; the keys are made once. */
void stolen_authority_begin(struct stolen_authority *authority, struct prng *prng);
void stolen_authority_done(struct stolen_authority *authority);

/* Fill in digests, chunk list and image size of `release` from its image. */
void stolen_measure(struct stolen_release *release);

/* The release whose image these bytes are; NULL: nobody has signed them. */
const struct stolen_release *stolen_find(const struct stolen_authority *authority,
                                         const uint8_t image[STOLEN_IMAGE_SIZE]);
