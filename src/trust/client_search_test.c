/* Delegated roles, as far as tests/tuf does not reach them through slipway-tuf. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/client_case.h"
#include "trust/delegation.h"
#include "trust/tuf_file.h"
#include "trust/tuf_key.h"

#define ROLES_MAX 4u

struct role {
    const char *name;
    struct key *key;
    json_t *targets, *delegations; /* the latter NULL: none */
};

struct search_case {
    struct client_case *it;
    struct role roles[ROLES_MAX]; /* delegated ones */
    size_t count;
    json_t *delegations; /* of the top */
};

static int open_case(void **state)
{
    struct search_case *search = calloc(1, sizeof *search);
    void *inner = NULL;

    assert_non_null(search);
    assert_int_equal(client_case_open(&inner), 0);
    search->it = inner;
    *state = search;
    return 0;
}

static int close_case(void **state)
{
    struct search_case *search = *state;
    void *inner = search->it;
    char name[TUF_FILE_NAME_SIZE];

    for (size_t i = 0; i < search->count; i++) {
        assert_true(tuf_role_file_name(search->roles[i].name, 0, name));
        assert_int_equal(tuf_file_remove(search->it->dir, name, NULL), ERR_OK);
        key_close(search->roles[i].key);
        json_decref(search->roles[i].targets);
        json_decref(search->roles[i].delegations);
    }
    json_decref(search->delegations);
    assert_int_equal(client_case_close(&inner), 0);
    free(search);
    return 0;
}

static struct role *role_of(struct search_case *search, const char *name)
{
    for (size_t i = 0; i < search->count; i++) {
        if (strcmp(search->roles[i].name, name) == 0)
            return &search->roles[i];
    }
    assert_true(search->count < ROLES_MAX);
    search->roles[search->count] = (struct role){.name = name, .targets = json_object()};
    assert_int_equal(key_generate(KEY_ED25519, &search->roles[search->count].key, NULL), ERR_OK);
    return &search->roles[search->count++];
}

/* From the top (NULL) or a role, by `key` (NULL: the role's own) for every path with one '/'. */
static void delegate(struct search_case *search, const char *from, const char *to,
                     const struct key *key)
{
    const struct role *role = role_of(search, to);
    json_t **delegations = from ? &role_of(search, from)->delegations : &search->delegations;
    char id[DIGEST_HEX_SIZE];

    if (!*delegations)
        *delegations = json_pack("{s:{}, s:[]}", "keys", "roles");
    tuf_key_id(key ? key : role->key, id);
    json_object_set_new(json_object_get(*delegations, "keys"), id,
                        tuf_key_to_json(key ? key : role->key));
    json_array_append_new(json_object_get(*delegations, "roles"),
                          json_pack("{s:s, s:[s], s:i, s:b, s:[s]}", "name", to, "keyids", id,
                                    "threshold", 1, "terminating", 0, "paths", "*/*"));
}

static void list(struct search_case *search, const char *role, const char *name, const char *bytes)
{
    json_object_set_new(role_of(search, role)->targets, name, tuf_file_to_json(span_of(bytes), 0));
}

static void write_role(struct search_case *search, const struct role *role)
{
    json_t *envelope = tuf_envelope_new(TUF_TARGETS, 1, search->it->forge->roles[0].expires);
    json_t *part = tuf_envelope_signed(envelope);
    char id[DIGEST_HEX_SIZE], name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;

    json_object_set(part, "targets", role->targets);
    if (role->delegations)
        json_object_set(part, "delegations", role->delegations);
    tuf_key_id(role->key, id);
    assert_int_equal(tuf_envelope_sign(envelope, role->key, id, NULL), ERR_OK);
    bytes = tuf_envelope_bytes(envelope);
    assert_true(tuf_role_file_name(role->name, 1, name));
    forge_put(search->it->forge, name, tuf_bytes_span(&bytes));
    tuf_bytes_done(&bytes);
    json_decref(envelope);
}

/* Everything so far; the snapshot lists all roles but `unlisted`. */
static void publish(struct search_case *search, const char *unlisted)
{
    struct forge *forge = search->it->forge;
    json_t *meta = json_object();
    char name[64];

    for (size_t i = 0; i < search->count; i++) {
        write_role(search, &search->roles[i]);
        (void)snprintf(name, sizeof name, "%s.json", search->roles[i].name);
        if (!unlisted || strcmp(search->roles[i].name, unlisted) != 0)
            json_object_set_new(meta, name, json_pack("{s:i}", "version", 1));
    }
    if (search->delegations)
        forge->extra = json_pack("{s:O}", "delegations", search->delegations);
    forge_next(forge, TUF_TARGETS);
    json_object_set_new(
        meta, "targets.json",
        json_pack("{s:I}", "version", (json_int_t)forge->roles[TUF_TARGETS].version));
    forge->extra = json_pack("{s:o}", "meta", meta);
    forge_next(forge, TUF_SNAPSHOT);
    forge_next(forge, TUF_TIMESTAMP);
    assert_int_equal(client_case_refresh(search->it), ERR_OK);
}

static enum err find(struct search_case *search, bool online, const char *name,
                     struct tuf_target *out)
{
    const struct tuf_fetch fetch = forge_fetch(search->it->forge);

    why_clear(&search->it->why);
    return tuf_client_target(search->it->client, online ? &fetch : NULL, name, out,
                             &search->it->why);
}

static enum err load_all(struct search_case *search)
{
    const struct tuf_fetch fetch = forge_fetch(search->it->forge);

    why_clear(&search->it->why);
    return tuf_client_load_all(search->it->client, &fetch, &search->it->why);
}

static enum err note(void *self, const struct tuf_target *target, struct why *why)
{
    char *text = self;

    (void)why;
    (void)snprintf(text + strlen(text), 512 - strlen(text), "%s:%llu ", target->name,
                   (unsigned long long)target->file.length);
    return ERR_OK;
}

static void assert_all(struct search_case *search, const char *expected)
{
    char text[512] = "";

    assert_int_equal(tuf_client_for_each_target(search->it->client, note, text, &search->it->why),
                     ERR_OK);
    assert_string_equal(text, expected);
}

/* "camera/1.0/image" and its chunk list are the top's; see forge_open(). */
#define OF_THE_TOP "camera/1.0/image:10 camera/1.0/image.chunks:32 "

static void test_stored_roles_do_without_network(void **state)
{
    struct search_case *search = *state;
    struct tuf_target target;

    delegate(search, NULL, "a", NULL);
    list(search, "a", "a/1", "one");
    publish(search, NULL);
    assert_int_equal(find(search, false, "a/1", &target), ERR_NOT_FOUND);
    assert_int_equal(find(search, true, "a/1", &target), ERR_OK);
    assert_int_equal(target.file.length, 3);
    assert_int_equal(client_case_refresh(search->it), ERR_OK);
    assert_int_equal(find(search, false, "a/1", &target), ERR_OK);
    assert_int_equal(tuf_client_resume(search->it->client, &search->it->why), ERR_OK);
    assert_int_equal(find(search, false, "a/1", &target), ERR_OK);
    search->it->now.ms += 40 * DAY_MS; /* everything has expired, and resuming does not ask */
    assert_int_equal(client_case_refresh(search->it), ERR_UNTRUSTED);
    assert_int_equal(find(search, false, "a/1", &target), ERR_INVALID);
    assert_int_equal(tuf_client_resume(search->it->client, &search->it->why), ERR_OK);
    assert_int_equal(find(search, false, "a/1", &target), ERR_OK);
}

static void test_all(void **state)
{
    struct search_case *search = *state;

    delegate(search, NULL, "a", NULL);
    delegate(search, NULL, "b", NULL);
    delegate(search, "a", "c", NULL);
    list(search, "a", "z/1", "a");
    list(search, "b", "z/1", "b, after a");
    list(search, "b", "b/1", "b");
    list(search, "c", "b/1", "c, before b");
    list(search, "c", "elsewhere", "not in the paths of c");
    publish(search, NULL);
    assert_all(search, OF_THE_TOP); /* as far as roles are at hand */
    assert_int_equal(load_all(search), ERR_OK);
    assert_all(search, "b/1:11 " OF_THE_TOP "z/1:1 ");
    search->it->forge->log[0] = '\0';
    assert_int_equal(load_all(search), ERR_OK); /* nothing more to ask */
    assert_string_equal(search->it->forge->log, "");
}

static void test_role_that_has_released_nothing(void **state)
{
    struct search_case *search = *state;
    struct tuf_target target;

    delegate(search, NULL, "a", NULL);
    delegate(search, NULL, "b", NULL);
    list(search, "b", "b/1", "b");
    publish(search, "a");
    assert_int_equal(load_all(search), ERR_OK);
    assert_int_equal(find(search, true, "b/1", &target), ERR_NOT_FOUND); /* a would have to say */
    assert_non_null(strstr(search->it->why.text, "not in the snapshot"));
    assert_all(search, OF_THE_TOP);
}

static void test_role_that_is_bad(void **state)
{
    struct search_case *search = *state;

    delegate(search, NULL, "a", NULL);
    delegate(search, NULL, "b", role_of(search, "a")->key);
    publish(search, NULL);
    assert_int_equal(load_all(search), ERR_UNTRUSTED);
    assert_non_null(strstr(search->it->why.text, "0 of 1"));
}

/* One role, two delegators, of whom one has the wrong key. */
static void test_keys_of_each_delegator(void **state)
{
    struct search_case *search = *state;
    struct tuf_target target;

    delegate(search, NULL, "a", NULL);
    delegate(search, "a", "c", NULL);
    list(search, "c", "c/1", "c");
    publish(search, NULL);
    assert_int_equal(find(search, true, "c/1", &target), ERR_OK);
    json_array_clear(json_object_get(search->delegations, "roles"));
    delegate(search, NULL, "c", role_of(search, "a")->key);
    delegate(search, NULL, "a", NULL);
    publish(search, NULL);
    assert_int_equal(find(search, false, "c/1", &target), ERR_UNTRUSTED);
    assert_int_equal(find(search, true, "c/1", &target), ERR_UNTRUSTED);
}

static enum err stop(void *self, const struct tuf_target *target, struct why *why)
{
    (void)self, (void)target, (void)why;
    return ERR_AGAIN;
}

static void test_each_may_stop(void **state)
{
    struct search_case *search = *state;

    assert_int_equal(tuf_client_for_each_target(search->it->client, stop, NULL, NULL), ERR_INVALID);
    assert_int_equal(load_all(search), ERR_INVALID);
    publish(search, NULL);
    assert_int_equal(tuf_client_for_each_target(search->it->client, stop, NULL, NULL), ERR_AGAIN);
}

static void test_four_billion_bins(void **state)
{
    struct search_case *search = *state;
    json_t *bins = json_pack("{s:{}, s:{s:[], s:i, s:i, s:s}}", "keys", "succinct_roles", "keyids",
                             "threshold", 1, "bit_length", 32, "name_prefix", "bin");

    search->delegations = bins;
    publish(search, NULL);
    assert_int_equal(load_all(search), ERR_OK);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, open_case, close_case)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_stored_roles_do_without_network),
        CASE(test_all),
        CASE(test_role_that_has_released_nothing),
        CASE(test_role_that_is_bad),
        CASE(test_keys_of_each_delegator),
        CASE(test_each_may_stop),
        CASE(test_four_billion_bins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
