/* Any bytes as an event stream give the same events whole and in single bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32.h"
#include "cli/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err sum(void *self, const char *name, const char *data)
{
    uint32_t *crc = self;

    *crc = crc32(*crc, name, strlen(name) + 1);
    *crc = crc32(*crc, data, strlen(data) + 1);
    return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sse *sse = malloc(sizeof *sse);
    uint32_t whole = 0, single = 0;

    CHECK(sse != NULL);
    sse_init(sse, sum, &whole);
    CHECK(sse_feed(sse, (struct span){data, size}) == ERR_OK);
    sse_init(sse, sum, &single);
    for (size_t i = 0; i < size; i++)
        CHECK(sse_feed(sse, (struct span){data + i, 1}) == ERR_OK);
    CHECK(whole == single);
    free(sse);
    return 0;
}
