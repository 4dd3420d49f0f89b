#include "cli/sse.h"

#include <string.h>

void sse_init(struct sse *sse, sse_event *event, void *self)
{
    memset(sse, 0, sizeof *sse);
    sse->event = event;
    sse->self = self;
}

static enum err dispatch(struct sse *sse)
{
    bool whole = sse->has_data && !sse->too_long;
    enum err err = ERR_OK;

    sse->data[sse->data_size] = '\0';
    if (whole)
        err = sse->event(sse->self, sse->name[0] ? sse->name : "message", sse->data);
    sse->name[0] = '\0';
    sse->data_size = 0;
    sse->has_data = false;
    sse->too_long = false;
    return err;
}

/* Several data lines are joined by a line feed. */
static void add_data(struct sse *sse, const char *text, size_t size)
{
    size_t feed = sse->has_data ? 1 : 0;

    if (sse->data_size + feed + size + 1 > SSE_DATA_SIZE) {
        sse->too_long = true;
        return;
    }
    if (feed)
        sse->data[sse->data_size++] = '\n';
    memcpy(sse->data + sse->data_size, text, size);
    sse->data_size += size;
    sse->has_data = true;
}

static enum err take_line(struct sse *sse)
{
    const char *colon, *value;
    size_t name_size, value_size;

    if (sse->line_size == 0)
        return dispatch(sse);
    colon = memchr(sse->line, ':', sse->line_size);
    name_size = colon ? (size_t)(colon - sse->line) : sse->line_size;
    value = colon ? colon + 1 : sse->line + sse->line_size;
    value_size = sse->line_size - name_size - (colon ? 1 : 0);
    if (value_size > 0 && *value == ' ') {
        value++;
        value_size--;
    }
    if (name_size == 4 && memcmp(sse->line, "data", 4) == 0) {
        add_data(sse, value, value_size);
    } else if (name_size == 5 && memcmp(sse->line, "event", 5) == 0) {
        if (value_size > SSE_NAME_SIZE - 1)
            value_size = SSE_NAME_SIZE - 1;
        memcpy(sse->name, value, value_size);
        sse->name[value_size] = '\0';
    }
    sse->line_size = 0;
    return ERR_OK;
}

enum err sse_feed(struct sse *sse, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        char c = (char)bytes.at[i];
        bool paired = sse->after_return && c == '\n';

        sse->after_return = c == '\r';
        if (paired)
            continue;
        if (c == '\n' || c == '\r') {
            TRY(take_line(sse));
        } else if (sse->line_size < SSE_DATA_SIZE) {
            sse->line[sse->line_size++] = c;
        } else {
            sse->too_long = true;
        }
    }
    return ERR_OK;
}
