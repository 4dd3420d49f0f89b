/* Numbered migrations: schema/NNN_name.sql, applied in order, each in one transaction, each
 * remembered with its checksum in the table `migration`. */
#pragma once

#include "base/time.h"
#include "store/db.h"

struct migration {
    uint32_t number; /* from 1, without holes */
    const char *name;
    const char *sql;
};

/* The migrations this program carries, in order. */
const struct migration *migrations(size_t *count);

/* Bring the database to the newest version of `list`. ERR_UNSUITABLE when it is newer than
 * this program; ERR_CORRUPT when an applied migration had another text. */
enum err migrate_with(struct db *db, const struct migration *list, size_t count, struct utc now,
                      struct why *why) MUST_USE;

/* The same with the migrations this program carries. */
enum err migrate(struct db *db, struct utc now, struct why *why) MUST_USE;
