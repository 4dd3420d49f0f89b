/* Drafts, signatures and listing; drawing up a trust store is compact_store.c. */
#include "trust/compact.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "crypto/verify_openssl.h"
#include "format/cose_sign_host.h"
#include "os/say.h"
#include "trust/compact_inside.h"
#include "trust/repository_files.h"
#include "trust/tuf_file.h"

/* ---- Bytes ---- */

static struct span aad_of(const struct compact *compact)
{
    return compact->kind == COMPACT_IS_MANIFEST ? SPAN_LITERAL(MANIFEST_AAD)
                                                : SPAN_LITERAL(TRUST_STORE_AAD);
}

static size_t size_max_of(const struct compact *compact)
{
    return compact->kind == COMPACT_IS_MANIFEST ? MANIFEST_SIZE_MAX : TRUST_STORE_SIZE_MAX;
}

/* The payload is in its place; find out what it is. */
static enum err read_payload(struct compact *compact)
{
    compact->kind = COMPACT_IS_MANIFEST;
    if (manifest_read(compact->message.payload, &compact->manifest) == ERR_OK)
        return ERR_OK;
    compact->kind = COMPACT_IS_TRUST_STORE;
    return trust_store_read(compact->message.payload, &compact->store);
}

enum err compact_take_payload(struct compact *compact, const struct buf *payload)
{
    memmove(compact->payload, payload->at, payload->size);
    compact->message = (struct cose_sign){.payload = {compact->payload, payload->size}};
    return read_payload(compact);
}

enum err compact_read(struct span bytes, struct compact *out, struct why *why)
{
    if (bytes.size > COMPACT_SIZE_MAX)
        return say(why, ERR_TOO_BIG, NULL, "is longer than any manifest or trust store");
    memset(out, 0, sizeof *out);
    if (cose_sign_read(bytes, &out->message) != ERR_OK)
        out->message = (struct cose_sign){.payload = bytes};
    if (out->message.payload.size > 0)
        memcpy(out->payload, out->message.payload.at, out->message.payload.size);
    out->message.payload.at = out->payload;
    if (read_payload(out) == ERR_OK)
        return ERR_OK;
    return say(why, ERR_CORRUPT, NULL, "is no manifest and no trust store");
}

void compact_write(const struct compact *compact, struct buf *out)
{
    if (compact->message.count == 0)
        buf_span(out, compact->message.payload);
    else
        cose_sign_write(&compact->message, out);
}

enum err compact_sign(struct compact *compact, const struct key *key, struct why *why)
{
    struct cose_sign with = compact->message;
    uint8_t room[COMPACT_SIZE_MAX];
    struct buf out = buf_over(room, size_max_of(compact));

    TRY(cose_sign_with(key, aad_of(compact), &with, why));
    cose_sign_write(&with, &out);
    if (out.overflow)
        return say(why, ERR_TOO_BIG, NULL,
                   "with this signature it would have more than the %zu bytes that devices take",
                   size_max_of(compact));
    compact->message = with;
    return ERR_OK;
}

/* ---- Manifests ---- */

static enum err find_image(const char *dir, const char *target, struct tuf_target *out,
                           char role[REPOSITORY_NAME_SIZE], struct why *why)
{
    struct tuf_metadata *list;
    enum err err;

    TRY(repository_role_for(dir, target, NULL, role, why));
    TRY(repository_read_newest(dir, role, &list, why));
    err = tuf_find_target(list, target, out, why);
    tuf_metadata_close(list);
    if (err == ERR_OK && !out->has_facts)
        err = say(why, ERR_NOT_FOUND, NULL, "%s: is not an image", target);
    return err;
}

struct image_search {
    const char *product, *version;
    char name[TARGET_NAME_SIZE_MAX + 1];
};

static enum err match_image(void *self, const struct tuf_target *target, struct why *why)
{
    struct image_search *search = self;

    (void)why;
    if (target->has_facts && strcmp(target->facts.product, search->product) == 0 &&
        strcmp(target->facts.version, search->version) == 0)
        memcpy(search->name, target->name, sizeof search->name);
    return ERR_OK;
}

/* The name of the release's image, in whichever list. */
static enum err find_name(const char *dir, struct image_search *search, struct why *why)
{
    char role[REPOSITORY_NAME_SIZE], folder[TARGET_NAME_SIZE_MAX + 1];
    struct tuf_metadata *list;
    enum err err;

    if ((size_t)snprintf(folder, sizeof folder, "%s/%s/x", search->product, search->version) >=
        sizeof folder)
        return say(why, ERR_TOO_BIG, NULL, "the name is too long");
    TRY(repository_role_for(dir, folder, NULL, role, why));
    TRY(repository_read_newest(dir, role, &list, why));
    err = tuf_for_each_target(list, match_image, search, why);
    tuf_metadata_close(list);
    if (err == ERR_OK && search->name[0] == '\0')
        err =
            say(why, ERR_NOT_FOUND, NULL, "%s %s is not listed", search->product, search->version);
    return err;
}

static enum err write_manifest(const struct manifest *manifest, struct compact *out,
                               struct why *why)
{
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf payload = buf_over(room, sizeof room);
    enum err err = manifest_write(manifest, &payload);

    if (err == ERR_TOO_BIG)
        return say(why, err, NULL,
                   "the facts of %s do not fit into the %u bytes of a manifest; list less hardware "
                   "or fewer bases",
                   manifest->target, MANIFEST_PAYLOAD_MAX);
    if (err == ERR_OK)
        err = compact_take_payload(out, &payload);
    return err == ERR_OK ? err
                         : say(why, ERR_INVALID, NULL, "no manifest can say what is listed of %s",
                               manifest->target);
}

enum err compact_draft_manifest(const char *dir, const char *product, const char *version,
                                const struct manifest_slot *slot, struct compact *out,
                                struct why *why)
{
    struct image_search search = {.product = product, .version = version};
    char role[REPOSITORY_NAME_SIZE];
    struct manifest manifest = {0};
    struct tuf_target image;

    TRY(find_name(dir, &search, why));
    TRY(find_image(dir, search.name, &image, role, why));
    memcpy(manifest.target, image.name, sizeof manifest.target);
    manifest.facts = image.facts;
    if (slot)
        manifest.slot = *slot;
    return write_manifest(&manifest, out, why);
}

/* The list must say the same, or the device that reads JSON would get another release. */
static enum err check_facts(const char *dir, const struct compact *compact,
                            char role[REPOSITORY_NAME_SIZE], struct why *why)
{
    struct manifest listed = compact->manifest;
    uint8_t room[MANIFEST_PAYLOAD_MAX];
    struct buf payload = buf_over(room, sizeof room);
    struct tuf_target image;

    TRY(find_image(dir, listed.target, &image, role, why));
    listed.facts = image.facts;
    if (manifest_write(&listed, &payload) != ERR_OK ||
        !span_equal(buf_written(&payload), compact->message.payload))
        return say(why, ERR_CONFLICT, NULL, "the manifest is not what is listed of %s",
                   listed.target);
    return ERR_OK;
}

/* ---- Signatures ---- */

uint32_t compact_signatures(const struct compact *compact, const struct verify_key *keys,
                            uint32_t count)
{
    uint8_t room[COMPACT_SIZE_MAX + 64];
    struct verify verify = verify_openssl();
    struct cose_check check = {&verify, aad_of(compact), room, sizeof room};

    return cose_sign_count(&compact->message, keys, count, &check);
}

static enum err count_manifest(const char *dir, const struct compact *compact,
                               struct repository_signing *out, struct why *why)
{
    char role[REPOSITORY_NAME_SIZE];
    struct verify_key public[REPOSITORY_KEYS_MAX];
    struct repository_keys keys;
    uint32_t known = 0;

    TRY(check_facts(dir, compact, role, why));
    TRY(repository_keys(dir, role, &keys, why));
    for (uint32_t i = 0; i < keys.count; i++)
        known += key_to_verify(keys.keys[i], &public[known], NULL) == ERR_OK;
    *out = (struct repository_signing){
        .version = 1, .have = compact_signatures(compact, public, known), .need = keys.threshold};
    repository_keys_done(&keys);
    return ERR_OK;
}

enum err compact_count(const char *dir, const struct compact *compact,
                       struct repository_signing *out, struct why *why)
{
    struct repository_signing signing;

    if (compact->kind == COMPACT_IS_MANIFEST)
        TRY(count_manifest(dir, compact, &signing, why));
    else
        TRY(compact_count_store(dir, compact, &signing, why));
    signing.complete = signing.have >= signing.need;
    *out = signing;
    return ERR_OK;
}

/* ---- Listing ---- */

static enum err name_of(const struct compact *compact, char name[TARGET_NAME_SIZE_MAX + 1],
                        struct why *why)
{
    size_t room = TARGET_NAME_SIZE_MAX + 1;

    if (compact->kind == COMPACT_IS_TRUST_STORE) {
        (void)snprintf(name, room, COMPACT_TRUST_STORE "%u", compact->store.version);
        return ERR_OK;
    }
    if ((size_t)snprintf(name, room, "%s" MANIFEST_SUFFIX, compact->manifest.target) >= room)
        return say(why, ERR_TOO_BIG, NULL, "%s" MANIFEST_SUFFIX ": has more than %u bytes",
                   compact->manifest.target, TARGET_NAME_SIZE_MAX);
    return ERR_OK;
}

static enum err stage(struct repository_edit *edit, const char *name, struct span bytes,
                      struct why *why)
{
    json_t *envelope;

    TRY(repository_role_for(edit->dir, name, NULL, edit->role, why));
    TRY(repository_store_blob(edit->dir, bytes, why));
    TRY(repository_begin_change(edit->dir, edit->role, edit->expires, &envelope, why));
    CHECK(json_object_set_new(json_object_get(tuf_envelope_signed(envelope), "targets"), name,
                              tuf_file_to_json(bytes, 0)) == 0);
    return repository_stage(edit->dir, edit->role, envelope, why);
}

enum err compact_list(struct repository_edit *edit, const struct compact *compact,
                      char name[TARGET_NAME_SIZE_MAX + 1], struct why *why)
{
    uint8_t room[COMPACT_SIZE_MAX];
    struct buf out = buf_over(room, sizeof room);
    struct repository_signing signing;

    TRY(name_of(compact, name, why));
    TRY(compact_count(edit->dir, compact, &signing, why));
    if (!signing.complete)
        return say(why, ERR_UNTRUSTED, NULL, "%s has %u of the %u signatures that it needs", name,
                   signing.have, signing.need);
    compact_write(compact, &out);
    CHECK(!out.overflow);
    return stage(edit, name, buf_written(&out), why);
}
