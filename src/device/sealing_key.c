#include "device/sealing_key.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sealing.h"
#include "crypto/wipe.h"
#include "os/file.h"
#include "os/say.h"

#define PEM_FILE_SIZE_MAX 8192u /* bytes we read of a key file */

/* ---- the key ---- */

static enum err load(const char *path, struct wrap_key **out, struct why *why)
{
    struct file_bytes bytes;
    enum err err;

    TRY(file_read(path, PEM_FILE_SIZE_MAX, &bytes, why));
    err = wrap_key_from_pem((struct span){bytes.at, bytes.size}, out, why);
    wipe(bytes.at, bytes.size);
    file_bytes_free(&bytes);
    return err;
}

static enum err save(const struct wrap_key *key, const char *path, struct why *why)
{
    uint8_t pem[WRAP_PEM_SIZE_MAX];
    struct buf out = buf_over(pem, sizeof pem);
    enum err err;

    wrap_key_pem(key, &out);
    err = file_replace(path, buf_written(&out), S_IRUSR | S_IWUSR, why);
    wipe(pem, sizeof pem);
    return err;
}

static enum err make(const char *path, struct wrap_key **out, struct why *why)
{
    struct wrap_key *key;
    enum err err;

    TRY(wrap_key_generate(WRAP_X25519, &key, why));
    err = save(key, path, why);
    if (err == ERR_OK)
        *out = key;
    else
        wrap_key_close(key);
    return err;
}

/* A file that holds no key is as good as none: what was wrapped for it is lost in any case. */
static enum err load_or_make(const char *path, struct wrap_key **out, struct why *why)
{
    enum err err = load(path, out, why);

    if (err == ERR_NOT_FOUND || err == ERR_CORRUPT || err == ERR_TOO_BIG)
        err = make(path, out, why);
    return err;
}

static bool was_told(const struct sealing_key *sealing)
{
    struct file_bytes bytes;
    bool same;

    if (file_read(sealing->told_path, WRAP_PUBLIC_SIZE_MAX, &bytes, NULL) != ERR_OK)
        return false;
    same = span_equal((struct span){bytes.at, bytes.size}, sealing_key_public(sealing));
    file_bytes_free(&bytes);
    return same;
}

struct span sealing_key_public(const struct sealing_key *sealing)
{
    return (struct span){sealing->public_bytes, sealing->public_size};
}

void sealing_key_told(struct sealing_key *sealing)
{
    if (sealing->told)
        return;
    sealing->told = true;
    if (file_replace(sealing->told_path, sealing_key_public(sealing), 0644, NULL) != ERR_OK)
        return; /* it is told once more after the next start */
}

/* ---- for the core ---- */

/* What does not open was wrapped for a key that we no longer have. */
static enum err cannot_open(struct sealing_key *sealing, enum err err)
{
    sealing->told = false;
    (void)unlink(sealing->told_path);
    return err;
}

static enum err begin(void *self, const struct sealer_image *image, struct span wrap)
{
    struct sealing_key *sealing = self;
    struct wrap_for to = {sealing->device, image->sha256};
    struct sealing_image of = {.alg = image->alg, .chunk_size = image->chunk_size};
    uint8_t content_key[CONTENT_KEY_SIZE];
    enum err err = wrap_unseal(sealing->key, &to, wrap, content_key, NULL);

    if (err != ERR_OK)
        return cannot_open(sealing, err);
    memcpy(of.sha256, image->sha256, DIGEST_SIZE);
    sealing_close(sealing->image);
    sealing->image = sealing_open(&of, content_key);
    wipe(content_key, sizeof content_key);
    return ERR_OK;
}

static bool unseal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    struct sealing_key *sealing = self;

    return sealing_unseal(sealing->image, index, last,
                          (struct span){bytes, (size_t)size + AEAD_TAG_SIZE}, bytes);
}

static void seal(void *self, uint32_t index, bool last, uint8_t *bytes, uint32_t size)
{
    struct sealing_key *sealing = self;

    sealing_seal(sealing->image, index, last, (struct span){bytes, size}, bytes);
}

enum err sealing_key_open(struct sealing_key *sealing, const char *state_dir, const char *device,
                          struct why *why)
{
    static const struct sealer_ops ops = {begin, unseal, seal};
    struct buf public_key = buf_over(sealing->public_bytes, sizeof sealing->public_bytes);
    char path[SEALING_KEY_PATH_SIZE];

    *sealing = (struct sealing_key){.device = device};
    if (file_join(state_dir, "sealing.key", path, sizeof path) != ERR_OK ||
        file_join(state_dir, "sealing.pub", sealing->told_path, sizeof sealing->told_path) !=
            ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "%s: the path is too long", state_dir);
    TRY(load_or_make(path, &sealing->key, why));
    wrap_key_public(sealing->key, &public_key);
    sealing->public_size = buf_written(&public_key).size;
    sealing->told = was_told(sealing);
    sealing->sealer = (struct sealer){&ops, sealing};
    return ERR_OK;
}

void sealing_key_close(struct sealing_key *sealing)
{
    sealing_close(sealing->image);
    wrap_key_close(sealing->key);
    sealing->image = NULL;
    sealing->key = NULL;
}
