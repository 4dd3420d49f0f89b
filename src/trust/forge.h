/* A TUF repository for tests, in memory, whose every part can be made wrong on purpose.
 *
 * It keeps plain facts (keys, signers, versions, expiries, targets) and writes files from them
 * when told to; a test changes a fact, writes one file, and looks at what a client does. It
 * shares no code with what it tests but the writing of envelopes and keys. */
#pragma once

#include "trust/client.h"
#include "trust/envelope.h"

#define FORGE_KEYS_MAX  8u
#define FORGE_FILES_MAX 64u
#define FORGE_LOG_SIZE  2048u

/* 2026-06-01T00:00:00Z, when tests happen unless they say otherwise. */
#define FORGE_NOW ((struct utc){INT64_C(1780272000000)})
#define DAY_MS    (INT64_C(24) * 3600 * 1000)

struct forge_role {
    struct key *keys[FORGE_KEYS_MAX]; /* named by the root; owned */
    uint32_t key_count;
    int threshold;
    struct key *signers[FORGE_KEYS_MAX]; /* those who could sign; owned */
    uint32_t signer_max;
    uint32_t signer_count; /* the first so many of them do sign */
    uint64_t version;
    struct utc expires;
};

struct forge_file {
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
};

struct forge {
    struct forge_role roles[TUF_ROLE_COUNT];
    bool consistent;
    bool hashes; /* whether timestamp and snapshot state length and hashes */
    json_t *targets;
    json_t *extra; /* members to add to the signed part of the next file written; NULL: none */
    struct forge_file files[FORGE_FILES_MAX];
    size_t file_count;
    struct tuf_bytes last[TUF_ROLE_COUNT]; /* the bytes each role was written as last */
    enum err failure;                      /* what every fetch answers, unless ERR_OK */
    char log[FORGE_LOG_SIZE];              /* names fetched, each followed by a space */
};

/* Root, targets, snapshot and timestamp version 1 with one key each, written. */
struct forge *forge_open(void);
void forge_close(struct forge *forge);

/* A new key that the root names and that signs; the role's keys so far go (replace) or stay. */
void forge_add_key(struct forge *forge, enum tuf_role role, enum key_kind kind);
void forge_replace_keys(struct forge *forge, enum tuf_role role);

/* Write the role's file as the facts stand; to its versioned name where there is one. */
void forge_write(struct forge *forge, enum tuf_role role);

/* Next versions of these and of all that follow from them, written in order. */
void forge_next(struct forge *forge, enum tuf_role role);
void forge_next_all(struct forge *forge); /* targets, snapshot, timestamp */

/* A file's bytes, to look at or to replace; NULL when there is none. */
struct tuf_bytes *forge_file(struct forge *forge, const char *name);
void forge_put(struct forge *forge, const char *name, struct span bytes);
void forge_drop(struct forge *forge, const char *name);

/* A plain target of these bytes; with facts, those of an image that has them. */
void forge_target(struct forge *forge, const char *name, struct span bytes);
void forge_release(struct forge *forge, const char *product, const char *version);

/* The forge as a client's source. */
struct tuf_fetch forge_fetch(struct forge *forge);
