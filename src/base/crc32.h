/* CRC-32 (IEEE 802.3, reflected). Finds torn writes; proves nothing about an attacker. */
#pragma once

#include "base/types.h"

uint32_t crc32(uint32_t crc, const void *data, size_t size);
