/* The two slots of the agent's record as files: DIRECTORY/record.0 and record.1.
 *
 * A slot is replaced atomically. For tests the process can be made to die at one chosen write,
 * as if the power had failed there: before it, after it, or with half of the slot written. */
#pragma once

#include "base/why.h"
#include "format/record.h"

#define RECORD_FILE_PATH_SIZE 4096u /* bytes of a path with NUL */
#define RECORD_FILE_CRASH     137   /* exit code of the death above, as a shell shows kill -9 */

enum record_file_crash {
    RECORD_CRASH_NEVER,
    RECORD_CRASH_BEFORE,
    RECORD_CRASH_TORN,
    RECORD_CRASH_AFTER
};

struct record_file {
    char paths[RECORD_SLOTS][RECORD_FILE_PATH_SIZE];
    enum record_file_crash crash;
    uint32_t crash_at; /* sequence of the record at whose write the process dies */
};

/* `slots` refers to `file`, so that one must not move. */
enum err record_file_open(struct record_file *file, const char *directory,
                          struct record_slots *slots, struct why *why) MUST_USE;
