/* "VERB PATH\nBODY": a question of Mender's device API, or refused. */
#include <string.h>

#include "base/check.h"
#include "wire/mender_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mender_call *call)
{
    CHECK(call->kind < MENDER_KIND_COUNT);
    CHECK(call->kind != MENDER_AUTHENTICATE || (call->identity[0] == '{' && call->pem[0] != '\0'));
    CHECK(call->kind != MENDER_NEXT ||
          json_string_length(json_object_get(call->provides, "artifact_name")) > 0);
    CHECK(call->kind != MENDER_LOG || call->text_size > 0);
    CHECK(call->kind != MENDER_STATUS || call->status < MENDER_STATUS_COUNT);
    for (uint32_t i = 0; i < call->attributes_count; i++)
        CHECK(call->attributes[i].name[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size), *blank;
    struct message message = {.status = 0};
    struct mender_call call;
    struct why why;

    why_clear(&why);
    blank = end ? memchr(data, ' ', (size_t)(end - data)) : NULL;
    if (!blank)
        return 0;
    message.verb = (struct span){data, (size_t)(blank - data)};
    message.where = (struct span){blank + 1, (size_t)(end - blank - 1)};
    message.body = (struct span){end + 1, size - (size_t)(end + 1 - data)};
    if (mender_decode(&message, &call, &why) != ERR_OK)
        return 0;
    check(&call);
    mender_call_close(&call);
    return 0;
}
