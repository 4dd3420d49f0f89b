#include "server/storage_key.h"

#include <string.h>
#include <sys/stat.h>

#include "codec/hex.h"
#include "crypto/wipe.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/say.h"

#define KEY_TEXT_SIZE (2 * AEAD_KEY_SIZE + 1) /* hex digits and a new line */

static enum err make(const char *path, struct why *why)
{
    uint8_t key[AEAD_KEY_SIZE];
    char text[KEY_TEXT_SIZE + 1];
    enum err err;

    entropy_fill(key, sizeof key);
    hex_print((struct span){key, sizeof key}, text);
    text[KEY_TEXT_SIZE - 1] = '\n';
    err = file_create(path, (struct span){(const uint8_t *)text, KEY_TEXT_SIZE}, S_IRUSR | S_IWUSR,
                      why);
    wipe(key, sizeof key);
    wipe(text, sizeof text);
    return err;
}

enum err storage_key_open(const char *path, uint8_t out[AEAD_KEY_SIZE], struct why *why)
{
    struct file_bytes bytes;
    struct span text;
    bool good;

    if (!file_exists(path))
        TRY(make(path, why));
    TRY(file_read(path, KEY_TEXT_SIZE, &bytes, why));
    text = (struct span){bytes.at, bytes.size};
    if (text.size == KEY_TEXT_SIZE && text.at[text.size - 1] == '\n')
        text.size--;
    good = hex_parse(text, out, AEAD_KEY_SIZE);
    wipe(bytes.at, bytes.size);
    file_bytes_free(&bytes);
    return good ? ERR_OK : say(why, ERR_CORRUPT, NULL, "%s is not a storage key", path);
}
