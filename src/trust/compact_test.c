/* Manifests and trust stores from a repository, and that what comes out of it is what the device's
 * core accepts. */
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

#include "base/check.h"
#include "crypto/cose_key.h"
#include "crypto/test_key_host.h"
#include "crypto/verify_portable.h"
#include "trust/compact.h"

/* Test keys by what they sign. */
enum who {
    ROOT_1,
    ROOT_2,
    TARGETS_1,
    TARGETS_2,
    CAMERA,
    SERVER,
    SNAPSHOT,
    TIMESTAMP,
    STRANGER,
    WHO_COUNT
};

struct bench {
    char dir[64], image[96];
    struct key *keys[WHO_COUNT];
    struct why why;
    struct compact compact;
};

static const struct utc far = {INT64_C(1900000000000)};
static const struct utc now = {INT64_C(1750000000000)};

static void sign_list(struct bench *bench, const char *role, const enum who *who, uint32_t count)
{
    struct repository_signing signing = {0};

    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(
            repository_sign(bench->dir, role, bench->keys[who[i]], &signing, &bench->why), ERR_OK);
    assert_true(signing.complete);
}

static const enum who both_targets[] = {TARGETS_1, TARGETS_2};

/* Root 1 of 1, targets 2 of 2, cameras by a role of their own. */
static void init(struct bench *bench)
{
    const struct repository_plan plan = {
        .roles = {[TUF_ROOT] = {&bench->keys[ROOT_1], 1, 1},
                  [TUF_TARGETS] = {&bench->keys[TARGETS_1], 2, 2},
                  [TUF_SNAPSHOT] = {&bench->keys[SNAPSHOT], 1, 1},
                  [TUF_TIMESTAMP] = {&bench->keys[TIMESTAMP], 1, 1}},
        .assignment = {&bench->keys[SERVER], 1, 1},
        .root_expires = far,
        .targets_expires = far,
    };
    const struct repository_delegation camera = {
        "product-camera", "camera/*/*", {&bench->keys[CAMERA], 1, 1}, far};

    assert_int_equal(repository_init(bench->dir, &plan, &bench->why), ERR_OK);
    assert_int_equal(repository_delegate(bench->dir, &camera, &bench->why), ERR_OK);
    sign_list(bench, REPOSITORY_TARGETS, both_targets, 2);
}

static int bench_open(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    FILE *file;

    assert_non_null(bench);
    (void)snprintf(bench->dir, sizeof bench->dir, "/tmp/compact_test.XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    (void)snprintf(bench->image, sizeof bench->image, "%s.img", bench->dir);
    file = fopen(bench->image, "w");
    assert_non_null(file);
    for (size_t i = 0; i < 100000; i++)
        assert_int_not_equal(fputc((int)(i % 251), file), EOF);
    assert_int_equal(fclose(file), 0);
    for (uint8_t i = 0; i < WHO_COUNT; i++)
        bench->keys[i] = test_key(i);
    init(bench);
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
    for (uint32_t i = 0; i < WHO_COUNT; i++)
        key_close(bench->keys[i]);
    free(bench);
    return 0;
}

static void add_release(struct bench *bench, const char *product, const char *version)
{
    struct repository_release release = {.image = bench->image,
                                         .file = "fw.bin",
                                         .facts = {.hardware = {"rev-b"},
                                                   .hardware_count = 1,
                                                   .security_version = 3,
                                                   .security_floor = 2,
                                                   .release_counter = 4,
                                                   .issued_s = 1750000000,
                                                   .chunk_size = 4096}};
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    struct tuf_target target;

    (void)snprintf(release.facts.product, sizeof release.facts.product, "%s", product);
    (void)snprintf(release.facts.version, sizeof release.facts.version, "%s", version);
    assert_int_equal(repository_add_release(&edit, &release, &target, &bench->why), ERR_OK);
}

static enum err draft(struct bench *bench, const char *product, const char *version)
{
    return compact_draft_manifest(bench->dir, product, version, NULL, &bench->compact, &bench->why);
}

static void sign(struct bench *bench, enum who who)
{
    assert_int_equal(compact_sign(&bench->compact, bench->keys[who], &bench->why), ERR_OK);
}

static enum err list(struct bench *bench, char role[REPOSITORY_NAME_SIZE])
{
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    char name[TARGET_NAME_SIZE_MAX + 1];
    enum err err = compact_list(&edit, &bench->compact, name, &bench->why);

    if (err == ERR_OK)
        memcpy(role, edit.role, sizeof edit.role);
    return err;
}

static struct compact_product products[] = {{"camera", 1}, {TRUST_ANY_PRODUCT, 0}};

static enum err draft_store(struct bench *bench)
{
    const struct compact_plan plan = {
        .products = products, .product_count = COUNT_OF(products), .now = now};

    return compact_draft_store(bench->dir, &plan, &bench->compact, &bench->why);
}

/* The listed bytes of a target, through the list that names their digest. */
static size_t read_listed(struct bench *bench, const char *role, const char *name, uint8_t *to,
                          size_t room)
{
    struct tuf_metadata *metadata;
    struct tuf_target target;
    char path[512];
    FILE *file;
    size_t size;

    assert_int_equal(repository_current(bench->dir, role, &metadata, &bench->why), ERR_OK);
    assert_int_equal(tuf_find_target(metadata, name, &target, &bench->why), ERR_OK);
    assert_int_equal(
        repository_blob_path(bench->dir, target.file.sha256, path, sizeof path, &bench->why),
        ERR_OK);
    file = fopen(path, "r");
    assert_non_null(file);
    size = fread(to, 1, room, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(tuf_check_bytes(&target.file, (struct span){to, size}, &bench->why), ERR_OK);
    tuf_metadata_close(metadata);
    return size;
}

/* Both messages, made from one repository, as a device takes them. */
static void test_a_device_takes_what_is_listed(void **state)
{
    struct bench *bench = *state;
    char role[REPOSITORY_NAME_SIZE];
    uint8_t store_bytes[TRUST_STORE_SIZE_MAX], manifest_bytes[MANIFEST_SIZE_MAX];
    static uint8_t room[TRUST_ROOM_SIZE];
    struct verify verify = verify_portable();
    struct trust_check check = {&verify, room, sizeof room};
    struct trust_store store;
    struct cose_sign message;
    struct manifest manifest;
    size_t size;

    assert_int_equal(draft_store(bench), ERR_OK);
    sign(bench, ROOT_1);
    assert_int_equal(list(bench, role), ERR_OK);
    assert_string_equal(role, REPOSITORY_TARGETS);
    add_release(bench, "pump", "1.0");
    assert_int_equal(draft(bench, "pump", "1.0"), ERR_OK);
    sign(bench, TARGETS_2);
    sign(bench, TARGETS_1);
    assert_int_equal(list(bench, role), ERR_OK);
    sign_list(bench, REPOSITORY_TARGETS, both_targets, 2);

    size = read_listed(bench, REPOSITORY_TARGETS, "trust-store/1", store_bytes, sizeof store_bytes);
    assert_int_equal(trust_store_open((struct span){store_bytes, size}, &check, &store), ERR_OK);
    assert_int_equal(store.version, 1);
    assert_int_equal(store.root_version, 1);
    size = read_listed(bench, REPOSITORY_TARGETS, "pump/1.0/fw.bin.manifest", manifest_bytes,
                       sizeof manifest_bytes);
    assert_int_equal(cose_sign_read((struct span){manifest_bytes, size}, &message), ERR_OK);
    assert_true(trust_role_signed(&store, &trust_store_release(&store, "pump")->role, &message,
                                  SPAN_LITERAL(MANIFEST_AAD), &check));
    assert_false(trust_role_signed(&store, &trust_store_release(&store, "camera")->role, &message,
                                   SPAN_LITERAL(MANIFEST_AAD), &check));
    assert_int_equal(manifest_read(message.payload, &manifest), ERR_OK);
    assert_string_equal(manifest.target, "pump/1.0/fw.bin");
    assert_int_equal(manifest.facts.length, 100000);
    assert_int_equal(manifest.facts.release_counter, 4);
}

static void test_delegated_signers(void **state)
{
    struct bench *bench = *state;
    char role[REPOSITORY_NAME_SIZE];
    static const enum who camera[] = {CAMERA};

    add_release(bench, "camera", "2.0");
    assert_int_equal(draft(bench, "camera", "2.0"), ERR_OK);
    sign(bench, TARGETS_1);
    sign(bench, TARGETS_2);
    assert_int_equal(list(bench, role), ERR_UNTRUSTED); /* not theirs */
    sign(bench, CAMERA);
    assert_int_equal(list(bench, role), ERR_OK);
    assert_string_equal(role, "product-camera");
    sign_list(bench, "product-camera", camera, 1);
}

static void test_too_few_and_wrong_signers(void **state)
{
    struct bench *bench = *state;
    struct repository_signing signing;
    char role[REPOSITORY_NAME_SIZE];

    add_release(bench, "pump", "1.0");
    assert_int_equal(draft(bench, "pump", "1.0"), ERR_OK);
    assert_int_equal(list(bench, role), ERR_UNTRUSTED);
    sign(bench, TARGETS_1);
    sign(bench, STRANGER);
    sign(bench, ROOT_1);
    sign(bench, TARGETS_1);
    assert_int_equal(compact_count(bench->dir, &bench->compact, &signing, &bench->why), ERR_OK);
    assert_int_equal(signing.have, 1);
    assert_int_equal(signing.need, 2);
    assert_false(signing.complete);
    assert_int_equal(list(bench, role), ERR_UNTRUSTED);
}

static void test_what_is_not_listed(void **state)
{
    struct bench *bench = *state;
    char role[REPOSITORY_NAME_SIZE];

    assert_int_equal(draft(bench, "pump", "1.0"), ERR_NOT_FOUND);
    assert_int_equal(draft(bench, "camera", "1.0"), ERR_NOT_FOUND);
    add_release(bench, "pump", "1.0");
    assert_int_equal(draft(bench, "pump", "1.1"), ERR_NOT_FOUND);
    assert_int_equal(draft(bench, "pump", "1.0"), ERR_OK);
    sign(bench, TARGETS_1);
    sign(bench, TARGETS_2);
    assert_int_equal(
        repository_remove_release(&(struct repository_edit){.dir = bench->dir, .expires = far},
                                  "pump", "1.0", &bench->why),
        ERR_OK);
    assert_int_equal(list(bench, role), ERR_NOT_FOUND);
}

/* Signed by all, and still not what the list says of the release. */
static void test_other_facts(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[MANIFEST_PAYLOAD_MAX];
    struct buf out = buf_over(bytes, sizeof bytes);
    struct manifest other;
    char role[REPOSITORY_NAME_SIZE];

    add_release(bench, "pump", "1.0");
    assert_int_equal(draft(bench, "pump", "1.0"), ERR_OK);
    other = bench->compact.manifest;
    other.facts.security_version = 9;
    assert_int_equal(manifest_write(&other, &out), ERR_OK);
    assert_int_equal(compact_read(buf_written(&out), &bench->compact, &bench->why), ERR_OK);
    sign(bench, TARGETS_1);
    sign(bench, TARGETS_2);
    assert_int_equal(list(bench, role), ERR_CONFLICT);
}

static void test_whole_slot(void **state)
{
    struct bench *bench = *state;
    struct manifest_slot slot = {.known = true, .length = 131072, .fill = 0xFF, .sha256 = {1}};
    char role[REPOSITORY_NAME_SIZE];

    add_release(bench, "pump", "1.0");
    assert_int_equal(
        compact_draft_manifest(bench->dir, "pump", "1.0", &slot, &bench->compact, &bench->why),
        ERR_OK);
    sign(bench, TARGETS_1);
    sign(bench, TARGETS_2);
    assert_int_equal(list(bench, role), ERR_OK);
    slot.length = 99999;
    assert_int_equal(
        compact_draft_manifest(bench->dir, "pump", "1.0", &slot, &bench->compact, &bench->why),
        ERR_INVALID);
}

/* A file on its way from signer to signer. */
static void test_files(void **state)
{
    struct bench *bench = *state;
    uint8_t bytes[COMPACT_SIZE_MAX];
    struct buf out = buf_over(bytes, sizeof bytes);

    assert_int_equal(draft_store(bench), ERR_OK);
    compact_write(&bench->compact, &out);
    assert_int_equal(compact_read(buf_written(&out), &bench->compact, &bench->why), ERR_OK);
    assert_int_equal(bench->compact.kind, COMPACT_IS_TRUST_STORE);
    assert_int_equal(bench->compact.message.count, 0);
    sign(bench, ROOT_1);
    out = buf_over(bytes, sizeof bytes);
    compact_write(&bench->compact, &out);
    assert_int_equal(compact_read(buf_written(&out), &bench->compact, &bench->why), ERR_OK);
    assert_int_equal(bench->compact.message.count, 1);
    bytes[10] ^= 1;
    assert_int_equal(compact_read((struct span){bytes, 12}, &bench->compact, &bench->why),
                     ERR_CORRUPT);
    assert_int_equal(compact_read((struct span){bytes, 0}, &bench->compact, &bench->why),
                     ERR_CORRUPT);
    assert_int_equal(
        compact_read((struct span){bytes, COMPACT_SIZE_MAX + 1}, &bench->compact, &bench->why),
        ERR_TOO_BIG);
}

/* Another root key: the next store needs the old one's signature and the new one's. */
static void test_the_next_store(void **state)
{
    struct bench *bench = *state;
    static const enum who both_roots[] = {ROOT_1, ROOT_2};
    const struct repository_role root = {&bench->keys[ROOT_2], 1, 1};
    struct repository_signing signing;
    char role[REPOSITORY_NAME_SIZE];

    assert_int_equal(draft_store(bench), ERR_OK);
    sign(bench, ROOT_1);
    assert_int_equal(list(bench, role), ERR_OK);
    assert_int_equal(list(bench, role), ERR_CONFLICT); /* it is there */
    assert_int_equal(repository_set_role(bench->dir, REPOSITORY_ROOT, &root, far, &bench->why),
                     ERR_OK);
    sign_list(bench, REPOSITORY_ROOT, both_roots, 2);
    assert_int_equal(draft_store(bench), ERR_OK);
    assert_int_equal(bench->compact.store.version, 2);
    assert_int_equal(bench->compact.store.root_version, 2);
    sign(bench, ROOT_2);
    assert_int_equal(compact_count(bench->dir, &bench->compact, &signing, &bench->why), ERR_OK);
    assert_int_equal(signing.have, 0); /* of the old root */
    assert_int_equal(list(bench, role), ERR_UNTRUSTED);
    sign(bench, ROOT_1);
    assert_int_equal(list(bench, role), ERR_OK);
}

static void test_floors_do_not_sink(void **state)
{
    struct bench *bench = *state;
    char role[REPOSITORY_NAME_SIZE];

    assert_int_equal(draft_store(bench), ERR_OK);
    sign(bench, ROOT_1);
    assert_int_equal(list(bench, role), ERR_OK);
    products[0].security_floor = 0;
    assert_int_equal(draft_store(bench), ERR_OK);
    sign(bench, ROOT_1);
    assert_int_equal(list(bench, role), ERR_CONFLICT);
    products[0].security_floor = 1;
}

/* What top-level targets state goes into the store. */
static void test_statements(void **state)
{
    struct bench *bench = *state;
    struct repository_edit edit = {.dir = bench->dir, .expires = far};
    uint8_t image[DIGEST_SIZE] = {0xAB};
    struct verify_key keys[TRUST_ASSIGNMENT_MAX], server;

    assert_int_equal(repository_block(&edit, image, true, &bench->why), ERR_OK);
    assert_int_equal(repository_set_grace(&edit, 3600, &bench->why), ERR_OK);
    assert_int_equal(draft_store(bench), ERR_OK);
    assert_true(trust_store_blocks(&bench->compact.store, image));
    assert_int_equal(bench->compact.store.allow_stale_s, 3600);
    assert_int_equal(trust_store_assignment_keys(&bench->compact.store, keys), 1);
    assert_int_equal(key_to_verify(bench->keys[SERVER], &server, &bench->why), ERR_OK);
    assert_true(verify_key_same(&keys[0], &server));
    for (uint32_t i = 0; i < TRUST_BLOCKED_MAX; i++) {
        image[1] = (uint8_t)(i + 1);
        assert_int_equal(repository_block(&edit, image, true, &bench->why), ERR_OK);
    }
    assert_int_equal(draft_store(bench), ERR_TOO_BIG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        TEST(test_a_device_takes_what_is_listed),
        TEST(test_delegated_signers),
        TEST(test_too_few_and_wrong_signers),
        TEST(test_what_is_not_listed),
        TEST(test_other_facts),
        TEST(test_whole_slot),
        TEST(test_files),
        TEST(test_the_next_store),
        TEST(test_floors_do_not_sink),
        TEST(test_statements),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
