#include "artifact/mender.h"
#include "os/file.h"
#include "os/say.h"

static enum err load(const char *path, struct public_key **out, struct why *why)
{
    struct file_bytes pem;
    enum err err;

    TRY(file_read(path, PUBLIC_KEY_PEM_SIZE_MAX, &pem, why));
    err = public_key_from_any_pem((struct span){pem.at, pem.size}, out, NULL);
    file_bytes_free(&pem);
    return err == ERR_OK ? ERR_OK : say(why, err, NULL, "%s is no public key in PEM", path);
}

enum err mender_keys_load(const char *const *paths, size_t count, struct mender_keys *out,
                          struct why *why)
{
    out->count = 0;
    if (count > MENDER_KEYS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "at most %u keys for artifacts", MENDER_KEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        TRY(load(paths[i], &out->at[i], why));
        out->count++;
    }
    return ERR_OK;
}

void mender_keys_close(struct mender_keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++)
        public_key_close(keys->at[i]);
    keys->count = 0;
}
