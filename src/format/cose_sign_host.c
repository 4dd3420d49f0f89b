#include "format/cose_sign_host.h"

#include <stdlib.h>

#include "base/check.h"

typedef void tbs_writer(const struct verify_key *key, struct span domain, struct span payload,
                        struct buf *out);

static enum err sign(const struct key *key, tbs_writer *write, struct span domain,
                     struct span payload, struct cose_signature *out, struct why *why)
{
    size_t room = COSE_TBS_OVERHEAD + domain.size + payload.size;
    struct verify_key public;
    struct buf tbs;
    void *bytes;
    enum err err;

    TRY(key_to_verify(key, &public, why));
    bytes = malloc(room);
    CHECK(bytes);
    tbs = buf_over(bytes, room);
    write(&public, domain, payload, &tbs);
    CHECK(!tbs.overflow);
    out->alg = public.alg;
    memcpy(out->kid, public.kid, sizeof out->kid);
    err = key_sign_raw(key, buf_written(&tbs), out->bytes, why);
    free(bytes);
    return err;
}

enum err cose_sign1_make(const struct key *key, struct span domain, struct span payload,
                         struct buf *out, struct why *why)
{
    struct cose_sign1 message = {.payload = payload};

    CHECK(payload.size > 0);
    TRY(sign(key, cose_sign1_tbs, domain, payload, &message.signature, why));
    cose_sign1_write(&message, out);
    if (!out->overflow)
        return ERR_OK;
    why_say(why, NULL, "the signed message does not fit");
    return ERR_TOO_BIG;
}

enum err cose_sign_with(const struct key *key, struct span domain, struct cose_sign *in_hand,
                        struct why *why)
{
    struct cose_signature signature = {0};

    CHECK(in_hand->payload.size > 0);
    TRY(sign(key, cose_sign_tbs, domain, in_hand->payload, &signature, why));
    if (cose_sign_add(in_hand, &signature) == ERR_OK)
        return ERR_OK;
    why_say(why, NULL, "there are as many signatures as there may be");
    return ERR_TOO_BIG;
}
