/* What the commands on a repository directory share: where it is, when something made now ends,
 * and how far a staged file is signed. */
#pragma once

#include <jansson.h>

#include "cli/command.h"
#include "cli/keys.h"
#include "trust/repository.h"

const char *staged_dir(const struct cli *cli); /* --dir */

/* Now and the duration of this option; TUF times have whole seconds. */
struct utc staged_expiry(const struct cli *cli, const char *option);

json_t *staged_json(const char *role, const struct repository_signing *signing);
void staged_print(struct cli *cli, const char *role, const struct repository_signing *signing);

/* After a change: say how far the staged file is signed. A file that needed no more signatures
 * than it got at once is current by now. */
int staged_report(struct cli *cli, const char *role);

/* Sign the staged file with those of the keys that are private. */
enum err staged_sign_at_hand(struct cli *cli, const char *role, const struct keys *keys,
                             struct why *why) MUST_USE;

/* The same for a change that an edit has staged: report it, or complain. */
int staged_edited(struct cli *cli, const struct repository_edit *edit, enum err err,
                  const struct why *why);
