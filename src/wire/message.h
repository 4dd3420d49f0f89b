/* An HTTP exchange or an MQTT publish, as much of it as a protocol needs to see. */
#pragma once

#include "base/buf.h"
#include "base/span.h"

#define MESSAGE_HEADERS_MAX 16u /* headers a protocol looks at or answers with */

struct message_header {
    struct span name, value;
};

struct message {
    struct span verb;  /* "GET", "PUBLISH", ... */
    struct span where; /* path with query, or topic */
    uint16_t status;   /* HTTP responses only */
    struct message_header headers[MESSAGE_HEADERS_MAX];
    uint32_t header_count;
    struct span body;
};
