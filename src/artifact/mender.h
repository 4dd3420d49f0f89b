/* Mender Artifacts, format 3 (and reading 2): one pass over the bytes as they come, every check on
 * the way, payloads never kept.
 *
 *     version | manifest | [manifest.sig] | header.tar[.gz|.xz|.zst] | data/0000.tar[...] | ...
 *
 * The outer archive is a plain tar in exactly this order. `manifest` names the SHA-256 of each
 * payload file as it is installed, of the header as it is stored and of `version`; all of it must
 * be there and nothing else. What is accepted is a set smaller than what Mender's own tools accept:
 * augmented artifacts, extended tar headers and unknown members of its JSON are refused.
 *
 * Source: docs/spec/mender-artifact.md. */
#pragma once

#include <jansson.h>

#include "artifact/unpack.h"
#include "base/limits.h"
#include "crypto/key.h"
#include "crypto/public_key.h"

#define MENDER_NAME_SIZE_MAX      256u         /* bytes of an artifact's name */
#define MENDER_FILE_NAME_SIZE_MAX 100u         /* bytes: what fits a tar header */
#define MENDER_MANIFEST_SIZE_MAX  (256u << 10) /* bytes */
#define MENDER_SIGNATURE_SIZE_MAX 2048u /* bytes of manifest.sig: base64 of RSA with 8192 bits */
#define MENDER_FILES_MAX          1024u /* lines of a manifest */
#define MENDER_HEADER_SIZE_MAX    (16u << 20) /* bytes of header.tar unpacked: mostly scripts */
#define MENDER_JSON_SIZE_MAX      (64u << 10) /* bytes of header-info, type-info and meta-data */
#define MENDER_JSON_DEPTH_MAX     32u         /* brackets within brackets */
#define MENDER_PAYLOADS_MAX       8u          /* no client installs more than one */
#define MENDER_SCRIPTS_MAX        128u
#define MENDER_TYPES_MAX          64u           /* device types of an artifact */
#define MENDER_PAIRS_MAX          128u          /* keys it provides, or depends on */
#define MENDER_SIZE_MAX           (10ull << 30) /* bytes of an artifact: Mender's own limit */
#define MENDER_KEYS_MAX           16u

/* The operator's keys. With any, an artifact must be signed by one of them. */
struct mender_keys {
    struct public_key *at[MENDER_KEYS_MAX];
    uint32_t count;
};

/* From PEM files; ERR_CORRUPT with the file's name. Close in any case. */
enum err mender_keys_load(const char *const *paths, size_t count, struct mender_keys *out,
                          struct why *why) MUST_USE;
void mender_keys_close(struct mender_keys *keys);

struct mender_reader;

/* Never NULL. `keys` is borrowed and may be NULL. */
struct mender_reader *mender_reader_open(const struct mender_keys *keys);
void mender_reader_close(struct mender_reader *reader); /* NULL-safe */

/* The next bytes. ERR_CORRUPT: not what the format, its manifest or its signature allow;
 * ERR_UNTRUSTED: no signature by one of the keys; ERR_TOO_BIG: past a limit. After a failure only
 * closing is left. */
enum err mender_reader_take(struct mender_reader *reader, struct span bytes,
                            struct why *why) MUST_USE;

/* Whether all that describes the artifact has come; payloads may still follow. */
bool mender_reader_has_header(const struct mender_reader *reader);

/* No more bytes come: was it whole? */
enum err mender_reader_end(struct mender_reader *reader, struct why *why) MUST_USE;

/* What it says of itself, borrowed; after mender_reader_has_header(), with the files of the
 * payloads that have come so far:
 *
 *   {"name":"release-2", "format_version":3, "signed":true, "device_types":["sandbox"],
 *    "provides":{"artifact_name":"release-2", KEY:TEXT...},
 *    "depends":{"device_type":["sandbox"], KEY:[TEXT...]...}, "clears":[GLOB...] (if given),
 *    "scripts":[NAME...],
 *    "payloads":[{"type":"single-file" or null, "meta_data":{...} (if given),
 *                 "files":[{"name":"x","size":3,"sha256":"..."}]}]}
 *
 * The members of the header and of all payloads are merged. */
const json_t *mender_reader_facts(const struct mender_reader *reader);

/* Whether a device that provides `provides` (an object of texts, artifact_name and device_type
 * among them) satisfies what `facts` depend on. Otherwise *why says which key does not fit. */
bool mender_fits(const json_t *facts, const json_t *provides, struct why *why) MUST_USE;

/* ---- Writing ---- */

struct mender_file {
    struct span name;
    uint64_t size;
    uint8_t sha256[DIGEST_SIZE];
    uint64_t mtime_s;
    uint32_t mode;
    const char *path; /* where its bytes are */
};

#define MENDER_WRITE_FILES_MAX 256u

/* One payload; every pointer is borrowed. `provides`, `depends`, `clears` and `meta_data` may be
 * NULL. */
struct mender_plan {
    const char *name, *group;     /* group NULL: none */
    const char *type;             /* of the payload */
    const json_t *device_types;   /* array of texts */
    const json_t *names, *groups; /* what it depends on, any of; NULL: nothing */
    const json_t *provides, *depends, *clears, *meta_data;
    const struct mender_file *scripts, *files;
    size_t scripts_count, files_count;
    enum packing packing;
    const struct key *key; /* signs, ECDSA P-256; NULL: unsigned */
};

/* To `path`, which must not exist; whatever lies there after a failure has been removed. The files
 * are read twice, and ERR_CONFLICT when they have changed between. */
enum err mender_write(const struct mender_plan *plan, const char *path, struct why *why) MUST_USE;

/* Whether clients accept this as the name of a file in a payload, and of a state script. */
bool mender_file_name_is_good(struct span name);
bool mender_script_name_is_good(struct span name);
