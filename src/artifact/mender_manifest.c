#include <openssl/evp.h>
#include <string.h>

#include "artifact/mender_inside.h"
#include "base/check.h"
#include "codec/hex.h"
#include "os/say.h"

#define HEX_SIZE      (2u * DIGEST_SIZE)
#define RAW_HALF_SIZE 32u /* bytes of r and of s of ECDSA over P-256 */
#define DER_SIZE_MAX  (2u + 2u * (3u + RAW_HALF_SIZE))

static bool is_lower_hex(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!((text.at[i] >= '0' && text.at[i] <= '9') || (text.at[i] >= 'a' && text.at[i] <= 'f')))
            return false;
    }
    return true;
}

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (name.at[i] <= ' ' || name.at[i] >= 0x7f)
            return false;
    }
    return name.size > 0 && name.size <= MENDER_FILE_NAME_SIZE_MAX + sizeof "data/0000";
}

static struct mender_line *find(struct mender_manifest *manifest, struct span name)
{
    for (size_t i = 0; i < manifest->count; i++) {
        if (span_equal(manifest->lines[i].name, name))
            return &manifest->lines[i];
    }
    return NULL;
}

/* "HEX  NAME" */
static enum err read_line(struct mender_manifest *manifest, struct span line, struct why *why)
{
    struct mender_line *out;
    struct span hex, name;

    if (line.size < HEX_SIZE + 3)
        return say(why, ERR_CORRUPT, NULL, "line %zu of the manifest is too short",
                   manifest->count + 1);
    hex = (struct span){line.at, HEX_SIZE};
    name = (struct span){line.at + HEX_SIZE + 2, line.size - HEX_SIZE - 2};
    if (!is_lower_hex(hex) || line.at[HEX_SIZE] != ' ' || line.at[HEX_SIZE + 1] != ' ' ||
        !is_name(name) || find(manifest, name))
        return say(why, ERR_CORRUPT, NULL, "line %zu of the manifest is malformed",
                   manifest->count + 1);
    if (manifest->count == MENDER_FILES_MAX)
        return say(why, ERR_TOO_BIG, NULL, "the manifest has more than %u lines", MENDER_FILES_MAX);
    out = &manifest->lines[manifest->count++];
    *out = (struct mender_line){.name = name};
    CHECK(hex_parse(hex, out->sha256, DIGEST_SIZE));
    return ERR_OK;
}

enum err mender_manifest_read(struct mender_manifest *manifest, struct span text, struct why *why)
{
    size_t from = 0;

    manifest->count = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] != '\n')
            continue;
        TRY(read_line(manifest, (struct span){text.at + from, i - from}, why));
        from = i + 1;
    }
    if (from != text.size || text.size == 0)
        return say(why, ERR_CORRUPT, NULL, "the manifest does not end with a whole line");
    return ERR_OK;
}

enum err mender_manifest_tick(struct mender_manifest *manifest, struct span name,
                              const uint8_t sha256[DIGEST_SIZE], struct why *why)
{
    struct mender_line *line = find(manifest, name);

    if (!line)
        return say(why, ERR_CORRUPT, NULL, "%.*s is not in the manifest", (int)name.size,
                   (const char *)name.at);
    if (line->seen)
        return say(why, ERR_CORRUPT, NULL, "%.*s is there twice", (int)name.size,
                   (const char *)name.at);
    if (memcmp(line->sha256, sha256, DIGEST_SIZE) != 0)
        return say(why, ERR_CORRUPT, NULL, "invalid checksum: %.*s is not what the manifest says",
                   (int)name.size, (const char *)name.at);
    line->seen = true;
    return ERR_OK;
}

enum err mender_manifest_end(const struct mender_manifest *manifest, struct why *why)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct mender_line *line = &manifest->lines[i];

        if (!line->seen)
            return say(why, ERR_CORRUPT, NULL, "%.*s is in the manifest and not there",
                       (int)line->name.size, (const char *)line->name.at);
    }
    return ERR_OK;
}

/* ---- The signature ---- */

static bool unbase64(struct span text, uint8_t *to, size_t room, size_t *size)
{
    size_t padding = 0;
    int got;

    if (text.size == 0 || text.size % 4 != 0 || text.size / 4 * 3 > room)
        return false;
    while (padding < 2 && text.at[text.size - 1 - padding] == '=')
        padding++;
    got = EVP_DecodeBlock(to, text.at, (int)text.size);
    if (got < 0 || (size_t)got < padding)
        return false;
    *size = (size_t)got - padding;
    return true;
}

/* An INTEGER of 32 bytes, without needless zeros in front and positive (X.690, 8.3). */
static void der_integer(struct buf *out, const uint8_t *at)
{
    size_t skip = 0;

    while (skip < RAW_HALF_SIZE - 1 && at[skip] == 0)
        skip++;
    buf_byte(out, 2);
    buf_byte(out, (uint8_t)(RAW_HALF_SIZE - skip + (at[skip] >> 7)));
    if (at[skip] >> 7)
        buf_byte(out, 0);
    buf_put(out, at + skip, RAW_HALF_SIZE - skip);
}

/* r and s, one after the other, as the SEQUENCE that libraries verify. */
static struct span to_der(const uint8_t *raw, uint8_t room[DER_SIZE_MAX])
{
    struct buf out = buf_over(room, DER_SIZE_MAX);

    buf_byte(&out, 0x30);
    buf_byte(&out, 0);
    der_integer(&out, raw);
    der_integer(&out, raw + RAW_HALF_SIZE);
    room[1] = (uint8_t)(out.size - 2);
    return buf_written(&out);
}

enum err mender_signature_check(const struct mender_keys *keys, struct span manifest,
                                struct span signature, struct why *why)
{
    uint8_t raw[MENDER_SIGNATURE_SIZE_MAX], der[DER_SIZE_MAX];
    struct span given = {raw, 0}, as_der = {0};

    if (!unbase64(signature, raw, sizeof raw, &given.size))
        return say(why, ERR_CORRUPT, NULL, "manifest.sig is not base64");
    if (given.size == 2u * RAW_HALF_SIZE)
        as_der = to_der(raw, der);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (public_key_verify(keys->at[i], manifest, given) ||
            (as_der.size > 0 && public_key_verify(keys->at[i], manifest, as_der)))
            return ERR_OK;
    }
    return say(why, ERR_UNTRUSTED, NULL, "the manifest is not signed by any of %u keys",
               keys->count);
}
