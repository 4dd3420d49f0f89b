/* Inside the reader and writer of Mender Artifacts. Only artifact/mender*.c include this. */
#pragma once

#include "artifact/mender.h"

/* ---- mender_manifest.c ---- */

struct mender_line {
    uint8_t sha256[DIGEST_SIZE];
    struct span name; /* in the manifest's bytes */
    bool seen;
};

struct mender_manifest {
    struct mender_line lines[MENDER_FILES_MAX];
    size_t count;
};

/* `text` is borrowed by the lines. */
enum err mender_manifest_read(struct mender_manifest *manifest, struct span text,
                              struct why *why) MUST_USE;

/* What is called `name` has this digest: tick its line off. ERR_CORRUPT: it is not listed, has been
 * seen before or is another. */
enum err mender_manifest_tick(struct mender_manifest *manifest, struct span name,
                              const uint8_t sha256[DIGEST_SIZE], struct why *why) MUST_USE;

/* Every line has been ticked off. */
enum err mender_manifest_end(const struct mender_manifest *manifest, struct why *why) MUST_USE;

/* Whether manifest.sig, base64, is by one of the keys. */
enum err mender_signature_check(const struct mender_keys *keys, struct span manifest,
                                struct span signature, struct why *why) MUST_USE;

/* ---- mender_header.c: the JSON, into `facts` ---- */

enum err mender_read_version(struct span text, unsigned *version, struct why *why) MUST_USE;
enum err mender_read_header_info(struct span text, unsigned version, json_t *facts,
                                 struct why *why) MUST_USE;
enum err mender_read_type_info(struct span text, unsigned version, size_t payload, json_t *facts,
                               struct why *why) MUST_USE;
enum err mender_read_meta_data(struct span text, size_t payload, json_t *facts,
                               struct why *why) MUST_USE;
size_t mender_payloads(const json_t *facts);
