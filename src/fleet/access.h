/* Who may do what: one table of roles and permissions, and nothing else that decides about it.
 *
 * Each role may do all that the one before it may. The line between operator and release
 * manager: an operator moves what is already trusted, a release manager changes what is trusted.
 */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define ROLE_MAP(X)                       \
    X(VIEWER, "viewer")                   \
    X(OPERATOR, "operator")               \
    X(RELEASE_MANAGER, "release_manager") \
    X(ADMIN, "admin")

enum role {
#define X(code, wire) ROLE_##code,
    ROLE_MAP(X)
#undef X
    ROLE_COUNT
};

/*   code              name for audit and errors   what a person reads: "may not ..." */
#define PERMISSION_MAP(X)                                                             \
    X(READ, "read", "look at devices, releases and rollouts")                         \
    X(LOG_READ, "log.read", "read device logs")                                       \
    X(AUDIT_READ, "audit.read", "read or export the audit log")                       \
    X(DEVICE_EDIT, "device.edit", "change tags, notes, holds and groups of devices")  \
    X(DEVICE_LOG, "device.request-log", "ask a device for its log")                   \
    X(DEVICE_ACCEPT, "device.accept", "accept or reject devices that want to enrol")  \
    X(DEVICE_REVOKE, "device.revoke", "revoke a device")                              \
    X(DEVICE_DELETE, "device.delete", "delete a device")                              \
    X(CLAIM_EDIT, "claim.edit", "make claim tokens or pre-authorise devices")         \
    X(ROLLOUT_DRAFT, "rollout.draft", "draft rollouts or delete drafts")              \
    X(ROLLOUT_APPROVE, "rollout.approve", "approve rollouts")                         \
    X(ROLLOUT_RUN, "rollout.run", "start, resume or advance rollouts")                \
    X(ROLLOUT_STOP, "rollout.stop", "pause, halt or abort rollouts")                  \
    X(ROLLOUT_ROLLBACK, "rollout.rollback", "roll a rollout back")                    \
    X(RELEASE_PUBLISH, "release.publish", "upload images or publish signed releases") \
    X(TRUST_ROOT, "trust.root", "publish a new root of trust")                        \
    X(TOKEN_EDIT, "token.edit", "make or delete API tokens")

enum permission {
#define X(code, wire, text) PERMISSION_##code,
    PERMISSION_MAP(X)
#undef X
    PERMISSION_COUNT
};

bool access_allows(enum role role, enum permission permission);

/* The least role that has it; for "needs role operator" in refusals. */
enum role access_least_role(enum permission permission);

const char *role_name(enum role role);
const char *permission_name(enum permission permission);
const char *permission_text(enum permission permission);

/* ERR_NOT_FOUND for an unknown name. */
enum err role_parse(struct span name, enum role *out) MUST_USE;
