/* multipart/form-data as it comes, in pieces of any size: which part, and its bytes.
 *
 * Strict: no preamble, no folded headers, no padding behind a boundary, and each part says
 * `Content-Disposition: form-data; name="..."`. One header is kept, never data.
 *
 * Source: RFC 7578; RFC 2046, 5.1. */
#pragma once

#include "base/err.h"
#include "base/span.h"

#define MULTIPART_BOUNDARY_MAX 70u   /* characters; RFC 2046 */
#define MULTIPART_HEADERS_MAX  1024u /* bytes of all headers of a part */
#define MULTIPART_NAME_SIZE    64u   /* bytes of a part's name, with NUL */

enum multipart_event {
    MULTIPART_MORE, /* all input is used up */
    MULTIPART_PART, /* a part begins: its name is in `name` */
    MULTIPART_DATA, /* some of its bytes */
    MULTIPART_DONE, /* the part is complete */
};

struct multipart {
    char name[MULTIPART_NAME_SIZE];

    /* The reader's own. */
    uint8_t state;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5]; /* CR LF "--" and the boundary */
    size_t delimiter_size, matched;             /* bytes of it that have just been seen */
    size_t held;                                /* bytes of it that turned out to be data */
    char headers[MULTIPART_HEADERS_MAX];
    size_t headers_size;
    char tail[2];
    size_t tail_size;
    bool started;
};

/* From the value of Content-Type; false when that is none of form-data, or has no good boundary. */
bool multipart_init(struct multipart *multipart, struct span content_type) MUST_USE;

/* Take from `*in` what makes one event. `*data`, with MULTIPART_DATA, borrows from it or from
 * `multipart`. ERR_CORRUPT: not of this form; ERR_TOO_BIG: too long headers. */
enum err multipart_step(struct multipart *multipart, struct span *in, enum multipart_event *event,
                        struct span *data) MUST_USE;

/* Whether the last boundary has been seen. */
bool multipart_is_complete(const struct multipart *multipart);
