/* Artifacts of a release beside its image: files in the formats of other people's clients.
 *
 * An artifact is either a signed target of the release's product and version, or came in through a
 * compatible management API, as its release says (release_row.authority). SHA-1 and MD5 are what
 * some clients ask for; nothing here trusts them. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "fleet/protocol.h"
#include "store/db.h"
#include "store/release.h"

#define ARTIFACTS_MAX          16u  /* of one release, over all formats */
#define ARTIFACT_FILE_MAX      64u  /* bytes of its file's name, as release_name_ok() has it */
#define ARTIFACT_NAME_SIZE_MAX 128u /* bytes of what a device calls it: a Mender artifact_name */
#define SHA1_SIZE              20u
#define MD5_SIZE               16u

struct artifact_row {
    int64_t tenant, id, release;
    enum artifact_format format;
    char file[ARTIFACT_FILE_MAX + 1];      /* last part of the target's name */
    char part[NAME_SIZE_MAX + 1];          /* of a hawkBit chunk: "os"; "": not said */
    char name[ARTIFACT_NAME_SIZE_MAX + 1]; /* what runs it calls itself; "": the version */
    char target[TARGET_NAME_SIZE_MAX + 1]; /* of the signed target; "": not signed */
    char hardware[HARDWARE_TEXT_MAX];      /* names with one space between; "": any */
    uint64_t length;
    uint8_t sha256[DIGEST_SIZE];
    uint32_t listing; /* of signed ones: the last that vouched for it */
    bool withdrawn;
    struct utc created;
};

/* Sets row->id. ERR_CONFLICT: the release has a file of that name and format. */
enum err store_artifact_add(struct db *db, struct artifact_row *row) MUST_USE;

/* Still signed, in a newer listing. */
enum err store_artifact_confirm(struct db *db, int64_t tenant, int64_t id,
                                uint32_t listing) MUST_USE;

/* Mark withdrawn whatever signed artifact `listing` did not confirm. */
enum err store_artifact_withdraw_others(struct db *db, int64_t tenant, uint32_t listing) MUST_USE;

/* Of a release, in order of id, withdrawn ones too; `max` at least ARTIFACTS_MAX. */
enum err store_artifact_list(struct db *db, int64_t tenant, int64_t release, uint32_t max,
                             struct artifact_row *out, uint32_t *count) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_artifact_get(struct db *db, int64_t tenant, int64_t id,
                            struct artifact_row *out) MUST_USE;

/* The newest that has these bytes; ERR_NOT_FOUND. */
enum err store_artifact_of_blob(struct db *db, int64_t tenant, const uint8_t sha256[DIGEST_SIZE],
                                struct artifact_row *out) MUST_USE;

/* The newest that calls itself `runs`, in a format of the protocol, of this product or of a release
 * that says nothing of products. ERR_NOT_FOUND. */
enum err store_artifact_named(struct db *db, int64_t tenant, struct span product,
                              enum protocol protocol, struct span runs,
                              struct artifact_row *out) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_artifact_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

/* ---- older digests of a blob, for clients that know no better: computed once ---- */

struct blob_digests {
    uint8_t sha1[SHA1_SIZE];
    uint8_t md5[MD5_SIZE];
};

/* ERR_NOT_FOUND: not computed yet. */
enum err store_blob_digests(struct db *db, const uint8_t sha256[DIGEST_SIZE],
                            struct blob_digests *out) MUST_USE;
enum err store_blob_digests_put(struct db *db, const uint8_t sha256[DIGEST_SIZE],
                                const struct blob_digests *digests) MUST_USE;
