#include <stdlib.h>
#include <string.h>

#include "artifact/mender_inside.h"
#include "base/check.h"
#include "codec/hex.h"
#include "codec/tar.h"
#include "crypto/digest.h"
#include "os/say.h"

#define ROOM_SIZE  (64u << 10) /* bytes unpacked at a time */
#define SMALL_SIZE MENDER_MANIFEST_SIZE_MAX

/* What the outer archive's next member may be. */
enum place {
    PLACE_VERSION,
    PLACE_MANIFEST,
    PLACE_SIGNATURE_OR_HEADER,
    PLACE_HEADER,
    PLACE_DATA,
};

enum member {
    MEMBER_NONE,
    MEMBER_VERSION,
    MEMBER_MANIFEST,
    MEMBER_SIGNATURE,
    MEMBER_HEADER,
    MEMBER_DATA,
};

/* What comes next within header.tar. */
enum header_place {
    HEADER_INFO,
    HEADER_SCRIPTS_OR_TYPE,
    HEADER_FILES, /* format 2 */
    HEADER_TYPE,
    HEADER_META_OR_NEXT,
};

enum small {
    SMALL_IGNORED,
    SMALL_INFO,
    SMALL_TYPE,
    SMALL_META,
};

struct mender_reader {
    const struct mender_keys *keys;
    json_t *facts;
    struct mender_manifest manifest;
    uint64_t size; /* bytes so far */
    unsigned version;
    uint8_t version_sha256[DIGEST_SIZE]; /* until the manifest has come */

    /* The outer archive. */
    struct tar outer;
    enum place place;
    enum member member;
    struct digest *digest; /* of the member as stored */
    size_t payload;        /* whose data is due, or under way */
    bool is_signed, has_header;
    uint8_t *manifest_text;
    size_t manifest_size;

    /* The archive within a member. */
    struct unpack *unpack;
    struct tar inner;
    struct digest *inner_digest;
    uint64_t unpacked;
    enum header_place header_place;
    enum small small;
    size_t header_payload; /* whose type-info is due */

    /* A small member as it comes. */
    uint8_t text[SMALL_SIZE];
    size_t text_size, text_max;
    uint8_t room[ROOM_SIZE];
};

struct mender_reader *mender_reader_open(const struct mender_keys *keys)
{
    struct mender_reader *reader = calloc(1, sizeof *reader);

    CHECK(reader);
    reader->keys = keys && keys->count > 0 ? keys : NULL;
    reader->facts =
        json_pack("{s:{}, s:{}, s:[], s:[]}", "provides", "depends", "scripts", "payloads");
    CHECK(reader->facts);
    reader->digest = digest_open(DIGEST_SHA256);
    reader->inner_digest = digest_open(DIGEST_SHA256);
    tar_init(&reader->outer);
    return reader;
}

void mender_reader_close(struct mender_reader *reader)
{
    if (!reader)
        return;
    json_decref(reader->facts);
    digest_close(reader->digest);
    digest_close(reader->inner_digest);
    unpack_close(reader->unpack);
    free(reader->manifest_text);
    free(reader);
}

bool mender_reader_has_header(const struct mender_reader *reader)
{
    return reader->has_header;
}

const json_t *mender_reader_facts(const struct mender_reader *reader)
{
    return reader->facts;
}

/* ---- Names ---- */

static bool is_word(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
}

bool mender_file_name_is_good(struct span name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!is_word(name.at[i]) && name.at[i] != '-' && name.at[i] != '.' && name.at[i] != ',')
            return false;
    }
    return name.size > 0 && name.size <= MENDER_FILE_NAME_SIZE_MAX && !span_is(name, ".") &&
           !span_is(name, "..");
}

static bool skip(struct span *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (span_begins(*text, words[i])) {
            *text = (struct span){text->at + strlen(words[i]), text->size - strlen(words[i])};
            return true;
        }
    }
    return false;
}

/* STATE_ACTION_NN[_TEXT] */
bool mender_script_name_is_good(struct span name)
{
    static const char *const states[] = {"ArtifactInstall_",        "ArtifactReboot_",
                                         "ArtifactCommit_",         "ArtifactRollback_",
                                         "ArtifactRollbackReboot_", "ArtifactFailure_"};
    static const char *const actions[] = {"Enter_", "Leave_", "Error_"};

    if (name.size > MENDER_FILE_NAME_SIZE_MAX || !skip(&name, states, COUNT_OF(states)) ||
        !skip(&name, actions, COUNT_OF(actions)) || name.size < 2)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (i < 2 ? name.at[i] < '0' || name.at[i] > '9'
                  : name.at[i] <= ' ' || name.at[i] >= 0x7f || name.at[i] == '/')
            return false;
    }
    return name.size == 2 || (name.size > 3 && name.at[2] == '_');
}

/* PREFIX and the suffix of a packing. */
static bool is_packed(const char *name, const char *prefix, enum packing *out)
{
    size_t size = strlen(prefix);

    if (strncmp(name, prefix, size) != 0)
        return false;
    for (enum packing i = 0; i < PACKING_COUNT; i++) {
        if (strcmp(name + size, packing_suffix(i)) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* ---- Small members ---- */

static void begin_text(struct mender_reader *reader, size_t max)
{
    reader->text_size = 0;
    reader->text_max = max;
}

static enum err take_text(struct mender_reader *reader, struct span bytes, struct why *why)
{
    if (bytes.size > reader->text_max - reader->text_size)
        return say(why, ERR_TOO_BIG, NULL, "a member has more than %zu bytes", reader->text_max);
    memcpy(reader->text + reader->text_size, bytes.at, bytes.size);
    reader->text_size += bytes.size;
    return ERR_OK;
}

static struct span text_of(const struct mender_reader *reader)
{
    return (struct span){reader->text, reader->text_size};
}

/* ---- Within header.tar ---- */

static enum err misplaced(const struct mender_reader *reader, struct why *why)
{
    return say(why, ERR_CORRUPT, NULL, "the header has %.120s where something else belongs",
               reader->inner.name);
}

static enum err begin_script(struct mender_reader *reader, struct why *why)
{
    struct span name = span_of(reader->inner.name + strlen("scripts/"));
    json_t *scripts = json_object_get(reader->facts, "scripts");

    if (!mender_script_name_is_good(name))
        return say(why, ERR_CORRUPT, NULL, "%.120s is no name of a state script",
                   reader->inner.name);
    if (json_array_size(scripts) >= MENDER_SCRIPTS_MAX)
        return say(why, ERR_TOO_BIG, NULL, "more than %u state scripts", MENDER_SCRIPTS_MAX);
    CHECK(json_array_append_new(scripts, json_stringn((const char *)name.at, name.size)) == 0);
    reader->small = SMALL_IGNORED;
    return ERR_OK;
}

/* "headers/0000/WHAT" of the payload that is due. */
static bool is_header_of(const struct mender_reader *reader, size_t payload, const char *what)
{
    char wanted[64];

    (void)snprintf(wanted, sizeof wanted, "headers/%04zu/%s", payload, what);
    return strcmp(reader->inner.name, wanted) == 0;
}

static enum err begin_payload_header(struct mender_reader *reader, struct why *why)
{
    bool files = is_header_of(reader, reader->header_payload, "files");

    if (reader->header_payload >= mender_payloads(reader->facts))
        return misplaced(reader, why);
    if (files && reader->version == 2 && reader->header_place != HEADER_TYPE) {
        reader->small = SMALL_IGNORED; /* the names, which the manifest has as well */
        reader->header_place = HEADER_TYPE;
        return ERR_OK;
    }
    if (!is_header_of(reader, reader->header_payload, "type-info"))
        return misplaced(reader, why);
    reader->small = SMALL_TYPE;
    reader->header_place = HEADER_META_OR_NEXT;
    reader->header_payload++;
    return ERR_OK;
}

static enum err begin_in_header(struct mender_reader *reader, struct why *why)
{
    begin_text(reader, MENDER_JSON_SIZE_MAX);
    if (reader->header_place == HEADER_INFO) {
        if (strcmp(reader->inner.name, "header-info") != 0)
            return misplaced(reader, why);
        reader->small = SMALL_INFO;
        reader->header_place = HEADER_SCRIPTS_OR_TYPE;
        return ERR_OK;
    }
    if (reader->header_place == HEADER_SCRIPTS_OR_TYPE &&
        strncmp(reader->inner.name, "scripts/", strlen("scripts/")) == 0)
        return begin_script(reader, why);
    if (reader->header_place == HEADER_META_OR_NEXT &&
        is_header_of(reader, reader->header_payload - 1, "meta-data")) {
        reader->small = SMALL_META;
        reader->header_place = HEADER_FILES;
        return ERR_OK;
    }
    return begin_payload_header(reader, why);
}

static enum err end_in_header(struct mender_reader *reader, struct why *why)
{
    switch (reader->small) {
    case SMALL_INFO:
        return mender_read_header_info(text_of(reader), reader->version, reader->facts, why);
    case SMALL_TYPE:
        return mender_read_type_info(text_of(reader), reader->version, reader->header_payload - 1,
                                     reader->facts, why);
    case SMALL_META:
        return mender_read_meta_data(text_of(reader), reader->header_payload - 1, reader->facts,
                                     why);
    case SMALL_IGNORED:
    default:
        return ERR_OK;
    }
}

/* ---- Within data/NNNN.tar ---- */

static enum err begin_in_data(const struct mender_reader *reader, struct why *why)
{
    if (!mender_file_name_is_good(span_of(reader->inner.name)))
        return say(why, ERR_CORRUPT, NULL, "%.120s is no name of a payload's file",
                   reader->inner.name);
    return ERR_OK;
}

static enum err end_in_data(struct mender_reader *reader, struct why *why)
{
    json_t *payload = json_array_get(json_object_get(reader->facts, "payloads"), reader->payload);
    char name[TAR_NAME_SIZE_MAX + 32], hex[DIGEST_HEX_SIZE];
    uint8_t sha256[DIGEST_SIZE];

    digest_done(reader->inner_digest, sha256);
    (void)snprintf(name, sizeof name, "data/%04zu/%s", reader->payload, reader->inner.name);
    TRY(mender_manifest_tick(&reader->manifest, span_of(name), sha256, why));
    hex_print((struct span){sha256, DIGEST_SIZE}, hex);
    CHECK(json_array_append_new(json_object_get(payload, "files"),
                                json_pack("{s:s, s:I, s:s}", "name", reader->inner.name, "size",
                                          (json_int_t)reader->inner.size, "sha256", hex)) == 0);
    return ERR_OK;
}

/* ---- The archive within ---- */

static enum err inner_event(struct mender_reader *reader, enum tar_event event, struct span data,
                            struct why *why)
{
    bool header = reader->member == MEMBER_HEADER;

    switch (event) {
    case TAR_ENTRY:
        return header ? begin_in_header(reader, why) : begin_in_data(reader, why);
    case TAR_DATA:
        if (!header)
            digest_update(reader->inner_digest, data);
        return header && reader->small != SMALL_IGNORED ? take_text(reader, data, why) : ERR_OK;
    case TAR_DONE:
        return header ? end_in_header(reader, why) : end_in_data(reader, why);
    case TAR_MORE:
    default:
        return ERR_OK;
    }
}

static enum err inner_bytes(struct mender_reader *reader, struct span bytes, struct why *why)
{
    enum tar_event event = TAR_ENTRY;
    struct span data;

    reader->unpacked += bytes.size;
    if (reader->member == MEMBER_HEADER && reader->unpacked > MENDER_HEADER_SIZE_MAX)
        return say(why, ERR_TOO_BIG, NULL, "the header unpacks to more than %u bytes",
                   MENDER_HEADER_SIZE_MAX);
    while (event != TAR_MORE) {
        if (tar_step(&reader->inner, &bytes, &event, &data) != ERR_OK)
            return say(why, ERR_CORRUPT, NULL, "%s is no tar archive of plain files",
                       reader->outer.name);
        TRY(inner_event(reader, event, data, why));
    }
    return ERR_OK;
}

static enum err packed_bytes(struct mender_reader *reader, struct span bytes, struct why *why)
{
    size_t got = 1;

    while (bytes.size > 0 || got > 0) {
        TRY(unpack_step(reader->unpack, &bytes, reader->room, ROOM_SIZE, &got, why));
        if (got > 0)
            TRY(inner_bytes(reader, (struct span){reader->room, got}, why));
    }
    return ERR_OK;
}

static void begin_packed(struct mender_reader *reader, enum packing packing)
{
    unpack_close(reader->unpack);
    reader->unpack = unpack_open(packing);
    reader->unpacked = 0;
    tar_init(&reader->inner);
}

/* ---- The outer archive ---- */

static enum err begin_data(struct mender_reader *reader, struct why *why)
{
    enum packing packing;
    char prefix[32];

    (void)snprintf(prefix, sizeof prefix, "data/%04zu.tar", reader->payload);
    if (reader->payload >= mender_payloads(reader->facts) ||
        !is_packed(reader->outer.name, prefix, &packing))
        return say(why, ERR_CORRUPT, NULL, "the artifact has %.120s where %s belongs",
                   reader->outer.name, prefix);
    reader->member = MEMBER_DATA;
    begin_packed(reader, packing);
    return ERR_OK;
}

static enum err begin_header(struct mender_reader *reader, struct why *why)
{
    enum packing packing;

    if (!is_packed(reader->outer.name, "header.tar", &packing))
        return say(why, ERR_CORRUPT, NULL, "the artifact has %.120s where header.tar belongs",
                   reader->outer.name);
    if (reader->keys && !reader->is_signed)
        return say(why, ERR_UNTRUSTED, NULL, "the artifact is not signed");
    reader->member = MEMBER_HEADER;
    begin_packed(reader, packing);
    return ERR_OK;
}

static enum err begin_named(struct mender_reader *reader, const char *name, enum member member,
                            size_t max, struct why *why)
{
    if (strcmp(reader->outer.name, name) != 0)
        return say(why, ERR_CORRUPT, NULL, "the artifact has %.120s where %s belongs",
                   reader->outer.name, name);
    reader->member = member;
    begin_text(reader, max);
    return ERR_OK;
}

static enum err begin_member(struct mender_reader *reader, struct why *why)
{
    switch (reader->place) {
    case PLACE_VERSION:
        return begin_named(reader, "version", MEMBER_VERSION, 1024, why);
    case PLACE_MANIFEST:
        return begin_named(reader, "manifest", MEMBER_MANIFEST, MENDER_MANIFEST_SIZE_MAX, why);
    case PLACE_SIGNATURE_OR_HEADER:
        if (strcmp(reader->outer.name, "manifest.sig") == 0)
            return begin_named(reader, "manifest.sig", MEMBER_SIGNATURE, MENDER_SIGNATURE_SIZE_MAX,
                               why);
        return begin_header(reader, why);
    case PLACE_HEADER:
        return begin_header(reader, why);
    case PLACE_DATA:
    default:
        return begin_data(reader, why);
    }
}

static enum err member_bytes(struct mender_reader *reader, struct span bytes, struct why *why)
{
    if (reader->member == MEMBER_DATA)
        return packed_bytes(reader, bytes, why);
    digest_update(reader->digest, bytes);
    if (reader->member == MEMBER_HEADER)
        return packed_bytes(reader, bytes, why);
    return take_text(reader, bytes, why);
}

static enum err end_manifest(struct mender_reader *reader, struct why *why)
{
    reader->manifest_text = malloc(reader->text_size + 1);
    CHECK(reader->manifest_text);
    memcpy(reader->manifest_text, reader->text, reader->text_size);
    reader->manifest_size = reader->text_size;
    reader->place = PLACE_SIGNATURE_OR_HEADER;
    return mender_manifest_read(&reader->manifest,
                                (struct span){reader->manifest_text, reader->manifest_size}, why);
}

static enum err end_signature(struct mender_reader *reader, struct why *why)
{
    struct span manifest = {reader->manifest_text, reader->manifest_size};

    reader->is_signed = true;
    reader->place = PLACE_HEADER;
    return reader->keys ? mender_signature_check(reader->keys, manifest, text_of(reader), why)
                        : ERR_OK;
}

static enum err end_packed(const struct mender_reader *reader, struct why *why)
{
    if (!unpack_is_complete(reader->unpack) || !tar_is_complete(&reader->inner))
        return say(why, ERR_CORRUPT, NULL, "%s ends too early", reader->outer.name);
    return ERR_OK;
}

static enum err end_header(struct mender_reader *reader, const uint8_t sha256[DIGEST_SIZE],
                           struct why *why)
{
    TRY(end_packed(reader, why));
    TRY(mender_manifest_tick(&reader->manifest, span_of(reader->outer.name), sha256, why));
    if (reader->header_place == HEADER_INFO || reader->header_place == HEADER_TYPE ||
        reader->header_payload != mender_payloads(reader->facts))
        return say(why, ERR_CORRUPT, NULL, "the header ends too early");
    CHECK(json_object_set_new(reader->facts, "format_version", json_integer(reader->version)) == 0);
    CHECK(json_object_set_new(reader->facts, "signed", json_boolean(reader->is_signed)) == 0);
    reader->place = PLACE_DATA;
    reader->has_header = true;
    return ERR_OK;
}

static enum err end_member(struct mender_reader *reader, struct why *why)
{
    uint8_t sha256[DIGEST_SIZE];

    digest_done(reader->digest, sha256);
    switch (reader->member) {
    case MEMBER_VERSION:
        TRY(mender_read_version(text_of(reader), &reader->version, why));
        reader->place = PLACE_MANIFEST;
        memcpy(reader->version_sha256, sha256, DIGEST_SIZE);
        return ERR_OK;
    case MEMBER_MANIFEST:
        TRY(end_manifest(reader, why));
        return mender_manifest_tick(&reader->manifest, SPAN_LITERAL("version"),
                                    reader->version_sha256, why);
    case MEMBER_SIGNATURE:
        return end_signature(reader, why);
    case MEMBER_HEADER:
        return end_header(reader, sha256, why);
    case MEMBER_DATA:
        TRY(end_packed(reader, why));
        reader->payload++;
        return ERR_OK;
    case MEMBER_NONE:
    default:
        CHECK(false);
        return ERR_CORRUPT;
    }
}

enum err mender_reader_take(struct mender_reader *reader, struct span bytes, struct why *why)
{
    enum tar_event event = TAR_ENTRY;
    struct span data;

    reader->size += bytes.size;
    if (reader->size > MENDER_SIZE_MAX)
        return say(why, ERR_TOO_BIG, NULL, "the artifact has more than %llu bytes",
                   MENDER_SIZE_MAX);
    while (event != TAR_MORE) {
        if (tar_step(&reader->outer, &bytes, &event, &data) != ERR_OK)
            return say(why, ERR_CORRUPT, NULL, "the artifact is no tar archive of plain files");
        if (event == TAR_ENTRY)
            TRY(begin_member(reader, why));
        else if (event == TAR_DATA)
            TRY(member_bytes(reader, data, why));
        else if (event == TAR_DONE)
            TRY(end_member(reader, why));
    }
    return ERR_OK;
}

enum err mender_reader_end(struct mender_reader *reader, struct why *why)
{
    if (!tar_is_complete(&reader->outer))
        return say(why, ERR_CORRUPT, NULL, "the artifact ends too early");
    if (!reader->has_header || reader->payload != mender_payloads(reader->facts))
        return say(why, ERR_CORRUPT, NULL, "the artifact lacks %s",
                   reader->has_header ? "a payload" : "its header");
    return mender_manifest_end(&reader->manifest, why);
}
