/* Emulated NOR flash: erasing sets bits to 1 in whole blocks, programming clears them, once per
 * erase and in whole write units. Power may fail inside either; what was being changed then holds
 * something between before and after. Breaking these rules is a failed CHECK, not an error. */
#pragma once

#include "agent/bank.h"
#include "lab/power.h"

#define FLASH_SIZE_MAX 16384u /* bytes */
#define FLASH_UNIT     64u    /* bytes of a block that are erased for one unit of power */

struct flash {
    uint8_t cells[FLASH_SIZE_MAX];
    bool programmed[FLASH_SIZE_MAX]; /* since the last erase */
    uint32_t size, erase_size, write_size;
    uint32_t erases, programs; /* operations, for wear */
    uint32_t weak_percent;     /* of writes that lose a bit without a word */
    struct power *power;       /* borrowed */
};

/* `erase_size` and `write_size` are powers of two; everything erased at first. */
void flash_init(struct flash *flash, uint32_t size, uint32_t erase_size, uint32_t write_size,
                struct power *power);

enum err flash_read(struct flash *flash, uint64_t at, void *to, uint32_t size) MUST_USE;
enum err flash_erase(struct flash *flash, uint64_t at, uint64_t size) MUST_USE;
enum err flash_write(struct flash *flash, uint64_t at, const void *from, uint32_t size) MUST_USE;

/* The flash as a bank of the agent. */
struct bank flash_bank(struct flash *flash);
