#include "trust/content_key.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/hex.h"
#include "crypto/wipe.h"
#include "os/entropy.h"
#include "os/say.h"

#define FOLDER        "content-keys"
#define KEY_TEXT_SIZE (2 * CONTENT_KEY_SIZE + 1) /* hex digits and a new line */

static enum err path_of(const char *dir, const uint8_t *sha256, char folder[PATH_MAX],
                        char path[PATH_MAX], struct why *why)
{
    char hex[DIGEST_HEX_SIZE];

    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    if (file_join(dir, FOLDER, folder, PATH_MAX) != ERR_OK ||
        file_join(folder, hex, path, PATH_MAX) != ERR_OK)
        return say(why, ERR_TOO_BIG, NULL, "%s: the path is too long", dir);
    return ERR_OK;
}

static enum err load(const char *path, uint8_t out[CONTENT_KEY_SIZE], struct why *why)
{
    uint8_t key[CONTENT_KEY_SIZE];
    struct file_bytes bytes;
    struct span text;
    bool good;

    TRY(file_read(path, KEY_TEXT_SIZE, &bytes, why));
    text = (struct span){bytes.at, bytes.size};
    if (text.size == KEY_TEXT_SIZE && text.at[text.size - 1] == '\n')
        text.size--;
    good = hex_parse(text, key, sizeof key);
    wipe(bytes.at, bytes.size);
    file_bytes_free(&bytes);
    if (!good)
        return say(why, ERR_CORRUPT, NULL, "%s is not a content key", path);
    memcpy(out, key, sizeof key);
    wipe(key, sizeof key);
    return ERR_OK;
}

enum err content_key_load(const char *dir, const uint8_t sha256[DIGEST_SIZE],
                          uint8_t out[CONTENT_KEY_SIZE], struct why *why)
{
    char folder[PATH_MAX], path[PATH_MAX];

    TRY(path_of(dir, sha256, folder, path, why));
    return load(path, out, why);
}

enum err content_key_make(const char *dir, const uint8_t sha256[DIGEST_SIZE],
                          uint8_t out[CONTENT_KEY_SIZE], struct why *why)
{
    char folder[PATH_MAX], path[PATH_MAX], text[KEY_TEXT_SIZE + 1];
    uint8_t key[CONTENT_KEY_SIZE];
    enum err err;

    TRY(path_of(dir, sha256, folder, path, why));
    if (file_exists(path))
        return load(path, out, why);
    TRY(file_make_directory(folder, S_IRWXU, why));
    entropy_fill(key, sizeof key);
    hex_print((struct span){key, sizeof key}, text);
    text[KEY_TEXT_SIZE - 1] = '\n';
    err = file_create(path, (struct span){(const uint8_t *)text, KEY_TEXT_SIZE}, S_IRUSR | S_IWUSR,
                      why);
    if (err == ERR_OK)
        memcpy(out, key, sizeof key);
    wipe(key, sizeof key);
    wipe(text, sizeof text);
    return err;
}
