/* Which server, which CA, which token: from the command line, else from the context file that
 * `slipway login` writes. No environment variable is read; home is what the user database says. */
#pragma once

#include "cli/command.h"

#define CONTEXT_PATH_SIZE      4096u
#define CONTEXT_TOKEN_SIZE_MAX 512u /* bytes of a token */

struct context {
    char server[1024]; /* "" if none; without a slash at the end */
    char ca[CONTEXT_PATH_SIZE];
    char token_file[CONTEXT_PATH_SIZE];
};

/* ERR_INVALID: the context file is bad. A missing file is an empty context. */
enum err context_load(const struct options *options, struct context *out, struct why *why) MUST_USE;

/* The path of the context file in use, and of another file beside it. */
enum err context_path(const struct options *options, char to[CONTEXT_PATH_SIZE],
                      struct why *why) MUST_USE;
enum err context_beside(const struct options *options, const char *name, char to[CONTEXT_PATH_SIZE],
                        struct why *why) MUST_USE;

/* Write the context file, making its directory. */
enum err context_save(const struct options *options, const struct context *context,
                      struct why *why) MUST_USE;

/* The token without white space around it. ERR_INVALID: empty or malformed. */
enum err context_token(const char *path, char to[CONTEXT_TOKEN_SIZE_MAX + 1],
                       struct why *why) MUST_USE;
