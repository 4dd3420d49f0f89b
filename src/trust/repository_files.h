/* The inside of trust/repository.h: where its files are and how they move. */
#pragma once

#include "trust/envelope.h"
#include "trust/repository.h"

#define REPOSITORY_STAGED "staged"
#define REPOSITORY_BLOBS  "blobs"

/* TUF_ROOT for "root", TUF_TARGETS for "targets" and every delegated role: what the file is. */
enum tuf_role repository_kind(const char *role);
bool repository_is_online(const char *role); /* snapshot, timestamp */

/* A current file, its form checked, not verified; `version` 0: the newest. ERR_NOT_FOUND. */
enum err repository_read(const char *dir, const char *role, uint64_t version,
                         struct tuf_metadata **out, struct why *why) MUST_USE;

/* What is staged, its form checked. ERR_NOT_FOUND: nothing. */
enum err repository_read_staged(const char *dir, const char *role, struct tuf_metadata **out,
                                struct why *why) MUST_USE;

/* What is staged, else what is current. ERR_NOT_FOUND: neither. */
enum err repository_read_newest(const char *dir, const char *role, struct tuf_metadata **out,
                                struct why *why) MUST_USE;

/* The envelope a change goes into: a copy of what is staged, or of what is current with the next
 * version, or an empty first one of a delegated role; without signatures, and with the new
 * expiry. */
enum err repository_begin_change(const char *dir, const char *role, struct utc expires,
                                 json_t **out, struct why *why) MUST_USE;

/* Stage the envelope; takes it, whatever comes of it. */
enum err repository_stage(const char *dir, const char *role, json_t *envelope,
                          struct why *why) MUST_USE;

/* The staged file becomes current. */
enum err repository_promote(const char *dir, const char *role, const struct tuf_metadata *staged,
                            struct why *why) MUST_USE;

/* Store bytes as a blob under their digest. */
enum err repository_store_blob(const char *dir, struct span bytes, struct why *why) MUST_USE;

/* Who may list `target`, by the newest targets: a delegated role, or "targets". `exactly`, if not
 * NULL, is the only pattern that counts. */
enum err repository_role_for(const char *dir, const char *target, const char *exactly,
                             char role[REPOSITORY_NAME_SIZE], struct why *why) MUST_USE;

/* That no list has another target of this name; *listed: one has exactly this. Fills edit->role. */
enum err repository_check_target_free(struct repository_edit *edit, const char *name,
                                      const json_t *entry, bool *listed, struct why *why) MUST_USE;

/* Whether these keys can be a role's. */
enum err repository_check_role(const char *role, const struct repository_role *keys,
                               struct why *why) MUST_USE;

/* The keys into `keys`; {"keyids", "threshold"} of them, a new reference. */
json_t *repository_role_to_json(json_t *keys, const struct repository_role *role);

/* Drop keys that no role of a root names any more, and refuse one that would be online and
 * offline. */
enum err repository_tidy_root(json_t *root, struct why *why) MUST_USE;

/* Make current what is signed enough by now, and what waited for it. */
enum err repository_settle(const char *dir, const char *role, struct repository_signing *out,
                           struct why *why) MUST_USE;

/* Who must sign a staged file: the rules of its delegator as it is now and as it is staged. */
struct repository_rules {
    struct tuf_metadata *current, *staged; /* the delegator's; either may be NULL */
    struct tuf_authority list[2];
    const char *by[2]; /* "root" or "targets" */
    uint64_t by_version[2];
    size_t count;
    bool all;     /* a root: every rule holds; else the current delegator's is enough */
    bool settled; /* list[0] is the current delegator's */
};
enum err repository_rules_find(const char *dir, const char *role, struct repository_rules *out,
                               struct why *why) MUST_USE;
void repository_rules_done(struct repository_rules *rules);

/* Sign an envelope under every id by which a rule names this key. ERR_UNTRUSTED: none does. */
enum err repository_sign_by_rules(json_t *envelope, const struct repository_rules *rules,
                                  const char *role, const struct key *key,
                                  struct why *why) MUST_USE;
