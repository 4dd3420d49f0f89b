/* Writing the JSON of a reply, straight into the exchange's body, which grows as needed; lists are
 * bounded by their page. Commas and nesting are kept here, so that handlers only name things.
 *
 *     struct json_out out = out_begin(exchange, 200);
 *     out_text(&out, "name", row.name);
 *     out_utc(&out, "expires_at", row.expires);
 *     out_finish(&out);
 *
 * Inside an array the name is NULL. Bytes that are not
 * UTF-8 become U+FFFD: whatever a device has sent, a reply is valid JSON. */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "base/time.h"

struct exchange;

#define OUT_DEPTH_MAX 8u

struct json_out {
    struct exchange *exchange;
    uint32_t depth;
    bool filled[OUT_DEPTH_MAX]; /* whether something stands there already, per depth */
};

/* Start the reply with an outermost object; out_finish() closes it. */
struct json_out out_begin(struct exchange *exchange, uint16_t status);
void out_finish(struct json_out *out);

void out_object(struct json_out *out, const char *name);
void out_object_end(struct json_out *out);
void out_array(struct json_out *out, const char *name);
void out_array_end(struct json_out *out);

void out_span(struct json_out *out, const char *name, struct span text);
void out_text(struct json_out *out, const char *name, const char *text);
void out_text_or_null(struct json_out *out, const char *name, const char *text); /* "" is null */
void out_int(struct json_out *out, const char *name, int64_t value);
void out_id_or_null(struct json_out *out, const char *name, int64_t value); /* 0 is null */
void out_bool(struct json_out *out, const char *name, bool value);
void out_null(struct json_out *out, const char *name);
void out_utc(struct json_out *out, const char *name, struct utc value); /* 0 is null */
void out_digest(struct json_out *out, const char *name, const uint8_t digest[DIGEST_SIZE]);

/* Thousandths as per cent: 500 is 50, 5 is 0.5. */
void out_permille(struct json_out *out, const char *name, uint32_t permille);

/* JSON that has been made elsewhere; `json` must be one whole value. */
void out_raw(struct json_out *out, const char *name, struct span json);
