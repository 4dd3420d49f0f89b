#include "trust/tuf_key.h"

#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "crypto/digest.h"
#include "os/say.h"
#include "trust/json_canon.h"
#include "trust/tuf_file.h"

/* How metadata writes each kind; the first of a kind is how we write it ourselves. */
static const struct {
    enum key_kind kind;
    const char *keytype, *scheme;
} forms[] = {
    {KEY_ED25519, "ed25519", "ed25519"},
    {KEY_ECDSA_P256, "ecdsa", "ecdsa-sha2-nistp256"},
    {KEY_ECDSA_P256, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"}, /* before TUF 1.0.20 */
};

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static enum err read_public(enum key_kind kind, const char *text, struct key **out, struct why *why)
{
    uint8_t raw[KEY_RAW_SIZE];
    struct key *key;

    if (kind == KEY_ED25519) {
        if (!hex_parse(span_of(text), raw, sizeof raw))
            return say(why, ERR_CORRUPT, NULL, "an Ed25519 key is not 64 hex digits");
        return key_from_raw((struct span){raw, sizeof raw}, out, why);
    }
    TRY(key_from_pem(span_of(text), &key, why));
    if (key_kind(key) != kind || key_is_private(key)) {
        key_close(key);
        return say(why, ERR_CORRUPT, NULL, "the PEM of a key is not a public key of its type");
    }
    *out = key;
    return ERR_OK;
}

enum err tuf_key_from_json(const json_t *json, struct key **out, struct why *why)
{
    const char *keytype = text_of(json, "keytype"), *scheme = text_of(json, "scheme");
    const char *public_half = text_of(json_object_get(json, "keyval"), "public");

    if (!keytype || !scheme || !public_half)
        return say(why, ERR_CORRUPT, NULL, "a key lacks keytype, scheme or keyval.public");
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strcmp(keytype, forms[i].keytype) == 0 && strcmp(scheme, forms[i].scheme) == 0)
            return read_public(forms[i].kind, public_half, out, why);
    }
    return say(why, ERR_INVALID, NULL, "keys of type %.20s with scheme %.20s are not used here",
               keytype, scheme);
}

json_t *tuf_key_to_json(const struct key *key)
{
    char public_half[KEY_PEM_SIZE_MAX];
    struct buf buf = buf_over(public_half, sizeof public_half);
    uint8_t raw[KEY_RAW_SIZE];
    size_t form = 0;
    json_t *json;

    if (key_kind(key) == KEY_ED25519) {
        key_public_raw(key, raw);
        buf_hex(&buf, (struct span){raw, sizeof raw});
    } else {
        key_public_pem(key, &buf);
    }
    while (forms[form].kind != key_kind(key))
        form++;
    json = json_pack("{s:s, s:s, s:{s:s}}", "keytype", forms[form].keytype, "scheme",
                     forms[form].scheme, "keyval", "public", buf_finish_text(&buf));
    CHECK(json && !buf.overflow);
    return json;
}

enum err tuf_key_id_of_json(const json_t *json, char id[DIGEST_HEX_SIZE], struct why *why)
{
    struct tuf_bytes canonical;
    uint8_t digest[DIGEST_SIZE];

    TRY(json_canonical(json, &canonical, why));
    digest_of(DIGEST_SHA256, tuf_bytes_span(&canonical), digest);
    tuf_bytes_done(&canonical);
    hex_print((struct span){digest, sizeof digest}, id);
    return ERR_OK;
}

void tuf_key_id(const struct key *key, char id[DIGEST_HEX_SIZE])
{
    json_t *json = tuf_key_to_json(key);

    CHECK(tuf_key_id_of_json(json, id, NULL) == ERR_OK);
    json_decref(json);
}

/* Whether the first character that is not white space opens an object. */
static bool looks_like_json(struct span text)
{
    size_t at = 0;

    while (at < text.size && (text.at[at] == ' ' || (text.at[at] >= '\t' && text.at[at] <= '\r')))
        at++;
    return at < text.size && text.at[at] == '{';
}

enum err tuf_key_load(const char *path, const struct key_ask *ask, struct key **out,
                      struct why *why)
{
    struct tuf_bytes bytes;
    json_t *json = NULL;
    enum err err;

    TRY(tuf_file_read_path(path, KEY_FILE_SIZE_MAX, &bytes, why));
    if (!looks_like_json(tuf_bytes_span(&bytes))) {
        tuf_bytes_done(&bytes);
        return key_load_asking(path, ask, out, why);
    }
    err = json_read(tuf_bytes_span(&bytes), &json, why);
    if (err == ERR_OK)
        err = tuf_key_from_json(json, out, why);
    json_decref(json);
    tuf_bytes_done(&bytes);
    return say_where(why, err, "%s", path);
}
