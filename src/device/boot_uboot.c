#include "device/boot_uboot.h"

#include <libuboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/span.h"
#include "os/file.h"
#include "os/say.h"

#define CMDLINE_SIZE_MAX 8192u /* bytes; Linux allows 2048 to 4096 */
#define KEY              "slipway.bank="

/* The environment, read and not yet given back. */
struct environment {
    struct uboot_ctx *ctx;
    bool opened;
};

static void environment_close(struct environment *environment)
{
    if (environment->opened)
        libuboot_close(environment->ctx);
    if (environment->ctx)
        libuboot_exit(environment->ctx);
}

static enum err environment_open(const struct boot_uboot *uboot, struct environment *out,
                                 struct why *why)
{
    *out = (struct environment){0};
    if (libuboot_initialize(&out->ctx, NULL) < 0)
        return say(why, ERR_STORAGE, NULL, "libubootenv cannot be initialised");
    if (libuboot_read_config(out->ctx, uboot->config) < 0) {
        environment_close(out);
        return say(why, ERR_STORAGE, NULL, "%s does not describe a U-Boot environment",
                   uboot->config);
    }
    if (libuboot_open(out->ctx) < 0) {
        environment_close(out);
        return say(why, ERR_STORAGE, NULL, "the U-Boot environment of %s cannot be read",
                   uboot->config);
    }
    out->opened = true;
    return ERR_OK;
}

/* Whether the variable has this value; NULL: whether it is absent or empty. */
static bool has(const struct environment *environment, const char *name, const char *value)
{
    char *now = libuboot_get_env(environment->ctx, name);
    bool same = value ? now && strcmp(now, value) == 0 : !now || !now[0];

    free(now);
    return same;
}

static unsigned long number(const struct environment *environment, const char *name)
{
    char *now = libuboot_get_env(environment->ctx, name);
    unsigned long value = now ? strtoul(now, NULL, 10) : 0;

    free(now);
    return value;
}

static bool word_ends(char c)
{
    return c == '\0' || c == ' ' || c == '\n' || c == '\t';
}

bool boot_uboot_parse_cmdline(const char *text, uint8_t *bank_out)
{
    const char *at = text;

    while ((at = strstr(at, KEY)) != NULL) {
        const char *value = at + strlen(KEY);

        if ((at == text || word_ends(at[-1])) && (*value == 'a' || *value == 'b') &&
            word_ends(value[1])) {
            *bank_out = (uint8_t)(*value - 'a');
            return true;
        }
        at = value;
    }
    return false;
}

static enum err running_bank(const struct boot_uboot *uboot, uint8_t *out, struct why *why)
{
    struct file_bytes bytes = {0};
    bool found;

    TRY(file_read(uboot->cmdline, CMDLINE_SIZE_MAX, &bytes, why));
    found = boot_uboot_parse_cmdline((const char *)bytes.at, out);
    file_bytes_free(&bytes);
    return found ? ERR_OK
                 : say(why, ERR_INVALID, NULL, "%s does not say " KEY "a or b", uboot->cmdline);
}

static const char *letter(uint8_t bank)
{
    CHECK(bank < 2);
    return bank == 0 ? "a" : "b";
}

/* A script for altbootcmd may note the fall back itself, or just boot the other bank and leave
 * the counter above its limit; both count. */
static enum boot_verdict judge(const struct environment *environment, uint8_t running)
{
    if (has(environment, "slipway_reverted", "1"))
        return BOOT_REVERTED;
    if (has(environment, "slipway_trial", NULL) || !has(environment, "upgrade_available", "1"))
        return BOOT_NORMAL;
    if (has(environment, "slipway_trial", letter(running)))
        return BOOT_TRIAL;
    if (number(environment, "bootcount") > number(environment, "bootlimit"))
        return BOOT_REVERTED;
    return BOOT_NORMAL; /* armed, not yet reset */
}

static enum err look(void *self, struct boot_view *out)
{
    const struct boot_uboot *uboot = self;
    struct environment environment;
    uint8_t running;

    TRY(running_bank(uboot, &running, NULL));
    TRY(environment_open(uboot, &environment, NULL));
    *out = (struct boot_view){.verdict = judge(&environment, running), .running = running};
    environment_close(&environment);
    return ERR_OK;
}

struct setting {
    const char *name;
    const char *value; /* NULL: remove */
};

static enum err store(const struct boot_uboot *uboot, const struct setting *settings, size_t count)
{
    struct environment environment;
    bool good = true;

    TRY(environment_open(uboot, &environment, NULL));
    for (size_t i = 0; i < count; i++)
        good &= libuboot_set_env(environment.ctx, settings[i].name, settings[i].value) >= 0;
    good = good && libuboot_env_store(environment.ctx) >= 0;
    environment_close(&environment);
    return good ? ERR_OK : ERR_STORAGE;
}

static enum err try_once(void *self, uint8_t bank)
{
    const struct boot_uboot *uboot = self;
    char tries[12];
    const struct setting settings[] = {
        {"slipway_trial", letter(bank)},
        {"slipway_reverted", NULL},
        {"upgrade_available", "1"},
        {"bootcount", "0"},
        {"bootlimit", tries},
    };

    (void)snprintf(tries, sizeof tries, "%u", uboot->tries);
    return store(uboot, settings, COUNT_OF(settings));
}

static enum err confirm(void *self)
{
    const struct boot_uboot *uboot = self;
    struct environment environment;
    uint8_t running;
    bool settled;

    TRY(running_bank(uboot, &running, NULL));
    const struct setting settings[] = {
        {"slipway_confirmed", letter(running)},
        {"slipway_trial", NULL},
        {"slipway_reverted", NULL},
        {"upgrade_available", "0"},
        {"bootcount", "0"},
    };

    TRY(environment_open(uboot, &environment, NULL));
    settled = true; /* flash wears: nothing is written when nothing changes */
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        settled &= has(&environment, settings[i].name, settings[i].value);
    environment_close(&environment);
    return settled ? ERR_OK : store(uboot, settings, COUNT_OF(settings));
}

static enum err keep_read(void *self, uint32_t *floor_out)
{
    const struct boot_uboot *uboot = self;
    struct environment environment;
    unsigned long floor;
    bool known;

    TRY(environment_open(uboot, &environment, NULL));
    known = !has(&environment, "slipway_floor", NULL);
    floor = number(&environment, "slipway_floor");
    environment_close(&environment);
    if (!known || floor > UINT32_MAX)
        return ERR_NOT_FOUND;
    *floor_out = (uint32_t)floor;
    return ERR_OK;
}

static enum err keep_write(void *self, uint32_t floor)
{
    char text[12];
    const struct setting setting = {"slipway_floor", text};

    (void)snprintf(text, sizeof text, "%u", floor);
    return store(self, &setting, 1);
}

struct keep boot_uboot_keep(struct boot_uboot *uboot)
{
    static const struct keep_ops ops = {.read = keep_read, .write = keep_write};

    return (struct keep){.ops = &ops, .self = uboot};
}

static const struct boot_ops uboot_ops = {.look = look, .try_once = try_once, .confirm = confirm};

enum err boot_uboot_open(struct boot_uboot *uboot, const char *config, const char *cmdline,
                         uint32_t tries, struct boot *boot, struct why *why)
{
    struct environment environment;
    uint8_t running;

    CHECK(tries >= 1);
    *uboot = (struct boot_uboot){.tries = tries};
    if (!span_to_text(span_of(config), uboot->config, sizeof uboot->config) ||
        !span_to_text(span_of(cmdline), uboot->cmdline, sizeof uboot->cmdline))
        return say(why, ERR_TOO_BIG, NULL, "%s or %s: the path is too long", config, cmdline);
    TRY(running_bank(uboot, &running, why));
    TRY(environment_open(uboot, &environment, why));
    environment_close(&environment);
    *boot = (struct boot){.ops = &uboot_ops, .self = uboot};
    return ERR_OK;
}
