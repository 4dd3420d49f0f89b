/* slipway-lab seal: what sealing costs of a processor. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "crypto/digest.h"
#include "crypto/sealing.h"
#include "crypto/wrap.h"
#include "lab/command.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"size", 's', OPTION_SIZE, "64M", 1 << 20, 1 << 30, "BYTES",
     "Of the image, a whole number of MiB"},
    {"wraps", 'w', OPTION_INT, "5000", 1, 10000000, "COUNT", "Wrap a content key so often"},
};

static const struct program program = {
    .name = "slipway-lab seal",
    .section = 1,
    .summary = "measure what sealed images cost",
    .description = "Seals and unseals an image in memory with both ciphers and in chunks of two "
                   "sizes, as command line and agent do it, and wraps a content key for many "
                   "devices, as the server does it with every order. SHA-256 of the same bytes, "
                   "which every download costs anyway, stands beside it.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: done\n1: something did not open\n2: wrong usage",
};

struct bench {
    uint8_t *plain, *sealed;
    uint32_t size, chunk_size;
};

static uint8_t *sealed_at(const struct bench *bench, uint32_t index)
{
    return bench->sealed + (size_t)index * (bench->chunk_size + AEAD_TAG_SIZE);
}

/* Processor time, not the wall's: who else runs on the machine makes no difference. */
static double rate(uint64_t count, clock_t since)
{
    double took_s = (double)(clock() - since) / CLOCKS_PER_SEC;

    return (double)count / (took_s > 0 ? took_s : 1e-6);
}

static void seal_all(const struct bench *bench, struct sealing *sealing, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sealing_seal(sealing, i, i == count - 1,
                     (struct span){bench->plain + (size_t)i * bench->chunk_size, bench->chunk_size},
                     sealed_at(bench, i));
}

static bool unseal_all(const struct bench *bench, struct sealing *sealing, uint32_t count)
{
    bool good = true;

    for (uint32_t i = 0; i < count; i++)
        good &=
            sealing_unseal(sealing, i, i == count - 1,
                           (struct span){sealed_at(bench, i), bench->chunk_size + AEAD_TAG_SIZE},
                           bench->plain + (size_t)i * bench->chunk_size);
    return good;
}

static bool measure_cipher(const struct bench *bench, enum aead_kind alg)
{
    static const uint8_t key[CONTENT_KEY_SIZE] = {1};
    const struct sealing_image image = {.alg = alg, .chunk_size = bench->chunk_size};
    struct sealing *sealing = sealing_open(&image, key);
    uint32_t count = bench->size / bench->chunk_size;
    clock_t begin = clock();
    double seal;
    bool good;

    seal_all(bench, sealing, count);
    seal = rate(bench->size, begin);
    begin = clock();
    good = unseal_all(bench, sealing, count);
    printf("%-18s chunks of %6" PRIu32 "  seal %6.0f MB/s  unseal %6.0f MB/s\n",
           aead_kind_name(alg), bench->chunk_size, seal / 1e6, rate(bench->size, begin) / 1e6);
    sealing_close(sealing);
    return good;
}

static bool measure_images(uint32_t size)
{
    static const uint32_t chunk_sizes[] = {4096, CHUNK_SIZE_DEFAULT};
    struct bench bench = {malloc(size), malloc(2 * (size_t)size), size, 0};
    uint8_t digest[DIGEST_SIZE];
    bool good = true;
    clock_t begin;

    CHECK(bench.plain && bench.sealed);
    memset(bench.plain, 0x5A, size);
    memset(bench.sealed, 0xA5, 2 * (size_t)size); /* pages that are there before the clock starts */
    for (size_t i = 0; i < COUNT_OF(chunk_sizes); i++) {
        bench.chunk_size = chunk_sizes[i];
        for (size_t alg = 0; alg < AEAD_COUNT; alg++)
            good &= measure_cipher(&bench, (enum aead_kind)alg);
    }
    begin = clock();
    digest_of(DIGEST_SHA256, (struct span){bench.plain, size}, digest);
    printf("%-18s                       %6.0f MB/s\n", "SHA-256", rate(size, begin) / 1e6);
    free(bench.plain);
    free(bench.sealed);
    return good;
}

static bool measure_wraps(enum wrap_kind kind, const char *name, uint32_t count)
{
    static const uint8_t key[AEAD_KEY_SIZE] = {2}, sha256[DIGEST_SIZE] = {3};
    const struct wrap_for to = {"pump-17", sha256};
    uint8_t public_bytes[WRAP_PUBLIC_SIZE_MAX], wrap[WRAP_SIZE_MAX], out[AEAD_KEY_SIZE];
    struct buf public_key = buf_over(public_bytes, sizeof public_bytes), room = {0};
    struct wrap_key *device;
    clock_t begin;
    double seal;
    bool good = true;

    CHECK(wrap_key_generate(kind, &device, NULL) == ERR_OK);
    wrap_key_public(device, &public_key);
    begin = clock();
    for (uint32_t i = 0; i < count; i++) {
        room = buf_over(wrap, sizeof wrap);
        good &= wrap_seal(buf_written(&public_key), &to, key, &room, NULL) == ERR_OK;
    }
    seal = rate(count, begin);
    begin = clock();
    for (uint32_t i = 0; i < count; i++)
        good &= wrap_unseal(device, &to, buf_written(&room), out, NULL) == ERR_OK;
    printf("%-18s wraps of %3zu bytes  wrap %6.0f /s     unwrap %6.0f /s\n", name, room.size, seal,
           rate(count, begin));
    wrap_key_close(device);
    return good;
}

int lab_seal(int argc, char **argv)
{
    struct options options;
    int code = options_start(&program, argc, argv, &options);
    uint32_t size, wraps;
    bool good;

    if (code != OPTIONS_GO_ON)
        return code;
    size = (uint32_t)(options_size(&options, "size") >> 20) << 20;
    wraps = (uint32_t)options_int(&options, "wraps");
    options_close(&options);
    good = measure_images(size);
    good &= measure_wraps(WRAP_X25519, "X25519", wraps);
    good &= measure_wraps(WRAP_P256, "P-256", wraps);
    return good ? LAB_HELD : LAB_FAILED;
}
