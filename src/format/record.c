#include "format/record.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32.h"
#include "codec/cbor.h"

#define HEAD_SIZE 12u /* bytes: magic, sequence, size */
#define CRC_SIZE  4u

static const uint8_t magic[4] = {'S', 'L', 'R', '1'};

/* Keys of the record; docs/spec/record.md. Never reuse one. */
enum record_key {
    KEY_STATE = 1,
    KEY_BOOT_COUNT,
    KEY_SECURITY_FLOOR,
    KEY_REPORT_NEXT,
    KEY_POLL_FAILURES,
    KEY_WORK_FAILURES,
    KEY_ATTEMPTS,
    KEY_BANK_0,
    KEY_BANK_1,
    KEY_WORK,
    KEY_REPORT,
    KEY_FORM,
    KEY_FLOOR_WANTED,
    KEY_EPOCH,
    KEY_MANDATE
};

enum image_key {
    IMAGE_SHA256 = 1,
    IMAGE_LENGTH,
    IMAGE_SECURITY_VERSION,
    IMAGE_VERSION,
    IMAGE_RELEASE_COUNTER
};

enum work_key {
    WORK_ASSIGNMENT = 1,
    WORK_DOWNLOAD_BARRED,
    WORK_IMAGE,
    WORK_CHUNK_SIZE,
    WORK_CHUNKS_SHA256,
    WORK_SECURITY_FLOOR,
    WORK_SEALED
};

enum sealed_key {
    SEALED_ALG = 1,
    SEALED_SHA256,
    SEALED_WRAP
};

enum report_key {
    REPORT_ID = 1,
    REPORT_PHASE,
    REPORT_ERR,
    REPORT_REASON
};

enum mandate_key {
    MANDATE_SEQUENCE = 1,
    MANDATE_KEY_ID,
    MANDATE_ASSIGNMENT,
    MANDATE_OPEN
};

static void write_uint(struct buf *out, uint32_t key, uint64_t value)
{
    cbor_write_uint(out, key);
    cbor_write_uint(out, value);
}

static void write_image(struct buf *out, uint32_t key, const struct record_image *image)
{
    cbor_write_uint(out, key);
    cbor_write_map(out, image->known ? 5 : 0);
    if (!image->known)
        return;
    cbor_write_uint(out, IMAGE_SHA256);
    cbor_write_bytes(out, (struct span){image->sha256, DIGEST_SIZE});
    write_uint(out, IMAGE_LENGTH, image->length);
    write_uint(out, IMAGE_SECURITY_VERSION, image->security_version);
    cbor_write_uint(out, IMAGE_VERSION);
    cbor_write_text(out, span_of(image->version));
    write_uint(out, IMAGE_RELEASE_COUNTER, image->release_counter);
}

static void write_sealed(struct buf *out, const struct record_sealed *sealed)
{
    cbor_write_uint(out, WORK_SEALED);
    cbor_write_map(out, 3);
    write_uint(out, SEALED_ALG, sealed->alg);
    cbor_write_uint(out, SEALED_SHA256);
    cbor_write_bytes(out, (struct span){sealed->sha256, DIGEST_SIZE});
    cbor_write_uint(out, SEALED_WRAP);
    cbor_write_bytes(out, (struct span){sealed->wrap, sealed->wrap_size});
}

static void write_work(struct buf *out, const struct record_work *work)
{
    cbor_write_uint(out, KEY_WORK);
    cbor_write_map(out, 6u + work->sealed.used);
    write_uint(out, WORK_ASSIGNMENT, work->assignment);
    cbor_write_uint(out, WORK_DOWNLOAD_BARRED);
    cbor_write_bool(out, work->download_barred);
    write_image(out, WORK_IMAGE, &work->image);
    write_uint(out, WORK_CHUNK_SIZE, work->chunk_size);
    cbor_write_uint(out, WORK_CHUNKS_SHA256);
    cbor_write_bytes(out, (struct span){work->chunks_sha256, DIGEST_SIZE});
    write_uint(out, WORK_SECURITY_FLOOR, work->security_floor);
    if (work->sealed.used)
        write_sealed(out, &work->sealed);
}

static void write_report(struct buf *out, const struct record_report *report)
{
    cbor_write_uint(out, KEY_REPORT);
    cbor_write_map(out, 4);
    write_uint(out, REPORT_ID, report->id);
    write_uint(out, REPORT_PHASE, report->phase);
    write_uint(out, REPORT_ERR, report->err);
    write_uint(out, REPORT_REASON, report->reason);
}

static void write_mandate(struct buf *out, const struct record_mandate *last)
{
    cbor_write_uint(out, KEY_MANDATE);
    cbor_write_map(out, 4);
    write_uint(out, MANDATE_SEQUENCE, last->sequence);
    cbor_write_uint(out, MANDATE_KEY_ID);
    cbor_write_bytes(out, (struct span){last->key_id, RECORD_KEY_ID_SIZE});
    write_uint(out, MANDATE_ASSIGNMENT, last->assignment);
    cbor_write_uint(out, MANDATE_OPEN);
    cbor_write_bool(out, last->open);
}

static void write_record(struct buf *out, const struct record *record)
{
    bool work = record->work.assignment != 0, report = record->report.id != 0;
    bool mandate = record->last.sequence != 0;

    cbor_write_map(out, 12u + work + report + mandate);
    write_uint(out, KEY_STATE, record->state);
    write_uint(out, KEY_BOOT_COUNT, record->boot_count);
    write_uint(out, KEY_SECURITY_FLOOR, record->security_floor);
    write_uint(out, KEY_REPORT_NEXT, record->report_next);
    write_uint(out, KEY_POLL_FAILURES, record->poll_failures);
    write_uint(out, KEY_WORK_FAILURES, record->work_failures);
    write_uint(out, KEY_ATTEMPTS, record->attempts);
    write_image(out, KEY_BANK_0, &record->banks[0]);
    write_image(out, KEY_BANK_1, &record->banks[1]);
    if (work)
        write_work(out, &record->work);
    if (report)
        write_report(out, &record->report);
    write_uint(out, KEY_FORM, RECORD_FORM);
    write_uint(out, KEY_FLOOR_WANTED, record->floor_wanted);
    write_uint(out, KEY_EPOCH, record->epoch);
    if (mandate)
        write_mandate(out, &record->last);
}

enum err record_encode(const struct record *record, uint32_t sequence, struct buf *out)
{
    uint8_t number[4];
    size_t start = out->size;

    if (out->overflow || out->room - out->size < HEAD_SIZE + CRC_SIZE)
        return ERR_TOO_BIG;
    buf_put(out, magic, sizeof magic);
    store_le32(number, sequence);
    buf_put(out, number, sizeof number);
    buf_put(out, number, sizeof number); /* the size, known only afterwards */
    write_record(out, record);
    if (out->overflow)
        return ERR_TOO_BIG;
    store_le32(out->at + start + 8, (uint32_t)(out->size - start - HEAD_SIZE));
    store_le32(number, crc32(0, out->at + start, out->size - start));
    buf_put(out, number, sizeof number);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

static enum err read_u32(struct cbor_reader *reader, uint32_t *out)
{
    uint64_t value;

    TRY(cbor_read_uint(reader, &value));
    if (value > UINT32_MAX)
        return ERR_CORRUPT;
    *out = (uint32_t)value;
    return ERR_OK;
}

static enum err read_version(struct cbor_reader *reader, char out[VERSION_SIZE_MAX + 1])
{
    struct span text;

    TRY(cbor_read_text(reader, &text));
    return span_to_text(text, out, VERSION_SIZE_MAX + 1) ? ERR_OK : ERR_CORRUPT;
}

static enum err read_image(struct cbor_reader *reader, struct record_image *out)
{
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &key));
        switch (key) {
        case IMAGE_SHA256:
            TRY(cbor_read_exactly(reader, out->sha256, DIGEST_SIZE));
            out->known = true;
            break;
        case IMAGE_LENGTH:
            TRY(cbor_read_uint(reader, &out->length));
            break;
        case IMAGE_SECURITY_VERSION:
            TRY(read_u32(reader, &out->security_version));
            break;
        case IMAGE_VERSION:
            TRY(read_version(reader, out->version));
            break;
        case IMAGE_RELEASE_COUNTER:
            TRY(read_u32(reader, &out->release_counter));
            break;
        default:
            TRY(cbor_skip(reader));
        }
    }
    return ERR_OK;
}

static enum err read_wrap(struct cbor_reader *reader, struct record_sealed *out)
{
    struct span wrap;

    TRY(cbor_read_bytes(reader, &wrap));
    if (wrap.size > sizeof out->wrap)
        return ERR_TOO_BIG;
    memcpy(out->wrap, wrap.at, wrap.size);
    out->wrap_size = (uint32_t)wrap.size;
    return ERR_OK;
}

static enum err read_sealed(struct cbor_reader *reader, struct record_sealed *out)
{
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &key));
        switch (key) {
        case SEALED_ALG:
            TRY(read_u32(reader, &out->alg));
            break;
        case SEALED_SHA256:
            TRY(cbor_read_exactly(reader, out->sha256, DIGEST_SIZE));
            break;
        case SEALED_WRAP:
            TRY(read_wrap(reader, out));
            break;
        default:
            TRY(cbor_skip(reader));
        }
    }
    out->used = true;
    return ERR_OK;
}

static enum err read_work(struct cbor_reader *reader, struct record_work *out)
{
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &key));
        switch (key) {
        case WORK_ASSIGNMENT:
            TRY(cbor_read_uint(reader, &out->assignment));
            break;
        case WORK_DOWNLOAD_BARRED:
            TRY(cbor_read_bool(reader, &out->download_barred));
            break;
        case WORK_IMAGE:
            TRY(read_image(reader, &out->image));
            break;
        case WORK_CHUNK_SIZE:
            TRY(read_u32(reader, &out->chunk_size));
            break;
        case WORK_CHUNKS_SHA256:
            TRY(cbor_read_exactly(reader, out->chunks_sha256, DIGEST_SIZE));
            break;
        case WORK_SECURITY_FLOOR:
            TRY(read_u32(reader, &out->security_floor));
            break;
        case WORK_SEALED:
            TRY(read_sealed(reader, &out->sealed));
            break;
        default:
            TRY(cbor_skip(reader));
        }
    }
    return ERR_OK;
}

static enum err read_report(struct cbor_reader *reader, struct record_report *out)
{
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &key));
        switch (key) {
        case REPORT_ID:
            TRY(cbor_read_uint(reader, &out->id));
            break;
        case REPORT_PHASE:
            TRY(read_u32(reader, &out->phase));
            break;
        case REPORT_ERR:
            TRY(read_u32(reader, &out->err));
            break;
        case REPORT_REASON:
            TRY(read_u32(reader, &out->reason));
            break;
        default:
            TRY(cbor_skip(reader));
        }
    }
    return ERR_OK;
}

static enum err read_mandate(struct cbor_reader *reader, struct record_mandate *out)
{
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(reader, &key));
        switch (key) {
        case MANDATE_SEQUENCE:
            TRY(cbor_read_uint(reader, &out->sequence));
            break;
        case MANDATE_KEY_ID:
            TRY(cbor_read_exactly(reader, out->key_id, RECORD_KEY_ID_SIZE));
            break;
        case MANDATE_ASSIGNMENT:
            TRY(cbor_read_uint(reader, &out->assignment));
            break;
        case MANDATE_OPEN:
            TRY(cbor_read_bool(reader, &out->open));
            break;
        default:
            TRY(cbor_skip(reader));
        }
    }
    return ERR_OK;
}

static enum err read_member(struct cbor_reader *reader, int64_t key, struct record *out)
{
    switch (key) {
    case KEY_STATE:
        return read_u32(reader, &out->state);
    case KEY_BOOT_COUNT:
        return read_u32(reader, &out->boot_count);
    case KEY_SECURITY_FLOOR:
        return read_u32(reader, &out->security_floor);
    case KEY_REPORT_NEXT:
        return cbor_read_uint(reader, &out->report_next);
    case KEY_POLL_FAILURES:
        return read_u32(reader, &out->poll_failures);
    case KEY_WORK_FAILURES:
        return read_u32(reader, &out->work_failures);
    case KEY_ATTEMPTS:
        return read_u32(reader, &out->attempts);
    case KEY_BANK_0:
        return read_image(reader, &out->banks[0]);
    case KEY_BANK_1:
        return read_image(reader, &out->banks[1]);
    case KEY_WORK:
        return read_work(reader, &out->work);
    case KEY_REPORT:
        return read_report(reader, &out->report);
    case KEY_FLOOR_WANTED:
        return read_u32(reader, &out->floor_wanted);
    case KEY_EPOCH:
        return read_u32(reader, &out->epoch);
    case KEY_MANDATE:
        return read_mandate(reader, &out->last);
    default:
        return cbor_skip(reader);
    }
}

static enum err read_record(struct span bytes, struct record *out)
{
    struct cbor_reader reader = cbor_reader_over(bytes);
    int64_t key = CBOR_NO_KEY;
    uint32_t count;

    TRY(cbor_read_map(&reader, &count));
    for (uint32_t i = 0; i < count; i++) {
        TRY(cbor_read_key(&reader, &key));
        TRY(read_member(&reader, key, out));
    }
    return cbor_finish(&reader);
}

enum err record_decode(struct span slot, struct record *out, uint32_t *sequence_out)
{
    struct record record;
    uint32_t size;

    if (slot.size < HEAD_SIZE + CRC_SIZE || memcmp(slot.at, magic, sizeof magic) != 0)
        return ERR_CORRUPT;
    size = load_le32(slot.at + 8);
    if (size > slot.size - HEAD_SIZE - CRC_SIZE)
        return ERR_CORRUPT;
    if (load_le32(slot.at + HEAD_SIZE + size) != crc32(0, slot.at, HEAD_SIZE + size))
        return ERR_CORRUPT;
    memset(&record, 0, sizeof record);
    TRY(read_record((struct span){slot.at + HEAD_SIZE, size}, &record));
    *out = record;
    *sequence_out = load_le32(slot.at + 4);
    return ERR_OK;
}

/* Sequence numbers wrap after four thousand million saves; the newer one is still ahead. */
static bool newer(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

enum err record_load(const struct record_slots *slots, struct record *out, uint32_t *sequence_out)
{
    uint8_t bytes[RECORD_SLOT_SIZE];
    uint32_t sequence, best = 0;
    bool found = false, broken = false;

    for (uint32_t slot = 0; slot < RECORD_SLOTS; slot++) {
        struct record record;
        enum err err = slots->ops->read(slots->self, slot, bytes, sizeof bytes);

        if (err != ERR_OK && err != ERR_NOT_FOUND)
            broken = true;
        if (err != ERR_OK ||
            record_decode((struct span){bytes, sizeof bytes}, &record, &sequence) != ERR_OK)
            continue;
        if (found && !newer(sequence, best))
            continue;
        *out = record;
        best = sequence;
        found = true;
    }
    if (!found)
        return broken ? ERR_STORAGE : ERR_NOT_FOUND;
    *sequence_out = best;
    return ERR_OK;
}

enum err record_save(const struct record_slots *slots, const struct record *record,
                     uint32_t *sequence)
{
    uint8_t bytes[RECORD_SLOT_SIZE];
    struct buf out = buf_over(bytes, sizeof bytes);
    uint32_t next = *sequence + 1;

    /* A record past the slot would be a limit forgotten here, not bad input. */
    CHECK(record_encode(record, next, &out) == ERR_OK);
    TRY(slots->ops->write(slots->self, next % RECORD_SLOTS, bytes, (uint32_t)out.size));
    *sequence = next;
    return ERR_OK;
}
