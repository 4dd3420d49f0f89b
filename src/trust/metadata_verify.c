/* Who has signed, and whether that is enough. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"
#include "trust/metadata_form.h"
#include "trust/tuf_public_key.h"

struct tuf_authority tuf_root_authority(const struct tuf_metadata *root, enum tuf_role role)
{
    const json_t *all = json_object_get(root->signed_part, "roles");
    const json_t *one = json_object_get(all, tuf_role_name(role));
    uint64_t threshold = 0;

    CHECK(root->role == TUF_ROOT);
    CHECK(tuf_number(one, "threshold", 1, &threshold)); /* reading has checked its form */
    return (struct tuf_authority){
        .keys = json_object_get(root->signed_part, "keys"),
        .keyids = json_object_get(one, "keyids"),
        .threshold = (uint32_t)threshold,
    };
}

static const char *signature_by(const struct tuf_metadata *metadata, const char *keyid)
{
    const json_t *signature;
    size_t i;

    json_array_foreach(metadata->signatures, i, signature)
    {
        if (strcmp(json_string_value(json_object_get(signature, "keyid")), keyid) == 0)
            return json_string_value(json_object_get(signature, "sig"));
    }
    return NULL;
}

/* The key named `keyid` if it has validly signed; NULL otherwise, for whatever reason. */
static struct public_key *valid_signer(const struct tuf_authority *authority, const char *keyid,
                                       const struct tuf_metadata *metadata)
{
    const char *hex = signature_by(metadata, keyid);
    uint8_t signature[PUBLIC_KEY_SIGNATURE_SIZE_MAX];
    size_t size = hex ? strlen(hex) / 2 : 0;
    struct public_key *key;

    if (!hex || size > sizeof signature || !hex_parse(span_of(hex), signature, size))
        return NULL;
    if (tuf_public_key_read(json_object_get(authority->keys, keyid), keyid, &key, NULL) != ERR_OK)
        return NULL;
    if (public_key_verify(key, tuf_bytes_span(&metadata->canonical),
                          (struct span){signature, size}))
        return key;
    public_key_close(key);
    return NULL;
}

/* One key under two ids, because its two objects differ in a field nobody reads, is one key. */
static bool is_among(const struct public_key *key, struct public_key *const *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (public_key_same(key, keys[i]))
            return true;
    }
    return false;
}

uint32_t tuf_signature_count(const struct tuf_authority *authority,
                             const struct tuf_metadata *metadata)
{
    struct public_key **signers =
        calloc(json_array_size(authority->keyids) + 1, sizeof(struct public_key *));
    uint32_t count = 0;
    const json_t *keyid;
    size_t i;

    CHECK(signers);
    json_array_foreach(authority->keyids, i, keyid)
    {
        struct public_key *key = valid_signer(authority, json_string_value(keyid), metadata);

        if (key && !is_among(key, signers, count))
            signers[count++] = key;
        else
            public_key_close(key);
    }
    for (i = 0; i < count; i++)
        public_key_close(signers[i]);
    free(signers);
    return count;
}

enum err tuf_verify(const struct tuf_authority *authority, const struct tuf_metadata *metadata,
                    struct why *why)
{
    uint32_t count = tuf_signature_count(authority, metadata);

    CHECK(authority->threshold > 0);
    if (count < authority->threshold)
        return say(why, ERR_UNTRUSTED, NULL,
                   "%s version %" PRIu64 " has %u of %u valid signatures by different keys",
                   tuf_role_name(metadata->role), metadata->version, count, authority->threshold);
    return ERR_OK;
}

enum err tuf_verify_by_root(const struct tuf_metadata *root, const struct tuf_metadata *metadata,
                            struct why *why)
{
    struct tuf_authority authority = tuf_root_authority(root, metadata->role);

    return tuf_verify(&authority, metadata, why);
}

enum err tuf_verify_next_root(const struct tuf_metadata *old, const struct tuf_metadata *next,
                              struct why *why)
{
    CHECK(next->role == TUF_ROOT);
    TRY(say_where(why, tuf_verify_by_root(old, next, why), "by the rule of root version %" PRIu64,
                  old->version));
    if (next->version != old->version + 1)
        return say(why, ERR_CONFLICT, NULL, "root version %" PRIu64 " cannot follow %" PRIu64,
                   next->version, old->version);
    return say_where(why, tuf_verify_by_root(next, next, why), "by its own rule");
}
