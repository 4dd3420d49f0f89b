/* Mender's device API, as clients 2 to 5 and mender-mcu speak it: requests to facts, facts to
 * answers. Translation only: no clocks, no keys, no decisions.
 *
 * Lenient where clients are sloppy (unknown members, an attribute twice, any time stamps in logs,
 * arrays for texts), strict about sizes. For hosts, since it keeps what it has read on the heap.
 * Source: docs/wire/mender.md. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/time.h"
#include "base/why.h"
#include "wire/message.h"

#define MENDER_AUTH_SIZE_MAX       16384u /* bytes of an authentication request */
#define MENDER_BODY_SIZE_MAX       65536u /* of any other but a log */
#define MENDER_LOG_BODY_SIZE_MAX   (2u * LOG_UPLOAD_SIZE_MAX) /* as JSON it is longer */
#define MENDER_IDENTITY_SIZE_MAX   4096u                      /* bytes of id_data */
#define MENDER_PEM_SIZE_MAX        8192u
#define MENDER_ATTRIBUTES_READ_MAX 512u /* of one inventory; what a device keeps is less */
#define MENDER_STATUS_SIZE         32u
#define MENDER_SUBSTATE_SIZE       201u /* bytes with NUL; longer ones are cut */
#define MENDER_UUID_SIZE           37u
#define MENDER_JSON_DEPTH          32u

enum mender_kind {
    MENDER_AUTHENTICATE,
    MENDER_INVENTORY,
    MENDER_NEXT,
    MENDER_STATUS,
    MENDER_LOG,
    MENDER_CONTROL_MAP,
    MENDER_DOWNLOAD, /* one of our own links; see server/mender_link.h */
    MENDER_KIND_COUNT
};

enum mender_status {
    MENDER_DOWNLOADING,
    MENDER_INSTALLING,
    MENDER_REBOOTING,
    MENDER_SUCCESS,
    MENDER_FAILURE,
    MENDER_ALREADY_INSTALLED,
    MENDER_PAUSE_INSTALLING,
    MENDER_PAUSE_REBOOTING,
    MENDER_PAUSE_COMMITTING,
    MENDER_STATUS_COUNT
};

struct mender_attribute {
    char name[NAME_SIZE_MAX + 1];
    char value[ATTRIBUTE_SIZE_MAX + 1];
};

/* What a request asks. Filled by mender_decode(), emptied by mender_call_close(). */
struct mender_call {
    enum mender_kind kind;
    uint32_t deployment; /* STATUS, LOG, CONTROL_MAP; 0: an id that is none of ours */

    /* AUTHENTICATE */
    char *identity; /* the identity as JSON with sorted keys; heap */
    char *pem;      /* heap */
    char tenant[NAME_SIZE_MAX + 1];

    /* INVENTORY; heap */
    struct mender_attribute *attributes;
    uint32_t attributes_count;
    bool replaces; /* PUT, not PATCH */

    /* NEXT: an object of texts and arrays of texts */
    json_t *provides;

    /* STATUS */
    enum mender_status status;
    char substate[MENDER_SUBSTATE_SIZE];

    /* LOG: lines "TIME LEVEL: TEXT"; heap */
    char *text;
    size_t text_size;
};

/* Whether the path is of the device API. */
bool mender_claims(struct span path);

/* Which question a path and verb are; ERR_NOT_FOUND, or ERR_INVALID for another verb. The id of a
 * deployment goes to `deployment`. */
enum err mender_route(struct span verb, struct span path, enum mender_kind *kind,
                      uint32_t *deployment) MUST_USE;

/* Bytes of body that the question may have. */
size_t mender_body_max(enum mender_kind kind);

/* ERR_NOT_FOUND, ERR_INVALID: as mender_route(); ERR_CORRUPT: nonsense; ERR_TOO_BIG. */
enum err mender_decode(const struct message *in, struct mender_call *out, struct why *why) MUST_USE;
void mender_call_close(struct mender_call *call);

/* "downloading", as devices say it; never NULL. */
const char *mender_status_name(enum mender_status status);

/* ---- answers ---- */

struct mender_offer {
    uint32_t deployment;
    uint64_t artifact; /* its number with us */
    const char *name;  /* artifact_name */
    const char *uri;
    struct utc expires;
    const json_t *device_types; /* array of texts */
};

/* ERR_TOO_BIG. */
enum err mender_write_offer(const struct mender_offer *offer, struct buf *out) MUST_USE;

/* {"error": sentence, "request_id": uuid} */
void mender_write_error(const char *sentence, const char *request, struct buf *out);

/* The control map that holds nothing back. */
void mender_write_control_map(uint32_t deployment, struct buf *out);

/* Numbers as UUIDs, for Mender's programs take nothing else, and back. `family` keeps devices,
 * deployments, artifacts and keys apart. */
enum mender_family {
    MENDER_OF_DEPLOYMENT = 0x10,
    MENDER_OF_DEVICE = 0x20,
    MENDER_OF_KEY = 0x30,
    MENDER_OF_ARTIFACT = 0x40,
    MENDER_OF_ROLLOUT = 0x50,
};
void mender_uuid(enum mender_family family, uint64_t number, char out[MENDER_UUID_SIZE]);
bool mender_uuid_parse(enum mender_family family, struct span text, uint64_t *number) MUST_USE;
