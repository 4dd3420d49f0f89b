#include "store/foreign.h"

#include "base/check.h"

#define COLUMNS "device, protocol, external, runs, wants_attributes"

static void read_row(struct db *db, int64_t tenant, struct foreign_row *out)
{
    *out = (struct foreign_row){.tenant = tenant};
    out->device = db_column_int(db, 0);
    out->protocol = (enum protocol)db_column_int(db, 1);
    CHECK(out->protocol < PROTOCOL_COUNT);
    db_column_text(db, 2, out->external, sizeof out->external);
    db_column_text(db, 3, out->runs, sizeof out->runs);
    out->wants_attributes = db_column_int(db, 4) != 0;
}

enum err store_foreign_add(struct db *db, const struct foreign_row *row)
{
    db_query(db, "INSERT INTO foreign_device (tenant, " COLUMNS ")"
                 " VALUES ($1, $2, $3, $4, $5, $6)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->device);
    db_bind_int(db, row->protocol);
    db_bind_text(db, row->external);
    db_bind_text(db, row->runs);
    db_bind_int(db, row->wants_attributes);
    return db_run(db);
}

enum err store_foreign_save(struct db *db, const struct foreign_row *row)
{
    db_query(db, "UPDATE foreign_device SET runs = $1, wants_attributes = $2"
                 " WHERE tenant = $3 AND device = $4");
    db_bind_text(db, row->runs);
    db_bind_int(db, row->wants_attributes);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->device);
    return db_run(db);
}

enum err store_foreign_find(struct db *db, int64_t tenant, enum protocol protocol,
                            struct span external, struct foreign_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM foreign_device"
                 " WHERE tenant = $1 AND protocol = $2 AND external = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, protocol);
    db_bind_span(db, external);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_foreign_get(struct db *db, int64_t tenant, int64_t device, struct foreign_row *out)
{
    db_query(db, "SELECT " COLUMNS " FROM foreign_device WHERE tenant = $1 AND device = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_foreign_tenant(struct db *db, struct span name, int64_t *id)
{
    db_query(db, "SELECT id FROM tenant WHERE lower(name) = lower($1) ORDER BY id LIMIT 1");
    db_bind_span(db, name);
    TRY(db_one(db));
    *id = db_column_int(db, 0);
    return ERR_OK;
}

/* ---- words ---- */

static enum err count_words(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                            int64_t *last)
{
    db_query(db, "SELECT coalesce(max(id), 0) FROM foreign_word"
                 " WHERE tenant = $1 AND device = $2 AND assignment = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    TRY(db_one(db));
    *last = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_foreign_word_add(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                                const struct foreign_word *word, struct span text)
{
    int64_t last;

    TRY(count_words(db, tenant, device, assignment, &last));
    if (last >= FOREIGN_WORDS_MAX)
        return ERR_TOO_BIG;
    if (text.size > FOREIGN_WORD_SIZE_MAX)
        text.size = FOREIGN_WORD_SIZE_MAX;
    db_query(db, "INSERT INTO foreign_word (tenant, device, assignment, id, at_ms, phase, code,"
                 " text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    db_bind_int(db, last + 1);
    db_bind_int(db, word->at.ms);
    db_bind_text(db, word->phase);
    db_bind_int(db, word->code);
    db_bind_span(db, text);
    return db_run(db);
}

enum err store_foreign_words(struct db *db, int64_t tenant, int64_t device, int64_t assignment,
                             int64_t before, uint32_t max, struct foreign_word *out,
                             uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT id, at_ms, phase, code, text FROM foreign_word WHERE tenant = $1"
                 " AND device = $2 AND assignment = $3 AND id < $4 ORDER BY id DESC LIMIT $5");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    db_bind_int(db, before > 0 ? before : INT64_MAX);
    db_bind_int(db, max);
    for (;;) {
        struct foreign_word *word;

        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        word = &out[(*count)++];
        word->id = db_column_int(db, 0);
        word->at.ms = db_column_int(db, 1);
        db_column_text(db, 2, word->phase, sizeof word->phase);
        word->code = (int32_t)db_column_int(db, 3);
        db_column_text(db, 4, word->text, sizeof word->text);
    }
}
