#include "trust/forge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "trust/release_json.h"
#include "trust/tuf_key.h"

static struct key *new_key(enum key_kind kind)
{
    struct key *key;

    CHECK(key_generate(kind, &key, NULL) == ERR_OK);
    return key;
}

void forge_add_key(struct forge *forge, enum tuf_role role, enum key_kind kind)
{
    struct forge_role *it = &forge->roles[role];

    CHECK(it->key_count < FORGE_KEYS_MAX && it->signer_max < FORGE_KEYS_MAX);
    it->keys[it->key_count] = new_key(kind);
    it->signers[it->signer_max++] = key_share(it->keys[it->key_count++]);
    it->signer_count = it->signer_max;
}

void forge_replace_keys(struct forge *forge, enum tuf_role role)
{
    struct forge_role *it = &forge->roles[role];

    for (uint32_t i = 0; i < it->key_count; i++)
        key_close(it->keys[i]);
    for (uint32_t i = 0; i < it->signer_max && role != TUF_ROOT; i++)
        key_close(it->signers[i]);
    it->key_count = 0;
    if (role != TUF_ROOT) /* the old root keys sign the next root, too */
        it->signer_max = 0;
    forge_add_key(forge, role, KEY_ED25519);
}

struct tuf_bytes *forge_file(struct forge *forge, const char *name)
{
    for (size_t i = 0; i < forge->file_count; i++) {
        if (strcmp(forge->files[i].name, name) == 0)
            return &forge->files[i].bytes;
    }
    return NULL;
}

void forge_put(struct forge *forge, const char *name, struct span bytes)
{
    struct tuf_bytes *there = forge_file(forge, name), copy = tuf_bytes_copy(bytes);

    if (there) {
        tuf_bytes_done(there);
        *there = copy;
        return;
    }
    CHECK(forge->file_count < FORGE_FILES_MAX);
    (void)snprintf(forge->files[forge->file_count].name, TUF_FILE_NAME_SIZE, "%s", name);
    forge->files[forge->file_count++].bytes = copy;
}

void forge_drop(struct forge *forge, const char *name)
{
    struct tuf_bytes *there = forge_file(forge, name);
    struct forge_file *file =
        (struct forge_file *)(void *)((char *)there - offsetof(struct forge_file, bytes));

    CHECK(there);
    tuf_bytes_done(there);
    *file = forge->files[--forge->file_count];
}

static void fill_root(struct forge *forge, json_t *part)
{
    json_t *keys = json_object(), *roles = json_object();
    char id[DIGEST_HEX_SIZE];

    for (int i = 0; i < TUF_ROLE_COUNT; i++) {
        const struct forge_role *role = &forge->roles[i];
        json_t *ids = json_array();

        for (uint32_t k = 0; k < role->key_count; k++) {
            tuf_key_id(role->keys[k], id);
            CHECK(json_object_set_new(keys, id, tuf_key_to_json(role->keys[k])) == 0);
            CHECK(json_array_append_new(ids, json_string(id)) == 0);
        }
        CHECK(json_object_set_new(
                  roles, tuf_role_name((enum tuf_role)i),
                  json_pack("{s:o, s:i}", "keyids", ids, "threshold", role->threshold)) == 0);
    }
    CHECK(json_object_update_new(part,
                                 json_pack("{s:b, s:o, s:o}", "consistent_snapshot",
                                           forge->consistent, "keys", keys, "roles", roles)) == 0);
}

/* `meta` with one entry, as snapshot and timestamp have. */
static void fill_meta(struct forge *forge, json_t *part, enum tuf_role below)
{
    uint64_t version = forge->roles[below].version;
    char name[TUF_FILE_NAME_SIZE];
    json_t *entry;

    tuf_file_name(below, 0, name);
    entry = forge->hashes ? tuf_file_to_json(tuf_bytes_span(&forge->last[below]), version)
                          : json_pack("{s:I}", "version", (json_int_t)version);
    CHECK(json_object_set_new(part, "meta", json_pack("{s:o}", name, entry)) == 0);
}

static void fill(struct forge *forge, enum tuf_role role, json_t *part)
{
    if (role == TUF_ROOT)
        fill_root(forge, part);
    else if (role == TUF_TARGETS)
        CHECK(json_object_set(part, "targets", forge->targets) == 0);
    else
        fill_meta(forge, part, role == TUF_SNAPSHOT ? TUF_TARGETS : TUF_SNAPSHOT);
    if (forge->extra) {
        CHECK(json_object_update(part, forge->extra) == 0);
        json_decref(forge->extra);
        forge->extra = NULL;
    }
}

void forge_write(struct forge *forge, enum tuf_role role)
{
    const struct forge_role *it = &forge->roles[role];
    json_t *envelope = tuf_envelope_new(role, it->version, it->expires);
    bool versioned = role == TUF_ROOT || (forge->consistent && role != TUF_TIMESTAMP);
    char id[DIGEST_HEX_SIZE], name[TUF_FILE_NAME_SIZE];

    fill(forge, role, tuf_envelope_signed(envelope));
    for (uint32_t i = 0; i < it->signer_count; i++) {
        tuf_key_id(it->signers[i], id);
        CHECK(tuf_envelope_sign(envelope, it->signers[i], id, NULL) == ERR_OK);
    }
    tuf_bytes_done(&forge->last[role]);
    forge->last[role] = tuf_envelope_bytes(envelope);
    json_decref(envelope);
    tuf_file_name(role, versioned ? it->version : 0, name);
    forge_put(forge, name, tuf_bytes_span(&forge->last[role]));
}

void forge_next(struct forge *forge, enum tuf_role role)
{
    forge->roles[role].version++;
    forge_write(forge, role);
}

void forge_next_all(struct forge *forge)
{
    forge_next(forge, TUF_TARGETS);
    forge_next(forge, TUF_SNAPSHOT);
    forge_next(forge, TUF_TIMESTAMP);
}

void forge_target(struct forge *forge, const char *name, struct span bytes)
{
    CHECK(json_object_set_new(forge->targets, name, tuf_file_to_json(bytes, 0)) == 0);
}

/* The image is the text "PRODUCT VERSION", in one chunk. */
void forge_release(struct forge *forge, const char *product, const char *version)
{
    struct release_facts facts = {.hardware = {"board"},
                                  .hardware_count = 1,
                                  .security_version = 1,
                                  .chunk_size = CHUNK_SIZE_DEFAULT};
    char image[128], name[TARGET_NAME_SIZE_MAX + 1], chunks[TARGET_NAME_SIZE_MAX + 8];
    uint8_t list[DIGEST_SIZE];

    (void)snprintf(facts.product, sizeof facts.product, "%s", product);
    (void)snprintf(facts.version, sizeof facts.version, "%s", version);
    (void)snprintf(image, sizeof image, "%s %s", product, version);
    facts.length = strlen(image);
    digest_of(DIGEST_SHA256, span_of(image), facts.sha256);
    memcpy(list, facts.sha256, sizeof list);
    digest_of(DIGEST_SHA256, (struct span){list, sizeof list}, facts.chunks_sha256);
    CHECK(release_target_name(&facts, "image", name, NULL) == ERR_OK);
    (void)snprintf(chunks, sizeof chunks, "%s" RELEASE_CHUNKS_SUFFIX, name);
    forge_target(forge, name, span_of(image));
    forge_target(forge, chunks, (struct span){list, sizeof list});
    CHECK(json_object_set_new(json_object_get(forge->targets, name), "custom",
                              release_to_custom(&facts)) == 0);
}

struct forge *forge_open(void)
{
    struct forge *forge = calloc(1, sizeof *forge);

    CHECK(forge);
    forge->consistent = true;
    forge->hashes = true;
    forge->targets = json_object();
    for (int i = 0; i < TUF_ROLE_COUNT; i++) {
        forge->roles[i].threshold = 1;
        forge->roles[i].version = 1;
        forge->roles[i].expires = (struct utc){FORGE_NOW.ms + 30 * DAY_MS};
        forge_add_key(forge, (enum tuf_role)i, i % 2 == 0 ? KEY_ED25519 : KEY_ECDSA_P256);
    }
    forge_release(forge, "camera", "1.0");
    forge_write(forge, TUF_ROOT);
    forge_write(forge, TUF_TARGETS);
    forge_write(forge, TUF_SNAPSHOT);
    forge_write(forge, TUF_TIMESTAMP);
    return forge;
}

void forge_close(struct forge *forge)
{
    for (int i = 0; i < TUF_ROLE_COUNT; i++) {
        for (uint32_t k = 0; k < forge->roles[i].key_count; k++)
            key_close(forge->roles[i].keys[k]);
        for (uint32_t k = 0; k < forge->roles[i].signer_max; k++)
            key_close(forge->roles[i].signers[k]);
        tuf_bytes_done(&forge->last[i]);
    }
    for (size_t i = 0; i < forge->file_count; i++)
        tuf_bytes_done(&forge->files[i].bytes);
    json_decref(forge->targets);
    json_decref(forge->extra);
    free(forge);
}

static enum err get(void *self, const char *name, size_t size_max, struct tuf_bytes *out,
                    struct why *why)
{
    struct forge *forge = self;
    const struct tuf_bytes *bytes = forge_file(forge, name);
    size_t at = strlen(forge->log);

    (void)snprintf(forge->log + at, sizeof forge->log - at, "%s ", name);
    if (forge->failure != ERR_OK) {
        why_say(why, NULL, "the test says so");
        return forge->failure;
    }
    if (!bytes) {
        why_say(why, NULL, "404");
        return ERR_NOT_FOUND;
    }
    if (bytes->size > size_max) {
        why_say(why, NULL, "longer than it may be");
        return ERR_TOO_BIG;
    }
    *out = tuf_bytes_copy(tuf_bytes_span(bytes));
    return ERR_OK;
}

struct tuf_fetch forge_fetch(struct forge *forge)
{
    return (struct tuf_fetch){.self = forge, .get = get};
}
