#include "lab/loader.h"

/* One change of the loader's word: a single unit, all or nothing. */
static void pay(struct loader *loader)
{
    if (power_spend(loader->power, 1) == 0)
        power_off(loader->power);
}

static uint8_t running(const struct loader *loader)
{
    return loader->on_trial ? loader->trial : loader->confirmed;
}

uint8_t loader_boot(struct loader *loader)
{
    if (loader->armed) {
        pay(loader);
        loader->armed = false;
        loader->on_trial = true;
        loader->tries = 1;
    } else if (loader->on_trial) {
        pay(loader);
        if (loader->tries < loader->tries_max) {
            loader->tries++;
        } else {
            loader->on_trial = false;
            loader->reverted = true;
        }
    }
    return running(loader);
}

static enum err look(void *self, struct boot_view *out)
{
    const struct loader *loader = self;

    out->running = running(loader);
    out->verdict = loader->on_trial ? BOOT_TRIAL : loader->reverted ? BOOT_REVERTED : BOOT_NORMAL;
    return ERR_OK;
}

static enum err try_once(void *self, uint8_t bank)
{
    struct loader *loader = self;

    pay(loader);
    loader->trial = bank;
    loader->armed = true;
    loader->reverted = false;
    return ERR_OK;
}

static enum err confirm(void *self)
{
    struct loader *loader = self;

    pay(loader);
    loader->confirmed = running(loader);
    loader->on_trial = loader->armed = loader->reverted = false;
    return ERR_OK;
}

struct boot loader_boot_ops(struct loader *loader)
{
    static const struct boot_ops ops = {look, try_once, confirm};

    return (struct boot){&ops, loader};
}
