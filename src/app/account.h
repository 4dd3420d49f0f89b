/* Who may use the API and who may join the fleet: tokens, claims, pre-authorised keys.
 *
 * A secret is 256 random bits with a prefix that says what it is ("swt_" token, "swc_" claim), in
 * base64url. Only its SHA-256 is kept: the bits are random, so a slow hash would add nothing. */
#pragma once

#include "app/app.h"
#include "fleet/access.h"
#include "store/account.h"
#include "store/claim.h"

#define SECRET_SIZE 48u   /* bytes of "swt_" and 43 characters, with NUL */
#define TOKENS_MAX  1000u /* in force, of one tenant: the fronts hold them in memory */

/* Whose secret this is. ERR_UNTRUSTED: nobody's, expired or revoked; `why` does not say which.
 * Notes the use, at most once a minute. */
enum err account_enter(struct app *app, struct span secret, struct utc now, struct token_row *out,
                       struct why *why) MUST_USE;

struct token_order {
    int64_t tenant;
    const char *actor; /* "token:ada", "server" */
    const char *name;  /* of the new token; unique among those in force */
    enum role role;
    struct utc expires; /* 0: never */
};

/* ERR_CONFLICT: the name is taken. ERR_TOO_BIG: there are TOKENS_MAX. */
enum err account_token_create(struct app *app, const struct token_order *order, struct utc now,
                              struct token_row *out, char secret[SECRET_SIZE],
                              struct why *why) MUST_USE;

/* ERR_NOT_FOUND; ERR_INVALID: it is the last admin token, nobody could make another. */
enum err account_token_revoke(struct app *app, int64_t tenant, int64_t id, const char *actor,
                              struct utc now, struct why *why) MUST_USE;

/* Whether the tenant has an admin token in force. */
enum err account_has_admin(struct app *app, int64_t tenant, struct utc now, bool *out) MUST_USE;

struct claim_order {
    int64_t tenant;
    const char *actor;
    const char *created_by; /* the token's name */
    const char *device;     /* only for this name; "": for any */
    struct span note;
    struct utc expires;
};

enum err account_claim_create(struct app *app, const struct claim_order *order, struct utc now,
                              struct claim_row *out, char secret[SECRET_SIZE],
                              struct why *why) MUST_USE;
enum err account_claim_void(struct app *app, int64_t tenant, int64_t id, const char *actor,
                            struct utc now, struct why *why) MUST_USE;

/* Let a device with this key in without an operator. */
enum err account_preauthorize(struct app *app, const struct preauthorized_row *row,
                              const char *actor, struct utc now, struct why *why) MUST_USE;
