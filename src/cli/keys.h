/* Loading the keys that options name. */
#pragma once

#include "cli/command.h"
#include "crypto/key.h"
#include "trust/repository.h"

struct keys {
    struct key *at[REPOSITORY_KEYS_MAX];
    uint32_t count;
};

/* All files of a LIST option, in any form; `private_only` refuses public keys. On failure it has
 * complained and nothing stays open. */
int keys_load(struct cli *cli, const char *option, bool private_only, struct keys *out);

/* One file, or (`path` NULL) what the server says is its key: "snapshot_key", "timestamp_key". */
int keys_load_online(struct cli *cli, const char *path, const char *member, struct keys *out);

void keys_close(struct keys *keys);
