/* Attributes, tags and groups of devices. */
#include <string.h>

#include "base/check.h"
#include "store/device.h"

static enum err clear(struct db *db, const char *sql, int64_t tenant, int64_t device)
{
    db_query(db, sql);
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    return db_run(db);
}

static const char *value_of(const struct attribute *attributes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(attributes[i].name, name) == 0)
            return attributes[i].value;
    }
    return NULL;
}

/* A device that says nothing of a floor has none. One that cannot be read may be any. */
static uint32_t floor_of(const char *text)
{
    uint64_t value = 0;

    if (!text)
        return 0;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return UINT32_MAX;
    for (; *text != '\0' && value < UINT32_MAX; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static enum err copy_deciding(struct db *db, int64_t tenant, int64_t device,
                              const struct attribute *attributes, uint32_t count)
{
    const char *product = value_of(attributes, count, ATTRIBUTE_PRODUCT);
    const char *hardware = value_of(attributes, count, ATTRIBUTE_HARDWARE);

    if (!hardware)
        hardware = value_of(attributes, count, ATTRIBUTE_HARDWARE_TOO);
    db_query(db, "UPDATE device SET product = $1, hardware = $2, security_floor = $3"
                 " WHERE tenant = $4 AND id = $5");
    db_bind_text(db, product ? product : "");
    db_bind_text(db, hardware ? hardware : "");
    db_bind_int(db, floor_of(value_of(attributes, count, ATTRIBUTE_FLOOR)));
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    return db_run(db);
}

enum err store_attributes_set(struct db *db, int64_t tenant, int64_t device,
                              const struct attribute *attributes, uint32_t count)
{
    CHECK(count <= ATTRIBUTES_MAX);
    TRY(clear(db, "DELETE FROM attribute WHERE tenant = $1 AND device = $2", tenant, device));
    for (uint32_t i = 0; i < count; i++) {
        db_query(db, "INSERT INTO attribute (tenant, device, name, value) VALUES ($1, $2, $3, $4)");
        db_bind_int(db, tenant);
        db_bind_int(db, device);
        db_bind_text(db, attributes[i].name);
        db_bind_text(db, attributes[i].value);
        TRY(db_run(db));
    }
    return copy_deciding(db, tenant, device, attributes, count);
}

enum err store_tags_set(struct db *db, int64_t tenant, int64_t device,
                        const char (*tags)[NAME_SIZE_MAX + 1], uint32_t count)
{
    CHECK(count <= TAGS_MAX);
    TRY(clear(db, "DELETE FROM tag WHERE tenant = $1 AND device = $2", tenant, device));
    for (uint32_t i = 0; i < count; i++) {
        db_query(db, "INSERT INTO tag (tenant, device, name) VALUES ($1, $2, $3)"
                     " ON CONFLICT (tenant, device, name) DO NOTHING");
        db_bind_int(db, tenant);
        db_bind_int(db, device);
        db_bind_text(db, tags[i]);
        TRY(db_run(db));
    }
    return ERR_OK;
}

enum err store_group_join(struct db *db, int64_t tenant, int64_t device, struct span group)
{
    db_query(db, "SELECT count(*) FROM group_member WHERE tenant = $1 AND device = $2"
                 " AND name <> $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_span(db, group);
    TRY(db_one(db));
    if (db_column_int(db, 0) >= GROUPS_MAX)
        return ERR_TOO_BIG;
    db_query(db, "INSERT INTO group_member (tenant, device, name) VALUES ($1, $2, $3)"
                 " ON CONFLICT (tenant, device, name) DO NOTHING");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_span(db, group);
    return db_run(db);
}

enum err store_group_leave(struct db *db, int64_t tenant, int64_t device, struct span group)
{
    db_query(db, "DELETE FROM group_member WHERE tenant = $1 AND device = $2 AND name = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_span(db, group);
    return db_run(db);
}

enum err store_group_list(struct db *db, int64_t tenant, struct span after, uint32_t max,
                          struct group_row *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT name, count(*) FROM group_member WHERE tenant = $1 AND name > $2"
                 " GROUP BY name ORDER BY name LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_span(db, after);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        db_column_text(db, 0, out[*count].name, sizeof out->name);
        out[(*count)++].devices = db_column_int(db, 1);
    }
}
