/* Content keys of sealed releases go to the server with the list that names them. */
#pragma once

#include "cli/command.h"
#include "trust/metadata.h"

/* For every sealed release of a list that the server lacks the key of: send it. CODE_PARTIAL: some
 * are neither here nor there, which is said. */
int content_publish(struct cli *cli, const struct tuf_metadata *list);
