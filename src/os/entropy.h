/* Unpredictable bytes from the kernel, for keys, tokens and seeds. */
#pragma once

#include "base/types.h"

/* Fill `to`. Never fails: a kernel without random numbers stops the program. */
void entropy_fill(void *to, size_t size);

/* A seed for base/prng.h. */
uint64_t entropy_seed(void);
