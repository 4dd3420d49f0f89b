/* The form of each role's file, and what a keeper of a repository accepts. */
#include "trust/client_case.h"

#include <string.h>

/* The forge's last file of a role with `path` (up to three keys) set to `value`, or taken away
 * when it is NULL, read again. Signatures no longer fit; form is all that is asked here. */
static enum err read_altered(struct forge *forge, enum tuf_role role, const char *const path[3],
                             const char *value, struct why *why)
{
    json_t *envelope =
        json_loadb((const char *)forge->last[role].at, forge->last[role].size, 0, NULL);
    json_t *at = tuf_envelope_signed(envelope), *new_value = NULL;
    struct tuf_metadata *metadata = NULL;
    struct tuf_bytes bytes;
    size_t last = path[2] ? 2 : path[1] ? 1 : 0;
    enum err err;

    for (size_t i = 0; i < last; i++)
        at = json_object_get(at, path[i]);
    assert_non_null(at);
    if (value) {
        new_value = json_loads(value, JSON_DECODE_ANY, NULL);
        assert_non_null(new_value);
        assert_int_equal(json_object_set_new(at, path[last], new_value), 0);
    } else {
        assert_int_equal(json_object_del(at, path[last]), 0);
    }
    bytes = tuf_envelope_bytes(envelope);
    err = tuf_metadata_read(role, tuf_bytes_span(&bytes), &metadata, why);
    tuf_metadata_close(metadata);
    tuf_bytes_done(&bytes);
    json_decref(envelope);
    return err;
}

struct row {
    enum tuf_role role;
    const char *path[3];
    const char *value;
    const char *said; /* part of the reason; NULL: it is accepted */
};

/* clang-format off */
#define A16 "aaaaaaaaaaaaaaaa"
#define LONG_NAME A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 A16 "a"
#define PATHS "\"paths\":[\"*\"]"
#define PREFIXES "\"path_hash_prefixes\":[\"0f\"]"
#define ROLE(name, terminating, paths) "{\"name\":\"" name "\",\"keyids\":[],\"threshold\":1," \
    "\"terminating\":" terminating "," paths "}"
#define ROLES(roles) "{\"keys\":{},\"roles\":[" roles "]}"
#define BINS(bits, prefix) "{\"keys\":{},\"succinct_roles\":{\"keyids\":[],\"threshold\":1," \
    "\"bit_length\":" bits ",\"name_prefix\":" prefix "}}"

static const struct row rows[] = {
    {TUF_ROOT, {"_type"}, "\"targets\"", "_type"},
    {TUF_ROOT, {"_type"}, NULL, "_type"},
    {TUF_ROOT, {"spec_version"}, "\"1.0\"", NULL},
    {TUF_ROOT, {"spec_version"}, "\"1\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "\"1.\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "\"1.0.0.0\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "\"1.99.0\"", NULL},
    {TUF_ROOT, {"spec_version"}, "\"2.0.0\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "\"10.0\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "\"1.x\"", "spec_version"},
    {TUF_ROOT, {"spec_version"}, "1", "spec_version"},
    {TUF_ROOT, {"spec_version"}, NULL, "spec_version"},
    {TUF_ROOT, {"version"}, "0", "version"},
    {TUF_ROOT, {"version"}, "-1", "version"},
    {TUF_ROOT, {"version"}, "\"1\"", "version"},
    {TUF_ROOT, {"version"}, "1.0", "64-bit integer"},
    {TUF_ROOT, {"version"}, "9223372036854775807", NULL},
    {TUF_ROOT, {"expires"}, "\"2026-06-01\"", "expires"},
    {TUF_ROOT, {"expires"}, "\"2026-06-01T00:00:00+00:00\"", "expires"},
    {TUF_ROOT, {"expires"}, "\"2026-13-01T00:00:00Z\"", "expires"},
    {TUF_ROOT, {"expires"}, "1780272000", "expires"},
    {TUF_ROOT, {"consistent_snapshot"}, NULL, NULL},
    {TUF_ROOT, {"consistent_snapshot"}, "\"yes\"", "consistent_snapshot"},
    {TUF_ROOT, {"keys"}, "[]", "keys"},
    {TUF_ROOT, {"keys", "00"}, "{\"keytype\":\"x\",\"scheme\":\"x\"}", "lacks keytype"},
    {TUF_ROOT, {"keys", "00"}, "{\"keytype\":\"x\",\"scheme\":\"x\",\"keyval\":1}",
                               "lacks keytype"},
    {TUF_ROOT, {"keys", "00"}, "{\"keytype\":\"x\",\"scheme\":\"x\",\"keyval\":{}}", NULL},
    {TUF_ROOT, {"roles", "mirrors"}, "{\"keyids\":[],\"threshold\":1}", NULL},
    {TUF_ROOT, {"roles", "timestamp"}, NULL, "keyids of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "keyids"}, "{}", "keyids of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "keyids"}, "[1]", "keyids of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "keyids"}, "[\"a\",\"a\"]", "keyids of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "keyids"}, "[\"unknown\"]", NULL},
    {TUF_ROOT, {"roles", "timestamp", "threshold"}, "0", "threshold of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "threshold"}, "4294967296", "threshold of role timestamp"},
    {TUF_ROOT, {"roles", "timestamp", "threshold"}, NULL, "threshold of role timestamp"},
    {TUF_TIMESTAMP, {"meta"}, NULL, "does not list snapshot.json"},
    {TUF_TIMESTAMP, {"meta"}, "[]", "does not list snapshot.json"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json"}, "{}", "version"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "version"}, "0", "version"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "length"}, NULL, NULL},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "length"}, "-1", "length"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "hashes"}, NULL, NULL},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "hashes"}, "{}", "hashes"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "hashes"}, "{\"sha256\":\"00\"}", NULL},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "hashes"}, "{\"sha512\":1}", "sha512"},
    {TUF_TIMESTAMP, {"meta", "snapshot.json", "hashes"}, "{\"md4\":\"00\"}", NULL},
    {TUF_SNAPSHOT, {"meta", "targets.json"}, NULL, "does not list targets.json"},
    {TUF_SNAPSHOT, {"meta", "other.json"}, "{\"version\":1}", NULL},
    {TUF_SNAPSHOT, {"meta", "other.json"}, "{}", "meta of other.json"},
    {TUF_SNAPSHOT, {"meta", "other.json"}, "[]", "meta of other.json"},
    {TUF_TARGETS, {"targets"}, NULL, "targets is not"},
    {TUF_TARGETS, {"targets"}, "[]", "targets is not"},
    {TUF_TARGETS, {"targets"}, "{}", NULL},
    {TUF_TARGETS, {"targets", "a"}, "{}", "lacks length or hashes"},
    {TUF_TARGETS, {"targets", "a"}, "{\"length\":1}", "lacks length or hashes"},
    {TUF_TARGETS, {"targets", "a"}, "{\"length\":1,\"hashes\":{\"x\":\"\"},\"custom\":1}",
                  NULL},
    {TUF_TARGETS, {"targets", "a"}, "{\"length\":1,\"hashes\":{\"x\":\"\"},\"custom\":{}}",
                  NULL},
    {TUF_TARGETS, {"delegations"}, "{\"keys\":{},\"roles\":[]}", NULL},
    {TUF_TARGETS, {"delegations"}, "null", "needs one of"},
    {TUF_TARGETS, {"delegations"}, "{}", "needs one of"},
    {TUF_TARGETS, {"delegations"}, "{\"roles\":[]}", "keys is not"},
    {TUF_TARGETS, {"delegations"}, "{\"keys\":{},\"roles\":{}}", "roles is not"},
    {TUF_TARGETS, {"delegations"}, "{\"keys\":{},\"roles\":[],\"succinct_roles\":{}}",
                  "needs one of"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", PATHS)), NULL},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", PREFIXES)), NULL},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("../a", "false", PATHS)), NULL},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("", "true", PATHS)), "without a name"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("root", "true", PATHS)), "only a root"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("targets", "true", PATHS)), "only a root"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE(LONG_NAME, "true", PATHS)), "more than 240"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "1", PATHS)), "terminating"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", PATHS "," PREFIXES)), "needs a list"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", "\"x\":1")), "needs a list"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", "\"paths\":[1]")), "needs a list"},
    {TUF_TARGETS, {"delegations"}, ROLES(ROLE("a", "true", "\"paths\":\"*\"")), "needs a list"},
    {TUF_TARGETS, {"delegations"},
                  ROLES(ROLE("a", "true", PATHS) "," ROLE("a", "false", PATHS)), "twice"},
    {TUF_TARGETS, {"delegations"}, BINS("1", "\"bin\""), NULL},
    {TUF_TARGETS, {"delegations"}, BINS("32", "\"\""), NULL},
    {TUF_TARGETS, {"delegations"}, BINS("0", "\"bin\""), "bit_length"},
    {TUF_TARGETS, {"delegations"}, BINS("33", "\"bin\""), "bit_length"},
    {TUF_TARGETS, {"delegations"}, BINS("8", "1"), "name_prefix"},
    {TUF_TARGETS, {"delegations"}, BINS("8", "\"" LONG_NAME "\""), "name_prefix"},
};
/* clang-format on */

static void test_form(void **state)
{
    struct client_case *it = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct why why = {0};
        enum err err = read_altered(it->forge, row->role, row->path, row->value, &why);

        if ((err == ERR_OK) != (row->said == NULL) || (row->said && !strstr(why.text, row->said)))
            fail_msg("row %zu: %s: %s", i, err_name(err), why.text);
    }
}

static void test_envelope(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"signed\":{}}",
        "{\"signed\":{},\"signatures\":{}}",
        "{\"signed\":[],\"signatures\":[]}",
        "{\"signed\":{},\"signatures\":[1]}",
        "{\"signed\":{},\"signatures\":[{\"keyid\":\"a\"}]}",
        "{\"signed\":{},\"signatures\":[{\"keyid\":1,\"sig\":\"\"}]}",
        "{\"signed\":{},\"signatures\":[{\"keyid\":\"a\",\"sig\":1}]}",
    };
    struct tuf_metadata *metadata = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct why why = {0};

        assert_int_equal(tuf_metadata_read(TUF_ROOT, span_of(bad[i]), &metadata, &why),
                         ERR_CORRUPT);
        assert_non_null(strstr(why.text, "root metadata: "));
    }
    assert_null(metadata);
}

/* Cut at every byte and with every byte changed, a signed file never verifies. */
static void test_every_cut_and_every_changed_byte(void **state)
{
    struct client_case *it = *state;
    struct tuf_bytes *bytes = &it->forge->last[TUF_TIMESTAMP];
    struct tuf_metadata *root, *metadata;

    assert_int_equal(
        tuf_metadata_read(TUF_ROOT, tuf_bytes_span(&it->forge->last[TUF_ROOT]), &root, NULL),
        ERR_OK);
    for (size_t i = 0; i < bytes->size; i++) {
        const struct span cut = {bytes->at, i};

        assert_int_not_equal(tuf_metadata_read(TUF_TIMESTAMP, cut, &metadata, NULL), ERR_OK);
        bytes->at[i] ^= 1;
        if (tuf_metadata_read(TUF_TIMESTAMP, tuf_bytes_span(bytes), &metadata, NULL) == ERR_OK) {
            assert_int_equal(tuf_verify_by_root(root, metadata, NULL), ERR_UNTRUSTED);
            tuf_metadata_close(metadata);
        }
        bytes->at[i] ^= 1;
    }
    tuf_metadata_close(root);
}

static void test_file_names(void **state)
{
    char name[TUF_FILE_NAME_SIZE];

    (void)state;
    tuf_file_name(TUF_ROOT, 0, name);
    assert_string_equal(name, "root.json");
    tuf_file_name(TUF_TIMESTAMP, UINT64_MAX, name);
    assert_string_equal(name, "18446744073709551615.timestamp.json");
}

/* ---- Acceptance ---- */

static struct tuf_metadata *read_root(struct forge *forge)
{
    struct tuf_metadata *root;

    assert_int_equal(
        tuf_metadata_read(TUF_ROOT, tuf_bytes_span(&forge->last[TUF_ROOT]), &root, NULL), ERR_OK);
    return root;
}

static void test_accept_roots(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    struct tuf_metadata *first = NULL, *second = NULL;
    struct utc late = {FORGE_NOW.ms + 31 * DAY_MS};

    assert_int_equal(
        tuf_accept_root(NULL, tuf_bytes_span(&forge->last[TUF_ROOT]), late, &first, &it->why),
        ERR_UNTRUSTED);
    assert_non_null(strstr(it->why.text, "expired"));
    assert_int_equal(
        tuf_accept_root(NULL, tuf_bytes_span(&forge->last[TUF_ROOT]), FORGE_NOW, &first, &it->why),
        ERR_OK);
    assert_int_equal(tuf_accept_root(first, tuf_bytes_span(&forge->last[TUF_ROOT]), FORGE_NOW,
                                     &second, &it->why),
                     ERR_CONFLICT);
    forge_next(forge, TUF_ROOT);
    assert_int_equal(tuf_accept_root(first, tuf_bytes_span(&forge->last[TUF_ROOT]), FORGE_NOW,
                                     &second, &it->why),
                     ERR_OK);
    assert_int_equal(tuf_metadata_version(second), 2);
    tuf_metadata_close(first);
    tuf_metadata_close(second);
}

static enum err accept(struct client_case *it, const struct tuf_metadata *old)
{
    struct tuf_metadata *root = read_root(it->forge), *targets = NULL;
    enum err err = tuf_accept_targets(root, old, tuf_bytes_span(&it->forge->last[TUF_TARGETS]),
                                      FORGE_NOW, &targets, &it->why);

    tuf_metadata_close(root);
    tuf_metadata_close(targets);
    return err;
}

static void test_accept_targets(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    struct tuf_metadata *old;

    assert_int_equal(accept(it, NULL), ERR_OK);
    assert_int_equal(
        tuf_metadata_read(TUF_TARGETS, tuf_bytes_span(&forge->last[TUF_TARGETS]), &old, NULL),
        ERR_OK);
    assert_int_equal(accept(it, old), ERR_CONFLICT);
    forge_release(forge, "camera", "2.0");
    forge_target(forge, "notes.txt", span_of("plain files are fine"));
    forge_next(forge, TUF_TARGETS);
    assert_int_equal(accept(it, old), ERR_OK);
    forge->roles[TUF_TARGETS].expires = FORGE_NOW;
    forge_next(forge, TUF_TARGETS);
    assert_int_equal(accept(it, old), ERR_UNTRUSTED);
    forge->roles[TUF_TARGETS].expires = (struct utc){FORGE_NOW.ms + 1000};
    forge->roles[TUF_TARGETS].signer_count = 0;
    forge_next(forge, TUF_TARGETS);
    assert_int_equal(accept(it, old), ERR_UNTRUSTED);
    tuf_metadata_close(old);
}

static json_t *facts_of(struct forge *forge)
{
    json_t *custom = json_object_get(json_object_get(forge->targets, "camera/1.0/image"), "custom");

    return json_object_get(custom, "slipway");
}

static void assert_targets_refused(struct client_case *it, enum err expected, const char *said)
{
    enum err err;

    forge_next(it->forge, TUF_TARGETS);
    err = accept(it, NULL);
    if (err != expected || !strstr(it->why.text, said))
        fail_msg("%s: %s", err_name(err), it->why.text);
}

static void test_targets_that_contradict_themselves(void **state)
{
    struct client_case *it = *state;
    struct forge *forge = it->forge;
    char long_name[TARGET_NAME_SIZE_MAX + 2];
    json_t *kept;

    json_object_set_new(facts_of(forge), "kind", json_string("urgent"));
    assert_targets_refused(it, ERR_CORRUPT, "target camera/1.0/image: kind");
    json_object_set_new(facts_of(forge), "kind", json_string("feature"));

    json_object_set_new(facts_of(forge), "version", json_string("1.1"));
    assert_targets_refused(it, ERR_CORRUPT, "does not begin with camera/1.1/");
    json_object_set_new(facts_of(forge), "version", json_string("1.0"));

    json_object_set_new(json_object_get(facts_of(forge), "plain"), "length", json_integer(11));
    assert_targets_refused(it, ERR_CORRUPT, "is not the image its facts describe");
    json_object_set_new(json_object_get(facts_of(forge), "plain"), "length", json_integer(10));

    kept = json_incref(json_object_get(forge->targets, "camera/1.0/image.chunks"));
    json_object_del(forge->targets, "camera/1.0/image.chunks");
    assert_targets_refused(it, ERR_NOT_FOUND, "camera/1.0/image.chunks");
    json_object_set_new(forge->targets, "camera/1.0/image.chunks", kept);
    json_object_set_new(kept, "length", json_integer(64));
    assert_targets_refused(it, ERR_CORRUPT, "is not the chunk list");
    json_object_set_new(kept, "length", json_integer(32));

    json_object_set(forge->targets, "camera/1.0/other",
                    json_object_get(forge->targets, "camera/1.0/image"));
    assert_targets_refused(it, ERR_CORRUPT, "another image already");
    json_object_del(forge->targets, "camera/1.0/other");

    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    forge_target(forge, long_name, span_of(""));
    assert_targets_refused(it, ERR_TOO_BIG, "its name has more than");
    json_object_del(forge->targets, long_name);
    forge_next(forge, TUF_TARGETS);
    assert_int_equal(accept(it, NULL), ERR_OK);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, client_case_open, client_case_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_form),
        CASE(test_envelope),
        CASE(test_every_cut_and_every_changed_byte),
        CASE(test_file_names),
        CASE(test_accept_roots),
        CASE(test_accept_targets),
        CASE(test_targets_that_contradict_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
