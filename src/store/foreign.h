/* Devices that speak somebody else's protocol: what they are called there, what they show at the
 * door, what they said in their own words. They are ordinary rows of `device` besides. */
#pragma once

#include "base/limits.h"
#include "base/time.h"
#include "fleet/decide.h" /* enum device_status */
#include "fleet/protocol.h"
#include "fleet/selector.h"
#include "store/artifact.h"
#include "store/db.h"

#define FOREIGN_ID_SIZE_MAX     256u  /* bytes of the name the protocol knows the device by */
#define FOREIGN_KEY_SIZE_MAX    1024u /* bytes of a public key, DER: RSA-4096 has 550 */
#define FOREIGN_CREDENTIALS_MAX 16u   /* of one device */
#define FOREIGN_GATEWAYS_MAX    100u  /* gateway tokens of one tenant */
#define FOREIGN_WORDS_MAX       1000u /* messages kept of one assignment */
#define FOREIGN_WORD_SIZE_MAX   512u  /* bytes of one message */

struct foreign_row {
    int64_t tenant, device;
    enum protocol protocol;
    char external[FOREIGN_ID_SIZE_MAX + 1]; /* hawkBit controller id, Mender identity hash */
    char runs[ARTIFACT_NAME_SIZE_MAX + 1];  /* what it last said that it runs; "": nothing yet */
    bool wants_attributes;                  /* it shall be asked for its attributes */
};

/* ERR_CONFLICT: the name is taken in that protocol, or the device has a row. */
enum err store_foreign_add(struct db *db, const struct foreign_row *row) MUST_USE;
enum err store_foreign_save(struct db *db, const struct foreign_row *row) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_foreign_find(struct db *db, int64_t tenant, enum protocol protocol,
                            struct span external, struct foreign_row *out) MUST_USE;
enum err store_foreign_get(struct db *db, int64_t tenant, int64_t device,
                           struct foreign_row *out) MUST_USE;

/* A tenant as a path of hawkBit's names it, in any case; ERR_NOT_FOUND. */
enum err store_foreign_tenant(struct db *db, struct span name, int64_t *id) MUST_USE;

/* ---- credentials ---- */

enum foreign_kind {
    FOREIGN_TOKEN, /* `sha256` is of the token, nothing else is kept */
    FOREIGN_KEY,   /* `sha256` is of the public key in `key`, DER SubjectPublicKeyInfo */
    FOREIGN_KIND_COUNT
};

struct foreign_credential_row {
    int64_t tenant, id, device;
    enum foreign_kind kind;
    enum device_status status; /* Mender's auth sets; tokens are ACTIVE until they are rotated */
    uint8_t sha256[DIGEST_SIZE];
    uint8_t key[FOREIGN_KEY_SIZE_MAX];
    size_t key_size;
    struct utc created;
};

/* Sets row->id. ERR_CONFLICT: the device has it; ERR_TOO_BIG: it has FOREIGN_CREDENTIALS_MAX. */
enum err store_foreign_credential_add(struct db *db, struct foreign_credential_row *row) MUST_USE;

/* The status only. */
enum err store_foreign_credential_save(struct db *db,
                                       const struct foreign_credential_row *row) MUST_USE;
enum err store_foreign_credential_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_foreign_credential_find(struct db *db, int64_t tenant, int64_t device,
                                       enum foreign_kind kind, const uint8_t sha256[DIGEST_SIZE],
                                       struct foreign_credential_row *out) MUST_USE;
enum err store_foreign_credential_get(struct db *db, int64_t tenant, int64_t id,
                                      struct foreign_credential_row *out) MUST_USE;

/* Of one device, oldest first; `max` at least FOREIGN_CREDENTIALS_MAX. */
enum err store_foreign_credential_list(struct db *db, int64_t tenant, int64_t device, uint32_t max,
                                       struct foreign_credential_row *out,
                                       uint32_t *count) MUST_USE;

/* ---- gateway tokens: one secret for many devices ---- */

struct foreign_gateway_row {
    int64_t tenant, id;
    enum protocol protocol;
    char name[NAME_SIZE_MAX + 1];
    uint8_t sha256[DIGEST_SIZE];
    char selector[SELECTOR_SIZE_MAX]; /* which devices it may speak for; "": all */
    char created_by[NAME_SIZE_MAX + 1];
    struct utc created;
};

/* Sets row->id. ERR_CONFLICT: the name is taken; ERR_TOO_BIG: there are FOREIGN_GATEWAYS_MAX. */
enum err store_foreign_gateway_add(struct db *db, struct foreign_gateway_row *row) MUST_USE;
enum err store_foreign_gateway_find(struct db *db, int64_t tenant, enum protocol protocol,
                                    const uint8_t sha256[DIGEST_SIZE],
                                    struct foreign_gateway_row *out) MUST_USE;

/* In order of id behind `after`. */
enum err store_foreign_gateway_list(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                                    struct foreign_gateway_row *out, uint32_t *count) MUST_USE;

/* ERR_NOT_FOUND. */
enum err store_foreign_gateway_remove(struct db *db, int64_t tenant, int64_t id) MUST_USE;

/* ---- what a device said of an assignment, word for word ---- */

struct foreign_word {
    int64_t id; /* counts from 1 for each assignment */
    struct utc at;
    char phase[48]; /* in the protocol's words: "closed/failure", "installing" */
    int32_t code;   /* that the device gave; 0: none */
    char text[FOREIGN_WORD_SIZE_MAX + 1];
};

/* ERR_TOO_BIG: FOREIGN_WORDS_MAX are kept of it already. A longer text is cut. */
enum err store_foreign_word_add(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                                const struct foreign_word *word, struct span text) MUST_USE;

/* Newest first, ids below `before` (0: all). */
enum err store_foreign_words(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                             int64_t before, uint32_t max, struct foreign_word *out,
                             uint32_t *count) MUST_USE;
