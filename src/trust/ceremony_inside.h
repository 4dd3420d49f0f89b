/* The inside of struct ceremony, for the files that implement trust/ceremony.h. */
#pragma once

#include "trust/ceremony.h"
#include "trust/repository_files.h"

struct ceremony {
    json_t *json; /* PREPARED; the rules borrow from it */
    char role[REPOSITORY_NAME_SIZE];
    struct tuf_bytes canonical;    /* what is signed */
    struct tuf_metadata *staged;   /* the same, parsed */
    struct tuf_metadata *before;   /* NULL: this is the first version */
    bool own_before;               /* the signer brought it */
    struct repository_rules rules; /* `list`, `by` and `count` only */
};

/* SHA-256 of the canonical bytes in hex. */
void ceremony_digest(const struct ceremony *ceremony, char out[DIGEST_HEX_SIZE]);
