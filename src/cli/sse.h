/* Server-sent events from bytes: pieces of any size in, whole events out.
 *
 * Source: WHATWG HTML, "Server-sent events", 9.2.6 (interpreting an event stream); ids and retry
 * times are read over, for we read the present state again after every reconnect. */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define SSE_NAME_SIZE 64u    /* bytes of an event's name with NUL; longer names are cut */
#define SSE_DATA_SIZE 16384u /* bytes of an event's data with NUL */

/* A non-ERR_OK answer ends sse_feed() with it. Texts are valid for the time of the call. */
typedef enum err sse_event(void *self, const char *name, const char *data);

struct sse {
    sse_event *event;
    void *self;
    char line[SSE_DATA_SIZE];
    size_t line_size;
    char name[SSE_NAME_SIZE]; /* "" means "message" */
    char data[SSE_DATA_SIZE];
    size_t data_size;
    bool has_data;
    bool after_return; /* the last byte was \r: a \n belongs to it */
    bool too_long;     /* the event being read exceeds a limit: it will be dropped */
};

void sse_init(struct sse *sse, sse_event *event, void *self);
enum err sse_feed(struct sse *sse, struct span bytes) MUST_USE;
