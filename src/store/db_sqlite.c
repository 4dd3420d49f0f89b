#include "store/db_sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/say.h"

#define STATEMENTS_MAX  512u /* distinct SQL texts in the program; a power of two */
#define BUSY_TIMEOUT_MS 5000 /* a backup or a curious reader may hold the file that long */
#define SENTENCE_MAX    200u /* bytes */

struct db_sqlite {
    struct db db;
    sqlite3 *handle;
    struct {
        const char *sql; /* the key is the address */
        sqlite3_stmt *statement;
    } cache[STATEMENTS_MAX];
    size_t cached;
    sqlite3_stmt *current;
    int bound;        /* placeholders of `current` that have a value */
    bool stepped;     /* `current` has been stepped since it was bound */
    enum err err;     /* sticky until the next query */
    bool transaction; /* between begin and commit or rollback */
    char sentence[SENTENCE_MAX];
};

static struct db_sqlite *self_of(struct db *db)
{
    return (struct db_sqlite *)db;
}

static enum err err_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_AGAIN;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_TOOBIG:
        return ERR_TOO_BIG;
    default:
        return ERR_STORAGE;
    }
}

static enum err failed(struct db_sqlite *self, int code)
{
    int system = (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN
                     ? sqlite3_system_errno(self->handle)
                     : 0;

    (void)snprintf(self->sentence, SENTENCE_MAX, "%s%s%s", sqlite3_errmsg(self->handle),
                   system != 0 ? ": " : "", system != 0 ? strerror(system) : "");
    self->err = err_of(code);
    CHECK(self->err != ERR_OK);
    return self->err;
}

/* Full disks and I/O errors may end a transaction behind our back. From then on nothing may be
 * written, because it would be committed one statement at a time. */
static bool lost(const struct db_sqlite *self)
{
    return self->transaction && sqlite3_get_autocommit(self->handle) != 0;
}

static size_t slot_of(const struct db_sqlite *self, const char *sql)
{
    size_t slot = ((uintptr_t)sql >> 3) * 0x9E3779B1u % STATEMENTS_MAX;

    while (self->cache[slot].sql && self->cache[slot].sql != sql)
        slot = (slot + 1) % STATEMENTS_MAX;
    return slot;
}

static int statement_for(struct db_sqlite *self, const char *sql, sqlite3_stmt **out)
{
    size_t slot = slot_of(self, sql);
    int code;

    if (self->cache[slot].sql) {
        *out = self->cache[slot].statement;
        return SQLITE_OK;
    }
    CHECK(self->cached < STATEMENTS_MAX / 4 * 3);
    code = sqlite3_prepare_v3(self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (code != SQLITE_OK)
        return code;
    self->cache[slot].sql = sql;
    self->cache[slot].statement = *out;
    self->cached++;
    return SQLITE_OK;
}

static void query(struct db *db, const char *sql)
{
    struct db_sqlite *self = self_of(db);
    int code;

    if (self->current)
        (void)sqlite3_reset(self->current); /* its error has been reported by the step */
    self->current = NULL;
    self->bound = 0;
    self->stepped = false;
    self->err = ERR_OK;
    code = statement_for(self, sql, &self->current);
    if (code != SQLITE_OK)
        (void)failed(self, code);
}

static void bound(struct db_sqlite *self, int code)
{
    if (code != SQLITE_OK)
        (void)failed(self, code);
}

static void bind_int(struct db *db, int64_t value)
{
    struct db_sqlite *self = self_of(db);

    if (self->err == ERR_OK)
        bound(self, sqlite3_bind_int64(self->current, ++self->bound, value));
}

static void bind_text(struct db *db, struct span text)
{
    struct db_sqlite *self = self_of(db);
    const char *at = text.size > 0 ? (const char *)text.at : "";

    if (self->err == ERR_OK)
        bound(self, sqlite3_bind_text64(self->current, ++self->bound, at, text.size, SQLITE_STATIC,
                                        SQLITE_UTF8));
}

static void bind_blob(struct db *db, struct span blob)
{
    struct db_sqlite *self = self_of(db);
    const void *at = blob.size > 0 ? (const void *)blob.at : "";

    if (self->err == ERR_OK)
        bound(self,
              sqlite3_bind_blob64(self->current, ++self->bound, at, blob.size, SQLITE_STATIC));
}

static enum err step(struct db *db, bool *row)
{
    struct db_sqlite *self = self_of(db);
    int code;

    if (self->err != ERR_OK)
        return self->err;
    CHECK(self->current);
    CHECK(self->stepped || self->bound == sqlite3_bind_parameter_count(self->current));
    if (lost(self)) {
        strncpy(self->sentence, "the transaction has been ended by an earlier error",
                SENTENCE_MAX - 1);
        self->err = ERR_STORAGE;
        return self->err;
    }
    self->stepped = true;
    code = sqlite3_step(self->current);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        (void)failed(self, code);
        (void)sqlite3_reset(self->current); /* repeats the same error */
        return self->err;
    }
    *row = code == SQLITE_ROW;
    return ERR_OK;
}

static int64_t column_int(struct db *db, int column)
{
    return sqlite3_column_int64(self_of(db)->current, column);
}

static struct span column_span(struct db *db, int column)
{
    sqlite3_stmt *current = self_of(db)->current;
    const void *at = sqlite3_column_blob(current, column);

    return (struct span){(const uint8_t *)at, (size_t)sqlite3_column_bytes(current, column)};
}

static int64_t changed(struct db *db)
{
    return sqlite3_changes64(self_of(db)->handle);
}

static const char *sentence(struct db *db)
{
    return self_of(db)->sentence;
}

/* One statement without parameters or rows. */
static enum err plain(struct db *db, const char *sql)
{
    query(db, sql);
    return db_run(db);
}

static enum err begin(struct db *db)
{
    struct db_sqlite *self = self_of(db);

    CHECK(!self->transaction);
    TRY(plain(db, "BEGIN IMMEDIATE"));
    self->transaction = true;
    return ERR_OK;
}

static enum err commit(struct db *db)
{
    struct db_sqlite *self = self_of(db);

    CHECK(self->transaction);
    TRY(plain(db, "COMMIT"));
    self->transaction = false;
    return ERR_OK;
}

static void rollback(struct db *db)
{
    struct db_sqlite *self = self_of(db);

    if (self->transaction && !lost(self))
        (void)plain(db, "ROLLBACK"); /* fails only when there is nothing left to roll back */
    self->transaction = false;
}

static enum err savepoint(struct db *db)
{
    return plain(db, "SAVEPOINT nested");
}

static enum err release(struct db *db)
{
    return plain(db, "RELEASE nested");
}

static enum err undo(struct db *db)
{
    TRY(plain(db, "ROLLBACK TO nested"));
    return release(db);
}

static enum err script(struct db *db, const char *sql)
{
    struct db_sqlite *self = self_of(db);
    int code;

    if (self->current)
        (void)sqlite3_reset(self->current); /* its error has been reported by the step */
    self->current = NULL;
    self->err = ERR_OK;
    code = sqlite3_exec(self->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : failed(self, code);
}

static void close_sqlite(struct db *db)
{
    struct db_sqlite *self = self_of(db);

    for (size_t i = 0; i < STATEMENTS_MAX; i++)
        (void)sqlite3_finalize(self->cache[i].statement); /* NULL-safe; reports old errors */
    CHECK(sqlite3_close(self->handle) == SQLITE_OK);
    free(self);
}

static const struct db_ops sqlite_ops = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .release = release,
    .undo = undo,
    .script = script,
    .query = query,
    .bind_int = bind_int,
    .bind_text = bind_text,
    .bind_blob = bind_blob,
    .step = step,
    .column_int = column_int,
    .column_span = column_span,
    .changed = changed,
    .sentence = sentence,
    .close = close_sqlite,
};

enum err db_sqlite_open(const char *path, struct db **out, struct why *why)
{
    static const char setup[] =
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;" /* a commit survives power loss */
        "PRAGMA foreign_keys = ON;"
        "PRAGMA temp_store = FILE;"             /* in memory, sub-journals are walked as lists */
        "PRAGMA cache_size = -16384;"           /* KiB */
        "PRAGMA journal_size_limit = 67108864;" /* bytes */
        "PRAGMA trusted_schema = OFF;";
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    struct db_sqlite *self = calloc(1, sizeof *self);
    enum err err;
    int code;

    CHECK(self); /* without memory at start nothing works */
    self->db.ops = &sqlite_ops;
    code = sqlite3_open_v2(path, &self->handle, flags, NULL);
    err = code == SQLITE_OK ? ERR_OK : failed(self, code);
    if (err == ERR_OK) {
        (void)sqlite3_busy_timeout(self->handle, BUSY_TIMEOUT_MS);
        err = script(&self->db, setup);
    }
    if (err != ERR_OK) {
        (void)say(why, err, "data_dir", "cannot open database %s: %s", path, self->sentence);
        close_sqlite(&self->db);
        return err;
    }
    *out = &self->db;
    return ERR_OK;
}
