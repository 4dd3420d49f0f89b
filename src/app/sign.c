#include "app/sign.h"

#include <string.h>

#include "base/check.h"
#include "crypto/cose_key.h"
#include "format/cose.h"
#include "os/say.h"

/* The signature over a payload, with the key's name. */
static enum err sign(const struct key *key, struct span payload, struct cose_signature *out,
                     struct why *why)
{
    uint8_t room[MANDATE_PAYLOAD_MAX + COSE_TBS_OVERHEAD + sizeof MANDATE_AAD];
    struct buf tbs = buf_over(room, sizeof room);
    struct verify_key half;

    TRY(key_to_verify(key, &half, why));
    cose_sign1_tbs(&half, SPAN_LITERAL(MANDATE_AAD), payload, &tbs);
    CHECK(!tbs.overflow);
    out->alg = half.alg;
    memcpy(out->kid, half.kid, sizeof out->kid);
    return key_sign_raw(key, buf_written(&tbs), out->bytes, why);
}

enum err sign_mandate(const struct key *key, const struct mandate *mandate, struct buf *out,
                      struct why *why)
{
    uint8_t room[MANDATE_PAYLOAD_MAX];
    struct buf payload = buf_over(room, sizeof room);
    struct cose_sign1 message;
    enum err err = mandate_write(mandate, &payload);

    if (err != ERR_OK)
        return say(why, err, NULL, "the mandate for %.*s cannot be written",
                   (int)mandate->device.size, (const char *)mandate->device.at);
    message.payload = buf_written(&payload);
    TRY(sign(key, message.payload, &message.signature, why));
    cose_sign1_write(&message, out);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}
