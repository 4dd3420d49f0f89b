/* Any bytes as a request: "VERB PATH QUERY\n", then the body, CBOR when it begins with 'C'.
 * Whatever is understood stays within its limits, and is answered. */
#include "base/check.h"
#include "wire/hawkbit.h"

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

static void read_body(struct span body)
{
    static struct tree_node nodes[HAWKBIT_NODES_MAX];
    static uint8_t texts[HAWKBIT_BODY_SIZE_MAX];
    static struct hawkbit_config config;
    struct buf buf = buf_over(texts, sizeof texts);
    struct tree tree = {.nodes = nodes, .room = HAWKBIT_NODES_MAX, .texts = &buf};
    bool cbor = body.size > 0 && body.at[0] == 'C';
    struct hawkbit_feedback feedback;
    struct hawkbit_installed installed;

    if ((cbor ? tree_read_cbor((struct span){body.at + 1, body.size - 1}, &tree)
              : tree_read_json(body, &tree)) != ERR_OK)
        return;
    if (hawkbit_read_feedback(&tree, &feedback) == ERR_OK) {
        CHECK(feedback.message_count <= HAWKBIT_MESSAGES_MAX && feedback.percent <= 100);
        for (uint32_t i = 0; i < feedback.message_count; i++)
            CHECK(feedback.messages[i].size <= HAWKBIT_MESSAGE_SIZE);
        CHECK(hawkbit_words(&feedback)[0] != '\0');
        CHECK(hawkbit_meaning(&feedback, false) != HAWKBIT_MEANS_DROPPED);
        CHECK(hawkbit_meaning(&feedback, true) != HAWKBIT_MEANS_CLAIM);
    }
    if (hawkbit_read_config(&tree, &config) == ERR_OK)
        CHECK(config.count > 0 && config.count <= HAWKBIT_ATTRIBUTES_MAX);
    if (hawkbit_read_installed(&tree, &installed) == ERR_OK)
        CHECK(installed.name.size > 0 && installed.version.size > 0);
}

static void answer(const struct hawkbit_call *call, bool cbor)
{
    static uint8_t room[65536];
    struct buf buf = buf_over(room, sizeof room);
    struct tree_out out = tree_out(&buf, cbor);
    struct hawkbit_place place = {"https://h", call->tenant_segment, call->device_segment};
    struct hawkbit_base base = {
        .sleep_s = call->id, .deployment = call->id, .installed = call->history, .config = true};

    hawkbit_write_base(&place, &base, &out);
    CHECK(!buf.overflow && buf.size > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {data, size};
    struct span verb = cut(&rest, ' '), path = cut(&rest, ' '), query = cut(&rest, '\n');
    struct hawkbit_call call;
    enum hawkbit_media media;
    bool cbor;

    if (hawkbit_route(verb, path, query, &call) == ERR_OK) {
        CHECK(hawkbit_claims(path) && call.kind < HAWKBIT_KIND_COUNT);
        CHECK(call.tenant[0] != '\0' && call.device[0] != '\0');
        CHECK(call.id <= HAWKBIT_ID_MAX && call.history <= HAWKBIT_HISTORY_MAX);
        answer(&call, size % 2 == 0);
    }
    if (hawkbit_accept(query, &media) == ERR_OK)
        CHECK(hawkbit_media_name(media)[0] != '\0');
    if (hawkbit_content(query, &cbor) != ERR_OK)
        CHECK(!cbor);
    read_body(rest);
    return 0;
}
