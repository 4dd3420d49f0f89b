/* A database that fails at the k-th operation, for tests of what is left behind.
 *
 * It wraps another one and passes everything on until the fault; from the fault on everything
 * fails with ERR_STORAGE until db_failing_arm() is called again, as a full disk would. */
#pragma once

#include "store/db.h"

/* `inner` is taken over: db_close() closes both. Never fails until armed. */
struct db *db_failing_open(struct db *inner) MUST_USE;

/* Let the `countdown`-th operation from now fail (1 = the next one); 0 = never. Operations are
 * begin, commit, savepoint, release, undo, script and step. */
void db_failing_arm(struct db *db, uint64_t countdown);

/* Whether the armed fault has happened. */
bool db_failing_happened(const struct db *db);

/* Operations since db_failing_arm(). */
uint64_t db_failing_count(const struct db *db);
