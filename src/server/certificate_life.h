/* From when until when a certificate file is valid. */
#pragma once

#include "base/time.h"

/* False: no certificate can be read. */
bool certificate_life(const char *path, struct utc *from, struct utc *until) MUST_USE;
