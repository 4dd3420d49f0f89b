#include "fleet/audit.h"

#include "base/check.h"
#include "codec/hex.h"
#include "codec/utf8.h"
#include "crypto/sha256.h"

#define HASH_HEX_SIZE (2u * DIGEST_SIZE)

/* --- writing --- */

static void put_escape(struct buf *out, uint8_t byte)
{
    if (byte == '"' || byte == '\\') {
        buf_byte(out, '\\');
        buf_byte(out, byte);
    } else {
        buf_text(out, "\\u00");
        buf_hex(out, (struct span){&byte, 1});
    }
}

static void put_text(struct buf *out, struct span text)
{
    buf_byte(out, '"');
    while (text.size > 0) {
        size_t size = utf8_size(text);

        if (size == 0) {
            buf_text(out, UTF8_REPLACEMENT);
            size = 1;
        } else if (size == 1 && (text.at[0] < 0x20 || text.at[0] == '"' || text.at[0] == '\\' ||
                                 text.at[0] == 0x7f)) {
            put_escape(out, text.at[0]);
        } else {
            buf_put(out, text.at, size);
        }
        text.at += size;
        text.size -= size;
    }
    buf_byte(out, '"');
}

static void put_member(struct buf *out, const char *name, struct span text)
{
    buf_text(out, ",\"");
    buf_text(out, name);
    buf_text(out, "\":");
    put_text(out, text);
}

static void put_hash(struct buf *out, const uint8_t hash[DIGEST_SIZE])
{
    buf_byte(out, '"');
    buf_hex(out, (struct span){hash, DIGEST_SIZE});
    buf_byte(out, '"');
}

void audit_entry_print(const struct audit_entry *entry, struct buf *out)
{
    char at[UTC_TEXT_SIZE];

    CHECK(entry->seq > 0);
    utc_format(entry->at, at);
    buf_text(out, "{\"seq\":");
    buf_uint(out, entry->seq);
    put_member(out, "at", span_of(at));
    put_member(out, "tenant", entry->tenant);
    put_member(out, "actor", entry->actor);
    put_member(out, "action", entry->action);
    put_member(out, "object", entry->object);
    put_member(out, "outcome", entry->refused ? SPAN_LITERAL("refused") : SPAN_LITERAL("done"));
    put_member(out, "detail", entry->detail);
    buf_byte(out, '}');
}

void audit_chain(const uint8_t previous[DIGEST_SIZE], struct span canonical,
                 uint8_t hash[DIGEST_SIZE])
{
    struct sha256 sha;

    CHECK(canonical.size > 0);
    sha256_init(&sha);
    sha256_update(&sha, (struct span){previous, DIGEST_SIZE});
    sha256_update(&sha, canonical);
    sha256_done(&sha, hash);
}

void audit_line_print(struct span canonical, const uint8_t hash[DIGEST_SIZE], struct buf *out)
{
    CHECK(canonical.size > 0);
    buf_text(out, "{\"entry\":");
    buf_span(out, canonical);
    buf_text(out, ",\"hash\":");
    put_hash(out, hash);
    buf_byte(out, '}');
}

static void put_head(uint64_t seq, const uint8_t hash[DIGEST_SIZE], struct buf *out)
{
    buf_text(out, "{\"head\":{\"seq\":");
    buf_uint(out, seq);
    buf_text(out, ",\"hash\":");
    put_hash(out, hash);
}

void audit_head_signed_text(uint64_t seq, const uint8_t hash[DIGEST_SIZE], struct buf *out)
{
    buf_text(out, "slipway audit head 1\n"); /* so that it cannot be taken for anything else */
    put_head(seq, hash, out);
    buf_text(out, "}}\n");
}

void audit_head_print(uint64_t seq, const uint8_t hash[DIGEST_SIZE], struct span signature,
                      struct span key, struct buf *out)
{
    put_head(seq, hash, out);
    buf_text(out, ",\"signature\":\"");
    buf_hex(out, signature);
    buf_text(out, "\",\"key\":\"");
    buf_hex(out, key);
    buf_text(out, "\"}}");
}

/* --- verifying --- */

/* Take `text` off the front of `rest`; false when it does not stand there. */
static bool take(struct span *rest, const char *text)
{
    struct span want = span_of(text);

    if (rest->size < want.size || memcmp(rest->at, want.at, want.size) != 0)
        return false;
    rest->at += want.size;
    rest->size -= want.size;
    return true;
}

/* A decimal number as we print it: no leading zero, at most 19 digits. */
static bool take_number(struct span *rest, uint64_t *out)
{
    uint64_t value = 0;
    size_t digits = 0;

    while (digits < rest->size && rest->at[digits] >= '0' && rest->at[digits] <= '9') {
        value = value * 10 + (uint64_t)(rest->at[digits] - '0');
        if (++digits > 19)
            return false;
    }
    if (digits == 0 || rest->at[0] == '0')
        return false;
    rest->at += digits;
    rest->size -= digits;
    *out = value;
    return true;
}

/* `count` lower-case hex digits; one spelling only, or an altered line could pass. */
static bool all_lower_hex(struct span digits)
{
    for (size_t i = 0; i < digits.size; i++)
        if (!((digits.at[i] >= '0' && digits.at[i] <= '9') ||
              (digits.at[i] >= 'a' && digits.at[i] <= 'f')))
            return false;
    return true;
}

static bool take_hex(struct span *rest, uint8_t *out, size_t size)
{
    struct span digits = {rest->at, 2 * size};

    if (rest->size < digits.size || !all_lower_hex(digits) || !hex_parse(digits, out, size))
        return false;
    rest->at += digits.size;
    rest->size -= digits.size;
    return true;
}

#define SIGNED_PART_MAX 512u /* bytes of a signature or key: ECDSA and Ed25519 need 104 */

/* Hex digits up to the quote. */
static bool take_hex_text(struct span *rest, uint8_t room[SIGNED_PART_MAX], struct span *out)
{
    size_t digits = 0;

    while (digits < rest->size && rest->at[digits] != '"')
        digits++;
    if (digits % 2 != 0 || digits / 2 > SIGNED_PART_MAX || !take_hex(rest, room, digits / 2))
        return false;
    *out = (struct span){room, digits / 2};
    return true;
}

static enum err fault(const struct audit_verifier *verifier, struct why *why, enum err err,
                      const char *text, uint64_t seq)
{
    char sentence[WHY_TEXT_MAX];
    struct buf buf = buf_over(sentence, sizeof sentence);

    buf_text(&buf, "line ");
    buf_uint(&buf, verifier->line + 1);
    buf_text(&buf, ": ");
    buf_text(&buf, text);
    if (seq != 0) {
        buf_byte(&buf, ' ');
        buf_uint(&buf, seq);
    }
    why_say(why, NULL, buf_finish_text(&buf));
    return err;
}

struct audit_verifier audit_verifier_init(audit_signature_check *check, void *self)
{
    CHECK(check);
    return (struct audit_verifier){.check = check, .self = self};
}

/* `{"entry":` CANONICAL `,"hash":"` 64 digits `"}` */
static bool split_entry(struct span line, struct span *canonical, uint64_t *seq,
                        uint8_t hash[DIGEST_SIZE])
{
    const size_t tail_size = sizeof ",\"hash\":\"\"}" - 1 + HASH_HEX_SIZE;
    struct span tail, inside;

    if (!take(&line, "{\"entry\":") || line.size <= tail_size)
        return false;
    *canonical = (struct span){line.at, line.size - tail_size};
    tail = (struct span){line.at + canonical->size, tail_size};
    inside = *canonical;
    return take(&tail, ",\"hash\":\"") && take_hex(&tail, hash, DIGEST_SIZE) &&
           span_is(tail, "\"}") && take(&inside, "{\"seq\":") && take_number(&inside, seq);
}

static enum err wrong_place(const struct audit_verifier *verifier, uint64_t seq, struct why *why)
{
    if (seq <= verifier->seq)
        return fault(verifier, why, ERR_CORRUPT, "an entry is repeated or out of order: entry",
                     seq);
    if (seq == verifier->seq + 2)
        return fault(verifier, why, ERR_CORRUPT, "an entry is missing or out of order: entry",
                     verifier->seq + 1);
    return fault(verifier, why, ERR_CORRUPT, "entries are missing or out of order from entry",
                 verifier->seq + 1);
}

static enum err verify_entry(struct audit_verifier *verifier, struct span line, struct why *why)
{
    uint8_t told[DIGEST_SIZE], hash[DIGEST_SIZE];
    struct span canonical;
    uint64_t seq;

    if (!split_entry(line, &canonical, &seq, told))
        return fault(verifier, why, ERR_CORRUPT, "this is not an entry; expected entry",
                     verifier->seq + 1);
    if (seq != verifier->seq + 1)
        return wrong_place(verifier, seq, why);
    audit_chain(verifier->hash, canonical, hash);
    if (memcmp(hash, told, DIGEST_SIZE) != 0)
        return fault(verifier, why, ERR_CORRUPT,
                     "the entry, its hash or the hash before it was altered: entry", seq);
    memcpy(verifier->hash, hash, DIGEST_SIZE);
    verifier->seq = seq;
    return ERR_OK;
}

struct head {
    uint64_t seq;
    uint8_t hash[DIGEST_SIZE];
    uint8_t rooms[2][SIGNED_PART_MAX];
    struct span signature, key;
};

static bool split_head(struct span line, struct head *out)
{
    out->seq = 0; /* the head of an empty log */
    if (!take(&line, "{\"head\":{\"seq\":"))
        return false;
    if (!take(&line, "0") && !take_number(&line, &out->seq))
        return false;
    return take(&line, ",\"hash\":\"") && take_hex(&line, out->hash, DIGEST_SIZE) &&
           take(&line, "\",\"signature\":\"") &&
           take_hex_text(&line, out->rooms[0], &out->signature) && take(&line, "\",\"key\":\"") &&
           take_hex_text(&line, out->rooms[1], &out->key) && span_is(line, "\"}}");
}

static enum err verify_head(struct audit_verifier *verifier, struct span line, struct why *why)
{
    struct head head;
    char text[256];
    struct buf buf = buf_over(text, sizeof text);

    if (!split_head(line, &head))
        return fault(verifier, why, ERR_CORRUPT, "the head is not written as it should be", 0);
    if (head.seq > verifier->seq)
        return fault(verifier, why, ERR_CORRUPT, "the end was cut off: the head names entry",
                     head.seq);
    if (head.seq < verifier->seq)
        return fault(verifier, why, ERR_CORRUPT, "entries were added: the head names entry",
                     head.seq);
    if (memcmp(head.hash, verifier->hash, DIGEST_SIZE) != 0)
        return fault(verifier, why, ERR_CORRUPT,
                     "the log was rewritten: the head's hash is not that of entry", head.seq);
    audit_head_signed_text(head.seq, head.hash, &buf);
    if (!verifier->check(verifier->self, buf_written(&buf), head.signature, head.key))
        return fault(verifier, why, ERR_UNTRUSTED, "the head's signature is not good", 0);
    verifier->headed = true;
    return ERR_OK;
}

enum err audit_verify_line(struct audit_verifier *verifier, struct span line, struct why *why)
{
    struct span begin = line;

    if (verifier->headed)
        return fault(verifier, why, ERR_CORRUPT, "nothing may follow the head", 0);
    if (line.size > AUDIT_LINE_MAX)
        return fault(verifier, why, ERR_CORRUPT, "the line is too long; expected entry",
                     verifier->seq + 1);
    if (take(&begin, "{\"head\":"))
        TRY(verify_head(verifier, line, why));
    else
        TRY(verify_entry(verifier, line, why));
    verifier->line++;
    return ERR_OK;
}

enum err audit_verify_end(const struct audit_verifier *verifier, struct why *why)
{
    if (verifier->headed)
        return ERR_OK;
    return fault(verifier, why, ERR_CORRUPT,
                 "the signed head is missing: the end was cut off after entry", verifier->seq);
}
