#include "server/stream.h"

#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/buf.h"
#include "base/check.h"

enum exchange_kind stream_kind_of(const struct mailbox_item *item)
{
    enum exchange_kind kind;

    CHECK_STATIC(offsetof(struct exchange, kind) == offsetof(struct stream_parcel, kind));
    memcpy(&kind, (const char *)item + offsetof(struct exchange, kind), sizeof kind);
    return kind;
}

struct stream_text *stream_text_open(uint64_t id, const char *tenant, const char *topic,
                                     const char *event, struct span json)
{
    size_t room = json.size + strlen(event) + 64;
    struct stream_text *text = calloc(1, sizeof *text + room);
    struct buf buf;

    CHECK(text && json.size <= STREAM_EVENT_MAX);
    CHECK(json.size == 0 || !memchr(json.at, '\n', json.size));
    buf = buf_over(text->bytes, room);
    buf_text(&buf, "id: ");
    buf_uint(&buf, id);
    buf_text(&buf, "\nevent: ");
    buf_text(&buf, event);
    buf_text(&buf, "\ndata: ");
    buf_span(&buf, json);
    buf_text(&buf, "\n\n");
    CHECK(!buf.overflow);
    text->size = buf.size;
    text->id = id;
    CHECK(span_to_text(span_of(tenant), text->tenant, sizeof text->tenant));
    CHECK(span_to_text(span_of(topic), text->topic, sizeof text->topic));
    atomic_init(&text->references, 1);
    return text;
}

void stream_text_release(struct stream_text *text)
{
    if (text && atomic_fetch_sub(&text->references, 1) == 1)
        free(text);
}

struct stream_parcel *stream_parcel_open(struct stream_text *text)
{
    struct stream_parcel *parcel = calloc(1, sizeof *parcel);

    CHECK(parcel);
    parcel->kind = EXCHANGE_EVENT;
    parcel->text = text;
    (void)atomic_fetch_add(&text->references, 1);
    return parcel;
}

void stream_parcel_close(struct stream_parcel *parcel)
{
    stream_text_release(parcel->text);
    free(parcel);
}

bool stream_wants(const char *tenant, const char *topic, const struct stream_text *text)
{
    bool whole = strcmp(topic, "events") == 0 && strcmp(text->topic, TOPIC_AUDIT) != 0;

    return strcmp(tenant, text->tenant) == 0 && (whole || strcmp(topic, text->topic) == 0);
}

void stream_history_add(struct stream_history *history, struct stream_text *text)
{
    stream_text_release(history->texts[history->next]);
    history->texts[history->next] = text;
    history->next = (history->next + 1) % STREAM_HISTORY_MAX;
    if (history->count < STREAM_HISTORY_MAX)
        history->count++;
}

void stream_history_close(struct stream_history *history)
{
    for (size_t i = 0; i < STREAM_HISTORY_MAX; i++)
        stream_text_release(history->texts[i]);
    *history = (struct stream_history){0};
}

/* The i-th oldest event. */
static const struct stream_text *remembered(const struct stream_history *history, size_t i)
{
    size_t oldest = (history->next + STREAM_HISTORY_MAX - history->count) % STREAM_HISTORY_MAX;

    return history->texts[(oldest + i) % STREAM_HISTORY_MAX];
}

static bool parse_id(struct span text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0');
    }
    *out = value;
    return true;
}

void stream_history_replay(const struct stream_history *history, struct exchange *exchange)
{
    const struct reply *reply = &exchange->reply;
    uint64_t last;

    if (exchange->request.last_event_id.size == 0)
        return;
    if (!parse_id(exchange->request.last_event_id, &last) || history->count == 0 ||
        last + 1 < remembered(history, 0)->id) {
        reply_append(exchange, STREAM_LOST, sizeof STREAM_LOST - 1);
        return;
    }
    for (size_t i = 0; i < history->count; i++) {
        const struct stream_text *text = remembered(history, i);

        if (text->id > last && stream_wants(reply->tenant, reply->topic, text))
            reply_append(exchange, text->bytes, text->size);
    }
}
