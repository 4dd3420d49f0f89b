/* The inside of crypto/key_pkcs11.h. */
#pragma once

#include <p11-kit/pkcs11.h>

#include "crypto/key_pkcs11.h"

/* A logged-in session with one token and the one key in it. */
struct token {
    CK_FUNCTION_LIST *own[2];      /* the module that the URI names, and NULL */
    CK_FUNCTION_LIST **registered; /* or all that p11-kit knows */
    CK_FUNCTION_LIST **modules;    /* one of the two */
    CK_FUNCTION_LIST *module;      /* the token's; NULL: not found yet */
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE session;
    bool open;
    char pin[KEY_SECRET_SIZE_MAX];
    CK_OBJECT_HANDLE private_key;
    enum key_kind kind;
    bool pin_each_time; /* the token wants the PIN with every signature */
};

/* The public key from what CKA_EC_POINT holds: a point, or one in a DER OCTET STRING, as both are
 * found in the wild. ERR_CORRUPT: neither, or not on P-256. */
enum err token_key_of_point(enum key_kind kind, struct span point, struct key **out,
                            struct why *why) MUST_USE;

/* The public key of a certificate in DER. ERR_CORRUPT. */
enum err token_key_of_certificate(struct span der, struct key **out, struct why *why) MUST_USE;
