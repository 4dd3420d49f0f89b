#include "app/content.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "crypto/equal.h"
#include "crypto/wipe.h"
#include "os/entropy.h"
#include "os/say.h"

#define STORED_DOMAIN "slipway stored content key 1"
#define STORED_SIZE   (AEAD_NONCE_SIZE + CONTENT_KEY_SIZE + AEAD_TAG_SIZE)

CHECK_STATIC(STORED_SIZE <= CONTENT_KEY_STORED_MAX);

/* ---- at rest: nonce, then the key sealed under the server's storage key ---- */

/* So that a row that is copied to another release or tenant does not open. */
static struct span bound_to(const struct release_row *release, struct buf *room)
{
    buf_text(room, STORED_DOMAIN);
    buf_byte(room, 0);
    buf_uint(room, (uint64_t)release->tenant);
    buf_byte(room, 0);
    buf_put(room, release->plain_sha256, DIGEST_SIZE);
    CHECK(!room->overflow);
    return buf_written(room);
}

static void lock_key(const struct app *app, const struct release_row *release, const uint8_t *key,
                     uint8_t stored[STORED_SIZE])
{
    struct aead *aead = aead_open(AEAD_CHACHA20_POLY1305, app->config.content_storage_key);
    uint8_t bytes[128];
    struct buf room = buf_over(bytes, sizeof bytes);

    entropy_fill(stored, AEAD_NONCE_SIZE); /* 96 bits: one server keeps thousands of keys */
    aead_seal(aead, stored, bound_to(release, &room), (struct span){key, CONTENT_KEY_SIZE},
              stored + AEAD_NONCE_SIZE);
    aead_close(aead);
}

static bool unlock_key(const struct app *app, const struct release_row *release, struct span stored,
                       uint8_t key[CONTENT_KEY_SIZE])
{
    struct span sealed = {stored.at + AEAD_NONCE_SIZE, STORED_SIZE - AEAD_NONCE_SIZE};
    uint8_t bytes[128];
    struct buf room = buf_over(bytes, sizeof bytes);
    struct aead *aead;
    bool good;

    if (stored.size != STORED_SIZE || !app->config.content_storage_key)
        return false;
    aead = aead_open(AEAD_CHACHA20_POLY1305, app->config.content_storage_key);
    good = aead_unseal(aead, stored.at, bound_to(release, &room), sealed, key);
    aead_close(aead);
    return good;
}

static enum err no_key(const struct release_row *release, enum err err, struct why *why)
{
    return say(why, err, "release",
               "%s %s is sealed and its content key is not on the server: publish it again from "
               "where it was added",
               release->product, release->version);
}

static enum err load_key(struct app *app, const struct release_row *release,
                         uint8_t key[CONTENT_KEY_SIZE], struct why *why)
{
    uint8_t bytes[CONTENT_KEY_STORED_MAX];
    struct buf stored = buf_over(bytes, sizeof bytes);
    enum err err = store_release_key(app->db, release->tenant, release->id, &stored);

    if (err == ERR_NOT_FOUND)
        return no_key(release, err, why);
    TRY(app_db_failed(app, err, why));
    if (!unlock_key(app, release, buf_written(&stored), key))
        return say(why, ERR_CORRUPT, NULL,
                   "the content key of %s %s does not open with pki/content.key", release->product,
                   release->version);
    return ERR_OK;
}

bool content_present(struct app *app, const struct release_row *release)
{
    uint8_t key[CONTENT_KEY_SIZE];
    bool good = release->key_present && load_key(app, release, key, NULL) == ERR_OK;

    wipe(key, sizeof key);
    return good;
}

/* ---- from the publisher ---- */

static enum err check_key(const struct release_row *release, const uint8_t *key, struct why *why)
{
    struct sealing_image image = {.alg = (enum aead_kind)release->alg,
                                  .chunk_size = release->chunk_size};
    uint8_t check[DIGEST_SIZE];

    if (!release->sealed)
        return say(why, ERR_INVALID, NULL, "%s %s is not sealed: it has no content key",
                   release->product, release->version);
    CHECK(image.alg < AEAD_COUNT);
    memcpy(image.sha256, release->plain_sha256, DIGEST_SIZE);
    sealing_check(&image, key, check);
    if (!equal_secret(check, release->key_check, sizeof check))
        return say(why, ERR_UNTRUSTED, "content_key",
                   "this is not the content key that %s %s was signed with", release->product,
                   release->version);
    return ERR_OK;
}

static enum err find(struct app *app, const struct content_upload *upload, struct release_row *out,
                     struct why *why)
{
    struct span product, version;
    enum err err = ERR_NOT_FOUND;

    if (release_name_split(upload->release, &product, &version))
        err = store_release_find(app->db, upload->tenant, product, version, out);
    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no release %.*s", (int)upload->release.size,
                   (const char *)upload->release.at);
    return app_db_failed(app, err, why);
}

static enum err keep(struct app *app, const struct release_row *release, const uint8_t *key,
                     struct why *why)
{
    uint8_t stored[STORED_SIZE];

    lock_key(app, release, key, stored);
    return app_db_failed(app,
                         store_release_set_key(app->db, release->tenant, release->id,
                                               (struct span){stored, sizeof stored}),
                         why);
}

static enum err take(struct app *app, const struct content_upload *upload,
                     const struct release_row *release, struct why *why)
{
    char name[RELEASE_ID_SIZE], object[RELEASE_ID_SIZE + ACTOR_SIZE_MAX];
    const struct deed deed = {.tenant = upload->tenant,
                              .actor = upload->actor,
                              .action = "release.content-key",
                              .object = object};
    TRY(check_key(release, upload->key, why));
    if (!app->config.content_storage_key)
        return say(why, ERR_UNSUITABLE, NULL, "this server keeps no content keys");
    if (content_present(app, release)) /* it passed the same check */
        return ERR_OK;
    release_row_name(release, name);
    CHECK(snprintf(object, sizeof object, "release:%s", name) > 0);
    TRY(keep(app, release, upload->key, why));
    return app_db_failed(app, app_audit(app, upload->now, &deed), why);
}

enum err content_take(struct app *app, const struct content_upload *upload, struct why *why)
{
    struct release_row release;
    enum err err;
    char object[ACTOR_SIZE_MAX];
    struct deed deed = {.tenant = upload->tenant,
                        .actor = upload->actor,
                        .action = "release.content-key",
                        .object = object};

    err = find(app, upload, &release, why);
    if (err == ERR_OK)
        err = take(app, upload, &release, why);
    if (err == ERR_OK)
        return ERR_OK;
    (void)snprintf(object, sizeof object, "release:%.*s", (int)upload->release.size,
                   (const char *)upload->release.at);
    return app_refuse(app, upload->now, &deed, err, why);
}

/* ---- to devices ---- */

enum err content_ready(struct app *app, const struct release_row *release, struct why *why)
{
    return release->sealed && !content_present(app, release) ? no_key(release, ERR_INVALID, why)
                                                             : ERR_OK;
}

enum err content_wrap(struct app *app, const struct device_row *device,
                      const struct release_row *release, struct buf *out, struct why *why)
{
    const struct wrap_for to = {device->name, release->plain_sha256};
    uint8_t bytes[WRAP_PUBLIC_SIZE_MAX], key[CONTENT_KEY_SIZE];
    struct buf public_key = buf_over(bytes, sizeof bytes);
    enum err err;

    if (!release->sealed)
        return ERR_OK;
    err = store_device_sealing_key(app->db, device->tenant, device->id, &public_key);
    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "%s has sent no sealing key", device->name);
    TRY(app_db_failed(app, err, why));
    TRY(load_key(app, release, key, why));
    err = wrap_seal(buf_written(&public_key), &to, key, out, why);
    wipe(key, sizeof key);
    return err;
}

/* Whether the device had another one. */
static enum err compare_sealing_key(struct app *app, const struct device_row *device,
                                    struct span sealing_key, bool *same, bool *other)
{
    uint8_t bytes[WRAP_PUBLIC_SIZE_MAX];
    struct buf known = buf_over(bytes, sizeof bytes);
    enum err err = store_device_sealing_key(app->db, device->tenant, device->id, &known);

    *same = err == ERR_OK && span_equal(buf_written(&known), sealing_key);
    *other = err == ERR_OK && !*same;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err keep_sealing_key(struct app *app, const struct device_call *call,
                                 struct span sealing_key)
{
    const struct device_row *device = &call->device;
    const struct deed deed = {.tenant = device->tenant,
                              .actor = call->actor,
                              .action = "device.sealing-key",
                              .object = call->actor};
    bool same, other;

    TRY(compare_sealing_key(app, device, sealing_key, &same, &other));
    if (same)
        return ERR_OK;
    TRY(store_device_set_sealing_key(app->db, device->tenant, device->id, sealing_key));
    return other ? app_audit(app, call->now, &deed) : ERR_OK;
}

enum err content_take_sealing_key(struct app *app, const struct device_call *call,
                                  struct span sealing_key, struct why *why)
{
    if (sealing_key.size == 0)
        return ERR_OK;
    if (!wrap_public_ok(sealing_key))
        return say(why, ERR_CORRUPT, "sealing_key", "it is not an X25519 or P-256 public key");
    return app_db_failed(app, keep_sealing_key(app, call, sealing_key), why);
}

enum err content_forget_sealing_key(struct app *app, const struct device_row *device)
{
    return store_device_set_sealing_key(app->db, device->tenant, device->id, (struct span){0});
}
