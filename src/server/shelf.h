/* The TUF metadata files that are handed out now, in memory and immutable, and the blobs that a
 * front may hand out without asking.
 *
 * The engine publishes a whole new set; the fronts borrow single files by reference, so that a
 * slow download of an old file never blocks or tears a new one. */
#pragma once

#include "base/limits.h"
#include "base/span.h"
#include "trust/metadata.h"

#define SHELF_BLOBS_MAX     256u /* releases that are being rolled out, with their chunk lists */
#define SHELF_NAME_SIZE_MAX (TUF_FILE_NAME_SIZE - 1u) /* bytes of a metadata file's name */
#define SHELF_VERSIONS_KEPT \
    4u /* of each file but the roots: who is refreshing may still want them */

/* One file. Whoever got it from shelf_get() gives it back with shelf_release(). */
struct shelf_file {
    struct span bytes;
    uint8_t sha256[DIGEST_SIZE]; /* its ETag */
};

struct shelf;

struct shelf *shelf_open(void) MUST_USE;
void shelf_close(struct shelf *shelf);

/* Put one file of a tenant there, in place of one of the same name. Bytes are copied. */
void shelf_put(struct shelf *shelf, const char *tenant, const char *name, struct span bytes);

/* NULL when there is no such file. Any thread. */
const struct shelf_file *shelf_get(struct shelf *shelf, struct span tenant, struct span name);

void shelf_release(const struct shelf_file *file);

/* Note that every active device of the tenant may have this blob: the engine has said so. It holds
 * until the tenant's metadata changes, or SHELF_BLOBS_MAX others have come; then the engine is
 * asked again. */
void shelf_allow(struct shelf *shelf, struct span tenant, const uint8_t sha256[DIGEST_SIZE]);

/* Any thread. */
bool shelf_allows(struct shelf *shelf, struct span tenant, const uint8_t sha256[DIGEST_SIZE]);
