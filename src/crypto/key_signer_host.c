/* Keys whose private half is elsewhere. */
#include <stdlib.h>

#include "base/check.h"
#include "crypto/key_host.h"

struct key_signer {
    struct key_signer_ops ops;
    unsigned users; /* keys that share it */
};

enum err key_from_signer(const struct key *public_half, const struct key_signer_ops *ops,
                         struct key **out, struct why *why)
{
    struct key_signer *signer = calloc(1, sizeof *signer);
    struct key *key;

    (void)why;
    CHECK(signer && ops->sign);
    *signer = (struct key_signer){.ops = *ops, .users = 1};
    key = key_share(public_half);
    key_signer_close(key->signer);
    key->signer = signer;
    key->is_private = true;
    *out = key;
    return ERR_OK;
}

enum err key_signer_sign(const struct key *key, struct span message, struct buf *signature,
                         struct why *why)
{
    uint8_t bytes[KEY_SIGNATURE_SIZE_MAX];
    struct buf made = buf_over(bytes, sizeof bytes);
    enum err err = key->signer->ops.sign(key->signer->ops.self, message, &made, why);

    if (err != ERR_OK)
        return err;
    if (made.overflow || !key_verify(key, message, buf_written(&made))) {
        why_say(why, NULL, "the signature that was made is not by this key");
        return ERR_CORRUPT;
    }
    buf_put(signature, bytes, buf_written(&made).size);
    return ERR_OK;
}

void key_signer_share(struct key_signer *signer)
{
    if (signer)
        signer->users++;
}

void key_signer_close(struct key_signer *signer)
{
    if (!signer || --signer->users > 0)
        return;
    if (signer->ops.close)
        signer->ops.close(signer->ops.self);
    free(signer);
}
