/* Why devices refuse an order: the names that their accept rule gives as reason of a report. They
 * are counted by name, so the set is bounded: what is not in it counts as "other". The texts are
 * the device's own and come along as detail. */
#pragma once

#include "base/span.h"

#define REFUSAL_MAP(X)                                 \
    X(OTHER, "other") /* newer than we are, or none */ \
    /* the image and this device */                    \
    X(METADATA, "metadata")                            \
    X(FACTS, "facts")                                  \
    X(PRODUCT, "product")                              \
    X(HARDWARE, "hardware")                            \
    X(DIGEST, "digest")                                \
    X(FLOOR, "floor")                                  \
    X(NOT_NEWER, "not_newer")                          \
    X(BASE, "base")                                    \
    X(BLOCKED, "blocked")                              \
    X(SIZE, "size")                                    \
    X(OTHER_BANK, "other_bank")                        \
    X(ALREADY, "already")                              \
    /* the order */                                    \
    X(ASSIGNMENT_KEY, "assignment_key")                \
    X(ASSIGNMENT_SIGNATURE, "assignment_signature")    \
    X(NOT_ADDRESSED, "not_addressed")                  \
    X(REPLAYED, "replayed")                            \
    X(NONCE, "nonce")                                  \
    X(ACTION, "action")                                \
    X(ROOT_VERSION, "root_version")                    \
    /* the moment */                                   \
    X(STALE, "stale")                                  \
    X(EARLY, "early")                                  \
    X(LATE, "late")                                    \
    X(SPACE, "space")                                  \
    X(BUSY, "busy")                                    \
    X(POWER, "power")                                  \
    X(CONTENT_KEY, "content_key")                      \
    X(PRECONDITION, "precondition")

enum refusal {
#define X(code, name) REFUSAL_##code,
    REFUSAL_MAP(X)
#undef X
    REFUSAL_COUNT
};

/* "floor"; never NULL. */
const char *refusal_name(enum refusal refusal);

/* REFUSAL_OTHER for a name that is not in the set. */
enum refusal refusal_of_name(struct span name);
