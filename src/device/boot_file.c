#include "device/boot_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "os/file.h"
#include "os/say.h"

#define FILE_SIZE_MAX 256u /* bytes; what we write takes less than 70 */
#define TRIES_MAX     100u

static const char *const bank_words[] = {"a", "b", "none"};
static const char *const verdict_words[] = {
    [BOOT_NORMAL] = "normal", [BOOT_TRIAL] = "trial", [BOOT_REVERTED] = "reverted"};

char boot_file_bank_letter(uint8_t bank)
{
    CHECK(bank < BOOT_FILE_NONE);
    return bank_words[bank][0];
}

static enum err save(const struct boot_file *file, const struct boot_file_state *state,
                     struct why *why)
{
    char text[FILE_SIZE_MAX];
    int size;

    size = snprintf(text, sizeof text, "confirmed=%s\ntrial=%s\ntries=%u\nrunning=%s\nverdict=%s\n",
                    bank_words[state->confirmed], bank_words[state->trial], state->tries,
                    bank_words[state->running], verdict_words[state->verdict]);
    CHECK(size > 0 && (size_t)size < sizeof text);
    return file_replace(file->path, (struct span){(const uint8_t *)text, (size_t)size}, 0644, why);
}

static bool find_word(const char *const *words, size_t count, const char *word, unsigned *out)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse(const char *text, size_t size, struct boot_file_state *out)
{
    char confirmed[5], trial[5], running[5], verdict[9];
    unsigned tries, c, t, r, v;
    int end = 0;

    if (sscanf(text,
               "confirmed=%4[a-z]\ntrial=%4[a-z]\ntries=%3u\nrunning=%4[a-z]\n"
               "verdict=%8[a-z]\n%n",
               confirmed, trial, &tries, running, verdict, &end) != 5 ||
        (size_t)end != size)
        return false;
    if (!find_word(bank_words, 2, confirmed, &c) || !find_word(bank_words, 3, trial, &t) ||
        !find_word(bank_words, 2, running, &r) || tries > TRIES_MAX ||
        !find_word(verdict_words, COUNT_OF(verdict_words), verdict, &v))
        return false;
    *out = (struct boot_file_state){.confirmed = (uint8_t)c,
                                    .trial = (uint8_t)t,
                                    .tries = tries,
                                    .running = (uint8_t)r,
                                    .verdict = (enum boot_verdict)v};
    return true;
}

enum err boot_file_load(const struct boot_file *file, struct boot_file_state *out, struct why *why)
{
    struct file_bytes bytes = {0};
    enum err err = file_read(file->path, FILE_SIZE_MAX, &bytes, why);
    bool good;

    if (err == ERR_NOT_FOUND) { /* as it leaves the factory */
        *out = (struct boot_file_state){.trial = BOOT_FILE_NONE, .verdict = BOOT_NORMAL};
        return ERR_OK;
    }
    TRY(err);
    good = parse((const char *)bytes.at, bytes.size, out);
    file_bytes_free(&bytes);
    return good ? ERR_OK
                : say(why, ERR_CORRUPT, NULL, "%s is not the state of a boot selector", file->path);
}

/* struct boot has no place for sentences; a state that cannot be read is storage that fails. */
static enum err load(const struct boot_file *file, struct boot_file_state *out)
{
    return boot_file_load(file, out, NULL) == ERR_OK ? ERR_OK : ERR_STORAGE;
}

static enum err look(void *self, struct boot_view *out)
{
    struct boot_file_state state;

    TRY(load(self, &state));
    *out = (struct boot_view){.verdict = state.verdict, .running = state.running};
    return ERR_OK;
}

static enum err try_once(void *self, uint8_t bank)
{
    const struct boot_file *file = self;
    struct boot_file_state state;

    CHECK(bank < BOOT_FILE_NONE);
    TRY(load(file, &state));
    state.trial = bank;
    state.tries = file->tries;
    if (state.verdict == BOOT_REVERTED)
        state.verdict = BOOT_NORMAL;
    return save(file, &state, NULL);
}

static enum err confirm(void *self)
{
    const struct boot_file *file = self;
    struct boot_file_state state;

    TRY(load(file, &state));
    if (state.confirmed == state.running && state.trial == BOOT_FILE_NONE &&
        state.verdict == BOOT_NORMAL)
        return ERR_OK;
    state.confirmed = state.running;
    state.trial = BOOT_FILE_NONE;
    state.tries = 0;
    state.verdict = BOOT_NORMAL;
    return save(file, &state, NULL);
}

static enum err keep_path(const struct boot_file *file, char to[BOOT_FILE_PATH_SIZE])
{
    int size = snprintf(to, BOOT_FILE_PATH_SIZE, "%s.floor", file->path);

    return size > 0 && (size_t)size < BOOT_FILE_PATH_SIZE ? ERR_OK : ERR_TOO_BIG;
}

static enum err keep_read(void *self, uint32_t *floor_out)
{
    char path[BOOT_FILE_PATH_SIZE];
    struct file_bytes bytes = {0};
    unsigned floor = 0;
    int end = 0;
    bool good;

    TRY(keep_path(self, path));
    TRY(file_read(path, FILE_SIZE_MAX, &bytes, NULL));
    good =
        sscanf((const char *)bytes.at, "%10u\n%n", &floor, &end) == 1 && (size_t)end == bytes.size;
    file_bytes_free(&bytes);
    if (!good)
        return ERR_NOT_FOUND;
    *floor_out = floor;
    return ERR_OK;
}

static enum err keep_write(void *self, uint32_t floor)
{
    char path[BOOT_FILE_PATH_SIZE], text[FILE_SIZE_MAX];
    int size = snprintf(text, sizeof text, "%u\n", floor);

    TRY(keep_path(self, path));
    return file_replace(path, (struct span){(const uint8_t *)text, (size_t)size}, 0644, NULL);
}

struct keep boot_file_keep(struct boot_file *file)
{
    static const struct keep_ops ops = {.read = keep_read, .write = keep_write};

    return (struct keep){.ops = &ops, .self = file};
}

static const struct boot_ops file_ops = {.look = look, .try_once = try_once, .confirm = confirm};

enum err boot_file_open(struct boot_file *file, const char *path, uint32_t tries, struct boot *boot,
                        struct why *why)
{
    struct boot_file_state state;

    CHECK(tries >= 1 && tries <= TRIES_MAX);
    *file = (struct boot_file){.tries = tries};
    if (!span_to_text(span_of(path), file->path, sizeof file->path))
        return say(why, ERR_TOO_BIG, NULL, "%s: the path is too long", path);
    *boot = (struct boot){.ops = &file_ops, .self = file};
    return boot_file_load(file, &state, why);
}

enum err boot_file_power_on(const struct boot_file *file, struct boot_file_state *out,
                            struct why *why)
{
    struct boot_file_state state;

    TRY(boot_file_load(file, &state, why));
    if (state.trial == BOOT_FILE_NONE) {
        state.running = state.confirmed;
    } else if (state.tries > 0) {
        state.tries--;
        state.running = state.trial;
        state.verdict = BOOT_TRIAL;
    } else {
        state.trial = BOOT_FILE_NONE;
        state.running = state.confirmed;
        state.verdict = BOOT_REVERTED; /* until the agent has taken note of it */
    }
    TRY(save(file, &state, why));
    *out = state;
    return ERR_OK;
}
