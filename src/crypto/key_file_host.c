/* Keys in files. */
#include "crypto/key_host.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* "PATH: text" as the reason. */
static void say_of_path(struct why *why, const char *path, const char *text)
{
    why_say(why, NULL, text);
    why_wrap(why, path);
}

static enum err read_file(const char *path, uint8_t bytes[KEY_FILE_SIZE_MAX], size_t *size,
                          struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;

    *size = 0;
    if (fd < 0) {
        say_of_path(why, path, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_STORAGE;
    }
    while (got > 0 && *size < KEY_FILE_SIZE_MAX) {
        got = read(fd, bytes + *size, KEY_FILE_SIZE_MAX - *size);
        *size += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    if (got < 0) {
        say_of_path(why, path, strerror(errno));
        return ERR_STORAGE;
    }
    return ERR_OK;
}

enum err key_load_asking(const char *path, const struct key_ask *ask, struct key **out,
                         struct why *why)
{
    uint8_t bytes[KEY_FILE_SIZE_MAX];
    size_t size;
    enum err err = read_file(path, bytes, &size, why);

    if (err != ERR_OK)
        return err;
    err = key_from_pem_asking((struct span){bytes, size}, ask, path, out, why);
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (err != ERR_OK)
        why_wrap(why, path);
    return err;
}

enum err key_load(const char *path, struct key **out, struct why *why)
{
    return key_load_asking(path, NULL, out, why);
}

enum err key_load_private(const char *path, struct key **out, struct why *why)
{
    struct key *key;

    TRY(key_load(path, &key, why));
    if (!key_is_private(key)) {
        key_close(key);
        say_of_path(why, path, "is a public key; the private one is needed");
        return ERR_CORRUPT;
    }
    *out = key;
    return ERR_OK;
}

enum err key_load_public(const char *path, struct key **out, struct why *why)
{
    struct key *key;

    TRY(key_load(path, &key, why));
    if (key_is_private(key)) {
        key_close(key);
        say_of_path(why, path, "is a private key; its public half is needed");
        return ERR_CORRUPT;
    }
    *out = key;
    return ERR_OK;
}

/* The name itself must survive a power cut too. */
static bool sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    int fd;
    bool good;

    if (strlen(path) >= sizeof copy)
        return false;
    memcpy(copy, path, strlen(path) + 1);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return good;
}

/* A new file of these bytes under a name that nobody looks for. */
static bool write_whole(const char *path, mode_t mode, struct span bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool good;

    if (fd < 0)
        return false;
    good = write(fd, bytes.at, bytes.size) == (ssize_t)bytes.size && fsync(fd) == 0;
    return close(fd) == 0 && good;
}

/* Give the file its name, unless there is one of that name. Some file systems cannot refuse to
 * replace (NFS), others have no second names for a file (FAT, on signers' USB sticks). */
static bool name_new_file(const char *from, const char *path)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL || link(from, path) != 0)
        return false;
    (void)unlink(from); /* only a second name by now */
    return true;
}

/* A new file, on disk, whole or not at all: half a key would be taken for a key for ever after. */
static enum err write_new_file(const char *path, mode_t mode, struct span bytes, struct why *why)
{
    char folder[PATH_MAX], temporary[PATH_MAX];
    int size, reason;

    (void)snprintf(folder, sizeof folder, "%s", path);
    size = snprintf(temporary, sizeof temporary, "%s/.tmp-key-%d", dirname(folder), (int)getpid());
    if (strlen(path) >= sizeof folder || (size_t)size >= sizeof temporary) {
        say_of_path(why, path, "the path is too long");
        return ERR_TOO_BIG;
    }
    (void)unlink(temporary); /* of one who died with our number */
    if (write_whole(temporary, mode, bytes) && name_new_file(temporary, path) &&
        sync_folder_of(path))
        return ERR_OK;
    reason = errno;
    (void)unlink(temporary);
    say_of_path(why, path, reason == EEXIST ? "exists already" : strerror(reason));
    return reason == EEXIST ? ERR_CONFLICT : ERR_STORAGE;
}

enum err key_save_private(const struct key *key, const char *path, struct why *why)
{
    uint8_t pem[KEY_PEM_SIZE_MAX];
    struct buf out = buf_over(pem, sizeof pem);
    enum err err;

    key_private_pem(key, &out);
    CHECK(!out.overflow);
    err = write_new_file(path, S_IRUSR | S_IWUSR, buf_written(&out), why);
    OPENSSL_cleanse(pem, sizeof pem);
    return err;
}

enum err key_save_private_sealed(const struct key *key, const char *path, const char *passphrase,
                                 struct why *why)
{
    uint8_t pem[2 * KEY_PEM_SIZE_MAX];
    struct buf out = buf_over(pem, sizeof pem);

    if (*passphrase == '\0') {
        say_of_path(why, path, "an empty passphrase protects nothing");
        return ERR_INVALID;
    }
    key_private_pem_sealed(key, passphrase, &out);
    CHECK(!out.overflow);
    return write_new_file(path, S_IRUSR | S_IWUSR, buf_written(&out), why);
}

enum err key_save_public(const struct key *key, const char *path, struct why *why)
{
    uint8_t pem[KEY_PEM_SIZE_MAX];
    struct buf out = buf_over(pem, sizeof pem);
    struct key *there = NULL;
    bool same;
    enum err err;

    key_public_pem(key, &out);
    CHECK(!out.overflow);
    err = write_new_file(path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, buf_written(&out), why);
    if (err != ERR_CONFLICT)
        return err;
    same = key_load_public(path, &there, NULL) == ERR_OK && key_same(key, there);
    key_close(there);
    return same ? ERR_OK : ERR_CONFLICT;
}
