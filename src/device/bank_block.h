/* A bank on a block device: an eMMC or disk partition, or an LVM volume.
 *
 * The device is opened for writing only when the agent first erases or writes it, and then
 * exclusively, so a mounted file system is never written over. Erasing does nothing: a block
 * device has no erased state. Everything else is as in bank_file.h. */
#pragma once

#include "device/bank_file.h"

/* ERR_INVALID: not a block device. */
enum err bank_block_open(struct bank_file *file, const char *path, struct bank *bank,
                         struct why *why) MUST_USE;

/* Whether `path` names a block device now. */
bool bank_block_is(const char *path);
