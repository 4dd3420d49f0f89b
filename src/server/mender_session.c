#include "server/mender_session.h"

#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "codec/percent.h"
#include "crypto/aead.h"
#include "crypto/equal.h"
#include "crypto/hkdf.h"
#include "net/http_query.h"
#include "wire/mender_host.h"

#define HEADER     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" /* {"alg":"HS256","typ":"JWT"} */
#define CLAIMS_MAX 384u
#define PREFIX     "/api/devices/v1/deployments/download/"

/* ---- The signature ---- */

/* `domain` keeps tokens and links apart. */
static enum err sign(const struct app *app, const char *domain, struct span text,
                     uint8_t out[DIGEST_SIZE])
{
    uint8_t key[DIGEST_SIZE];
    struct hmac hmac;

    if (!app->config.content_storage_key)
        return ERR_INVALID;
    hmac_init(&hmac, (struct span){app->config.content_storage_key, AEAD_KEY_SIZE});
    hmac_update(&hmac, span_of(domain));
    hmac_done(&hmac, key);
    hmac_init(&hmac, (struct span){key, sizeof key});
    hmac_update(&hmac, text);
    hmac_done(&hmac, out);
    return ERR_OK;
}

/* ---- base64url without padding (RFC 4648, 5) ---- */

static void put_base64(struct buf *out, struct span bytes)
{
    char text[CLAIMS_MAX * 4 / 3 + 8];

    CHECK(bytes.size <= CLAIMS_MAX);
    (void)EVP_EncodeBlock((uint8_t *)text, bytes.at, (int)bytes.size);
    for (size_t i = 0; text[i] != '\0' && text[i] != '='; i++)
        buf_byte(out, (uint8_t)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]));
}

static bool get_base64(struct span text, uint8_t *to, size_t room, size_t *size)
{
    char padded[CLAIMS_MAX * 4 / 3 + 8];
    size_t whole = (text.size + 3) / 4 * 4;
    int got;

    if (text.size == 0 || whole >= sizeof padded || whole / 4 * 3 > room)
        return false;
    for (size_t i = 0; i < whole; i++)
        padded[i] = (char)(i >= text.size      ? '='
                           : text.at[i] == '-' ? '+'
                           : text.at[i] == '_' ? '/'
                                               : text.at[i]);
    got = EVP_DecodeBlock(to, (const uint8_t *)padded, (int)whole);
    if (got < 0)
        return false;
    *size = (size_t)got - (whole - text.size);
    return true;
}

/* ---- Tokens ---- */

enum err mender_session_make(const struct app *app, const struct mender_session *session,
                             char out[MENDER_TOKEN_SIZE])
{
    char device[MENDER_UUID_SIZE], key[MENDER_UUID_SIZE], claims[CLAIMS_MAX];
    struct buf buf = buf_over(out, MENDER_TOKEN_SIZE);
    uint8_t mac[DIGEST_SIZE];
    int size;

    mender_uuid(MENDER_OF_DEVICE, (uint64_t)session->device, device);
    mender_uuid(MENDER_OF_KEY, (uint64_t)session->credential, key);
    size = snprintf(
        claims, sizeof claims,
        "{\"jti\":\"%s\",\"sub\":\"%s\",\"iss\":\"Slipway\",\"iat\":%" PRId64 ",\"exp\":%" PRId64
        ",\"mender.device\":true,\"mender.tenant\":\"%s\",\"mender.plan\":\"os\"}",
        key, device, session->issued.ms / 1000, session->expires.ms / 1000, session->tenant);
    CHECK(size > 0 && (size_t)size < sizeof claims);
    buf_text(&buf, HEADER ".");
    put_base64(&buf, (struct span){(const uint8_t *)claims, (size_t)size});
    TRY(sign(app, "slipway mender session 1", buf_written(&buf), mac));
    buf_text(&buf, ".");
    put_base64(&buf, (struct span){mac, sizeof mac});
    (void)buf_finish_text(&buf);
    return buf.overflow ? ERR_TOO_BIG : ERR_OK;
}

static bool id_of(const json_t *claims, const char *name, enum mender_family family, int64_t *out)
{
    uint64_t number;
    const char *text = json_string_value(json_object_get(claims, name));

    if (!text || !mender_uuid_parse(family, span_of(text), &number))
        return false;
    *out = (int64_t)number;
    return true;
}

/* Ours by its signature, so it is what mender_session_make() has written. */
static bool read_claims(struct span text, struct mender_session *out)
{
    json_t *claims = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, NULL);
    const char *tenant = json_string_value(json_object_get(claims, "mender.tenant"));
    bool good = tenant && id_of(claims, "jti", MENDER_OF_KEY, &out->credential) &&
                id_of(claims, "sub", MENDER_OF_DEVICE, &out->device) &&
                span_to_text(span_of(tenant), out->tenant, sizeof out->tenant);

    out->issued.ms = json_integer_value(json_object_get(claims, "iat")) * 1000;
    out->expires.ms = json_integer_value(json_object_get(claims, "exp")) * 1000;
    json_decref(claims);
    return good;
}

enum err mender_session_read(const struct app *app, struct span token, struct utc now,
                             struct mender_session *out)
{
    uint8_t mac[DIGEST_SIZE], given[CLAIMS_MAX], claims[CLAIMS_MAX];
    size_t last = token.size, size = 0, first = strlen(HEADER) + 1;
    struct span rest;

    if (token.size >= MENDER_TOKEN_SIZE || !span_begins(token, HEADER "."))
        return ERR_UNTRUSTED;
    while (last > first && token.at[last - 1] != '.')
        last--;
    rest = (struct span){token.at + last, token.size - last};
    if (last == first || !get_base64(rest, given, sizeof given, &size) || size != DIGEST_SIZE)
        return ERR_UNTRUSTED;
    TRY(sign(app, "slipway mender session 1", (struct span){token.at, last - 1}, mac));
    if (!equal_secret(mac, given, DIGEST_SIZE))
        return ERR_UNTRUSTED;
    rest = (struct span){token.at + first, last - 1 - first};
    if (!get_base64(rest, claims, sizeof claims, &size) ||
        !read_claims((struct span){claims, size}, out) || now.ms >= out->expires.ms)
        return ERR_UNTRUSTED;
    return ERR_OK;
}

/* ---- Links ---- */

struct utc mender_link_expires(struct utc now)
{
    int64_t until = now.ms + MENDER_LINK_MS + MENDER_LINK_STEP;

    return (struct utc){until - until % MENDER_LINK_STEP};
}

/* Everything but the signature. */
static void put_link(struct buf *out, const struct mender_link *link)
{
    buf_text(out, PREFIX);
    percent_put(out, span_of(link->tenant), "");
    buf_text(out, "/");
    buf_int(out, link->credential);
    buf_text(out, "/");
    buf_uint(out, link->deployment);
    buf_text(out, "/");
    percent_put(out, span_of(link->file), "");
    buf_text(out, "?expire=");
    buf_int(out, link->expires.ms / 1000);
}

enum err mender_link_make(const struct app *app, const struct mender_link *link,
                          char out[MENDER_LINK_SIZE])
{
    struct buf buf = buf_over(out, MENDER_LINK_SIZE);
    uint8_t mac[DIGEST_SIZE];

    put_link(&buf, link);
    if (buf.overflow)
        return ERR_TOO_BIG;
    TRY(sign(app, "slipway mender link 1", buf_written(&buf), mac));
    buf_text(&buf, "&signature=");
    buf_hex(&buf, (struct span){mac, sizeof mac});
    (void)buf_finish_text(&buf);
    return buf.overflow ? ERR_TOO_BIG : ERR_OK;
}

static bool read_parts(struct span path, struct span query, struct mender_link *out)
{
    struct http_path_arguments arguments;
    uint64_t expire;

    if (!http_path_match(path, PREFIX "{tenant}/{key}/{deployment}/{file}", &arguments) ||
        http_query_uint(query, "expire", 1, UINT32_MAX, &expire) != ERR_OK ||
        !span_to_text(span_of(arguments.text[0]), out->tenant, sizeof out->tenant) ||
        !span_to_text(span_of(arguments.text[3]), out->file, sizeof out->file))
        return false;
    out->credential = strtoll(arguments.text[1], NULL, 10);
    out->deployment = (uint32_t)strtoul(arguments.text[2], NULL, 10);
    out->expires.ms = (int64_t)expire * 1000;
    return true;
}

/* What was read is written again: only the one spelling that was signed counts. */
enum err mender_link_read(const struct app *app, struct span path, struct span query,
                          struct utc now, struct mender_link *out)
{
    char again[MENDER_LINK_SIZE], hex[DIGEST_HEX_SIZE];
    struct buf buf = buf_over(again, sizeof again);
    uint8_t mac[DIGEST_SIZE], given[DIGEST_SIZE];

    if (!read_parts(path, query, out) ||
        http_query_text(query, "signature", hex, sizeof hex) != ERR_OK ||
        !hex_parse(span_of(hex), given, sizeof given))
        return ERR_UNTRUSTED;
    put_link(&buf, out);
    if (buf.overflow)
        return ERR_UNTRUSTED;
    TRY(sign(app, "slipway mender link 1", buf_written(&buf), mac));
    return equal_secret(mac, given, DIGEST_SIZE) && now.ms < out->expires.ms ? ERR_OK
                                                                             : ERR_UNTRUSTED;
}
