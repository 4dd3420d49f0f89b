/* A plain main for fuzz targets, so that every machine runs them without a fuzzing engine:
 * each file of the corpus as it is, then a bounded number of seeded mutations of it. The same
 * target also links with clang's -fsanitize=fuzzer, which brings its own main.
 *
 *   usage: x_fuzz [--seed N] [--rounds N] CORPUS_DIR_OR_FILE...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/prng.h"

#define INPUT_SIZE_MAX (1u << 20) /* bytes; larger corpus files are cut */
#define MUTATIONS_MAX  8u         /* changes to one input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[INPUT_SIZE_MAX], mutant[INPUT_SIZE_MAX];
static uint64_t rounds = 200, inputs;

static size_t mutate(struct prng *prng, size_t size)
{
    uint64_t changes = 1 + prng_below(prng, MUTATIONS_MAX);

    memcpy(mutant, input, size);
    for (uint64_t i = 0; i < changes && size > 0; i++) {
        size_t at = (size_t)prng_below(prng, size);

        switch (prng_below(prng, 5)) {
        case 0: /* flip a bit */
            mutant[at] ^= (uint8_t)(1u << prng_below(prng, 8));
            break;
        case 1: /* any byte */
            mutant[at] = (uint8_t)prng_next(prng);
            break;
        case 2: /* cut the end off */
            size = at;
            break;
        case 3: /* drop one byte */
            memmove(mutant + at, mutant + at + 1, size - at - 1);
            size--;
            break;
        default: /* repeat one byte */
            if (size < INPUT_SIZE_MAX) {
                memmove(mutant + at + 1, mutant + at, size - at);
                size++;
            }
            break;
        }
    }
    return size;
}

/* The input is handed over in a block of its own, so that a sanitizer sees any overrun. */
static void feed(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);

    if (!exact)
        abort();
    memcpy(exact, bytes, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
}

static void run_file(struct prng *prng, const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    if (!file) {
        perror(path);
        exit(1);
    }
    size = fread(input, 1, sizeof input, file);
    (void)fclose(file);
    feed(input, size);
    for (uint64_t i = 0; i < rounds; i++)
        feed(mutant, mutate(prng, size));
}

static void run_path(struct prng *prng, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char below[4096];

    if (!dir) {
        run_file(prng, path);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        run_file(prng, below);
    }
    (void)closedir(dir);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    struct prng prng;
    int at = 1;

    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--seed") == 0)
            seed = strtoull(argv[at + 1], NULL, 10);
        else if (strcmp(argv[at], "--rounds") == 0)
            rounds = strtoull(argv[at + 1], NULL, 10);
    }
    prng = prng_seeded(seed);
    for (; at < argc; at++)
        run_path(&prng, argv[at]);
    printf("seed %llu: %llu inputs\n", (unsigned long long)seed, (unsigned long long)inputs);
    return inputs == 0; /* an empty corpus is a mistake */
}
