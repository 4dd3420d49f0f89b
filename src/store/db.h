/* The narrowest waist to a database: what SQLite, another engine and the tests' failing
 * wrapper have in common. All SQL lives above it, once, with $1 $2 ... placeholders that first
 * appear in that order.
 *
 * One statement is current at a time: from db_query() until the next db_query(). So rows are
 * collected first and acted on afterwards, and column spans live until the next db_ call.
 * Errors are sticky, as in struct buf: query and bind everything, then step; the step returns
 * the first error. After an error inside a transaction the caller undoes it, or rolls back.
 *
 *     db_query(db, "SELECT name FROM device WHERE tenant = $1 AND id = $2");
 *     db_bind_int(db, tenant);
 *     db_bind_int(db, id);
 *     TRY(db_step(db, &found));
 */
#pragma once

#include "base/err.h"
#include "base/span.h"
#include "base/why.h"

struct db;

struct db_ops {
    enum err (*begin)(struct db *db);
    enum err (*commit)(struct db *db); /* durable when it returns; ERR_AGAIN = retry the batch */
    void (*rollback)(struct db *db);
    enum err (*savepoint)(struct db *db); /* they nest */
    enum err (*release)(struct db *db);   /* the newest savepoint; keeps what was done */
    enum err (*undo)(struct db *db);      /* back to the newest savepoint, which then ends */
    enum err (*script)(struct db *db, const char *sql); /* many statements without parameters */
    void (*query)(struct db *db, const char *sql);
    void (*bind_int)(struct db *db, int64_t value);
    void (*bind_text)(struct db *db, struct span text);
    void (*bind_blob)(struct db *db, struct span blob);
    enum err (*step)(struct db *db, bool *row);
    int64_t (*column_int)(struct db *db, int column);
    struct span (*column_span)(struct db *db, int column);
    int64_t (*changed)(struct db *db);
    const char *(*sentence)(struct db *db);
    void (*close)(struct db *db);
};

struct db {
    const struct db_ops *ops; /* first member; drivers embed this struct */
};

/* Make `sql` current: prepared on first use, nothing bound, rewound. `sql` must be a literal:
 * its address is the key of the statement cache. */
static inline void db_query(struct db *db, const char *sql)
{
    db->ops->query(db, sql);
}

/* Bind the next placeholder. Texts and blobs are copied or used before the call returns to the
 * caller's caller: keep them until the step. */
static inline void db_bind_int(struct db *db, int64_t value)
{
    db->ops->bind_int(db, value);
}

static inline void db_bind_span(struct db *db, struct span text)
{
    db->ops->bind_text(db, text);
}

static inline void db_bind_text(struct db *db, const char *text)
{
    db->ops->bind_text(db, span_of(text));
}

static inline void db_bind_blob(struct db *db, struct span blob)
{
    db->ops->bind_blob(db, blob);
}

static inline void db_bind_bytes(struct db *db, const void *bytes, size_t size)
{
    db->ops->bind_blob(db, (struct span){(const uint8_t *)bytes, size});
}

/* Fetch the next row; *row is false after the last. ERR_STORAGE: the disk or the file failed;
 * ERR_CONFLICT: a key or reference forbids it; ERR_AGAIN: somebody else holds the database. */
MUST_USE static inline enum err db_step(struct db *db, bool *row)
{
    return db->ops->step(db, row);
}

/* Run a statement that returns no rows. */
enum err db_run(struct db *db) MUST_USE;

/* Fetch the only row; ERR_NOT_FOUND without one. */
enum err db_one(struct db *db) MUST_USE;

static inline int64_t db_column_int(struct db *db, int column)
{
    return db->ops->column_int(db, column);
}

static inline struct span db_column_span(struct db *db, int column)
{
    return db->ops->column_span(db, column);
}

/* Copy a text column into an array; it is cut when it does not fit, which a limit of
 * base/limits.h has made impossible. */
void db_column_text(struct db *db, int column, char *to, size_t to_size);

/* Copy a digest column. False, and zeros, when the column is empty. */
bool db_column_digest(struct db *db, int column, uint8_t to[32]);

/* Rows the last INSERT, UPDATE or DELETE touched. */
static inline int64_t db_changed(struct db *db)
{
    return db->ops->changed(db);
}

/* What the engine said about the last error, for `struct why` and logs; never NULL. */
static inline const char *db_sentence(struct db *db)
{
    return db->ops->sentence(db);
}

/* Transactions. db_rollback() also ends one that failed by itself. */
MUST_USE static inline enum err db_begin(struct db *db)
{
    return db->ops->begin(db);
}

MUST_USE static inline enum err db_commit(struct db *db)
{
    return db->ops->commit(db);
}

static inline void db_rollback(struct db *db)
{
    db->ops->rollback(db);
}

MUST_USE static inline enum err db_savepoint(struct db *db)
{
    return db->ops->savepoint(db);
}

MUST_USE static inline enum err db_release(struct db *db)
{
    return db->ops->release(db);
}

MUST_USE static inline enum err db_undo(struct db *db)
{
    return db->ops->undo(db);
}

MUST_USE static inline enum err db_script(struct db *db, const char *sql)
{
    return db->ops->script(db, sql);
}

/* NULL-safe. */
void db_close(struct db *db);

/* A fresh id for a noun of this tenant: 1, 2, 3 ...; never given twice, not even after a
 * delete. `count` ids are reserved, the first is returned. */
enum err db_new_ids(struct db *db, int64_t tenant, const char *noun, uint32_t count,
                    int64_t *out) MUST_USE;
