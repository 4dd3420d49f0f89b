/* Loading the keys that options name. */
#pragma once

#include "cli/command.h"
#include "crypto/key.h"
#include "trust/repository.h"

struct keys {
    struct key *at[REPOSITORY_KEYS_MAX];
    uint32_t count;
};

#define KEYS_SHOWN_SIZE 96u

/* How a key is called in what is printed: `name`, or of a PKCS#11 URI the part that cannot hold a
 * PIN, in `room`. */
const char *keys_shown(const char *name, char room[KEYS_SHOWN_SIZE]);

/* One key by its name on a command line: a file in any form, or a PKCS#11 URI. */
enum err keys_open(struct cli *cli, const char *name, struct key **out, struct why *why) MUST_USE;

/* All keys of a LIST option, `private_only` refuses public keys. On failure it has
 * complained and nothing stays open. */
int keys_load(struct cli *cli, const char *option, bool private_only, struct keys *out);

/* One file, or (`path` NULL) what the server says is its key: "snapshot_key", "timestamp_key",
 * "assignment_key". */
int keys_load_online(struct cli *cli, const char *path, const char *member, struct keys *out);

/* The same, but a server that has no such key leaves `out` empty. */
int keys_load_if_any(struct cli *cli, const char *member, struct keys *out);

void keys_close(struct keys *keys);
