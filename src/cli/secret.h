/* Passphrases and PINs: from the file or variable that options name, else asked for on the
 * terminal without echo. Never from the command line itself, which others can read. */
#pragma once

#include "cli/command.h"
#include "crypto/key.h"

/* Rows of every command that opens private keys. */
#define ROWS_SECRET                                                     \
    {"passphrase_file",                                                 \
     0,                                                                 \
     OPTION_PATH,                                                       \
     NULL,                                                              \
     0,                                                                 \
     0,                                                                 \
     "FILE",                                                            \
     "Read the passphrase or PIN from the first line of this file"},    \
    {                                                                   \
        "passphrase_env", 0, OPTION_TEXT, NULL, 0, 0, "NAME",           \
            "Take the passphrase or PIN from this environment variable" \
    }

/* For key_load_asking() and pkcs11_open(); lives as long as `cli`. ERR_DENIED: nobody can be
 * asked, or the file or variable gives nothing. */
struct key_ask secret_ask(struct cli *cli);

/* A new passphrase, typed twice when it is typed. `to` has KEY_SECRET_SIZE_MAX bytes, wiped by
 * the caller. ERR_INVALID: the two differ, or it is empty. */
enum err secret_new(struct cli *cli, const char *path, char *to, struct why *why) MUST_USE;
