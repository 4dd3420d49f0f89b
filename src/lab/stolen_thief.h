/* What the thief answers. Most of an answer is right most of the time, so that what is wrong in it
 * is met alone as well as in company. */
#pragma once

#include "format/mandate.h"
#include "format/native.h"
#include "lab/stolen_authority.h"

/* What is not as it should be; an assignment with any of these must not be accepted. */
#define WRONG_KEY       1u /* signed by a key that nobody names */
#define WRONG_SIGNATURE 2u /* bits flipped, or no message at all */
#define WRONG_DEVICE    4u
#define WRONG_SEQUENCE  8u /* not above the last accepted one */
#define WRONG_NONCE     16u
#define WRONG_IMAGE     32u /* signed for one image, offered with the facts of another */
#define WRONG_MANIFEST  64u /* altered, or signed by the thief */
#define WRONG_ID        128u
#define WRONG_TIME      256u /* not yet, or no longer */
#define WRONG_ACTION    512u
#define WRONG_ROOT      1024u

struct thief_deed {
    uint32_t wrong;
    struct native_answer answer;
    uint8_t order[MANDATE_SIZE_MAX];
    size_t order_size;
    uint8_t manifest[MANIFEST_SIZE_MAX]; /* what he serves for the target */
    size_t manifest_size;
    const struct stolen_release *release; /* whose bytes he serves, may be his own */
    struct mandate mandate;
};

struct thief {
    const struct stolen_authority *authority; /* of which he has what is public, and one key */
    struct key *own;                          /* made by himself */
    struct stolen_release forged;             /* his own image with facts that look right */
    struct prng *prng;
    uint64_t next_id, next_sequence;
    struct thief_deed old; /* something the device has seen before */
};

/* What he knows of the device when he answers. */
struct thief_view {
    const uint8_t *nonce;
    uint64_t last_sequence, now_s;
    uint32_t root_version, security_floor;
};

void thief_begin(struct thief *thief, const struct stolen_authority *authority, struct prng *prng);
void thief_answer(struct thief *thief, const struct thief_view *view, struct thief_deed *out);
