#include "store/db.h"

#include <string.h>

#include "base/check.h"

enum err db_run(struct db *db)
{
    bool row;

    TRY(db_step(db, &row));
    CHECK(!row);
    return ERR_OK;
}

enum err db_one(struct db *db)
{
    bool row;

    TRY(db_step(db, &row));
    return row ? ERR_OK : ERR_NOT_FOUND;
}

void db_column_text(struct db *db, int column, char *to, size_t to_size)
{
    struct span text = db_column_span(db, column);
    size_t size = text.size < to_size ? text.size : to_size - 1;

    CHECK(to_size > 0);
    if (size > 0)
        memcpy(to, text.at, size);
    to[size] = '\0';
}

bool db_column_digest(struct db *db, int column, uint8_t to[32])
{
    struct span digest = db_column_span(db, column);

    if (digest.size != 32) {
        memset(to, 0, 32);
        return false;
    }
    memcpy(to, digest.at, 32);
    return true;
}

void db_close(struct db *db)
{
    if (db)
        db->ops->close(db);
}

enum err db_new_ids(struct db *db, int64_t tenant, const char *noun, uint32_t count, int64_t *out)
{
    int64_t next;

    CHECK(count > 0);
    db_query(db,
             "INSERT INTO counter (tenant, noun, next) VALUES ($1, $2, 1 + $3)"
             " ON CONFLICT (tenant, noun) DO UPDATE SET next = counter.next + $3 RETURNING next");
    db_bind_int(db, tenant);
    db_bind_text(db, noun);
    db_bind_int(db, count);
    TRY(db_one(db));
    next = db_column_int(db, 0);
    *out = next - count;
    return ERR_OK;
}
