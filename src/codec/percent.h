/* Percent-encoding as URLs have it (RFC 3986, 2.1): of names that become one segment of a URL or
 * one file name. */
#pragma once

#include "base/buf.h"

/* `text` with every byte but letters, digits, "-._~" and those in `safe` as %XX, upper case. */
void percent_put(struct buf *out, struct span text, const char *safe);
