#include "fleet/access.h"

#include "base/check.h"

/* The least role that has each permission; every higher role has it too. */
/* clang-format off */
static const uint8_t least[PERMISSION_COUNT] = {
    [PERMISSION_READ]             = ROLE_VIEWER,
    [PERMISSION_LOG_READ]         = ROLE_OPERATOR,        /* logs may hold what users did */
    [PERMISSION_AUDIT_READ]       = ROLE_OPERATOR,
    [PERMISSION_DEVICE_EDIT]      = ROLE_OPERATOR,
    [PERMISSION_DEVICE_LOG]       = ROLE_OPERATOR,
    [PERMISSION_DEVICE_ACCEPT]    = ROLE_OPERATOR,
    [PERMISSION_DEVICE_REVOKE]    = ROLE_OPERATOR,        /* a stolen device cannot wait */
    [PERMISSION_DEVICE_DELETE]    = ROLE_ADMIN,           /* takes history with it */
    [PERMISSION_CLAIM_EDIT]       = ROLE_OPERATOR,
    [PERMISSION_ROLLOUT_DRAFT]    = ROLE_OPERATOR,
    [PERMISSION_ROLLOUT_APPROVE]  = ROLE_RELEASE_MANAGER, /* the second pair of eyes */
    [PERMISSION_ROLLOUT_RUN]      = ROLE_OPERATOR,
    [PERMISSION_ROLLOUT_STOP]     = ROLE_OPERATOR,        /* a brake must be within reach */
    [PERMISSION_ROLLOUT_ROLLBACK] = ROLE_OPERATOR,
    [PERMISSION_RELEASE_PUBLISH]  = ROLE_RELEASE_MANAGER,
    [PERMISSION_TRUST_ROOT]       = ROLE_ADMIN,
    [PERMISSION_TOKEN_EDIT]       = ROLE_ADMIN,
};
/* clang-format on */

bool access_allows(enum role role, enum permission permission)
{
    CHECK(role < ROLE_COUNT);
    CHECK(permission < PERMISSION_COUNT);
    return role >= least[permission];
}

enum role access_least_role(enum permission permission)
{
    CHECK(permission < PERMISSION_COUNT);
    return (enum role)least[permission];
}

const char *role_name(enum role role)
{
    static const char *const names[] = {
#define X(code, wire) [ROLE_##code] = (wire),
        ROLE_MAP(X)
#undef X
    };

    CHECK(role < ROLE_COUNT);
    return names[role];
}

const char *permission_name(enum permission permission)
{
    static const char *const names[] = {
#define X(code, wire, text) [PERMISSION_##code] = (wire),
        PERMISSION_MAP(X)
#undef X
    };

    CHECK(permission < PERMISSION_COUNT);
    return names[permission];
}

const char *permission_text(enum permission permission)
{
    static const char *const texts[] = {
#define X(code, wire, text) [PERMISSION_##code] = (text),
        PERMISSION_MAP(X)
#undef X
    };

    CHECK(permission < PERMISSION_COUNT);
    return texts[permission];
}

enum err role_parse(struct span name, enum role *out)
{
    for (enum role i = 0; i < ROLE_COUNT; i++) {
        if (span_is(name, role_name(i))) {
            *out = i;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
