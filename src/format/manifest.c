#include "format/manifest.h"

#include "codec/cbor.h"

#define MAGIC "SWM1"

/* Keys of the map, never used for anything else. Up to KEY_CHUNKS_SHA256 all are there. */
enum key {
    KEY_MAGIC = 1,
    KEY_TARGET,
    KEY_PRODUCT,
    KEY_VERSION,
    KEY_HARDWARE,
    KEY_SECURITY_VERSION,
    KEY_SECURITY_FLOOR,
    KEY_RELEASE_COUNTER,
    KEY_ISSUED,
    KEY_KIND,
    KEY_LENGTH,
    KEY_SHA256,
    KEY_CHUNK_SIZE,
    KEY_CHUNKS_SHA256,
    KEY_BASES,
    KEY_SEALED,
    KEY_SLOT
};

#define NEEDED       ((uint32_t)KEY_CHUNKS_SHA256)
#define SEALED_ITEMS 4u
#define SLOT_ITEMS   3u

static enum err refuse_unless(bool good)
{
    return good ? ERR_OK : ERR_CORRUPT;
}

static enum err read_key(struct cbor_reader *reader, enum key key)
{
    uint64_t found;

    TRY(cbor_read_uint(reader, &found));
    return refuse_unless(found == (uint64_t)key);
}

static enum err read_text(struct cbor_reader *reader, char *to, size_t to_size)
{
    struct span text;

    TRY(cbor_read_text(reader, &text));
    return refuse_unless(span_to_text(text, to, to_size));
}

static enum err read_u32(struct cbor_reader *reader, enum key key, uint32_t *out)
{
    uint64_t value;

    TRY(read_key(reader, key));
    TRY(cbor_read_uint(reader, &value));
    TRY(refuse_unless(value <= UINT32_MAX));
    *out = (uint32_t)value;
    return ERR_OK;
}

static enum err read_magic(struct cbor_reader *reader)
{
    struct span magic;

    TRY(read_key(reader, KEY_MAGIC));
    TRY(cbor_read_text(reader, &magic));
    return refuse_unless(span_is(magic, MAGIC));
}

static enum err read_hardware(struct cbor_reader *reader, struct release_facts *facts)
{
    uint32_t count;

    TRY(read_key(reader, KEY_HARDWARE));
    TRY(cbor_read_array(reader, &count));
    if (count > HARDWARE_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < count; i++)
        TRY(read_text(reader, facts->hardware[i], sizeof facts->hardware[i]));
    facts->hardware_count = count;
    return ERR_OK;
}

static enum err read_kind(struct cbor_reader *reader, enum release_kind *out)
{
    uint32_t kind;

    TRY(read_u32(reader, KEY_KIND, &kind));
    TRY(refuse_unless(kind == RELEASE_FEATURE || kind == RELEASE_SECURITY));
    *out = (enum release_kind)kind;
    return ERR_OK;
}

static enum err read_names(struct cbor_reader *reader, struct manifest *out)
{
    struct release_facts *facts = &out->facts;

    TRY(read_key(reader, KEY_TARGET));
    TRY(read_text(reader, out->target, sizeof out->target));
    TRY(read_key(reader, KEY_PRODUCT));
    TRY(read_text(reader, facts->product, sizeof facts->product));
    TRY(read_key(reader, KEY_VERSION));
    TRY(read_text(reader, facts->version, sizeof facts->version));
    return read_hardware(reader, facts);
}

static enum err read_counters(struct cbor_reader *reader, struct release_facts *facts)
{
    TRY(read_u32(reader, KEY_SECURITY_VERSION, &facts->security_version));
    TRY(read_u32(reader, KEY_SECURITY_FLOOR, &facts->security_floor));
    TRY(read_u32(reader, KEY_RELEASE_COUNTER, &facts->release_counter));
    TRY(read_key(reader, KEY_ISSUED));
    TRY(cbor_read_uint(reader, &facts->issued_s));
    return read_kind(reader, &facts->kind);
}

static enum err read_image(struct cbor_reader *reader, struct release_facts *facts)
{
    TRY(read_key(reader, KEY_LENGTH));
    TRY(cbor_read_uint(reader, &facts->length));
    TRY(read_key(reader, KEY_SHA256));
    TRY(cbor_read_exactly(reader, facts->sha256, DIGEST_SIZE));
    TRY(read_u32(reader, KEY_CHUNK_SIZE, &facts->chunk_size));
    TRY(read_key(reader, KEY_CHUNKS_SHA256));
    return cbor_read_exactly(reader, facts->chunks_sha256, DIGEST_SIZE);
}

/* A digest is a byte string, a version is text. */
static enum err read_base(struct cbor_reader *reader, struct release_base *out)
{
    out->by_digest = cbor_peek(reader) == CBOR_BYTES;
    if (out->by_digest)
        return cbor_read_exactly(reader, out->sha256, DIGEST_SIZE);
    return read_text(reader, out->version, sizeof out->version);
}

static enum err read_bases(struct cbor_reader *reader, struct release_facts *facts)
{
    uint32_t count;

    TRY(cbor_read_array(reader, &count));
    TRY(refuse_unless(count > 0));
    if (count > BASES_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < count; i++)
        TRY(read_base(reader, &facts->bases[i]));
    facts->bases_count = count;
    return ERR_OK;
}

static enum err read_sealed(struct cbor_reader *reader, struct release_sealed *out)
{
    uint64_t alg;

    TRY(cbor_read_array_of(reader, SEALED_ITEMS));
    TRY(cbor_read_uint(reader, &alg));
    TRY(refuse_unless(alg < AEAD_COUNT));
    out->used = true;
    out->alg = (enum aead_kind)alg;
    TRY(cbor_read_uint(reader, &out->length));
    TRY(cbor_read_exactly(reader, out->sha256, DIGEST_SIZE));
    return cbor_read_exactly(reader, out->key_check, DIGEST_SIZE);
}

static enum err read_slot(struct cbor_reader *reader, struct manifest_slot *out)
{
    uint64_t fill;

    TRY(cbor_read_array_of(reader, SLOT_ITEMS));
    TRY(cbor_read_uint(reader, &out->length));
    TRY(cbor_read_uint(reader, &fill));
    TRY(refuse_unless(fill <= UINT8_MAX));
    out->known = true;
    out->fill = (uint8_t)fill;
    return cbor_read_exactly(reader, out->sha256, DIGEST_SIZE);
}

static enum err read_optional(struct cbor_reader *reader, int64_t key, struct manifest *out)
{
    switch (key) {
    case KEY_BASES:
        return read_bases(reader, &out->facts);
    case KEY_SEALED:
        return read_sealed(reader, &out->facts.sealed);
    case KEY_SLOT:
        return read_slot(reader, &out->slot);
    default:
        return ERR_CORRUPT;
    }
}

/* What manifests state beside the facts. */
static bool rest_ok(const struct manifest *manifest)
{
    return manifest->target[0] != '\0' &&
           (!manifest->slot.known || manifest->slot.length >= manifest->facts.length);
}

static enum err read_all(struct span payload, struct manifest *out)
{
    struct cbor_reader reader = cbor_reader_over(payload);
    int64_t last = KEY_CHUNKS_SHA256;
    uint32_t count;

    if (payload.size > MANIFEST_PAYLOAD_MAX)
        return ERR_TOO_BIG;
    TRY(cbor_read_map(&reader, &count));
    TRY(refuse_unless(count >= NEEDED));
    TRY(read_magic(&reader));
    TRY(read_names(&reader, out));
    TRY(read_counters(&reader, &out->facts));
    TRY(read_image(&reader, &out->facts));
    for (uint32_t i = NEEDED; i < count; i++) {
        TRY(cbor_read_key(&reader, &last));
        TRY(read_optional(&reader, last, out));
    }
    TRY(cbor_finish(&reader));
    TRY(release_facts_check(&out->facts, NULL));
    return refuse_unless(rest_ok(out));
}

enum err manifest_read(struct span payload, struct manifest *out)
{
    enum err err;

    memset(out, 0, sizeof *out);
    err = read_all(payload, out);
    if (err != ERR_OK)
        memset(out, 0, sizeof *out);
    return err;
}

static void write_text(enum key key, const char *text, struct buf *out)
{
    cbor_write_uint(out, key);
    cbor_write_text(out, span_of(text));
}

static void write_uint(enum key key, uint64_t value, struct buf *out)
{
    cbor_write_uint(out, key);
    cbor_write_uint(out, value);
}

static void write_digest(const uint8_t sha256[DIGEST_SIZE], struct buf *out)
{
    cbor_write_bytes(out, (struct span){sha256, DIGEST_SIZE});
}

static void write_facts(const struct release_facts *facts, struct buf *out)
{
    write_text(KEY_PRODUCT, facts->product, out);
    write_text(KEY_VERSION, facts->version, out);
    cbor_write_uint(out, KEY_HARDWARE);
    cbor_write_array(out, facts->hardware_count);
    for (uint32_t i = 0; i < facts->hardware_count; i++)
        cbor_write_text(out, span_of(facts->hardware[i]));
    write_uint(KEY_SECURITY_VERSION, facts->security_version, out);
    write_uint(KEY_SECURITY_FLOOR, facts->security_floor, out);
    write_uint(KEY_RELEASE_COUNTER, facts->release_counter, out);
    write_uint(KEY_ISSUED, facts->issued_s, out);
    write_uint(KEY_KIND, (uint64_t)facts->kind, out);
    write_uint(KEY_LENGTH, facts->length, out);
    cbor_write_uint(out, KEY_SHA256);
    write_digest(facts->sha256, out);
    write_uint(KEY_CHUNK_SIZE, facts->chunk_size, out);
    cbor_write_uint(out, KEY_CHUNKS_SHA256);
    write_digest(facts->chunks_sha256, out);
}

static void write_bases(const struct release_facts *facts, struct buf *out)
{
    if (facts->bases_count == 0)
        return;
    cbor_write_uint(out, KEY_BASES);
    cbor_write_array(out, facts->bases_count);
    for (uint32_t i = 0; i < facts->bases_count; i++) {
        if (facts->bases[i].by_digest)
            write_digest(facts->bases[i].sha256, out);
        else
            cbor_write_text(out, span_of(facts->bases[i].version));
    }
}

static void write_sealed(const struct release_sealed *sealed, struct buf *out)
{
    if (!sealed->used)
        return;
    cbor_write_uint(out, KEY_SEALED);
    cbor_write_array(out, SEALED_ITEMS);
    cbor_write_uint(out, (uint64_t)sealed->alg);
    cbor_write_uint(out, sealed->length);
    write_digest(sealed->sha256, out);
    write_digest(sealed->key_check, out);
}

static void write_slot(const struct manifest_slot *slot, struct buf *out)
{
    if (!slot->known)
        return;
    cbor_write_uint(out, KEY_SLOT);
    cbor_write_array(out, SLOT_ITEMS);
    cbor_write_uint(out, slot->length);
    cbor_write_uint(out, slot->fill);
    write_digest(slot->sha256, out);
}

enum err manifest_write(const struct manifest *manifest, struct buf *out)
{
    const struct release_facts *facts = &manifest->facts;
    size_t before = out->size;

    if (release_facts_check(facts, NULL) != ERR_OK || !rest_ok(manifest))
        return ERR_INVALID;
    cbor_write_map(out,
                   NEEDED + (facts->bases_count > 0) + facts->sealed.used + manifest->slot.known);
    write_text(KEY_MAGIC, MAGIC, out);
    write_text(KEY_TARGET, manifest->target, out);
    write_facts(facts, out);
    write_bases(facts, out);
    write_sealed(&facts->sealed, out);
    write_slot(&manifest->slot, out);
    return out->overflow || out->size - before > MANIFEST_PAYLOAD_MAX ? ERR_TOO_BIG : ERR_OK;
}
