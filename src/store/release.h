/* Releases: one row per product and version. The image and its facts stand here; artifacts in other
 * formats, of releases with or without an image, are in store/artifact.h. Signed ones are written
 * only by publishing; others came in through a compatible management API. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "base/time.h"
#include "fleet/protocol.h"
#include "store/db.h"

#define HARDWARE_TEXT_MAX (HARDWARE_MAX * (NAME_SIZE_MAX + 1u))
#define BASES_TEXT_MAX    (BASES_MAX * DIGEST_HEX_SIZE)

/* Room for "PRODUCT@VERSION" with NUL. */
#define RELEASE_ID_SIZE (NAME_SIZE_MAX + 1u + VERSION_SIZE_MAX + 1u)

struct release_row {
    int64_t tenant, id;
    char product[NAME_SIZE_MAX + 1];
    char version[VERSION_SIZE_MAX + 1];
    char target[TARGET_NAME_SIZE_MAX + 1];
    char hardware[HARDWARE_TEXT_MAX]; /* names with one space between; "": any */
    char bases[BASES_TEXT_MAX];       /* versions or digests in hex, with spaces; "": anything */
    uint32_t kind;                    /* enum release_kind of format/release.h */
    uint32_t security_version, security_floor;
    int64_t release_counter; /* 0: not stated; -1: published before it was kept */
    uint64_t length;         /* bytes of the file to download */
    uint8_t sha256[DIGEST_SIZE];
    uint64_t plain_length; /* bytes of the image that then runs */
    uint8_t plain_sha256[DIGEST_SIZE];
    uint32_t chunk_size;
    uint8_t chunks_sha256[DIGEST_SIZE];
    bool sealed;                    /* encrypted; `length` and `sha256` are of that */
    uint32_t alg;                   /* enum aead_kind of crypto/aead.h */
    uint8_t key_check[DIGEST_SIZE]; /* tells the right content key */
    bool key_present; /* the content key is here; not written by store_release_add() */
    uint32_t listing; /* the last that vouched for it; grows with every change of any list */
    bool withdrawn;   /* the present targets.json does not list it any more */
    struct utc created;
    bool no_image;           /* artifacts only: target, lengths and digests are empty */
    enum protocol authority; /* PROTOCOL_NATIVE: its signers; else whose API has brought it */
};

/* "PRODUCT@VERSION" into `out`. */
void release_row_name(const struct release_row *row, char out[RELEASE_ID_SIZE]);

/* Split "PRODUCT@VERSION"; false when it has no such form. */
bool release_name_split(struct span name, struct span *product, struct span *version) MUST_USE;

/* Sets row->id. ERR_CONFLICT when product and version exist. */
enum err store_release_add(struct db *db, struct release_row *row) MUST_USE;

/* Give a release that had artifacts only its image: everything but the keys is written. */
enum err store_release_set_image(struct db *db, const struct release_row *row) MUST_USE;

/* Forget one that nobody has signed. ERR_CONFLICT: a rollout is about it. */
enum err store_release_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

/* The number of the next listing. */
enum err store_release_next_listing(struct db *db, int64_t tenant, uint32_t *out) MUST_USE;

/* Still signed, in a newer listing. */
enum err store_release_confirm(struct db *db, int64_t tenant, int64_t id,
                               uint32_t listing) MUST_USE;

/* Mark withdrawn whatever `listing` did not confirm; *count says how many. */
enum err store_release_withdraw_others(struct db *db, int64_t tenant, uint32_t listing,
                                       uint32_t *count) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_release_get(struct db *db, int64_t tenant, int64_t id,
                           struct release_row *out) MUST_USE;
enum err store_release_find(struct db *db, int64_t tenant, struct span product, struct span version,
                            struct release_row *out) MUST_USE;

/* The content key of a sealed release, as it was put in: encrypted, app/content.h.
 * ERR_NOT_FOUND: it is not there; ERR_TOO_BIG: more than `out` takes. */
#define CONTENT_KEY_STORED_MAX 64u /* bytes */
enum err store_release_set_key(struct db *db, int64_t tenant, int64_t id,
                               struct span stored) MUST_USE;
enum err store_release_key(struct db *db, int64_t tenant, int64_t id, struct buf *out) MUST_USE;

/* By the digest of the running image: the newest one. */
enum err store_release_by_image(struct db *db, int64_t tenant,
                                const uint8_t plain_sha256[DIGEST_SIZE],
                                struct release_row *out) MUST_USE;

/* Newest first, ids below `before` (0: all). */
enum err store_release_list(struct db *db, int64_t tenant, int64_t before, uint32_t max,
                            struct release_row *out, uint32_t *count) MUST_USE;

/* A release that has this blob as image or chunk list, one that is not withdrawn if there is. */
enum err store_release_of_blob(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                               struct release_row *out) MUST_USE;

/* Whether any release of any tenant needs this blob, as image, chunk list or artifact. */
enum err store_release_needs_blob(struct db *db, const uint8_t sha256[DIGEST_SIZE],
                                  bool *needed) MUST_USE;
