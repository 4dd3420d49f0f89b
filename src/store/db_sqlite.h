/* The SQLite driver: WAL, synchronous=FULL (a commit that returned survives power loss),
 * foreign keys on, one connection, statements cached by the address of their text. */
#pragma once

#include "store/db.h"

/* Open or create `path`; ":memory:" is a database that lives until it is closed. ERR_STORAGE
 * or ERR_CORRUPT with the sentence when it cannot. */
enum err db_sqlite_open(const char *path, struct db **out, struct why *why) MUST_USE;
