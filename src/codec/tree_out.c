#include "codec/tree_out.h"

#include "codec/cbor.h"
#include "codec/utf8.h"

#define CBOR_OPEN_MAP  0xbfu
#define CBOR_OPEN_LIST 0x9fu
#define CBOR_BREAK     0xffu

struct tree_out tree_out(struct buf *buf, bool cbor)
{
    return (struct tree_out){.buf = buf, .cbor = cbor};
}

/* ---- texts ---- */

static void put_json_byte(struct buf *buf, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";

    if (byte == '"' || byte == '\\') {
        buf_byte(buf, '\\');
        buf_byte(buf, byte);
    } else if (byte < 0x20 || byte == 0x7f) {
        buf_text(buf, "\\u00");
        buf_byte(buf, (uint8_t)digits[byte >> 4]);
        buf_byte(buf, (uint8_t)digits[byte & 15]);
    } else {
        buf_byte(buf, byte);
    }
}

/* The next character of what is left, or its replacement. */
static struct span next_character(struct span *rest)
{
    size_t size = utf8_size(*rest);
    struct span character = {rest->at, size};

    if (size == 0) {
        character = SPAN_LITERAL(UTF8_REPLACEMENT);
        size = 1;
    }
    rest->at += size;
    rest->size -= size;
    return character;
}

static void put_json_text(struct buf *buf, struct span text)
{
    buf_byte(buf, '"');
    while (text.size > 0) {
        struct span character = next_character(&text);

        if (character.size == 1)
            put_json_byte(buf, character.at[0]);
        else
            buf_span(buf, character);
    }
    buf_byte(buf, '"');
}

/* In one piece when it is well-formed, otherwise in as many as it takes. */
static void put_cbor_text(struct buf *buf, struct span text)
{
    if (cbor_text_valid(text)) {
        cbor_write_text(buf, text);
        return;
    }
    buf_byte(buf, 0x7f);
    while (text.size > 0)
        cbor_write_text(buf, next_character(&text));
    buf_byte(buf, CBOR_BREAK);
}

static void put_text(struct tree_out *out, struct span text)
{
    if (out->cbor)
        put_cbor_text(out->buf, text);
    else
        put_json_text(out->buf, text);
}

/* ---- values ---- */

static void begin(struct tree_out *out, const char *name)
{
    if (out->comma && !out->cbor)
        buf_byte(out->buf, ',');
    out->comma = true;
    if (!name)
        return;
    put_text(out, span_of(name));
    if (!out->cbor)
        buf_byte(out->buf, ':');
}

static void open_container(struct tree_out *out, const char *name, uint8_t cbor, uint8_t json)
{
    begin(out, name);
    buf_byte(out->buf, out->cbor ? cbor : json);
    out->comma = false;
}

static void close_container(struct tree_out *out, uint8_t json)
{
    buf_byte(out->buf, out->cbor ? CBOR_BREAK : json);
    out->comma = true;
}

void tree_out_map(struct tree_out *out, const char *name)
{
    open_container(out, name, CBOR_OPEN_MAP, '{');
}

void tree_out_map_end(struct tree_out *out)
{
    close_container(out, '}');
}

void tree_out_list(struct tree_out *out, const char *name)
{
    open_container(out, name, CBOR_OPEN_LIST, '[');
}

void tree_out_list_end(struct tree_out *out)
{
    close_container(out, ']');
}

void tree_out_text(struct tree_out *out, const char *name, struct span text)
{
    begin(out, name);
    put_text(out, text);
}

void tree_out_int(struct tree_out *out, const char *name, int64_t value)
{
    begin(out, name);
    if (out->cbor)
        cbor_write_int(out->buf, value);
    else
        buf_int(out->buf, value);
}

void tree_out_bool(struct tree_out *out, const char *name, bool value)
{
    begin(out, name);
    if (out->cbor)
        cbor_write_bool(out->buf, value);
    else
        buf_text(out->buf, value ? "true" : "false");
}
