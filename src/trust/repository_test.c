/* The signers' directory, and that what comes out of it is what server and client accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust/forge.h"
#include "trust/release_json.h"
#include "trust/repository.h"
#include "trust/tuf_file.h"

struct bench {
    char dir[64], image[96];
    struct key *root[3], *targets[3], *snapshot, *timestamp;
    struct why why;
    char role[REPOSITORY_NAME_SIZE]; /* whose file the last edit was in */
};

static struct key *generate(enum key_kind kind)
{
    struct key *key;

    assert_int_equal(key_generate(kind, &key, NULL), ERR_OK);
    return key;
}

static void write_image(const struct bench *bench, char fill, size_t size)
{
    FILE *file = fopen(bench->image, "w");

    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        assert_int_not_equal(fputc(fill, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    (void)snprintf(bench->dir, sizeof bench->dir, "/tmp/repository_test.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    (void)snprintf(bench->image, sizeof bench->image, "%s.img", bench->dir);
    write_image(bench, 'x', 200000);
    for (int i = 0; i < 3; i++) {
        bench->root[i] = generate(i == 1 ? KEY_ECDSA_P256 : KEY_ED25519);
        bench->targets[i] = generate(i == 1 ? KEY_ECDSA_P256 : KEY_ED25519);
    }
    bench->snapshot = generate(KEY_ED25519);
    bench->timestamp = generate(KEY_ED25519);
    *state = bench;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static int bench_close(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(nftw(bench->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    (void)unlink(bench->image);
    for (int i = 0; i < 3; i++) {
        key_close(bench->root[i]);
        key_close(bench->targets[i]);
    }
    key_close(bench->snapshot);
    key_close(bench->timestamp);
    free(bench);
    return 0;
}

/* Signers have only the public halves until they sign. */
static struct key *public_half(const struct key *key)
{
    char pem[KEY_PEM_SIZE_MAX];
    struct buf buf = buf_over(pem, sizeof pem);
    struct key *half;

    key_public_pem(key, &buf);
    assert_int_equal(key_from_pem(buf_written(&buf), &half, NULL), ERR_OK);
    return half;
}

static const struct utc far = {INT64_C(1900000000000)};

/* Root 2 of 3 and targets 2 of 2, nobody's private key at hand. */
static enum err init_public(struct bench *bench)
{
    struct key *root[3], *targets[2];
    struct repository_plan plan = {
        .roles = {[TUF_ROOT] = {root, 3, 2},
                  [TUF_TARGETS] = {targets, 2, 2},
                  [TUF_SNAPSHOT] = {&bench->snapshot, 1, 1},
                  [TUF_TIMESTAMP] = {&bench->timestamp, 1, 1}},
        .root_expires = far,
        .targets_expires = far,
    };
    enum err err;

    for (int i = 0; i < 3; i++)
        root[i] = public_half(bench->root[i]);
    for (int i = 0; i < 2; i++)
        targets[i] = public_half(bench->targets[i]);
    err = repository_init(bench->dir, &plan, &bench->why);
    for (int i = 0; i < 3; i++)
        key_close(root[i]);
    for (int i = 0; i < 2; i++)
        key_close(targets[i]);
    return err;
}

/* One key each, at hand. */
static void init_simple(struct bench *bench)
{
    const struct repository_plan plan = {
        .roles = {[TUF_ROOT] = {bench->root, 1, 1},
                  [TUF_TARGETS] = {bench->targets, 1, 1},
                  [TUF_SNAPSHOT] = {&bench->snapshot, 1, 1},
                  [TUF_TIMESTAMP] = {&bench->timestamp, 1, 1}},
        .root_expires = far,
        .targets_expires = far,
    };

    assert_int_equal(repository_init(bench->dir, &plan, &bench->why), ERR_OK);
}

static struct repository_release release_of(const struct bench *bench, const char *version)
{
    struct repository_release release = {.image = bench->image,
                                         .file = "image",
                                         .facts = {.product = "camera",
                                                   .hardware = {"cam-a"},
                                                   .hardware_count = 1,
                                                   .security_version = 3,
                                                   .security_floor = 2,
                                                   .kind = RELEASE_SECURITY}};

    (void)snprintf(release.facts.version, sizeof release.facts.version, "%s", version);
    return release;
}

static enum err add(struct bench *bench, const struct repository_release *release,
                    struct tuf_target *out)
{
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    enum err err = repository_add_release(&edit, release, out, &bench->why);

    memcpy(bench->role, edit.role, sizeof bench->role);
    return err;
}

static enum err take_out(struct bench *bench, const char *product, const char *version)
{
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    enum err err = repository_remove_release(&edit, product, version, &bench->why);

    memcpy(bench->role, edit.role, sizeof bench->role);
    return err;
}

static void assert_signing(struct bench *bench, const char *role, const struct key *key,
                           uint32_t have, uint32_t need, bool complete)
{
    struct repository_signing signing = {0};

    if (repository_sign(bench->dir, role, key, &signing, &bench->why) != ERR_OK)
        fail_msg("%s", bench->why.text);
    assert_int_equal(signing.have, have);
    assert_int_equal(signing.need, need);
    assert_int_equal(signing.complete, complete);
}

static uint64_t current_version(struct bench *bench, const char *role)
{
    struct tuf_metadata *metadata;
    uint64_t version;

    if (repository_current(bench->dir, role, &metadata, &bench->why) != ERR_OK)
        return 0;
    version = tuf_metadata_version(metadata);
    tuf_metadata_close(metadata);
    return version;
}

/* ---- Making and signing ---- */

static void test_init_with_keys_at_hand_is_complete(void **state)
{
    struct bench *bench = *state;

    init_simple(bench);
    assert_int_equal(current_version(bench, REPOSITORY_ROOT), 1);
    assert_int_equal(current_version(bench, REPOSITORY_TARGETS), 1);
    assert_true(tuf_file_exists(bench->dir, "1.root.json"));
    assert_true(tuf_file_exists(bench->dir, "1.targets.json"));
    assert_false(tuf_file_exists(bench->dir, "staged/root.json"));
    assert_int_equal(init_public(bench), ERR_CONFLICT);
}

static void test_signers_come_one_by_one(void **state)
{
    struct bench *bench = *state;
    struct repository_signing signing;

    assert_int_equal(init_public(bench), ERR_OK);
    assert_int_equal(init_public(bench), ERR_CONFLICT);
    assert_int_equal(current_version(bench, REPOSITORY_ROOT), 0);
    assert_int_equal(repository_staged(bench->dir, REPOSITORY_ROOT, &signing, NULL), ERR_OK);
    assert_int_equal(signing.need, 2);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 2, false);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[1], 2, 2,
                   false); /* waits for the root */
    assert_signing(bench, REPOSITORY_ROOT, bench->root[2], 1, 2, false);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[2], 1, 2, false);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[1], 2, 2, true);
    assert_int_equal(current_version(bench, REPOSITORY_ROOT), 1);
    assert_int_equal(current_version(bench, REPOSITORY_TARGETS), 1);
    assert_int_equal(repository_staged(bench->dir, REPOSITORY_ROOT, &signing, NULL), ERR_NOT_FOUND);
}

static void test_who_may_not_sign(void **state)
{
    struct bench *bench = *state;
    struct repository_signing signing;
    struct key *half = public_half(bench->root[0]);

    assert_int_equal(init_public(bench), ERR_OK);
    assert_int_equal(
        repository_sign(bench->dir, REPOSITORY_ROOT, bench->targets[0], &signing, &bench->why),
        ERR_UNTRUSTED);
    assert_non_null(strstr(bench->why.text, "has no say in root"));
    assert_int_equal(repository_sign(bench->dir, REPOSITORY_ROOT, half, &signing, NULL),
                     ERR_INVALID);
    assert_int_equal(repository_sign(bench->dir, "snapshot", bench->snapshot, &signing, NULL),
                     ERR_INVALID);
    key_close(half);
}

static void test_plans_that_make_no_sense(void **state)
{
    struct bench *bench = *state;
    struct key *twice[2] = {bench->root[0], bench->root[0]};
    const struct repository_plan good = {
        .roles = {[TUF_ROOT] = {bench->root, 1, 1},
                  [TUF_TARGETS] = {bench->targets, 1, 1},
                  [TUF_SNAPSHOT] = {&bench->snapshot, 1, 1},
                  [TUF_TIMESTAMP] = {&bench->timestamp, 1, 1}},
        .root_expires = far,
        .targets_expires = far,
    };
    struct repository_plan bad[5];

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = good;
    bad[0].roles[TUF_ROOT].threshold = 2;
    bad[1].roles[TUF_TARGETS].threshold = 0;
    bad[2].roles[TUF_SNAPSHOT].count = 0;
    bad[3].roles[TUF_ROOT] = (struct repository_role){twice, 2, 2};
    bad[4].roles[TUF_TIMESTAMP].keys = bench->targets; /* online and offline at once */
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why_clear(&bench->why);
        assert_int_equal(repository_init(bench->dir, &bad[i], &bench->why), ERR_INVALID);
        assert_true(bench->why.text[0] != '\0');
    }
    assert_int_equal(repository_init(bench->dir, &good, &bench->why), ERR_OK);
}

/* ---- Releases ---- */

static void test_add_release(void **state)
{
    struct bench *bench = *state;
    struct repository_release release = release_of(bench, "1.0");
    struct tuf_target target, found;
    struct tuf_metadata *targets;
    struct tuf_bytes list;
    uint8_t digest[DIGEST_SIZE];
    char path[256];

    init_simple(bench);
    assert_int_equal(add(bench, &release, &target), ERR_OK);
    assert_string_equal(target.name, "camera/1.0/image");
    assert_int_equal(target.facts.length, 200000);
    assert_int_equal(current_version(bench, REPOSITORY_TARGETS), 1); /* staged only */
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 1, true);
    assert_int_equal(repository_current(bench->dir, REPOSITORY_TARGETS, &targets, NULL), ERR_OK);
    assert_int_equal(tuf_metadata_version(targets), 2);
    assert_int_equal(tuf_find_target(targets, "camera/1.0/image", &found, NULL), ERR_OK);
    assert_true(found.has_facts);
    assert_memory_equal(found.facts.sha256, target.facts.sha256, DIGEST_SIZE);
    tuf_metadata_close(targets);

    /* 200,000 bytes are three full chunks and one short one. */
    assert_int_equal(
        repository_blob_path(bench->dir, target.facts.chunks_sha256, path, sizeof path, NULL),
        ERR_OK);
    assert_int_equal(tuf_file_read_path(path, 1000, &list, NULL), ERR_OK);
    assert_int_equal(list.size, 4 * DIGEST_SIZE);
    digest_of(DIGEST_SHA256, tuf_bytes_span(&list), digest);
    assert_memory_equal(digest, target.facts.chunks_sha256, DIGEST_SIZE);
    assert_memory_equal(list.at, list.at + DIGEST_SIZE, DIGEST_SIZE);
    assert_memory_not_equal(list.at, list.at + 3 * DIGEST_SIZE, DIGEST_SIZE);
    tuf_bytes_done(&list);
    assert_int_equal(repository_blob_path(bench->dir, target.facts.sha256, path, sizeof path, NULL),
                     ERR_OK);
    assert_int_equal(tuf_file_read_path(path, 300000, &list, NULL), ERR_OK);
    assert_int_equal(list.size, 200000);
    digest_of(DIGEST_SHA256, tuf_bytes_span(&list), digest);
    assert_memory_equal(digest, target.facts.sha256, DIGEST_SIZE);
    tuf_bytes_done(&list);
}

static void test_several_releases_in_one_version(void **state)
{
    struct bench *bench = *state;
    struct repository_release one = release_of(bench, "1.0"), two = release_of(bench, "1.1");
    struct repository_signing signing;
    struct tuf_target target;

    init_simple(bench);
    assert_int_equal(add(bench, &one, &target), ERR_OK);
    write_image(bench, 'y', 10);
    assert_int_equal(add(bench, &two, &target), ERR_OK);
    assert_int_equal(repository_staged(bench->dir, REPOSITORY_TARGETS, &signing, NULL), ERR_OK);
    assert_int_equal(signing.version, 2);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 1, true);
    assert_int_equal(take_out(bench, "camera", "1.0"), ERR_OK);
    assert_int_equal(take_out(bench, "camera", "1.0"), ERR_NOT_FOUND);
    assert_int_equal(take_out(bench, "camera", "1"), ERR_NOT_FOUND);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 1, true);
    assert_int_equal(current_version(bench, REPOSITORY_TARGETS), 3);
}

static void test_a_version_is_never_reused(void **state)
{
    struct bench *bench = *state;
    struct repository_release release = release_of(bench, "1.0");
    struct repository_signing signing;
    struct tuf_target target;

    init_simple(bench);
    assert_int_equal(add(bench, &release, &target), ERR_OK);
    assert_int_equal(add(bench, &release, &target), ERR_OK);
    release.facts.kind = RELEASE_FEATURE;
    assert_int_equal(add(bench, &release, &target), ERR_CONFLICT);
    release.facts.kind = RELEASE_SECURITY;
    release.file = "other";
    assert_int_equal(add(bench, &release, &target), ERR_CONFLICT);
    assert_non_null(strstr(bench->why.text, "has an image already"));
    release.file = "image";
    write_image(bench, 'z', 200000);
    assert_int_equal(add(bench, &release, &target), ERR_CONFLICT);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 1, true);
    write_image(bench, 'x', 200000); /* what is listed already needs no new signature */
    assert_int_equal(add(bench, &release, &target), ERR_OK);
    assert_int_equal(repository_staged(bench->dir, REPOSITORY_TARGETS, &signing, NULL),
                     ERR_NOT_FOUND);
}

static void test_bad_releases(void **state)
{
    struct bench *bench = *state;
    struct repository_release release = release_of(bench, "1.0");
    struct tuf_target target;

    assert_int_equal(add(bench, &release, &target), ERR_STORAGE); /* no repository */
    init_simple(bench);
    release.facts.hardware_count = 0;
    assert_int_equal(add(bench, &release, &target), ERR_CORRUPT);
    assert_string_equal(bench->why.field, "hardware");
    release = release_of(bench, "1.0");
    release.facts.security_floor = 4;
    assert_int_equal(add(bench, &release, &target), ERR_CORRUPT);
    release = release_of(bench, "1.0");
    release.file = "has space";
    assert_int_equal(add(bench, &release, &target), ERR_CORRUPT);
    release.file = "image";
    write_image(bench, 'x', 0);
    assert_int_equal(add(bench, &release, &target), ERR_CORRUPT);
    release.image = "/nowhere";
    assert_int_equal(add(bench, &release, &target), ERR_STORAGE);
    release.image = "/tmp";
    assert_int_equal(add(bench, &release, &target), ERR_CORRUPT);
    assert_false(tuf_file_exists(bench->dir, "staged/targets.json"));
    assert_false(tuf_file_exists(bench->dir, "blobs/image"));
}

/* A change after the first signature takes that signature away. */
static void test_change_drops_signatures(void **state)
{
    struct bench *bench = *state;
    struct repository_release one = release_of(bench, "1.0"), two = release_of(bench, "1.1");
    struct tuf_target target;

    assert_int_equal(init_public(bench), ERR_OK);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[0], 1, 2, false);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[1], 2, 2, true);
    assert_int_equal(add(bench, &one, &target), ERR_OK);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 1, 2, false);
    assert_int_equal(add(bench, &two, &target), ERR_OK);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[1], 1, 2, false);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[0], 2, 2, true);
}

/* ---- The next root ---- */

static void test_new_keys_for_root_and_targets(void **state)
{
    struct bench *bench = *state;
    const struct repository_role next_root = {&bench->root[1], 2, 2};
    const struct repository_role next_targets = {&bench->targets[2], 1, 1};
    struct tuf_metadata *root;
    struct utc later = {far.ms + 1000};

    init_simple(bench);
    assert_int_equal(
        repository_set_role(bench->dir, REPOSITORY_ROOT, &next_root, later, &bench->why), ERR_OK);
    assert_int_equal(
        repository_set_role(bench->dir, REPOSITORY_TARGETS, &next_targets, later, &bench->why),
        ERR_OK);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[1], 1, 2, false);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[2], 0, 1,
                   false); /* the old key is missing */
    assert_signing(bench, REPOSITORY_ROOT, bench->root[0], 2, 2, true);
    assert_int_equal(current_version(bench, REPOSITORY_ROOT), 2);
    assert_int_equal(repository_root(bench->dir, 1, &root, NULL), ERR_OK);
    tuf_metadata_close(root);
    assert_int_equal(repository_root(bench->dir, 3, &root, NULL), ERR_NOT_FOUND);
    assert_int_equal(repository_current(bench->dir, REPOSITORY_TARGETS, &root, &bench->why),
                     ERR_UNTRUSTED);
    assert_int_equal(repository_renew(bench->dir, REPOSITORY_TARGETS, later, &bench->why), ERR_OK);
    assert_signing(bench, REPOSITORY_TARGETS, bench->targets[2], 1, 1, true);
    assert_int_equal(current_version(bench, REPOSITORY_TARGETS), 2);
}

static void test_renewed_root(void **state)
{
    struct bench *bench = *state;
    struct tuf_metadata *root;

    init_simple(bench);
    assert_int_equal(
        repository_renew(bench->dir, REPOSITORY_ROOT, (struct utc){far.ms + 5000}, &bench->why),
        ERR_OK);
    assert_signing(bench, REPOSITORY_ROOT, bench->root[0], 1, 1, true);
    assert_int_equal(repository_current(bench->dir, REPOSITORY_ROOT, &root, NULL), ERR_OK);
    assert_int_equal(tuf_metadata_version(root), 2);
    assert_int_equal(tuf_metadata_expires(root).ms, far.ms + 5000);
    tuf_metadata_close(root);
}

static void test_set_role_refuses_online_signing_keys(void **state)
{
    struct bench *bench = *state;
    const struct repository_role online = {&bench->snapshot, 1, 1};

    init_simple(bench);
    assert_int_equal(repository_set_role(bench->dir, REPOSITORY_TARGETS, &online, far, &bench->why),
                     ERR_INVALID);
    assert_non_null(strstr(bench->why.text, "on a server"));
    assert_false(tuf_file_exists(bench->dir, "staged/root.json"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_init_with_keys_at_hand_is_complete),
        CASE(test_signers_come_one_by_one),
        CASE(test_who_may_not_sign),
        CASE(test_plans_that_make_no_sense),
        CASE(test_add_release),
        CASE(test_several_releases_in_one_version),
        CASE(test_a_version_is_never_reused),
        CASE(test_bad_releases),
        CASE(test_change_drops_signatures),
        CASE(test_new_keys_for_root_and_targets),
        CASE(test_renewed_root),
        CASE(test_set_role_refuses_online_signing_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
