/* hawkBit's Direct Device Integration API, as swupdate, rauc-hawkbit-updater and Zephyr speak it:
 * paths and bodies to plain structs, and plain structs to bodies. Translation and nothing else; see
 * docs/wire/hawkbit.md for sources and for what was left out on purpose.
 *
 * Requests and answers are JSON or CBOR; both go through codec/tree. Spans borrow from the request
 * or from its tree. */
#pragma once

#include "base/limits.h"
#include "codec/tree.h"
#include "codec/tree_out.h"
#include "wire/message.h"

#define HAWKBIT_BODY_SIZE_MAX  32768u    /* bytes: 50 messages of 512 and what is around them */
#define HAWKBIT_NODES_MAX      320u      /* nodes of one request: 100 attributes, or 50 messages */
#define HAWKBIT_DEVICE_MAX     256u      /* bytes of a controller id */
#define HAWKBIT_FILE_MAX       64u       /* bytes of an artifact's file name */
#define HAWKBIT_MESSAGES_MAX   50u       /* of one feedback, after long ones were split */
#define HAWKBIT_MESSAGE_SIZE   512u      /* bytes of one message; longer ones are split */
#define HAWKBIT_ATTRIBUTES_MAX 100u      /* of one request */
#define HAWKBIT_ATTRIBUTE_SIZE 128u      /* bytes of a name or value */
#define HAWKBIT_HISTORY_MAX    100u      /* messages a device may ask to be shown again */
#define HAWKBIT_ID_MAX         INT32_MAX /* larger ones are wrapped by swupdate and Zephyr */

enum hawkbit_kind {
    HAWKBIT_BASE,
    HAWKBIT_DEPLOYMENT,
    HAWKBIT_FEEDBACK,
    HAWKBIT_CANCEL,
    HAWKBIT_CANCEL_FEEDBACK,
    HAWKBIT_INSTALLED,
    HAWKBIT_INSTALLED_PUT,
    HAWKBIT_CONFIG,
    HAWKBIT_ARTIFACTS,
    HAWKBIT_ARTIFACT,
    HAWKBIT_MD5SUM,
    HAWKBIT_KIND_COUNT
};

struct hawkbit_call {
    enum hawkbit_kind kind;
    struct span tenant_segment, device_segment; /* as sent, for links */
    char tenant[NAME_SIZE_MAX + 1];
    char device[HAWKBIT_DEVICE_MAX + 1];
    uint32_t id; /* of a deployment; of a module, which is the same */
    char file[HAWKBIT_FILE_MAX + 1];
    uint32_t history; /* messages to show; 0: none */
};

/* Whether the path is one of this API. */
bool hawkbit_claims(struct span path);

/* ERR_NOT_FOUND: no such path (404); ERR_INVALID: not with this method (405); ERR_CORRUPT: a name
 * that cannot be one (400). */
enum err hawkbit_route(struct span verb, struct span path, struct span query,
                       struct hawkbit_call *out) MUST_USE;

const char *hawkbit_kind_name(enum hawkbit_kind kind);

/* ---- media types ---- */

enum hawkbit_media {
    HAWKBIT_HAL,
    HAWKBIT_JSON,
    HAWKBIT_CBOR
};

/* What an Accept header wants most; absent: HAL. ERR_UNSUITABLE: nothing of ours (406). */
enum err hawkbit_accept(struct span accept, enum hawkbit_media *out) MUST_USE;

/* Whether a Content-Type is CBOR; absent: JSON. ERR_UNSUITABLE: neither (415). */
enum err hawkbit_content(struct span content_type, bool *cbor) MUST_USE;

const char *hawkbit_media_name(enum hawkbit_media media);

/* ---- requests ---- */

#define HAWKBIT_EXECUTION_MAP(X) \
    X(CLOSED, "closed")          \
    X(PROCEEDING, "proceeding")  \
    X(CANCELED, "canceled")      \
    X(SCHEDULED, "scheduled")    \
    X(REJECTED, "rejected")      \
    X(RESUMED, "resumed")        \
    X(DOWNLOADED, "downloaded")  \
    X(DOWNLOAD, "download")

enum hawkbit_execution {
#define X(code, text) HAWKBIT_##code,
    HAWKBIT_EXECUTION_MAP(X)
#undef X
    HAWKBIT_EXECUTION_COUNT
};

#define HAWKBIT_FINISHED_MAP(X) \
    X(NONE, "none")             \
    X(SUCCESS, "success")       \
    X(FAILURE, "failure")

enum hawkbit_finished {
#define X(code, text) HAWKBIT_##code,
    HAWKBIT_FINISHED_MAP(X)
#undef X
    HAWKBIT_FINISHED_COUNT
};

struct hawkbit_feedback {
    enum hawkbit_execution execution;
    enum hawkbit_finished finished;
    int32_t code;     /* 0: none */
    uint32_t percent; /* of `progress`; 0 without */
    struct span messages[HAWKBIT_MESSAGES_MAX];
    uint32_t message_count;
};

/* What a feedback means; table in docs/wire/hawkbit.md. */
enum hawkbit_meaning {
    HAWKBIT_MEANS_NOTE,     /* words */
    HAWKBIT_MEANS_DOWNLOAD, /* it fetches, or has fetched */
    HAWKBIT_MEANS_CLAIM,    /* it says that it has succeeded */
    HAWKBIT_MEANS_FAILURE,
    HAWKBIT_MEANS_DROPPED, /* cancelled as told */
    HAWKBIT_MEANS_KEEPS    /* would not cancel */
};

enum hawkbit_meaning hawkbit_meaning(const struct hawkbit_feedback *feedback, bool of_cancel);

/* "closed/failure", as kept; a literal. */
const char *hawkbit_words(const struct hawkbit_feedback *feedback);

/* ERR_CORRUPT: what must be there is not, or a word is unknown (400); ERR_TOO_BIG: too many
 * messages (429). */
enum err hawkbit_read_feedback(const struct tree *tree, struct hawkbit_feedback *out) MUST_USE;

enum hawkbit_mode {
    HAWKBIT_MERGE,
    HAWKBIT_REPLACE,
    HAWKBIT_REMOVE
};

struct hawkbit_attribute {
    struct span name, value; /* value.at NULL: null was sent */
};

struct hawkbit_config {
    enum hawkbit_mode mode;
    struct hawkbit_attribute list[HAWKBIT_ATTRIBUTES_MAX];
    uint32_t count;
};

/* ERR_CORRUPT (400 notReadable), ERR_INVALID: a name or value that cannot be one (400
 * invalidTargetAttributes), ERR_TOO_BIG: too many (429). */
enum err hawkbit_read_config(const struct tree *tree, struct hawkbit_config *out) MUST_USE;

struct hawkbit_installed {
    struct span name, version;
};

enum err hawkbit_read_installed(const struct tree *tree, struct hawkbit_installed *out) MUST_USE;

/* ---- answers ---- */

struct hawkbit_place {
    const char *origin; /* "https://host:port" */
    struct span tenant_segment, device_segment;
};

struct hawkbit_base {
    uint32_t sleep_s;
    uint32_t deployment, cancel, installed; /* ids; 0: no such link */
    bool config;
};

void hawkbit_write_base(const struct hawkbit_place *place, const struct hawkbit_base *base,
                        struct tree_out *out);

struct hawkbit_artifact {
    struct span file, part; /* part "": "os" */
    uint64_t length;
    const uint8_t *sha256, *sha1, *md5;
};

struct hawkbit_deployment {
    uint32_t id;
    struct span name, version; /* of the release */
    const struct hawkbit_artifact *artifacts;
    uint32_t artifact_count;
    const char *history_status; /* "RUNNING"; NULL: without history */
    const struct span *history;
    uint32_t history_count;
};

/* Also for installedBase. Artifacts of one part are one chunk. */
void hawkbit_write_deployment(const struct hawkbit_place *place,
                              const struct hawkbit_deployment *deployment, struct tree_out *out);
void hawkbit_write_cancel(uint32_t id, struct tree_out *out);

/* The list below /softwaremodules/ID/artifacts. */
void hawkbit_write_artifacts(const struct hawkbit_place *place,
                             const struct hawkbit_deployment *deployment, struct tree_out *out);

/* "MD5  FILE\n". */
void hawkbit_write_md5sum(const struct hawkbit_artifact *artifact, struct buf *out);

/* hawkBit's error body; `class` and `code` are the parts behind its own prefixes. */
struct hawkbit_error {
    const char *class, *code, *message;
};
void hawkbit_write_error(const struct hawkbit_error *error, struct tree_out *out);
