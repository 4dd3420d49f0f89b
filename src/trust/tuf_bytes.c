#include "trust/tuf_bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct tuf_bytes tuf_bytes_copy(struct span bytes)
{
    struct tuf_bytes copy = {.at = malloc(bytes.size + 1), .size = bytes.size};

    CHECK(copy.at);
    if (bytes.size > 0)
        memcpy(copy.at, bytes.at, bytes.size);
    copy.at[bytes.size] = '\0'; /* a convenience to debuggers, not part of the bytes */
    return copy;
}

void tuf_bytes_done(struct tuf_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct tuf_bytes){0};
}
