#include "lab/flash.h"

#include "base/check.h"

void flash_init(struct flash *flash, uint32_t size, uint32_t erase_size, uint32_t write_size,
                struct power *power)
{
    CHECK(size <= FLASH_SIZE_MAX && size % erase_size == 0 && erase_size % write_size == 0);
    *flash = (struct flash){
        .size = size, .erase_size = erase_size, .write_size = write_size, .power = power};
    memset(flash->cells, 0xFF, sizeof flash->cells);
}

enum err flash_read(struct flash *flash, uint64_t at, void *to, uint32_t size)
{
    CHECK(at <= flash->size && size <= flash->size - at);
    memcpy(to, flash->cells + at, size);
    return ERR_OK;
}

/* A piece of a block whose erase was cut short: some bits have come up, some have not. */
static void erase_halfway(struct flash *flash, uint64_t at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        flash->cells[at + i] |= (uint8_t)prng_next(flash->power->prng);
        flash->programmed[at + i] = true;
    }
}

enum err flash_erase(struct flash *flash, uint64_t at, uint64_t size)
{
    uint64_t units = size / FLASH_UNIT, done;

    CHECK(at <= flash->size && size <= flash->size - at);
    CHECK(at % flash->erase_size == 0 && size % flash->erase_size == 0);
    done = power_spend(flash->power, units);
    memset(flash->cells + at, 0xFF, done * FLASH_UNIT);
    memset(flash->programmed + at, 0, done * FLASH_UNIT);
    flash->erases++;
    if (done < units) {
        uint64_t block = at + done * FLASH_UNIT;

        erase_halfway(flash, block, flash->erase_size - block % flash->erase_size);
        power_off(flash->power);
    }
    return ERR_OK;
}

enum err flash_write(struct flash *flash, uint64_t at, const void *from, uint32_t size)
{
    const uint8_t *byte = from;
    uint64_t done;

    CHECK(at <= flash->size && size <= flash->size - at);
    CHECK(at % flash->write_size == 0 && size % flash->write_size == 0);
    done = power_spend(flash->power, size);
    for (uint64_t i = 0; i < done; i++) {
        CHECK(!flash->programmed[at + i]); /* written twice without an erase */
        flash->cells[at + i] = byte[i];
        flash->programmed[at + i] = true;
    }
    flash->programs++;
    if (prng_below(flash->power->prng, 100) < flash->weak_percent)
        flash->cells[at + size / 2] ^= 1;
    if (done < size) {
        flash->cells[at + done] = byte[done] | (uint8_t)prng_next(flash->power->prng);
        flash->programmed[at + done] = true;
        power_off(flash->power);
    }
    return ERR_OK;
}

static enum err bank_read(void *self, uint64_t at, void *to, uint32_t size)
{
    return flash_read(self, at, to, size);
}

static enum err bank_erase(void *self, uint64_t at, uint64_t size)
{
    return flash_erase(self, at, size);
}

static enum err bank_write(void *self, uint64_t at, const void *from, uint32_t size)
{
    return flash_write(self, at, from, size);
}

struct bank flash_bank(struct flash *flash)
{
    static const struct bank_ops ops = {bank_read, bank_erase, bank_write};

    return (struct bank){.ops = &ops,
                         .self = flash,
                         .size = flash->size,
                         .erase_size = flash->erase_size,
                         .write_size = flash->write_size};
}
