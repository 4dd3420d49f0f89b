#include "app/account.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "crypto/digest.h"
#include "os/entropy.h"
#include "os/say.h"
#include "store/token_use.h"

#define SECRET_BITS_SIZE 32u   /* bytes of randomness */
#define USE_NOTED_MS     60000 /* a token's last use is written at most so often */

/* base64url without padding (RFC 4648 5): 32 bytes are 43 characters. */
static void print_base64(const uint8_t bytes[SECRET_BITS_SIZE], char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0, have = 0;

    for (size_t i = 0; i < SECRET_BITS_SIZE; i++) {
        bits = bits << 8 | bytes[i];
        for (have += 8; have >= 6; have -= 6)
            *to++ = digits[bits >> (have - 6) & 63];
    }
    *to++ = digits[bits << (6 - have) & 63]; /* 256 bits leave 4 over */
    *to = '\0';
}

static void make_secret(const char *prefix, char secret[SECRET_SIZE], uint8_t sha256[DIGEST_SIZE])
{
    uint8_t bits[SECRET_BITS_SIZE];

    entropy_fill(bits, sizeof bits);
    CHECK(strlen(prefix) == 4);
    memcpy(secret, prefix, 4);
    print_base64(bits, secret + 4);
    CHECK(strlen(secret) == SECRET_SIZE - 1);
    digest_of(DIGEST_SHA256, span_of(secret), sha256);
}

static bool in_force(const struct token_row *row, struct utc now)
{
    return row->revoked.ms == 0 && (row->expires.ms == 0 || now.ms < row->expires.ms);
}

enum err account_enter(struct app *app, struct span secret, struct utc now, struct token_row *out,
                       struct why *why)
{
    uint8_t sha256[DIGEST_SIZE];
    struct token_row row;
    struct utc used;
    enum err err = ERR_NOT_FOUND;

    digest_of(DIGEST_SHA256, secret, sha256);
    if (secret.size > 0)
        err = store_token_find(app->db, sha256, &row);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && !in_force(&row, now)))
        return say(why, ERR_UNTRUSTED, NULL, "the token is unknown, expired or revoked");
    if (err != ERR_OK)
        return app_db_failed(app, err, why);
    TRY(store_token_used(app->db, row.tenant, row.id, &used));
    if (used.ms == 0 || now.ms - used.ms >= USE_NOTED_MS || used.ms > now.ms)
        TRY(store_token_use(app->db, row.tenant, row.id, now));
    *out = row;
    return ERR_OK;
}

static enum err audit_token(struct app *app, const struct token_row *row, const char *actor,
                            const char *action, struct utc now)
{
    char object[ACTOR_SIZE_MAX], detail[64];
    const struct deed deed = {.tenant = row->tenant,
                              .actor = actor,
                              .action = action,
                              .object = object,
                              .detail = detail};

    (void)snprintf(object, sizeof object, "token:%s", row->name);
    (void)snprintf(detail, sizeof detail, "role %s", role_name((enum role)row->role));
    return app_audit(app, now, &deed);
}

enum err account_token_create(struct app *app, const struct token_order *order, struct utc now,
                              struct token_row *out, char secret[SECRET_SIZE], struct why *why)
{
    struct token_row row = {
        .tenant = order->tenant, .role = order->role, .created = now, .expires = order->expires};
    const char *creator = strchr(order->actor, ':');
    char made[SECRET_SIZE];
    int64_t count;
    bool taken;

    TRY(store_token_name_taken(app->db, order->tenant, span_of(order->name), now, &taken));
    if (taken)
        return say(why, ERR_CONFLICT, "name", "there is a token %s already", order->name);
    TRY(store_token_count(app->db, order->tenant, ROLE_VIEWER, now, &count));
    if (count >= TOKENS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "%u tokens are in force already; revoke some",
                   TOKENS_MAX);
    (void)snprintf(row.name, sizeof row.name, "%s", order->name);
    (void)snprintf(row.created_by, sizeof row.created_by, "%s",
                   creator ? creator + 1 : order->actor);
    make_secret("swt_", made, row.token_sha256);
    TRY(store_token_add(app->db, &row));
    TRY(audit_token(app, &row, order->actor, "token.create", now));
    memcpy(secret, made, SECRET_SIZE);
    *out = row;
    return ERR_OK;
}

enum err account_has_admin(struct app *app, int64_t tenant, struct utc now, bool *out)
{
    int64_t count;

    TRY(store_token_count(app->db, tenant, ROLE_ADMIN, now, &count));
    *out = count > 0;
    return ERR_OK;
}

enum err account_token_revoke(struct app *app, int64_t tenant, int64_t id, const char *actor,
                              struct utc now, struct why *why)
{
    struct token_row row;
    bool admin;

    TRY(store_token_get(app->db, tenant, id, &row));
    if (row.revoked.ms != 0)
        return ERR_NOT_FOUND;
    TRY(store_token_revoke(app->db, tenant, id, now));
    TRY(account_has_admin(app, tenant, now, &admin));
    if (!admin)
        return say(why, ERR_INVALID, NULL,
                   "%s is the last admin token; make another admin token first", row.name);
    return audit_token(app, &row, actor, "token.revoke", now);
}

static enum err audit_claim(struct app *app, const struct claim_row *row, const char *actor,
                            const char *action, struct utc now)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = row->tenant,
                              .actor = actor,
                              .action = action,
                              .object = object,
                              .detail = row->note};

    (void)snprintf(object, sizeof object, "claim:%lld", (long long)row->id);
    return app_audit(app, now, &deed);
}

enum err account_claim_create(struct app *app, const struct claim_order *order, struct utc now,
                              struct claim_row *out, char secret[SECRET_SIZE], struct why *why)
{
    struct claim_row row = {.tenant = order->tenant, .created = now, .expires = order->expires};
    char made[SECRET_SIZE];

    if (!span_to_text(order->note, row.note, sizeof row.note))
        return say(why, ERR_TOO_BIG, "note", "may have at most %u bytes", CLAIM_NOTE_SIZE_MAX);
    (void)snprintf(row.device_name, sizeof row.device_name, "%s", order->device);
    (void)snprintf(row.created_by, sizeof row.created_by, "%s", order->created_by);
    make_secret("swc_", made, row.token_sha256);
    TRY(store_claim_add(app->db, &row));
    TRY(audit_claim(app, &row, order->actor, "claim.create", now));
    memcpy(secret, made, SECRET_SIZE);
    *out = row;
    return ERR_OK;
}

enum err account_claim_void(struct app *app, int64_t tenant, int64_t id, const char *actor,
                            struct utc now, struct why *why)
{
    struct claim_row row = {.tenant = tenant, .id = id};
    enum err err = store_claim_remove(app->db, tenant, id);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no claim %lld", (long long)id);
    TRY(err);
    return audit_claim(app, &row, actor, "claim.void", now);
}

enum err account_preauthorize(struct app *app, const struct preauthorized_row *row,
                              const char *actor, struct utc now, struct why *why)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = row->tenant, .actor = actor, .action = "device.preauthorize", .object = object};

    enum err err = store_preauthorized_set(app->db, row);

    if (err != ERR_OK)
        return app_db_failed(app, err, why);
    (void)snprintf(object, sizeof object, "device:%s", row->name);
    return app_audit(app, now, &deed);
}
