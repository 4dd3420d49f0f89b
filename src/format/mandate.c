#include "format/mandate.h"

#include "codec/cbor.h"

/* Keys; docs/spec/assignment.md. Never reuse one. */
enum mandate_key {
    KEY_FORM = 1,
    KEY_DEVICE,
    KEY_SEQUENCE,
    KEY_NONCE,
    KEY_ISSUED,
    KEY_ID,
    KEY_ACTION,
    KEY_SHA256,
    KEY_TARGET,
    KEY_NOT_BEFORE,
    KEY_DEADLINE,
    KEY_CONTENT_KEY,
    KEY_ROOT_VERSION_MIN,
    KEY_ALLOW_STALE
};

#define FORM     "SWA1"
#define BIT(key) (1u << (key))
#define NEEDED                                                                             \
    (BIT(KEY_FORM) | BIT(KEY_DEVICE) | BIT(KEY_SEQUENCE) | BIT(KEY_ISSUED) | BIT(KEY_ID) | \
     BIT(KEY_ACTION) | BIT(KEY_SHA256) | BIT(KEY_TARGET))

/* ---- reading ---- */

static enum err read_text(struct cbor_reader *reader, size_t size_max, struct span *out)
{
    TRY(cbor_read_text(reader, out));
    if (out->size > size_max)
        return ERR_TOO_BIG;
    return out->size > 0 ? ERR_OK : ERR_CORRUPT;
}

/* A number that is sent at all is from `min` to `max`. */
static enum err read_number(struct cbor_reader *reader, uint64_t min, uint64_t max, uint64_t *out)
{
    TRY(cbor_read_uint(reader, out));
    if (*out > max)
        return ERR_TOO_BIG;
    return *out >= min ? ERR_OK : ERR_CORRUPT;
}

static enum err read_u32(struct cbor_reader *reader, uint32_t *out)
{
    uint64_t value;

    TRY(read_number(reader, 1, UINT32_MAX, &value));
    *out = (uint32_t)value;
    return ERR_OK;
}

static enum err read_form(struct cbor_reader *reader)
{
    struct span form;

    TRY(cbor_read_text(reader, &form));
    return span_is(form, FORM) ? ERR_OK : ERR_CORRUPT;
}

static enum err read_action(struct cbor_reader *reader, enum mandate_action *out)
{
    uint64_t value;

    TRY(read_number(reader, 0, MANDATE_ACTION_COUNT - 1, &value));
    *out = (enum mandate_action)value;
    return ERR_OK;
}

static enum err read_content_key(struct cbor_reader *reader, struct span *out)
{
    TRY(cbor_read_bytes(reader, out));
    if (out->size > MANDATE_KEY_SIZE_MAX)
        return ERR_TOO_BIG;
    return out->size > 0 ? ERR_OK : ERR_CORRUPT;
}

static enum err read_member(struct cbor_reader *reader, int64_t key, struct mandate *out)
{
    switch (key) {
    case KEY_FORM:
        return read_form(reader);
    case KEY_DEVICE:
        return read_text(reader, NAME_SIZE_MAX, &out->device);
    case KEY_SEQUENCE:
        return read_number(reader, 1, UINT64_MAX, &out->sequence);
    case KEY_NONCE:
        out->nonce_known = true;
        return cbor_read_exactly(reader, out->nonce, sizeof out->nonce);
    case KEY_ISSUED:
        return read_number(reader, 1, MANDATE_TIME_S_MAX, &out->issued_s);
    case KEY_ID:
        return read_number(reader, 1, INT64_MAX, &out->id);
    case KEY_ACTION:
        return read_action(reader, &out->action);
    case KEY_SHA256:
        return cbor_read_exactly(reader, out->sha256, sizeof out->sha256);
    case KEY_TARGET:
        return read_text(reader, TARGET_NAME_SIZE_MAX, &out->target);
    case KEY_NOT_BEFORE:
        return read_number(reader, 1, MANDATE_TIME_S_MAX, &out->not_before_s);
    case KEY_DEADLINE:
        return read_number(reader, 1, MANDATE_TIME_S_MAX, &out->deadline_s);
    case KEY_CONTENT_KEY:
        return read_content_key(reader, &out->content_key);
    case KEY_ROOT_VERSION_MIN:
        return read_u32(reader, &out->root_version_min);
    case KEY_ALLOW_STALE:
        return read_u32(reader, &out->allow_stale_s);
    default:
        return ERR_CORRUPT;
    }
}

enum err mandate_read(struct span payload, struct mandate *out)
{
    struct cbor_reader reader = cbor_reader_over(payload);
    struct mandate mandate;
    int64_t key = CBOR_NO_KEY;
    uint32_t count, seen = 0;

    memset(&mandate, 0, sizeof mandate);
    if (payload.size > MANDATE_PAYLOAD_MAX)
        return ERR_TOO_BIG;
    TRY(cbor_read_map(&reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(&reader, &key));
        TRY(read_member(&reader, key, &mandate));
        seen |= BIT(key);
    }
    TRY(cbor_finish(&reader));
    if ((seen & NEEDED) != NEEDED)
        return ERR_CORRUPT;
    *out = mandate;
    return ERR_OK;
}

/* ---- writing ---- */

static bool text_ok(struct span text, size_t size_max)
{
    return text.size > 0 && text.size <= size_max && cbor_text_valid(text);
}

static bool writable(const struct mandate *in)
{
    return text_ok(in->device, NAME_SIZE_MAX) && text_ok(in->target, TARGET_NAME_SIZE_MAX) &&
           in->sequence > 0 && in->id > 0 && in->id <= INT64_MAX && in->issued_s > 0 &&
           in->issued_s <= MANDATE_TIME_S_MAX && in->not_before_s <= MANDATE_TIME_S_MAX &&
           in->deadline_s <= MANDATE_TIME_S_MAX && in->action < MANDATE_ACTION_COUNT &&
           in->content_key.size <= MANDATE_KEY_SIZE_MAX;
}

static void write_number(struct buf *out, uint32_t key, uint64_t value)
{
    cbor_write_uint(out, key);
    cbor_write_uint(out, value);
}

/* A number that need not be there, and is not when it says nothing. */
static void write_optional(struct buf *out, uint32_t key, uint64_t value)
{
    if (value > 0)
        write_number(out, key, value);
}

static void write_text(struct buf *out, uint32_t key, struct span text)
{
    cbor_write_uint(out, key);
    cbor_write_text(out, text);
}

static void write_bytes(struct buf *out, uint32_t key, const void *at, size_t size)
{
    cbor_write_uint(out, key);
    cbor_write_bytes(out, (struct span){at, size});
}

static uint32_t members(const struct mandate *in)
{
    return 8u + in->nonce_known + (in->not_before_s > 0) + (in->deadline_s > 0) +
           (in->content_key.size > 0) + (in->root_version_min > 0) + (in->allow_stale_s > 0);
}

enum err mandate_write(const struct mandate *in, struct buf *out)
{
    size_t start = out->size;

    if (!writable(in))
        return ERR_INVALID;
    cbor_write_map(out, members(in));
    write_text(out, KEY_FORM, SPAN_LITERAL(FORM));
    write_text(out, KEY_DEVICE, in->device);
    write_number(out, KEY_SEQUENCE, in->sequence);
    if (in->nonce_known)
        write_bytes(out, KEY_NONCE, in->nonce, sizeof in->nonce);
    write_number(out, KEY_ISSUED, in->issued_s);
    write_number(out, KEY_ID, in->id);
    write_number(out, KEY_ACTION, in->action);
    write_bytes(out, KEY_SHA256, in->sha256, sizeof in->sha256);
    write_text(out, KEY_TARGET, in->target);
    write_optional(out, KEY_NOT_BEFORE, in->not_before_s);
    write_optional(out, KEY_DEADLINE, in->deadline_s);
    if (in->content_key.size > 0)
        write_bytes(out, KEY_CONTENT_KEY, in->content_key.at, in->content_key.size);
    write_optional(out, KEY_ROOT_VERSION_MIN, in->root_version_min);
    write_optional(out, KEY_ALLOW_STALE, in->allow_stale_s);
    return out->overflow || out->size - start > MANDATE_PAYLOAD_MAX ? ERR_TOO_BIG : ERR_OK;
}
