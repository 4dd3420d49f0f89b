#include "format/native.h"

#include "base/check.h"
#include "codec/cbor.h"

/* How a struct member is written. */
enum field_kind {
    FIELD_UINT,   /* unsigned integer or enum of `size` bytes */
    FIELD_TEXT,   /* struct span, UTF-8 */
    FIELD_BYTES,  /* struct span */
    FIELD_DIGEST, /* `known` followed by `size` bytes */
    FIELD_ATTRIBUTES,
};

/* One key of a message. A message is a table of these in ascending order of keys. */
struct field {
    uint8_t key;
    enum field_kind kind;
    bool required;   /* a message without it is refused, and so is an empty string here */
    uint16_t offset; /* of the member in its struct */
    uint16_t size;   /* bytes: of the integer, or of the digest */
    uint64_t max;    /* largest integer, or largest size of a string in bytes */
};

struct layout {
    const struct field *fields;
    uint32_t count;
};

#define NEEDED true
#define MAY    false

#define UINT(key, need, of, member, max)                             \
    {                                                                \
        key, FIELD_UINT, need, offsetof(struct native_##of, member), \
            sizeof(((struct native_##of *)0)->member), max           \
    }
#define TEXT(key, need, of, member, max)                                    \
    {                                                                       \
        key, FIELD_TEXT, need, offsetof(struct native_##of, member), 0, max \
    }
#define BYTES(key, need, of, member, max)                                    \
    {                                                                        \
        key, FIELD_BYTES, need, offsetof(struct native_##of, member), 0, max \
    }
#define DIGEST(key, need, of, member)                                                       \
    {                                                                                       \
        key, FIELD_DIGEST, need, offsetof(struct native_##of, member.known), DIGEST_SIZE, 0 \
    }
#define ATTRIBUTES(key, of)                                                           \
    {                                                                                 \
        key, FIELD_ATTRIBUTES, NEEDED, offsetof(struct native_##of, attributes), 0, 0 \
    }

/* FIELD_DIGEST finds its bytes right behind its `known`. */
CHECK_STATIC(offsetof(struct native_digest, at) == offsetof(struct native_digest, known) + 1);
CHECK_STATIC(offsetof(struct native_poll, inventory) ==
             offsetof(struct native_poll, inventory_known) + 1);
CHECK_STATIC(offsetof(struct native_poll, nonce) == offsetof(struct native_poll, nonce_known) + 1);

/* clang-format off */
#define CLAIM_SIZE_MAX 128u /* bytes of a claim token */
#define SECONDS_MAX    (366u * 24u * 3600u) /* no wait is longer than a year */

static const struct field enroll_fields[] = {
    TEXT(1, NEEDED, enroll, name, NAME_SIZE_MAX),
    TEXT(2, MAY,    enroll, claim, CLAIM_SIZE_MAX),
    BYTES(3, NEEDED, enroll, csr, NATIVE_DER_SIZE_MAX),
    ATTRIBUTES(4, enroll),
    BYTES(5, MAY,   enroll, sealing_key, NATIVE_SEALING_KEY_SIZE_MAX),
};
static const struct field enrolled_fields[] = {
    BYTES(1, NEEDED, enrolled, certificate, NATIVE_DER_SIZE_MAX),
    BYTES(2, NEEDED, enrolled, ca, NATIVE_DER_SIZE_MAX),
    UINT(3, NEEDED, enrolled, poll_s, SECONDS_MAX),
};
static const struct field pending_fields[] = {
    UINT(4, NEEDED, pending, retry_s, SECONDS_MAX),
};
static const struct field renew_fields[] = {
    BYTES(3, NEEDED, renew, csr, NATIVE_DER_SIZE_MAX),
    BYTES(5, MAY,    renew, sealing_key, NATIVE_SEALING_KEY_SIZE_MAX),
};
static const struct field poll_fields[] = {
    DIGEST(1, MAY,  poll, running),
    TEXT(2, MAY,    poll, version, VERSION_SIZE_MAX),
    UINT(3, NEEDED, poll, boot_count, UINT32_MAX),
    UINT(4, NEEDED, poll, agent_state, UINT32_MAX),
    {5, FIELD_DIGEST, MAY, offsetof(struct native_poll, inventory_known), NATIVE_INVENTORY_SIZE, 0},
    UINT(6, MAY,    poll, assignment, INT64_MAX),
    DIGEST(7, MAY,  poll, other),
    {8, FIELD_DIGEST, MAY, offsetof(struct native_poll, nonce_known), NATIVE_NONCE_SIZE, 0},
};
static const struct field answer_fields[] = {
    UINT(1, NEEDED, answer, kind, NATIVE_ANSWER_COUNT - 1),
    UINT(2, NEEDED, answer, next_poll_s, SECONDS_MAX),
    UINT(3, MAY,    answer, assignment, INT64_MAX),
    TEXT(4, MAY,    answer, target, TARGET_NAME_SIZE_MAX),
    UINT(5, MAY,    answer, flags, UINT32_MAX),
    UINT(6, MAY,    answer, server_s, INT64_MAX / 1000),
    UINT(7, MAY,    answer, not_before_s, SECONDS_MAX),
    DIGEST(8, MAY,  answer, sha256),
    BYTES(9, MAY,   answer, signed_assignment, NATIVE_SIGNED_SIZE_MAX),
};
static const struct field details_fields[] = {
    UINT(1, NEEDED, details, assignment, INT64_MAX),
    TEXT(2, NEEDED, details, target, TARGET_NAME_SIZE_MAX),
    TEXT(3, MAY,    details, version, VERSION_SIZE_MAX),
    TEXT(4, MAY,    details, rollout, NAME_SIZE_MAX),
    UINT(5, MAY,    details, attempt, UINT32_MAX),
    UINT(6, MAY,    details, retry_limit, UINT32_MAX),
    UINT(7, MAY,    details, deadline_s, INT64_MAX / 1000),
    DIGEST(8, MAY,  details, sha256),
    UINT(9, MAY,    details, length, INT64_MAX),
};
static const struct field report_fields[] = {
    UINT(1, NEEDED, report, id, INT64_MAX),
    UINT(2, NEEDED, report, assignment, INT64_MAX),
    UINT(3, NEEDED, report, phase, PHASE_COUNT - 1),
    TEXT(4, MAY,    report, err, NAME_SIZE_MAX),
    DIGEST(5, MAY,  report, running),
    TEXT(6, MAY,    report, detail, DETAIL_SIZE_MAX),
    UINT(7, MAY,    report, percent, 100),
    UINT(8, MAY,    report, boot_count, UINT32_MAX),
    TEXT(9, MAY,    report, reason, NAME_SIZE_MAX),
    UINT(10, MAY,   report, epoch, UINT32_MAX),
};
static const struct field verdict_fields[] = {
    UINT(1, NEEDED, verdict, kind, NATIVE_VERDICT_COUNT - 1),
    UINT(2, MAY,    verdict, retry_s, SECONDS_MAX),
};
static const struct field inventory_fields[] = {
    ATTRIBUTES(1, inventory),
};
static const struct field error_fields[] = {
    TEXT(1, NEEDED, error, err, NAME_SIZE_MAX),
    TEXT(2, MAY,    error, detail, DETAIL_SIZE_MAX),
};
/* clang-format on */

static void store_uint(void *to, uint16_t size, uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;

    switch (size) { /* enums are as small as the compiler likes */
    case 1:
        memcpy(to, &u8, size);
        return;
    case 2:
        memcpy(to, &u16, size);
        return;
    case 4:
        memcpy(to, &u32, size);
        return;
    default:
        CHECK(size == 8);
        memcpy(to, &value, size);
    }
}

static uint64_t load_uint(const void *from, uint16_t size)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    switch (size) {
    case 1:
        memcpy(&u8, from, size);
        return u8;
    case 2:
        memcpy(&u16, from, size);
        return u16;
    case 4:
        memcpy(&u32, from, size);
        return u32;
    default:
        CHECK(size == 8);
        memcpy(&u64, from, size);
        return u64;
    }
}

static enum err read_attributes(struct cbor_reader *reader, struct native_attributes *out)
{
    struct span key = {0};
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    if (count > ATTRIBUTES_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_text_key(reader, &key));
        out->list[i].name = key;
        TRY(cbor_read_text(reader, &out->list[i].value));
        if (key.size > NAME_SIZE_MAX || out->list[i].value.size > ATTRIBUTE_SIZE_MAX)
            return ERR_TOO_BIG;
    }
    out->count = count;
    return ERR_OK;
}

static enum err read_string(struct cbor_reader *reader, const struct field *field, struct span *out)
{
    if (field->kind == FIELD_TEXT)
        TRY(cbor_read_text(reader, out));
    else
        TRY(cbor_read_bytes(reader, out));
    if (out->size > field->max)
        return ERR_TOO_BIG;
    return out->size == 0 && field->required ? ERR_CORRUPT : ERR_OK;
}

static enum err read_digest(struct cbor_reader *reader, const struct field *field, uint8_t *to)
{
    TRY(cbor_read_exactly(reader, to + 1, field->size));
    *(bool *)to = true;
    return ERR_OK;
}

static enum err read_field(struct cbor_reader *reader, const struct field *field, void *message)
{
    uint8_t *member = (uint8_t *)message + field->offset;
    uint64_t value;

    switch (field->kind) {
    case FIELD_UINT:
        TRY(cbor_read_uint(reader, &value));
        if (value > field->max)
            return ERR_TOO_BIG;
        store_uint(member, field->size, value);
        return ERR_OK;
    case FIELD_TEXT:
    case FIELD_BYTES:
        return read_string(reader, field, (void *)member);
    case FIELD_DIGEST:
        return read_digest(reader, field, member);
    case FIELD_ATTRIBUTES:
        return read_attributes(reader, (void *)member);
    }
    CHECK(!"a field of some kind");
    return ERR_INVALID;
}

/* Walk the message and its table side by side; both are in ascending order of keys. `message`
 * is all zero before. */
static enum err read_message(struct span in, const struct layout *layout, void *message)
{
    struct cbor_reader reader = cbor_reader_over(in);
    int64_t key = CBOR_NO_KEY;
    uint32_t count, at = 0;

    if (in.size > MESSAGE_SIZE_MAX)
        return ERR_TOO_BIG;
    TRY(cbor_read_map(&reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(&reader, &key));
        for (; at < layout->count && layout->fields[at].key < key; at++) {
            if (layout->fields[at].required)
                return ERR_CORRUPT;
        }
        if (at == layout->count || layout->fields[at].key > key)
            TRY(cbor_skip(&reader));
        else
            TRY(read_field(&reader, &layout->fields[at++], message));
    }
    for (; at < layout->count; at++) {
        if (layout->fields[at].required)
            return ERR_CORRUPT;
    }
    return cbor_finish(&reader);
}

/* Canonical order of text keys: the shorter first, then bytewise (RFC 8949 4.2.1). */
static int key_order(struct span a, struct span b)
{
    if (a.size != b.size)
        return a.size < b.size ? -1 : 1;
    return memcmp(a.at, b.at, a.size);
}

static bool attribute_valid(const struct native_attribute *attribute)
{
    return attribute->name.size > 0 && attribute->name.size <= NAME_SIZE_MAX &&
           attribute->value.size <= ATTRIBUTE_SIZE_MAX && cbor_text_valid(attribute->name) &&
           cbor_text_valid(attribute->value);
}

/* The attribute that comes next after `last` in canonical order, NULL if there is none. */
static const struct native_attribute *next_attribute(const struct native_attributes *attributes,
                                                     const struct native_attribute *last)
{
    const struct native_attribute *best = NULL;

    for (uint32_t i = 0; i < attributes->count; i++) {
        const struct native_attribute *candidate = &attributes->list[i];

        if (last && key_order(candidate->name, last->name) <= 0)
            continue;
        if (!best || key_order(candidate->name, best->name) < 0)
            best = candidate;
    }
    return best;
}

static enum err write_attributes(const struct native_attributes *attributes, struct buf *out)
{
    const struct native_attribute *next = NULL;

    if (attributes->count > ATTRIBUTES_MAX)
        return ERR_INVALID;
    for (uint32_t i = 0; i < attributes->count; i++) {
        if (!attribute_valid(&attributes->list[i]))
            return ERR_INVALID;
    }
    cbor_write_map(out, attributes->count);
    for (uint32_t i = 0; i < attributes->count; i++) {
        next = next_attribute(attributes, next);
        if (!next) /* fewer different names than attributes */
            return ERR_INVALID;
        cbor_write_text(out, next->name);
        cbor_write_text(out, next->value);
    }
    return ERR_OK;
}

static bool field_present(const struct field *field, const void *message)
{
    const uint8_t *member = (const uint8_t *)message + field->offset;

    switch (field->kind) {
    case FIELD_UINT:
        return field->required || load_uint(member, field->size) != 0;
    case FIELD_TEXT:
    case FIELD_BYTES:
        return ((const struct span *)(const void *)member)->size != 0;
    case FIELD_DIGEST:
        return *(const bool *)member;
    case FIELD_ATTRIBUTES:
        return true;
    }
    CHECK(!"a field of some kind");
    return false;
}

static enum err write_field(const struct field *field, const void *message, struct buf *out)
{
    const uint8_t *member = (const uint8_t *)message + field->offset;
    const struct span *span = (const void *)member;

    cbor_write_uint(out, field->key);
    switch (field->kind) {
    case FIELD_UINT:
        if (load_uint(member, field->size) > field->max)
            return ERR_INVALID;
        cbor_write_uint(out, load_uint(member, field->size));
        return ERR_OK;
    case FIELD_TEXT:
        if (span->size > field->max || !cbor_text_valid(*span))
            return ERR_INVALID;
        cbor_write_text(out, *span);
        return ERR_OK;
    case FIELD_BYTES:
        if (span->size > field->max)
            return ERR_INVALID;
        cbor_write_bytes(out, *span);
        return ERR_OK;
    case FIELD_DIGEST:
        cbor_write_bytes(out, (struct span){member + 1, field->size});
        return ERR_OK;
    case FIELD_ATTRIBUTES:
        return write_attributes((const void *)member, out);
    }
    CHECK(!"a field of some kind");
    return ERR_INVALID;
}

static enum err write_message(const struct layout *layout, const void *message, struct buf *out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < layout->count; i++) {
        bool present = field_present(&layout->fields[i], message);

        if (!present && layout->fields[i].required)
            return ERR_INVALID;
        count += present;
    }
    cbor_write_map(out, count);
    for (uint32_t i = 0; i < layout->count; i++) {
        if (field_present(&layout->fields[i], message))
            TRY(write_field(&layout->fields[i], message, out));
    }
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

/* What a table cannot say: something to install needs all of its names. */
static enum err answer_check(const struct native_answer *answer)
{
    bool work = answer->kind == NATIVE_INSTALL || answer->kind == NATIVE_ROLLBACK;

    if (work && (answer->assignment == 0 || answer->target.size == 0))
        return ERR_CORRUPT;
    return ERR_OK;
}

static enum err report_check(const struct native_report *report)
{
    return report->id == 0 || report->assignment == 0 ? ERR_CORRUPT : ERR_OK;
}

/* Both directions of one message from its table. */
#define MESSAGE_ENCODE(of)                                                        \
    enum err native_##of##_encode(const struct native_##of *in, struct buf *out)  \
    {                                                                             \
        static const struct layout layout = {of##_fields, COUNT_OF(of##_fields)}; \
                                                                                  \
        return write_message(&layout, in, out);                                   \
    }
#define MESSAGE_DECODE(of, check)                                                 \
    enum err native_##of##_decode(struct span in, struct native_##of *out)        \
    {                                                                             \
        static const struct layout layout = {of##_fields, COUNT_OF(of##_fields)}; \
        struct native_##of message;                                               \
                                                                                  \
        memset(&message, 0, sizeof message);                                      \
        TRY(read_message(in, &layout, &message));                                 \
        TRY(check(&message));                                                     \
        *out = message;                                                           \
        return ERR_OK;                                                            \
    }
#define MESSAGE(of)       MESSAGE_ENCODE(of) MESSAGE_DECODE(of, no_check)
#define no_check(message) ERR_OK

/* clang-format off */
MESSAGE(enroll)
MESSAGE(enrolled)
MESSAGE(pending)
MESSAGE(renew)
MESSAGE(poll)
MESSAGE(details)
MESSAGE(verdict)
MESSAGE(inventory)
MESSAGE(error)
MESSAGE_ENCODE(answer)
MESSAGE_DECODE(answer, answer_check)
MESSAGE_ENCODE(report)
MESSAGE_DECODE(report, report_check)
/* clang-format on */

const char *native_phase_name(enum native_phase phase)
{
    static const char *const names[PHASE_COUNT] = {
        [PHASE_DOWNLOADING] = "downloading", [PHASE_STAGED] = "staged",
        [PHASE_SWITCHING] = "switching",     [PHASE_TRIAL] = "trial",
        [PHASE_SUCCEEDED] = "succeeded",     [PHASE_FAILED] = "failed",
        [PHASE_REVERTED] = "reverted",       [PHASE_REFUSED] = "refused",
        [PHASE_RECALLED] = "recalled",
    };

    CHECK(phase < PHASE_COUNT);
    return names[phase];
}

bool native_phase_final(enum native_phase phase)
{
    CHECK(phase < PHASE_COUNT);
    return phase >= PHASE_SUCCEEDED;
}
