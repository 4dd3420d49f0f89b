#include "agent/manifest_door.h"

#include "format/cose.h"

static enum err read_facts(const struct manifest_door *door, struct span manifest,
                           struct manifest *out)
{
    const struct trust_release *signers = trust_store_release(door->store, door->product);
    struct trust_check check = {door->verify, door->room, door->room_size};
    struct cose_sign message;

    if (!signers)
        return ERR_NOT_FOUND;
    if (manifest.size > MANIFEST_SIZE_MAX)
        return ERR_TOO_BIG;
    TRY(cose_sign_read(manifest, &message));
    if (!trust_role_signed(door->store, &signers->role, &message, SPAN_LITERAL(MANIFEST_AAD),
                           &check))
        return ERR_UNTRUSTED;
    return manifest_read(message.payload, out);
}

enum err manifest_door_facts(const struct manifest_door *door, struct span manifest,
                             struct manifest *out)
{
    enum err err = read_facts(door, manifest, out);

    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

static uint64_t stale_s(const struct trust_store *store, struct utc now)
{
    uint64_t now_s = now.ms > 0 ? (uint64_t)now.ms / 1000 : 0;

    return store->expires_s > 0 && now_s > store->expires_s ? now_s - store->expires_s : 0;
}

/* What the store says to every device. */
static void take_policy(const struct manifest_door *door, struct accept_evidence *out)
{
    const struct trust_release *release = trust_store_release(door->store, door->product);

    out->root_version = door->store->root_version;
    out->allow_stale_s = door->store->allow_stale_s;
    out->blocked = door->store->blocked.at;
    out->blocked_count = (uint32_t)(door->store->blocked.size / DIGEST_SIZE);
    out->security_floor = release ? release->security_floor : 0;
}

static void take_mandate(const struct manifest_door *door, struct span message,
                         struct accept_evidence *out)
{
    struct verify_key keys[TRUST_ASSIGNMENT_MAX];
    struct accept_keys named = {.keys = keys,
                                .count = trust_store_assignment_keys(door->store, keys),
                                .verify = door->verify,
                                .room = door->room,
                                .room_size = door->room_size};

    accept_read_mandate(message, &named, out);
}

void manifest_door_open(const struct manifest_door *door, const struct manifest_door_input *in,
                        struct manifest *facts, struct accept_evidence *out)
{
    memset(out, 0, sizeof *out);
    out->chain = manifest_door_facts(door, in->manifest, facts);
    out->facts = &facts->facts;
    out->target = span_of(facts->target);
    out->stale_s = stale_s(door->store, in->now);
    out->now = in->now;
    out->nonce_known = in->nonce_known;
    if (in->nonce_known)
        memcpy(out->nonce, in->nonce, sizeof out->nonce);
    take_policy(door, out);
    take_mandate(door, in->assignment, out);
}
