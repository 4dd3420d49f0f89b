/* Any bytes as a request: first line "VERB WHERE", then the body. Whatever is understood is also
 * answered. */
#include "base/check.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span cut(struct span *rest, uint8_t at)
{
    struct span word = *rest;

    for (size_t i = 0; i < rest->size; i++) {
        if (rest->at[i] != at)
            continue;
        word.size = i;
        rest->at += i + 1;
        rest->size -= i + 1;
        return word;
    }
    rest->size = 0;
    return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size};
    struct message in = {0}, out;
    struct answer noted = {.kind = ANSWER_NOTED};
    uint8_t room[MESSAGE_SIZE_MAX];
    struct buf buf = buf_over(room, sizeof room);
    static struct call call;

    in.verb = cut(&rest, ' ');
    in.where = cut(&rest, '\n');
    in.body = rest;
    if (wire_native.decode(&in, &call) != ERR_OK)
        return 0;
    CHECK(wire_native.claims(&in));
    CHECK(call_name(call.kind)[0] != '\0');
    CHECK(wire_native.encode(&call, &noted, &buf, &out) == ERR_OK);
    return 0;
}
