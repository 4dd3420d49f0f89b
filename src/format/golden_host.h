/* Golden bytes for tests: hex in text files, with comments behind '#'. */
#pragma once

#include "base/types.h"

/* The bytes of DIR/NAME.hex in `to`, which has `room`; 0 when there is no such file. */
size_t golden_load(const char *dir, const char *name, uint8_t *to, size_t room);
