/* Whom the host believes: signed metadata, what signers state in it, and signed assignments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/verify_openssl.h"
#include "device/host.h"
#include "device/time_floor.h"
#include "format/cose.h"
#include "os/say.h"

#define STALE_FOR_EVER UINT64_MAX /* no policy lets that pass */

/* ---- metadata ---- */

static enum err get_metadata(void *self, const char *name, size_t size_max, struct tuf_bytes *out,
                             struct why *why)
{
    struct link *link = host_link(self, why);
    struct span bytes;

    if (!link)
        return ERR_STORAGE;
    TRY(link_metadata(link, name, size_max, &bytes, why));
    *out = tuf_bytes_copy(bytes);
    return ERR_OK;
}

/* The newest metadata. When it cannot be trusted now, it may be for its age alone: then it is
 * taken, staleness_s() finds out how old it is, and the accept rule judges by that. Versions
 * never go back either way. */
static enum err refresh(struct host *host, const struct tuf_fetch *fetch, struct utc now,
                        struct why *why)
{
    struct why again = {0};
    enum err err = tuf_client_refresh(host->tuf, fetch, now, why);

    if (err != ERR_UNTRUSTED)
        return err;
    return tuf_client_refresh(host->tuf, fetch, (struct utc){0}, &again) == ERR_OK ? ERR_OK : err;
}

static uint64_t since_s(struct utc expires, struct utc now)
{
    return now.ms < expires.ms ? 0 : (uint64_t)(now.ms - expires.ms) / 1000 + 1;
}

static struct utc expiry(const struct host *host, enum tuf_role role)
{
    const struct tuf_metadata *metadata = tuf_client_metadata(host->tuf, role);

    CHECK(metadata);
    return tuf_metadata_expires(metadata);
}

/* What a server must renew may be old where a signed policy says so; what signers renew may not. */
static uint64_t staleness_s(const struct host *host, struct utc now)
{
    uint64_t timestamp = since_s(expiry(host, TUF_TIMESTAMP), now);
    uint64_t snapshot = since_s(expiry(host, TUF_SNAPSHOT), now);

    if (since_s(expiry(host, TUF_ROOT), now) > 0 ||
        since_s(tuf_client_targets_expire(host->tuf), now) > 0)
        return STALE_FOR_EVER;
    return timestamp > snapshot ? timestamp : snapshot;
}

/* ---- what signers state ---- */

static const struct tuf_metadata *delegated(void *self, const char *role)
{
    const struct host *host = self;

    return tuf_client_delegated(host->tuf, role);
}

/* Statements may be in roles of their own, which a search for one gets hold of. */
static enum err find_statements(struct host *host, const struct tuf_fetch *fetch, struct why *why)
{
    static const char *const names[] = {POLICY_ASSIGNMENT, POLICY_BLOCK, POLICY_GRACE};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct tuf_file file;
        enum err err = tuf_client_target_file(host->tuf, fetch, names[i], &file, why);

        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
    }
    return ERR_OK;
}

static enum err read_policy(struct host *host, const struct tuf_fetch *fetch, struct why *why)
{
    const struct policy_source source = {
        .targets = tuf_client_metadata(host->tuf, TUF_TARGETS), .self = host, .role = delegated};

    TRY(find_statements(host, fetch, why));
    return policy_read(&source, &host->policy, why);
}

/* Signers of other products have no say here, neither in what the time is nor in the floor. */
static bool is_ours(const struct host *host, const struct tuf_target *target)
{
    const char *product = host->config->product;

    return strcmp(target->facts.product, product) == 0 &&
           release_listed_for(span_of(target->name), product);
}

/* An offline key has signed that this time is past. A clock that was wrong while signing is
 * noticed by what it signed having expired before. */
static void prove_time(struct host *host, const struct tuf_target *target)
{
    struct utc issued = {(int64_t)target->facts.issued_s * 1000};
    struct why why = {0};

    if (!is_ours(host, target) || issued.ms >= tuf_client_targets_expire(host->tuf).ms)
        return;
    timekeeper_prove(&host->keeper, issued);
    if (time_floor_store(host->config->state_dir, host->keeper.floor, &host->time_stored, &why) !=
        ERR_OK)
        ring_note(&host->ring, LOG_LEVEL_WARN, "time-floor-unsaved", "why=\"%s\"", why.text);
}

/* ---- evidence ---- */

/* The facts speak of the file that the metadata lists. */
static bool facts_agree(const struct tuf_target *target)
{
    const struct tuf_file *file = &target->file;

    return target->has_facts && file->has_sha256 && file->has_length &&
           file->length == release_sent_length(&target->facts) &&
           memcmp(file->sha256, release_sent_sha256(&target->facts), DIGEST_SIZE) == 0;
}

static void read_mandate(struct host *host, struct accept_evidence *out)
{
    const struct host_mandate *mandate = &host->mandate;
    const struct verify verify = verify_openssl();
    uint8_t room[MANDATE_SIZE_MAX];
    const struct accept_keys keys = {.keys = host->policy.assignment_keys,
                                     .count = host->policy.assignment_key_count,
                                     .verify = &verify,
                                     .room = room,
                                     .room_size = sizeof room};

    accept_read_mandate((struct span){mandate->bytes, mandate->size}, &keys, out);
    out->nonce_known = true;
    memcpy(out->nonce, mandate->nonce, sizeof out->nonce);
}

static enum err gather(struct host *host, struct tuf_target *target, struct accept_evidence *out,
                       struct why *why)
{
    const struct tuf_fetch fetch = {.self = host, .get = get_metadata};

    *out = (struct accept_evidence){.now = host_now(host), .target = span_of(host->target)};
    TRY(refresh(host, &fetch, out->now, why));
    TRY(tuf_client_target(host->tuf, &fetch, host->target, target, why));
    if (!facts_agree(target))
        return say(why, ERR_CORRUPT, NULL, "%s has no release facts, or they contradict it",
                   host->target);
    TRY(read_policy(host, &fetch, why));
    out->stale_s = staleness_s(host, out->now);
    prove_time(host, target);
    out->facts = &target->facts;
    out->root_version = (uint32_t)tuf_metadata_version(tuf_client_metadata(host->tuf, TUF_ROOT));
    out->allow_stale_s = host->policy.allow_stale_s;
    out->blocked = host->policy.blocked[0];
    out->blocked_count = host->policy.blocked_count;
    read_mandate(host, out);
    return ERR_OK;
}

void host_resolve(struct host *host)
{
    struct tuf_target *target = malloc(sizeof *target); /* 2 KiB of facts */
    struct accept_evidence evidence;
    struct agent_event event = {.kind = AGENT_EV_FACTS, .evidence = &evidence};
    struct why why = {0};
    enum err err;

    CHECK(target);
    err = gather(host, target, &evidence, &why);
    if (err == ERR_OK) {
        ring_note(&host->ring, LOG_LEVEL_INFO, "resolved",
                  "target=%s version=%s length=%llu signature=%d stale_s=%llu", host->target,
                  target->facts.version, (unsigned long long)target->facts.length,
                  (int)evidence.signature, (unsigned long long)evidence.stale_s);
        host_step(host, &event);
    } else if (!host->stopping) {
        host_remember(host, "resolve-failed", err, &why);
        host_failed(host, AGENT_DO_RESOLVE, err, link_retry_s(&host->link));
    }
    free(target);
}

/* ---- after a loss of the record ---- */

struct wanted {
    const struct host *host;
    const uint8_t *sha256;
    struct release_facts *out;
    bool found;
};

static enum err compare(void *self, const struct tuf_target *target, struct why *why)
{
    struct wanted *wanted = self;

    (void)why;
    if (target->has_facts && is_ours(wanted->host, target) &&
        memcmp(target->facts.sha256, wanted->sha256, DIGEST_SIZE) == 0) {
        *wanted->out = target->facts;
        wanted->found = true;
    }
    return ERR_OK;
}

enum err host_recall_facts(struct host *host, const uint8_t sha256[DIGEST_SIZE],
                           struct release_facts *out)
{
    struct wanted wanted = {.host = host, .sha256 = sha256, .out = out};
    struct why why = {0};

    if (tuf_client_resume(host->tuf, &why) != ERR_OK ||
        tuf_client_load_all(host->tuf, NULL, &why) != ERR_OK ||
        tuf_client_for_each_target(host->tuf, compare, &wanted, &why) != ERR_OK)
        return ERR_NOT_FOUND;
    return wanted.found ? ERR_OK : ERR_NOT_FOUND;
}
