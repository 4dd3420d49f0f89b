/* Mender Artifacts in files: read whole, with every check. */
#pragma once

#include "artifact/mender.h"
#include "cli/command.h"

/* *out is the caller's, to be closed; NULL after a failure. `keys` may be NULL. */
enum err mender_file_read(const char *path, const struct mender_keys *keys,
                          struct mender_reader **out, struct why *why) MUST_USE;

/* The public keys in the files that an option names; close them in any case. */
enum err mender_file_keys(struct cli *cli, const char *option, struct mender_keys *out,
                          struct why *why) MUST_USE;
