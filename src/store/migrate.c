#include "store/migrate.h"

#include <string.h>

#include "base/limits.h"
#include "crypto/sha256.h"
#include "os/say.h"

static enum err prepare_table(struct db *db)
{
    return db_script(db, "CREATE TABLE IF NOT EXISTS migration ("
                         " number INTEGER PRIMARY KEY,"
                         " name TEXT NOT NULL,"
                         " sha256 BLOB NOT NULL,"
                         " applied_ms INTEGER NOT NULL) STRICT");
}

static enum err refuse_newer(struct db *db, size_t count, struct why *why)
{
    int64_t newest;

    db_query(db, "SELECT coalesce(max(number), 0) FROM migration");
    TRY(db_one(db));
    newest = db_column_int(db, 0);
    if (newest > (int64_t)count)
        return say(why, ERR_UNSUITABLE, "data_dir",
                   "the database has version %lld and this program knows only %zu:"
                   " use the newer program",
                   (long long)newest, count);
    return ERR_OK;
}

/* *applied: it is there already, with the same text. */
static enum err check_applied(struct db *db, const struct migration *migration,
                              const uint8_t sha256[DIGEST_SIZE], bool *applied, struct why *why)
{
    uint8_t before[DIGEST_SIZE];

    db_query(db, "SELECT sha256 FROM migration WHERE number = $1");
    db_bind_int(db, migration->number);
    TRY(db_step(db, applied));
    if (*applied && (!db_column_digest(db, 0, before) || memcmp(before, sha256, DIGEST_SIZE) != 0))
        return say(why, ERR_CORRUPT, "data_dir",
                   "migration %u (%s) was applied to this database with another text",
                   migration->number, migration->name);
    return ERR_OK;
}

static enum err apply(struct db *db, const struct migration *migration,
                      const uint8_t sha256[DIGEST_SIZE], struct utc now)
{
    TRY(db_script(db, migration->sql));
    db_query(db, "INSERT INTO migration (number, name, sha256, applied_ms)"
                 " VALUES ($1, $2, $3, $4)");
    db_bind_int(db, migration->number);
    db_bind_text(db, migration->name);
    db_bind_bytes(db, sha256, DIGEST_SIZE);
    db_bind_int(db, now.ms);
    return db_run(db);
}

static enum err one(struct db *db, const struct migration *migration, struct utc now,
                    struct why *why)
{
    uint8_t sha256[DIGEST_SIZE];
    bool applied;
    enum err err;

    sha256_of(span_of(migration->sql), sha256);
    TRY(check_applied(db, migration, sha256, &applied, why));
    if (applied)
        return ERR_OK;
    TRY(db_begin(db));
    err = apply(db, migration, sha256, now);
    if (err == ERR_OK)
        err = db_commit(db);
    if (err != ERR_OK) {
        (void)say(why, err, NULL, "migration %u (%s): %s", migration->number, migration->name,
                  db_sentence(db));
        db_rollback(db);
    }
    return err;
}

enum err migrate_with(struct db *db, const struct migration *list, size_t count, struct utc now,
                      struct why *why)
{
    TRY(prepare_table(db));
    TRY(refuse_newer(db, count, why));
    for (size_t i = 0; i < count; i++)
        TRY(one(db, &list[i], now, why));
    return ERR_OK;
}

enum err migrate(struct db *db, struct utc now, struct why *why)
{
    size_t count;
    const struct migration *list = migrations(&count);

    return migrate_with(db, list, count, now, why);
}
