#include "trust/envelope.h"

#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "trust/json_canon.h"

json_t *tuf_envelope_new(enum tuf_role role, uint64_t version, struct utc expires)
{
    json_t *envelope = json_pack("{s:[], s:{s:s, s:s}}", "signatures", "signed", "_type",
                                 tuf_role_name(role), "spec_version", TUF_SPEC_VERSION);

    CHECK(envelope);
    tuf_envelope_set_version(envelope, version);
    tuf_envelope_set_expires(envelope, expires);
    return envelope;
}

json_t *tuf_envelope_of(const struct tuf_metadata *metadata)
{
    json_t *envelope = json_pack("{s:[], s:o}", "signatures", "signed",
                                 json_deep_copy(tuf_metadata_signed(metadata)));

    CHECK(envelope);
    return envelope;
}

json_t *tuf_envelope_signed(json_t *envelope)
{
    return json_object_get(envelope, "signed");
}

void tuf_envelope_set_version(json_t *envelope, uint64_t version)
{
    CHECK(version > 0 && version <= INT64_MAX);
    CHECK(json_object_set_new(tuf_envelope_signed(envelope), "version",
                              json_integer((json_int_t)version)) == 0);
}

void tuf_envelope_set_expires(json_t *envelope, struct utc expires)
{
    char text[UTC_TEXT_SIZE];

    utc_format(expires, text);
    CHECK(json_object_set_new(tuf_envelope_signed(envelope), "expires", json_string(text)) == 0);
}

static void drop_signature(json_t *signatures, const char *keyid)
{
    for (size_t i = json_array_size(signatures); i > 0; i--) {
        const json_t *one = json_object_get(json_array_get(signatures, i - 1), "keyid");

        if (strcmp(json_string_value(one), keyid) == 0)
            CHECK(json_array_remove(signatures, i - 1) == 0);
    }
}

enum err tuf_envelope_sign(json_t *envelope, const struct key *key, const char *keyid,
                           struct why *why)
{
    json_t *signatures = json_object_get(envelope, "signatures");
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    char hex[2 * KEY_SIGNATURE_SIZE_MAX + 1];
    struct buf signature = buf_over(bytes, sizeof bytes);
    struct tuf_bytes canonical;
    enum err err;

    TRY(json_canonical(tuf_envelope_signed(envelope), &canonical, why));
    err = key_sign(key, tuf_bytes_span(&canonical), &signature, why);
    tuf_bytes_done(&canonical);
    if (err != ERR_OK)
        return err;
    hex_print(buf_written(&signature), hex);
    drop_signature(signatures, keyid);
    CHECK(json_array_append_new(signatures, json_pack("{s:s, s:s}", "keyid", keyid, "sig", hex)) ==
          0);
    return ERR_OK;
}

struct tuf_bytes tuf_envelope_bytes(const json_t *envelope)
{
    char *text = json_dumps(envelope, JSON_COMPACT | JSON_SORT_KEYS);

    CHECK(text);
    return (struct tuf_bytes){.at = (uint8_t *)text, .size = strlen(text)};
}

json_t *tuf_file_to_json(struct span bytes, uint64_t version)
{
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    json_t *json;

    digest_of(DIGEST_SHA256, bytes, digest);
    hex_print((struct span){digest, sizeof digest}, hex);
    json = json_pack("{s:I, s:{s:s}}", "length", (json_int_t)bytes.size, "hashes", "sha256", hex);
    CHECK(json);
    if (version != 0)
        CHECK(json_object_set_new(json, "version", json_integer((json_int_t)version)) == 0);
    return json;
}
