#include "store/db_failing.h"

#include <stdlib.h>

#include "base/check.h"

struct db_failing {
    struct db db;
    struct db *inner;
    uint64_t count; /* operations since armed */
    uint64_t fault; /* the operation that fails first; 0 = none */
    bool happened;  /* the fault is there and stays */
};

static struct db_failing *self_of(struct db *db)
{
    return (struct db_failing *)db;
}

static bool fails(struct db_failing *self)
{
    self->count++;
    if (self->fault != 0 && self->count >= self->fault)
        self->happened = true;
    return self->happened;
}

static enum err begin(struct db *db)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_begin(self_of(db)->inner);
}

static enum err commit(struct db *db)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_commit(self_of(db)->inner);
}

static void rollback(struct db *db)
{
    db_rollback(self_of(db)->inner);
}

static enum err savepoint(struct db *db)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_savepoint(self_of(db)->inner);
}

static enum err release(struct db *db)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_release(self_of(db)->inner);
}

static enum err undo(struct db *db)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_undo(self_of(db)->inner);
}

static enum err script(struct db *db, const char *sql)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_script(self_of(db)->inner, sql);
}

static enum err step(struct db *db, bool *row)
{
    return fails(self_of(db)) ? ERR_STORAGE : db_step(self_of(db)->inner, row);
}

static void query(struct db *db, const char *sql)
{
    db_query(self_of(db)->inner, sql);
}

static void bind_int(struct db *db, int64_t value)
{
    db_bind_int(self_of(db)->inner, value);
}

static void bind_text(struct db *db, struct span text)
{
    db_bind_span(self_of(db)->inner, text);
}

static void bind_blob(struct db *db, struct span blob)
{
    db_bind_blob(self_of(db)->inner, blob);
}

static int64_t column_int(struct db *db, int column)
{
    return db_column_int(self_of(db)->inner, column);
}

static struct span column_span(struct db *db, int column)
{
    return db_column_span(self_of(db)->inner, column);
}

static int64_t changed(struct db *db)
{
    return db_changed(self_of(db)->inner);
}

static const char *sentence(struct db *db)
{
    return self_of(db)->happened ? "a fault was asked for" : db_sentence(self_of(db)->inner);
}

static void close_failing(struct db *db)
{
    db_close(self_of(db)->inner);
    free(db);
}

static const struct db_ops failing_ops = {
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
    .close = close_failing,
};

struct db *db_failing_open(struct db *inner)
{
    struct db_failing *self = calloc(1, sizeof *self);

    CHECK(self);
    self->db.ops = &failing_ops;
    self->inner = inner;
    return &self->db;
}

void db_failing_arm(struct db *db, uint64_t countdown)
{
    struct db_failing *self = self_of(db);

    CHECK(db->ops == &failing_ops);
    self->count = 0;
    self->fault = countdown;
    self->happened = false;
}

bool db_failing_happened(const struct db *db)
{
    return ((const struct db_failing *)db)->happened;
}

uint64_t db_failing_count(const struct db *db)
{
    return ((const struct db_failing *)db)->count;
}
