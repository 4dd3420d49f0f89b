#include "crypto/key_pkcs11.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/sha.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "crypto/key_pkcs11_host.h"

#define SLOTS_MAX       64u
#define ATTRIBUTE_BYTES 512u

/* ---- Saying what is wrong ---- */

static enum err fail(struct why *why, enum err err, const char *text)
{
    why_say(why, NULL, text);
    return err;
}

/* What a module answered. */
static enum err failed(struct why *why, const char *doing, CK_RV rv)
{
    why_say(why, NULL, p11_kit_strerror(rv));
    why_wrap(why, doing);
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_LOCKED:
    case CKR_PIN_EXPIRED:
    case CKR_USER_NOT_LOGGED_IN:
        return ERR_DENIED;
    default:
        return ERR_LINK;
    }
}

/* ---- Modules ---- */

static enum err load_one(struct token *token, const char *path, struct why *why)
{
    CK_FUNCTION_LIST *module = p11_kit_module_load(path, 0);
    CK_RV rv;

    if (!module) {
        why_say(why, NULL, p11_kit_message());
        why_wrap(why, path);
        return ERR_LINK;
    }
    rv = p11_kit_module_initialize(module);
    if (rv != CKR_OK) {
        p11_kit_module_release(module);
        return failed(why, "the PKCS#11 module does not start", rv);
    }
    token->own[0] = module;
    token->modules = token->own;
    return ERR_OK;
}

static enum err load_modules(struct token *token, P11KitUri *uri, struct why *why)
{
    const char *path = p11_kit_uri_get_module_path(uri);

    p11_kit_be_quiet();
    if (path)
        return load_one(token, path, why);
    token->registered = p11_kit_modules_load_and_initialize(0);
    if (!token->registered)
        return fail(why, ERR_LINK, "p11-kit finds no PKCS#11 module; name one with module-path");
    token->modules = token->registered;
    return ERR_OK;
}

/* ---- Tokens ---- */

static enum err take_slot(struct token *token, P11KitUri *uri, CK_FUNCTION_LIST *module,
                          CK_SLOT_ID slot, struct why *why)
{
    CK_TOKEN_INFO info;

    if (module->C_GetTokenInfo(slot, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED) ||
        !p11_kit_uri_match_token_info(uri, &info))
        return ERR_OK;
    if (token->module)
        return fail(why, ERR_CONFLICT, "the URI names several tokens; add token= or serial=");
    token->module = module;
    token->slot = slot;
    token->info = info;
    return ERR_OK;
}

static enum err find_token(struct token *token, P11KitUri *uri, struct why *why)
{
    for (size_t i = 0; token->modules[i]; i++) {
        CK_FUNCTION_LIST *module = token->modules[i];
        CK_SLOT_ID slots[SLOTS_MAX];
        CK_ULONG count = SLOTS_MAX;

        if (module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
            continue; /* a reader without a card, a module without a device */
        for (CK_ULONG j = 0; j < count; j++) {
            enum err err = take_slot(token, uri, module, slots[j], why);

            if (err != ERR_OK)
                return err;
        }
    }
    return token->module ? ERR_OK
                         : fail(why, ERR_NOT_FOUND, "no token is there that the URI names");
}

/* ---- The PIN ---- */

static enum err pin_from_file(const char *source, char to[KEY_SECRET_SIZE_MAX], struct why *why)
{
    const char *path = strncmp(source, "file:", 5) == 0 ? source + 5 : source;
    FILE *file;
    bool good;

    if (strncmp(path, "//", 2) == 0)
        path += 2; /* file:///run/pin */
    file = fopen(path, "re");
    good = file && fgets(to, KEY_SECRET_SIZE_MAX, file);
    if (file)
        (void)fclose(file);
    if (!good) {
        why_say(why, NULL, "no PIN can be read from it");
        why_wrap(why, path);
        return ERR_DENIED;
    }
    to[strcspn(to, "\r\n")] = '\0';
    return ERR_OK;
}

static enum err find_pin(struct token *token, P11KitUri *uri, const struct key_ask *ask,
                         struct why *why)
{
    const char *value = p11_kit_uri_get_pin_value(uri), *source = p11_kit_uri_get_pin_source(uri);
    char question[KEY_SECRET_SIZE_MAX];

    if (value && strlen(value) < sizeof token->pin) {
        memcpy(token->pin, value, strlen(value) + 1);
        return ERR_OK;
    }
    if (source)
        return pin_from_file(source, token->pin, why);
    if (!ask)
        return fail(why, ERR_DENIED, "the token wants a PIN, and nobody gave it");
    (void)snprintf(question, sizeof question, "the PIN of token %.32s", token->info.label);
    for (size_t end = strlen(question); end > 0 && question[end - 1] == ' '; end--)
        question[end - 1] = '\0'; /* labels are padded */
    return ask->secret(ask->self, question, token->pin, why);
}

static CK_RV token_login(struct token *token, CK_USER_TYPE user)
{
    bool keypad = token->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH;
    CK_RV rv =
        token->module->C_Login(token->session, user, keypad ? NULL : (CK_UTF8CHAR *)token->pin,
                               keypad ? 0 : (CK_ULONG)strlen(token->pin));

    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

static enum err log_in(struct token *token, P11KitUri *uri, const struct key_ask *ask,
                       struct why *why)
{
    CK_RV rv =
        token->module->C_OpenSession(token->slot, CKF_SERIAL_SESSION, NULL, NULL, &token->session);
    enum err err = ERR_OK;

    if (rv != CKR_OK)
        return failed(why, "the token cannot be opened", rv);
    token->open = true;
    if (!(token->info.flags & CKF_LOGIN_REQUIRED))
        return ERR_OK;
    if (!(token->info.flags & CKF_PROTECTED_AUTHENTICATION_PATH))
        err = find_pin(token, uri, ask, why);
    if (err != ERR_OK)
        return err;
    rv = token_login(token, CKU_USER);
    return rv == CKR_OK ? ERR_OK : failed(why, "the token refuses the login", rv);
}

/* ---- Objects ---- */

/* The one object that matches. ERR_NOT_FOUND, ERR_CONFLICT. */
static enum err find_object(const struct token *token, CK_ATTRIBUTE *wanted, CK_ULONG count,
                            CK_OBJECT_HANDLE *out)
{
    CK_OBJECT_HANDLE found[2];
    CK_ULONG got = 0;
    CK_RV rv = token->module->C_FindObjectsInit(token->session, wanted, count);

    if (rv == CKR_OK) {
        rv = token->module->C_FindObjects(token->session, found, COUNT_OF(found), &got);
        (void)token->module->C_FindObjectsFinal(token->session);
    }
    if (rv != CKR_OK || got == 0)
        return ERR_NOT_FOUND;
    *out = found[0];
    return got == 1 ? ERR_OK : ERR_CONFLICT;
}

static enum err find_private(struct token *token, P11KitUri *uri, struct why *why)
{
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    CK_ULONG count = 0;
    CK_ATTRIBUTE *named = p11_kit_uri_get_attributes(uri, &count);
    CK_ATTRIBUTE wanted[8] = {{CKA_CLASS, &private_key, sizeof private_key}};
    CK_ULONG used = 1;
    enum err err;

    for (CK_ULONG i = 0; i < count && used < COUNT_OF(wanted); i++) {
        if (named[i].type != CKA_CLASS) /* it may say type=public: of the same key */
            wanted[used++] = named[i];
    }
    err = find_object(token, wanted, used, &token->private_key);
    if (err == ERR_NOT_FOUND)
        return fail(why, err, "the token has no private key that the URI names");
    if (err == ERR_CONFLICT)
        return fail(why, err, "the token has several keys that the URI names; add object= or id=");
    return err;
}

/* An attribute's bytes; false when the object has none or it is too long. */
static bool attribute(const struct token *token, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                      uint8_t *to, size_t room, size_t *size)
{
    CK_ATTRIBUTE wanted = {type, to, room};

    if (token->module->C_GetAttributeValue(token->session, object, &wanted, 1) != CKR_OK ||
        wanted.ulValueLen == CK_UNAVAILABLE_INFORMATION || wanted.ulValueLen > room)
        return false;
    *size = wanted.ulValueLen;
    return true;
}

static enum err find_kind(struct token *token, struct why *why)
{
    CK_KEY_TYPE type = 0;
    CK_BBOOL always = CK_FALSE;
    size_t size;

    if (!attribute(token, token->private_key, CKA_KEY_TYPE, (uint8_t *)&type, sizeof type, &size))
        return fail(why, ERR_LINK, "the token does not tell the kind of the key");
    if (attribute(token, token->private_key, CKA_ALWAYS_AUTHENTICATE, &always, sizeof always,
                  &size))
        token->pin_each_time = always == CK_TRUE;
    if (type == CKK_EC)
        token->kind = KEY_ECDSA_P256;
    else if (type == CKK_EC_EDWARDS)
        token->kind = KEY_ED25519;
    else
        return fail(why, ERR_CORRUPT, "the key is neither Ed25519 nor ECDSA P-256");
    return ERR_OK;
}

/* The public key or certificate beside the private key. */
static bool beside(const struct token *token, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type,
                   uint8_t *to, size_t room, size_t *size)
{
    uint8_t id[ATTRIBUTE_BYTES];
    size_t id_size;
    CK_OBJECT_HANDLE object;

    if (!attribute(token, token->private_key, CKA_ID, id, sizeof id, &id_size) || id_size == 0)
        return false;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class}, {CKA_ID, id, id_size}};

    return find_object(token, wanted, COUNT_OF(wanted), &object) == ERR_OK &&
           attribute(token, object, type, to, room, size);
}

static enum err find_public(struct token *token, struct key **out, struct why *why)
{
    uint8_t bytes[KEY_FILE_SIZE_MAX];
    size_t size;

    if (beside(token, CKO_PUBLIC_KEY, CKA_EC_POINT, bytes, sizeof bytes, &size) ||
        attribute(token, token->private_key, CKA_EC_POINT, bytes, sizeof bytes, &size))
        return token_key_of_point(token->kind, (struct span){bytes, size}, out, why);
    if (beside(token, CKO_CERTIFICATE, CKA_VALUE, bytes, sizeof bytes, &size))
        return token_key_of_certificate((struct span){bytes, size}, out, why);
    return fail(why, ERR_NOT_FOUND, "the token has no public key or certificate of the same id");
}

/* ---- Signing ---- */

/* r and s as tokens write them, to DER. */
static enum err put_der(const uint8_t *raw, size_t size, struct buf *signature, struct why *why)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)(size / 2), NULL);
    BIGNUM *s = BN_bin2bn(raw + size / 2, (int)(size / 2), NULL);
    uint8_t der[KEY_SIGNATURE_SIZE_MAX], *end = der;
    int length;

    CHECK(sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1);
    length = size == 64 ? i2d_ECDSA_SIG(sig, NULL) : 0;
    if (length > 0 && (size_t)length <= sizeof der)
        buf_put(signature, der, (size_t)i2d_ECDSA_SIG(sig, &end));
    ECDSA_SIG_free(sig);
    return length > 0 ? ERR_OK : fail(why, ERR_CORRUPT, "the token made no P-256 signature");
}

static enum err token_sign(void *self, struct span message, struct buf *signature, struct why *why)
{
    struct token *token = self;
    CK_MECHANISM mechanism = {token->kind == KEY_ED25519 ? CKM_EDDSA : CKM_ECDSA, NULL, 0};
    uint8_t digest[SHA256_DIGEST_LENGTH], raw[128];
    CK_ULONG size = sizeof raw;
    CK_RV rv;

    if (token->kind == KEY_ECDSA_P256) { /* few tokens hash themselves */
        (void)SHA256(message.at, message.size, digest);
        message = (struct span){digest, sizeof digest};
    }
    rv = token->module->C_SignInit(token->session, &mechanism, token->private_key);
    if (rv == CKR_OK && token->pin_each_time)
        rv = token_login(token, CKU_CONTEXT_SPECIFIC);
    if (rv == CKR_OK)
        rv = token->module->C_Sign(token->session, (CK_BYTE *)(uintptr_t)message.at, message.size,
                                   raw, &size);
    if (rv != CKR_OK)
        return failed(why, "the token does not sign", rv);
    if (token->kind == KEY_ECDSA_P256)
        return put_der(raw, size, signature, why);
    buf_put(signature, raw, size);
    return ERR_OK;
}

/* ---- The whole ---- */

static void token_close(void *self)
{
    struct token *token = self;

    if (token->open)
        (void)token->module->C_CloseSession(token->session); /* and so logs out */
    if (token->registered)
        p11_kit_modules_finalize_and_release(token->registered);
    if (token->own[0]) {
        (void)p11_kit_module_finalize(token->own[0]);
        p11_kit_module_release(token->own[0]);
    }
    OPENSSL_cleanse(token->pin, sizeof token->pin);
    free(token);
}

static enum err open_token(struct token *token, P11KitUri *uri, const struct key_ask *ask,
                           struct key **public_half, struct why *why)
{
    TRY(load_modules(token, uri, why));
    TRY(find_token(token, uri, why));
    TRY(log_in(token, uri, ask, why));
    TRY(find_private(token, uri, why));
    TRY(find_kind(token, why));
    return find_public(token, public_half, why);
}

static enum err open_uri(P11KitUri *uri, const struct key_ask *ask, struct key **out,
                         struct why *why)
{
    struct token *token = calloc(1, sizeof *token);
    struct key *public_half = NULL;
    const struct key_signer_ops ops = {token, token_sign, token_close};
    enum err err;

    CHECK(token);
    err = open_token(token, uri, ask, &public_half, why);
    if (err == ERR_OK)
        err = key_from_signer(public_half, &ops, out, why);
    if (err != ERR_OK)
        token_close(token);
    key_close(public_half);
    return err;
}

bool pkcs11_is_uri(const char *name)
{
    return strncmp(name, "pkcs11:", 7) == 0;
}

enum err pkcs11_open(const char *text, const struct key_ask *ask, struct key **out, struct why *why)
{
    P11KitUri *uri = p11_kit_uri_new();
    enum err err;

    CHECK(uri);
    if (p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) != P11_KIT_URI_OK ||
        p11_kit_uri_any_unrecognized(uri))
        err = fail(why, ERR_INVALID, "is not a PKCS#11 URI (RFC 7512) with known attributes");
    else
        err = open_uri(uri, ask, out, why);
    p11_kit_uri_free(uri);
    return err;
}
