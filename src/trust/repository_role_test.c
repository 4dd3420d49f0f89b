/* Delegations, changed keys and ceremonies in the signers' directory. */
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

#include "trust/ceremony.h"
#include "trust/policy.h"
#include "trust/repository.h"

struct bench {
    char dir[64], image[96];
    struct key *root[2], *targets[2], *team[2], *snapshot, *timestamp;
    struct why why;
};

static const struct utc far = {INT64_C(1900000000000)};

static struct key *generate(void)
{
    struct key *key;

    assert_int_equal(key_generate(KEY_ED25519, &key, NULL), ERR_OK);
    return key;
}

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    FILE *file;

    assert_non_null(bench);
    (void)snprintf(bench->dir, sizeof bench->dir, "/tmp/repository_role_test.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    (void)snprintf(bench->image, sizeof bench->image, "%s.img", bench->dir);
    file = fopen(bench->image, "w");
    assert_non_null(file);
    assert_true(fputs("an image", file) >= 0);
    assert_int_equal(fclose(file), 0);
    for (int i = 0; i < 2; i++) {
        bench->root[i] = generate();
        bench->targets[i] = generate();
        bench->team[i] = generate();
    }
    bench->snapshot = generate();
    bench->timestamp = generate();
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
    for (int i = 0; i < 2; i++) {
        key_close(bench->root[i]);
        key_close(bench->targets[i]);
        key_close(bench->team[i]);
    }
    key_close(bench->snapshot);
    key_close(bench->timestamp);
    free(bench);
    return 0;
}

static enum err delegate(struct bench *bench, const char *role, const char *pattern,
                         struct key *const *keys, uint32_t count)
{
    const struct repository_delegation delegation = {
        .role = role, .pattern = pattern, .keys = {keys, count, 1}, .expires = far};

    why_clear(&bench->why);
    return repository_delegate(bench->dir, &delegation, &bench->why);
}

static struct repository_signing sign(struct bench *bench, const char *role, const struct key *key)
{
    struct repository_signing signing = {0};

    if (repository_sign(bench->dir, role, key, &signing, &bench->why) != ERR_OK)
        fail_msg("%s: %s", role, bench->why.text);
    return signing;
}

static enum err add(struct bench *bench, const char *product, const char *version,
                    const char *expected)
{
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    struct repository_release release = {
        .image = bench->image,
        .file = "image",
        .facts = {.hardware = {"a"}, .hardware_count = 1, .kind = RELEASE_FEATURE}};
    struct tuf_target target;
    enum err err;

    (void)snprintf(release.facts.product, sizeof release.facts.product, "%s", product);
    (void)snprintf(release.facts.version, sizeof release.facts.version, "%s", version);
    err = repository_add_release(&edit, &release, &target, &bench->why);
    if (err == ERR_OK)
        assert_string_equal(edit.role, expected);
    return err;
}

static uint64_t version_of(struct bench *bench, const char *role)
{
    struct tuf_metadata *metadata;
    uint64_t version;

    if (repository_current(bench->dir, role, &metadata, NULL) != ERR_OK)
        return 0;
    version = tuf_metadata_version(metadata);
    tuf_metadata_close(metadata);
    return version;
}

/* ---- Delegation ---- */

static void test_targets_go_to_their_signers(void **state)
{
    struct bench *bench = *state;
    struct repository_names *names = calloc(1, sizeof *names);

    assert_non_null(names);
    assert_int_equal(add(bench, "camera", "1.0", "targets"), ERR_OK);
    assert_int_equal(delegate(bench, "product-camera", "camera/*/*", bench->team, 1), ERR_OK);
    assert_int_equal(add(bench, "camera", "1.1", "product-camera"), ERR_OK);
    assert_int_equal(add(bench, "cameras", "1.1", "targets"), ERR_OK);
    assert_int_equal(add(bench, "camera", "1.0", "targets"), ERR_OK);     /* listed there already */
    assert_false(sign(bench, "product-camera", bench->team[0]).complete); /* before the targets */
    assert_true(sign(bench, "targets", bench->targets[0]).complete);
    assert_int_equal(version_of(bench, "product-camera"), 1); /* came with them */
    assert_int_equal(repository_roles(bench->dir, names, NULL), ERR_OK);
    assert_int_equal(names->count, 1);
    assert_string_equal(names->at[0], "product-camera");
    free(names);
}

static void test_delegations_that_make_no_sense(void **state)
{
    static const char *const names[] = {"",    "root", "targets", "snapshot", "timestamp",
                                        "a/b", "..",   "a b",     "."};
    struct bench *bench = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(delegate(bench, names[i], "x/*/*", bench->team, 1), ERR_INVALID);
    assert_int_equal(delegate(bench, "x", "x/*/*", bench->team, 0), ERR_INVALID);
    assert_int_equal(delegate(bench, "x", "x/*/*", &bench->timestamp, 1), ERR_INVALID);
    assert_int_equal(delegate(bench, "x", "x/*/*", bench->team, 1), ERR_OK);
    assert_int_equal(delegate(bench, "x", "y/*/*", bench->team, 1), ERR_CONFLICT);
    assert_int_equal(delegate(bench, "y", "x/*/*", bench->team, 1), ERR_CONFLICT);
    assert_int_equal(repository_undelegate(bench->dir, "z", far, NULL), ERR_NOT_FOUND);
    assert_int_equal(repository_undelegate(bench->dir, "x", far, NULL), ERR_OK);
    assert_int_equal(delegate(bench, "y", "x/*/*", bench->team, 1), ERR_OK);
}

static void test_statements_need_their_own_pattern(void **state)
{
    struct bench *bench = *state;
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    uint8_t digest[DIGEST_SIZE] = {7};

    assert_int_equal(delegate(bench, "all", "*/*", bench->team, 1), ERR_OK);
    assert_int_equal(repository_block(&edit, digest, true, NULL), ERR_OK);
    assert_string_equal(edit.role, "targets");
    assert_int_equal(repository_block(&edit, digest, true, NULL), ERR_CONFLICT);
    assert_int_equal(repository_block(&edit, digest, false, NULL), ERR_OK);
    assert_int_equal(repository_block(&edit, digest, false, NULL), ERR_NOT_FOUND);
    assert_int_equal(delegate(bench, "guard", POLICY_PATTERN, bench->team, 1), ERR_OK);
    assert_int_equal(repository_set_grace(&edit, 60, NULL), ERR_OK);
    assert_string_equal(edit.role, "guard");
    for (uint32_t i = 0; i < POLICY_BLOCKED_MAX; i++) {
        memcpy(digest, &i, sizeof i);
        assert_int_equal(repository_block(&edit, digest, true, NULL), ERR_OK);
    }
    digest[31] = 1;
    assert_int_equal(repository_block(&edit, digest, true, NULL), ERR_TOO_BIG);
    assert_int_equal(repository_set_grace(&edit, POLICY_STALE_MAX_S + 1, NULL), ERR_TOO_BIG);
}

/* ---- Other keys ---- */

static void test_a_team_changes_its_keys(void **state)
{
    struct bench *bench = *state;
    const struct repository_role next = {&bench->team[1], 1, 1};
    struct repository_keys keys;

    assert_int_equal(delegate(bench, "product-camera", "camera/*/*", bench->team, 1), ERR_OK);
    (void)sign(bench, "product-camera", bench->team[0]);
    assert_true(sign(bench, "targets", bench->targets[0]).complete);
    assert_int_equal(repository_set_role(bench->dir, "product-camera", &next, far, NULL), ERR_OK);
    assert_int_equal(repository_keys(bench->dir, "product-camera", &keys, NULL), ERR_OK);
    assert_int_equal(keys.count, 1);
    assert_true(key_same(keys.keys[0], bench->team[1]));
    repository_keys_done(&keys);
    assert_int_equal(repository_renew(bench->dir, "product-camera", far, NULL), ERR_OK);
    assert_false(sign(bench, "product-camera", bench->team[1]).complete);
    assert_int_equal(version_of(bench, "product-camera"), 1);
    assert_true(sign(bench, "targets", bench->targets[0]).complete);
    assert_int_equal(version_of(bench, "product-camera"), 2);
    assert_int_equal(repository_keys(bench->dir, "absent", &keys, NULL), ERR_NOT_FOUND);
    assert_int_equal(repository_set_role(bench->dir, "absent", &next, far, NULL), ERR_NOT_FOUND);
}

/* A list whose keys were replaced and that nobody has signed anew is not handed out. */
static void test_old_signatures_no_longer_count(void **state)
{
    struct bench *bench = *state;
    const struct repository_role next = {&bench->team[1], 1, 1};
    struct tuf_metadata *metadata;

    assert_int_equal(delegate(bench, "product-camera", "camera/*/*", bench->team, 1), ERR_OK);
    (void)sign(bench, "product-camera", bench->team[0]);
    (void)sign(bench, "targets", bench->targets[0]);
    assert_int_equal(repository_set_role(bench->dir, "product-camera", &next, far, NULL), ERR_OK);
    (void)sign(bench, "targets", bench->targets[0]);
    assert_int_equal(repository_current(bench->dir, "product-camera", &metadata, NULL),
                     ERR_UNTRUSTED);
}

/* ---- Ceremony ---- */

static void test_ceremony_needs_old_and_new_keys(void **state)
{
    struct bench *bench = *state;
    const struct repository_role next = {bench->root, 2, 2};
    struct repository_signing signing;
    struct ceremony *ceremony;
    struct tuf_bytes prepared, signature;
    char role[REPOSITORY_NAME_SIZE];

    assert_int_equal(ceremony_prepare(bench->dir, "root", &prepared, NULL), ERR_NOT_FOUND);
    assert_int_equal(repository_set_role(bench->dir, "root", &next, far, NULL), ERR_OK);
    assert_int_equal(ceremony_prepare(bench->dir, "root", &prepared, &bench->why), ERR_OK);
    assert_int_equal(ceremony_read(tuf_bytes_span(&prepared), &ceremony, &bench->why), ERR_OK);
    assert_int_equal(ceremony_version(ceremony), 2);
    assert_int_equal(ceremony_sign(ceremony, bench->targets[0], &signature, NULL), ERR_UNTRUSTED);
    for (int i = 1; i >= 0; i--) {
        assert_int_equal(ceremony_sign(ceremony, bench->root[i], &signature, NULL), ERR_OK);
        assert_int_equal(
            ceremony_assemble(bench->dir, false, tuf_bytes_span(&signature), role, &signing, NULL),
            ERR_INVALID);
        assert_int_equal(ceremony_assemble(bench->dir, true, tuf_bytes_span(&signature), role,
                                           &signing, &bench->why),
                         ERR_OK);
        assert_int_equal(signing.complete, i == 0);
        tuf_bytes_done(&signature);
    }
    assert_int_equal(version_of(bench, "root"), 2);
    ceremony_close(ceremony);
    tuf_bytes_done(&prepared);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, bench_open, bench_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_targets_go_to_their_signers),       CASE(test_delegations_that_make_no_sense),
        CASE(test_statements_need_their_own_pattern), CASE(test_a_team_changes_its_keys),
        CASE(test_old_signatures_no_longer_count),    CASE(test_ceremony_needs_old_and_new_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
