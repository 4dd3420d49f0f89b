/* Forgetting secrets: a write that no compiler leaves out. */
#pragma once

#include "base/types.h"

void wipe(void *at, size_t size);
