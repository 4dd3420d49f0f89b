#include "format/cose.h"

#include "base/check.h"
#include "codec/cbor.h"

/* Tags as they are written (RFC 9052 table 1); codec/cbor.h knows no tags. */
#define SIGN1_TAG SPAN_LITERAL("\xD2")
#define SIGN_TAG  SPAN_LITERAL("\xD8\x62")

/* Header parameters (RFC 9052 table 3) and algorithms (RFC 9053 tables 1 and 2). */
#define HEADER_ALG    1
#define HEADER_KID    4
#define COSE_ES256    (-7)
#define COSE_EDDSA    (-8)
#define HEADER_SIZE   13u /* bytes of the protected header */
#define MESSAGE_ITEMS 4u
#define EACH_ITEMS    3u

static enum err refuse_unless(bool good)
{
    return good ? ERR_OK : ERR_CORRUPT;
}

static bool skip_tag(struct span *in, struct span tag)
{
    if (in->size < tag.size || memcmp(in->at, tag.at, tag.size) != 0)
        return false;
    in->at += tag.size;
    in->size -= tag.size;
    return true;
}

static enum err read_empty_map(struct cbor_reader *reader)
{
    uint32_t count;

    TRY(cbor_read_map(reader, &count));
    return refuse_unless(count == 0);
}

static enum err read_alg(struct cbor_reader *reader, enum verify_alg *out)
{
    int64_t alg;

    TRY(cbor_read_int(reader, &alg));
    if (alg != COSE_EDDSA && alg != COSE_ES256)
        return ERR_CORRUPT;
    *out = alg == COSE_EDDSA ? VERIFY_ED25519 : VERIFY_ES256;
    return ERR_OK;
}

/* { 1: alg, 4: kid } */
static enum err read_header(struct cbor_reader *outer, struct cose_signature *out)
{
    struct cbor_reader reader;
    struct span bytes;
    uint64_t alg = 0, kid = 0;
    uint32_t count;

    TRY(cbor_read_bytes(outer, &bytes));
    reader = cbor_reader_over(bytes);
    TRY(cbor_read_map(&reader, &count));
    TRY(cbor_read_uint(&reader, &alg));
    TRY(refuse_unless(count == 2 && alg == HEADER_ALG));
    TRY(read_alg(&reader, &out->alg));
    TRY(cbor_read_uint(&reader, &kid));
    TRY(refuse_unless(kid == HEADER_KID));
    TRY(cbor_read_exactly(&reader, out->kid, sizeof out->kid));
    return cbor_finish(&reader);
}

static enum err read_payload(struct cbor_reader *reader, struct span *out)
{
    TRY(cbor_read_bytes(reader, out));
    return refuse_unless(out->size > 0);
}

enum err cose_sign1_read(struct span in, struct cose_sign1 *out)
{
    struct cose_sign1 message = {0};
    struct cbor_reader reader;

    TRY(refuse_unless(skip_tag(&in, SIGN1_TAG)));
    reader = cbor_reader_over(in);
    TRY(cbor_read_array_of(&reader, MESSAGE_ITEMS));
    TRY(read_header(&reader, &message.signature));
    TRY(read_empty_map(&reader));
    TRY(read_payload(&reader, &message.payload));
    TRY(cbor_read_exactly(&reader, message.signature.bytes, sizeof message.signature.bytes));
    TRY(cbor_finish(&reader));
    *out = message;
    return ERR_OK;
}

static enum err read_each(struct cbor_reader *reader, struct cose_signature *out)
{
    TRY(cbor_read_array_of(reader, EACH_ITEMS));
    TRY(read_header(reader, out));
    TRY(read_empty_map(reader));
    return cbor_read_exactly(reader, out->bytes, sizeof out->bytes);
}

static int kid_order(const struct cose_signature *a, const struct cose_signature *b)
{
    return memcmp(a->kid, b->kid, sizeof a->kid);
}

static enum err read_signatures(struct cbor_reader *reader, struct cose_sign *out)
{
    uint32_t count;

    TRY(cbor_read_array(reader, &count));
    TRY(refuse_unless(count > 0));
    if (count > COSE_SIGNATURES_MAX)
        return ERR_TOO_BIG;
    for (uint32_t i = 0; i < count; i++) {
        TRY(read_each(reader, &out->signatures[i]));
        if (i > 0)
            TRY(refuse_unless(kid_order(&out->signatures[i - 1], &out->signatures[i]) < 0));
    }
    out->count = count;
    return ERR_OK;
}

enum err cose_sign_read(struct span in, struct cose_sign *out)
{
    struct cose_sign message = {0};
    struct cbor_reader reader;
    struct span no_header;

    TRY(refuse_unless(skip_tag(&in, SIGN_TAG)));
    reader = cbor_reader_over(in);
    TRY(cbor_read_array_of(&reader, MESSAGE_ITEMS));
    TRY(cbor_read_bytes(&reader, &no_header));
    TRY(refuse_unless(no_header.size == 0));
    TRY(read_empty_map(&reader));
    TRY(read_payload(&reader, &message.payload));
    TRY(read_signatures(&reader, &message));
    TRY(cbor_finish(&reader));
    *out = message;
    return ERR_OK;
}

static void write_header(enum verify_alg alg, const uint8_t *kid, struct buf *out)
{
    uint8_t room[HEADER_SIZE];
    struct buf header = buf_over(room, sizeof room);

    CHECK(alg == VERIFY_ED25519 || alg == VERIFY_ES256);
    cbor_write_map(&header, 2);
    cbor_write_uint(&header, HEADER_ALG);
    cbor_write_int(&header, alg == VERIFY_ED25519 ? COSE_EDDSA : COSE_ES256);
    cbor_write_uint(&header, HEADER_KID);
    cbor_write_bytes(&header, (struct span){kid, VERIFY_KID_SIZE});
    CHECK(header.size == HEADER_SIZE && !header.overflow);
    cbor_write_bytes(out, (struct span){room, HEADER_SIZE});
}

static void write_signature(const struct cose_signature *signature, struct buf *out)
{
    cbor_write_bytes(out, (struct span){signature->bytes, sizeof signature->bytes});
}

void cose_sign1_write(const struct cose_sign1 *in, struct buf *out)
{
    buf_span(out, SIGN1_TAG);
    cbor_write_array(out, MESSAGE_ITEMS);
    write_header(in->signature.alg, in->signature.kid, out);
    cbor_write_map(out, 0);
    cbor_write_bytes(out, in->payload);
    write_signature(&in->signature, out);
}

void cose_sign_write(const struct cose_sign *in, struct buf *out)
{
    CHECK(in->count > 0 && in->count <= COSE_SIGNATURES_MAX);
    buf_span(out, SIGN_TAG);
    cbor_write_array(out, MESSAGE_ITEMS);
    cbor_write_bytes(out, (struct span){0});
    cbor_write_map(out, 0);
    cbor_write_bytes(out, in->payload);
    cbor_write_array(out, in->count);
    for (uint32_t i = 0; i < in->count; i++) {
        CHECK(i == 0 || kid_order(&in->signatures[i - 1], &in->signatures[i]) < 0);
        cbor_write_array(out, EACH_ITEMS);
        write_header(in->signatures[i].alg, in->signatures[i].kid, out);
        cbor_write_map(out, 0);
        write_signature(&in->signatures[i], out);
    }
}

enum err cose_sign_add(struct cose_sign *sign, const struct cose_signature *signature)
{
    uint32_t at = 0;

    while (at < sign->count && kid_order(&sign->signatures[at], signature) < 0)
        at++;
    if (at < sign->count && kid_order(&sign->signatures[at], signature) == 0) {
        sign->signatures[at] = *signature;
        return ERR_OK;
    }
    if (sign->count == COSE_SIGNATURES_MAX)
        return ERR_TOO_BIG;
    memmove(&sign->signatures[at + 1], &sign->signatures[at],
            (sign->count - at) * sizeof sign->signatures[0]);
    sign->signatures[at] = *signature;
    sign->count++;
    return ERR_OK;
}

void cose_sign1_tbs(const struct verify_key *key, struct span domain, struct span payload,
                    struct buf *out)
{
    cbor_write_array(out, 4);
    cbor_write_text(out, SPAN_LITERAL("Signature1"));
    write_header(key->alg, key->kid, out);
    cbor_write_bytes(out, domain);
    cbor_write_bytes(out, payload);
}

void cose_sign_tbs(const struct verify_key *key, struct span domain, struct span payload,
                   struct buf *out)
{
    cbor_write_array(out, 5);
    cbor_write_text(out, SPAN_LITERAL("Signature"));
    cbor_write_bytes(out, (struct span){0}); /* the message's own header */
    write_header(key->alg, key->kid, out);
    cbor_write_bytes(out, domain);
    cbor_write_bytes(out, payload);
}

static bool is_by(const struct cose_signature *signature, const struct verify_key *key)
{
    return signature->alg == key->alg && memcmp(signature->kid, key->kid, sizeof key->kid) == 0;
}

static bool good_over(const struct buf *tbs, const struct cose_signature *signature,
                      const struct verify_key *key, const struct cose_check *check)
{
    return !tbs->overflow && verify_good(check->verify, key, buf_written(tbs),
                                         (struct span){signature->bytes, sizeof signature->bytes});
}

bool cose_sign1_good(const struct cose_sign1 *in, const struct verify_key *key,
                     const struct cose_check *check)
{
    struct buf tbs = buf_over(check->room, check->room_size);

    if (!is_by(&in->signature, key))
        return false;
    cose_sign1_tbs(key, check->domain, in->payload, &tbs);
    return good_over(&tbs, &in->signature, key, check);
}

static bool signed_by(const struct cose_sign *in, const struct verify_key *key,
                      const struct cose_check *check)
{
    struct buf tbs = buf_over(check->room, check->room_size);
    uint32_t at = 0;

    while (at < in->count && !is_by(&in->signatures[at], key))
        at++;
    if (at == in->count)
        return false;
    cose_sign_tbs(key, check->domain, in->payload, &tbs);
    return good_over(&tbs, &in->signatures[at], key, check);
}

uint32_t cose_sign_count(const struct cose_sign *in, const struct verify_key *keys, uint32_t count,
                         const struct cose_check *check)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < count; i++)
        good += signed_by(in, &keys[i], check);
    return good;
}
