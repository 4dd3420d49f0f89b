#include "server/api_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "codec/hex.h"
#include "codec/utf8.h"
#include "server/exchange.h"

static void put(struct json_out *out, const char *text)
{
    struct span span = span_of(text);

    reply_append(out->exchange, span.at, span.size);
}

static void escape(struct json_out *out, uint8_t c)
{
    char text[8];

    if (c == '"' || c == '\\')
        (void)snprintf(text, sizeof text, "\\%c", c);
    else if (c == '\n')
        (void)snprintf(text, sizeof text, "\\n");
    else
        (void)snprintf(text, sizeof text, "\\u%04x", c);
    put(out, text);
}

static bool plain(uint8_t c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* Runs of plain characters go out in one piece. */
static void put_string(struct json_out *out, struct span text)
{
    size_t from = 0, at = 0;

    put(out, "\"");
    while (at < text.size) {
        struct span rest = {text.at + at, text.size - at};
        size_t size = utf8_size(rest);

        if (size > 0 && plain(text.at[at])) {
            at += size;
            continue;
        }
        reply_append(out->exchange, text.at + from, at - from);
        if (size == 0)
            put(out, UTF8_REPLACEMENT);
        else
            escape(out, text.at[at]);
        from = ++at;
    }
    reply_append(out->exchange, text.at + from, at - from);
    put(out, "\"");
}

/* The comma before, and the name. */
static void begin(struct json_out *out, const char *name)
{
    CHECK(out->depth >= 1 && out->depth < OUT_DEPTH_MAX);
    if (out->filled[out->depth])
        put(out, ",");
    out->filled[out->depth] = true;
    if (!name)
        return;
    put_string(out, span_of(name));
    put(out, ":");
}

static void enter(struct json_out *out, const char *bracket)
{
    put(out, bracket);
    out->depth++;
    CHECK(out->depth < OUT_DEPTH_MAX);
    out->filled[out->depth] = false;
}

static void leave(struct json_out *out, const char *bracket)
{
    CHECK(out->depth >= 1);
    out->depth--;
    put(out, bracket);
}

struct json_out out_begin(struct exchange *exchange, uint16_t status)
{
    struct json_out out = {.exchange = exchange};

    reply_start(exchange, status, "application/json");
    enter(&out, "{");
    return out;
}

void out_finish(struct json_out *out)
{
    leave(out, "}");
    CHECK(out->depth == 0);
}

void out_object(struct json_out *out, const char *name)
{
    begin(out, name);
    enter(out, "{");
}

void out_object_end(struct json_out *out)
{
    leave(out, "}");
}

void out_array(struct json_out *out, const char *name)
{
    begin(out, name);
    enter(out, "[");
}

void out_array_end(struct json_out *out)
{
    leave(out, "]");
}

void out_span(struct json_out *out, const char *name, struct span text)
{
    begin(out, name);
    put_string(out, text);
}

void out_text(struct json_out *out, const char *name, const char *text)
{
    out_span(out, name, span_of(text));
}

void out_text_or_null(struct json_out *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        out_null(out, name);
    else
        out_text(out, name, text);
}

void out_int(struct json_out *out, const char *name, int64_t value)
{
    char text[24];

    begin(out, name);
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    put(out, text);
}

void out_id_or_null(struct json_out *out, const char *name, int64_t value)
{
    if (value == 0)
        out_null(out, name);
    else
        out_int(out, name, value);
}

void out_bool(struct json_out *out, const char *name, bool value)
{
    begin(out, name);
    put(out, value ? "true" : "false");
}

void out_null(struct json_out *out, const char *name)
{
    begin(out, name);
    put(out, "null");
}

void out_utc(struct json_out *out, const char *name, struct utc value)
{
    char text[UTC_TEXT_SIZE];

    if (value.ms == 0) {
        out_null(out, name);
        return;
    }
    utc_format(value, text);
    out_text(out, name, text);
}

void out_digest(struct json_out *out, const char *name, const uint8_t digest[DIGEST_SIZE])
{
    char hex[DIGEST_HEX_SIZE];

    hex_print((struct span){digest, DIGEST_SIZE}, hex);
    out_text(out, name, hex);
}

void out_permille(struct json_out *out, const char *name, uint32_t permille)
{
    char text[24];

    begin(out, name);
    (void)snprintf(text, sizeof text, "%u.%u", permille / 10, permille % 10);
    if (permille % 10 == 0)
        text[strlen(text) - 2] = '\0';
    put(out, text);
}

void out_raw(struct json_out *out, const char *name, struct span json)
{
    begin(out, name);
    reply_append(out->exchange, json.at, json.size);
}
