#include "store/device.h"

#include <string.h>

#include "base/check.h"

#define COLUMNS                                                                              \
    "d.id, d.name, d.status, d.key_sha256, d.utc_offset_min, d.hold, d.note, d.created_ms,"  \
    " d.status_ms, s.running, s.other, s.version, s.inventory, s.boot_count, s.agent_state," \
    " s.last_seen_ms, s.assignment, s.wanted, d.product, d.hardware, d.security_floor,"      \
    " s.report_epoch, s.report_epoch_left, s.report_base, s.report_last,"                    \
    " length(d.sealing_key) > 0, d.protocol"
#define TABLES " FROM device d JOIN device_state s ON s.tenant = d.tenant AND s.device = d.id"

bool device_name_valid(struct span name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX || name.at[0] == '.')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';

        if (!letter && !digit && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static void read_inventory(struct db *db, int column, uint8_t to[INVENTORY_DIGEST_SIZE])
{
    struct span digest = db_column_span(db, column);

    memset(to, 0, INVENTORY_DIGEST_SIZE);
    if (digest.size == INVENTORY_DIGEST_SIZE)
        memcpy(to, digest.at, INVENTORY_DIGEST_SIZE);
}

static void read_row(struct db *db, int64_t tenant, struct device_row *out)
{
    out->tenant = tenant;
    out->id = db_column_int(db, 0);
    db_column_text(db, 1, out->name, sizeof out->name);
    out->status = (enum device_status)db_column_int(db, 2);
    CHECK(out->status < DEVICE_STATUS_COUNT);
    (void)db_column_digest(db, 3, out->key_sha256); /* zeros when there is none */
    out->utc_offset_min = (int32_t)db_column_int(db, 4);
    out->hold = db_column_int(db, 5) != 0;
    db_column_text(db, 6, out->note, sizeof out->note);
    out->created.ms = db_column_int(db, 7);
    out->status_since.ms = db_column_int(db, 8);
    out->running_known = db_column_digest(db, 9, out->running);
    out->other_known = db_column_digest(db, 10, out->other);
    db_column_text(db, 11, out->version, sizeof out->version);
    read_inventory(db, 12, out->inventory);
    out->boot_count = (uint32_t)db_column_int(db, 13);
    out->agent_state = (uint32_t)db_column_int(db, 14);
    out->last_seen.ms = db_column_int(db, 15);
    out->assignment = db_column_int(db, 16);
    out->wanted = (uint32_t)db_column_int(db, 17);
    db_column_text(db, 18, out->product, sizeof out->product);
    db_column_text(db, 19, out->hardware, sizeof out->hardware);
    out->security_floor = (uint32_t)db_column_int(db, 20);
    out->report_epoch = (uint32_t)db_column_int(db, 21);
    out->report_epoch_left = (uint32_t)db_column_int(db, 22);
    out->report_base = db_column_int(db, 23);
    out->report_last = db_column_int(db, 24);
    out->sealing_key_known = db_column_int(db, 25) != 0;
    out->protocol = (enum protocol)db_column_int(db, 26);
    CHECK(out->protocol < PROTOCOL_COUNT);
}

static void bind_digest(struct db *db, bool known, const uint8_t digest[DIGEST_SIZE])
{
    db_bind_bytes(db, digest, known ? DIGEST_SIZE : 0);
}

enum err store_device_add(struct db *db, struct device_row *row)
{
    int64_t id;

    TRY(db_new_ids(db, row->tenant, "device", 1, &id));
    db_query(db, "INSERT INTO device (tenant, id, name, status, key_sha256, utc_offset_min, hold,"
                 " note, created_ms, status_ms, protocol)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    db_bind_text(db, row->name);
    db_bind_int(db, row->status);
    db_bind_bytes(db, row->key_sha256, DIGEST_SIZE);
    db_bind_int(db, row->utc_offset_min);
    db_bind_int(db, row->hold);
    db_bind_text(db, row->note);
    db_bind_int(db, row->created.ms);
    db_bind_int(db, row->status_since.ms);
    db_bind_int(db, row->protocol);
    TRY(db_run(db));
    db_query(db, "INSERT INTO device_state (tenant, device, running, other, version, inventory,"
                 " boot_count, agent_state, last_seen_ms, assignment, wanted)"
                 " VALUES ($1, $2, x'', x'', '', x'', 0, 0, 0, 0, 0)");
    db_bind_int(db, row->tenant);
    db_bind_int(db, id);
    TRY(db_run(db));
    row->id = id;
    return ERR_OK;
}

enum err store_device_find(struct db *db, int64_t tenant, struct span name, struct device_row *out)
{
    db_query(db, "SELECT " COLUMNS TABLES " WHERE d.tenant = $1 AND d.name = $2");
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_device_get(struct db *db, int64_t tenant, int64_t id, struct device_row *out)
{
    db_query(db, "SELECT " COLUMNS TABLES " WHERE d.tenant = $1 AND d.id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    read_row(db, tenant, out);
    return ERR_OK;
}

enum err store_device_save(struct db *db, const struct device_row *row)
{
    db_query(db, "UPDATE device SET status = $1, key_sha256 = $2, utc_offset_min = $3, hold = $4,"
                 " note = $5, status_ms = $6 WHERE tenant = $7 AND id = $8");
    db_bind_int(db, row->status);
    db_bind_bytes(db, row->key_sha256, DIGEST_SIZE);
    db_bind_int(db, row->utc_offset_min);
    db_bind_int(db, row->hold);
    db_bind_text(db, row->note);
    db_bind_int(db, row->status_since.ms);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    return db_run(db);
}

enum err store_device_set_sealing_key(struct db *db, int64_t tenant, int64_t id, struct span key)
{
    db_query(db, "UPDATE device SET sealing_key = $1 WHERE tenant = $2 AND id = $3");
    db_bind_blob(db, key);
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    return db_run(db);
}

enum err store_device_sealing_key(struct db *db, int64_t tenant, int64_t id, struct buf *out)
{
    struct span key;

    db_query(db, "SELECT sealing_key FROM device WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    TRY(db_one(db));
    key = db_column_span(db, 0);
    if (key.size == 0)
        return ERR_NOT_FOUND;
    buf_span(out, key);
    return out->overflow ? ERR_TOO_BIG : ERR_OK;
}

static bool has_inventory(const struct device_row *row)
{
    static const uint8_t none[INVENTORY_DIGEST_SIZE];

    return memcmp(row->inventory, none, INVENTORY_DIGEST_SIZE) != 0;
}

enum err store_device_save_state(struct db *db, const struct device_row *row)
{
    db_query(db, "UPDATE device_state SET running = $1, other = $2, version = $3, inventory = $4,"
                 " boot_count = $5, agent_state = $6, last_seen_ms = $7, assignment = $8,"
                 " wanted = $9, report_epoch = $10, report_epoch_left = $11, report_base = $12,"
                 " report_last = $13 WHERE tenant = $14 AND device = $15");
    bind_digest(db, row->running_known, row->running);
    bind_digest(db, row->other_known, row->other);
    db_bind_text(db, row->version);
    db_bind_bytes(db, row->inventory, has_inventory(row) ? INVENTORY_DIGEST_SIZE : 0);
    db_bind_int(db, row->boot_count);
    db_bind_int(db, row->agent_state);
    db_bind_int(db, row->last_seen.ms);
    db_bind_int(db, row->assignment);
    db_bind_int(db, row->wanted);
    db_bind_int(db, row->report_epoch);
    db_bind_int(db, row->report_epoch_left);
    db_bind_int(db, row->report_base);
    db_bind_int(db, row->report_last);
    db_bind_int(db, row->tenant);
    db_bind_int(db, row->id);
    return db_run(db);
}

enum err store_device_next_sequence(struct db *db, int64_t tenant, int64_t device, struct utc now,
                                    int64_t *out)
{
    db_query(db, "UPDATE device_state SET sequence = max(sequence + 1, $1)"
                 " WHERE tenant = $2 AND device = $3 RETURNING sequence");
    db_bind_int(db, now.ms / 1000);
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    *out = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_device_seen(struct db *db, int64_t tenant, struct span name, struct utc at)
{
    db_query(db, "UPDATE device_state SET last_seen_ms = max(last_seen_ms, $1)"
                 " WHERE tenant = $2"
                 " AND device = (SELECT id FROM device WHERE tenant = $2 AND name = $3)");
    db_bind_int(db, at.ms);
    db_bind_int(db, tenant);
    db_bind_span(db, name);
    return db_run(db);
}

enum err store_device_attached(struct db *db, int64_t tenant, int64_t device, int64_t *assignment)
{
    db_query(db, "SELECT assignment FROM device_state WHERE tenant = $1 AND device = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    TRY(db_one(db));
    *assignment = db_column_int(db, 0);
    return ERR_OK;
}

enum err store_device_attach(struct db *db, int64_t tenant, int64_t device, int64_t assignment)
{
    db_query(db, "UPDATE device_state SET assignment = $1 WHERE tenant = $2 AND device = $3");
    db_bind_int(db, assignment);
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    return db_run(db);
}

enum err store_device_detach(struct db *db, int64_t tenant, int64_t device, int64_t assignment)
{
    db_query(db, "UPDATE device_state SET assignment = 0"
                 " WHERE tenant = $1 AND device = $2 AND assignment = $3");
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    db_bind_int(db, assignment);
    return db_run(db);
}

enum err store_device_want(struct db *db, int64_t tenant, int64_t device, uint32_t set,
                           uint32_t clear)
{
    db_query(db, "UPDATE device_state SET wanted = (wanted | $1) & ~$2"
                 " WHERE tenant = $3 AND device = $4");
    db_bind_int(db, set);
    db_bind_int(db, clear);
    db_bind_int(db, tenant);
    db_bind_int(db, device);
    return db_run(db);
}

enum err store_device_expiring(struct db *db, struct utc now, uint32_t max, struct device_key *out,
                               uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT d.tenant, d.id FROM device d JOIN device_state s"
                 " ON s.tenant = d.tenant AND s.device = d.id JOIN certificate c"
                 " ON c.tenant = d.tenant AND c.device = d.id"
                 " WHERE d.status = $1 AND (s.wanted & $2) = 0 GROUP BY d.tenant, d.id"
                 " HAVING (max(c.not_after_ms) - $3) * 3 < max(c.not_after_ms) - max(c.issued_ms)"
                 " LIMIT $4");
    db_bind_int(db, DEVICE_ACTIVE);
    db_bind_int(db, DEVICE_WANTS_RENEWAL);
    db_bind_int(db, now.ms);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count].tenant = db_column_int(db, 0);
        out[(*count)++].device = db_column_int(db, 1);
    }
}

enum err store_device_remove(struct db *db, int64_t tenant, int64_t id)
{
    db_query(db, "DELETE FROM device WHERE tenant = $1 AND id = $2");
    db_bind_int(db, tenant);
    db_bind_int(db, id);
    return db_run(db);
}

/* The rows of a page, or of one device when `after` + 1 is its id and `max` is 1. */
static enum err read_rows(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                          struct device_facts *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(db, "SELECT " COLUMNS TABLES " WHERE d.tenant = $1 AND d.id > $2"
                 " ORDER BY d.id LIMIT $3");
    db_bind_int(db, tenant);
    db_bind_int(db, after);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        out[*count].attribute_count = out[*count].tag_count = out[*count].group_count = 0;
        read_row(db, tenant, &out[(*count)++].row);
    }
}

/* The facts that have this id; rows come in order of device, as `out` is. */
static struct device_facts *facts_of(struct device_facts *out, uint32_t count, uint32_t *at,
                                     int64_t device)
{
    while (*at < count && out[*at].row.id < device)
        (*at)++;
    return *at < count && out[*at].row.id == device ? &out[*at] : NULL;
}

static void bind_range(struct db *db, const struct device_facts *out, uint32_t count)
{
    db_bind_int(db, out[0].row.tenant);
    db_bind_int(db, out[0].row.id);
    db_bind_int(db, out[count - 1].row.id);
}

static enum err take_attributes(struct db *db, struct device_facts *out, uint32_t count)
{
    uint32_t at = 0;
    bool row;

    for (;;) {
        struct device_facts *facts;
        struct attribute *attribute;

        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        facts = facts_of(out, count, &at, db_column_int(db, 0));
        if (!facts || facts->attribute_count == ATTRIBUTES_MAX)
            continue;
        attribute = &facts->attributes[facts->attribute_count++];
        db_column_text(db, 1, attribute->name, sizeof attribute->name);
        db_column_text(db, 2, attribute->value, sizeof attribute->value);
    }
}

static enum err read_attributes(struct db *db, struct device_facts *out, uint32_t count)
{
    db_query(db, "SELECT device, name, value FROM attribute"
                 " WHERE tenant = $1 AND device BETWEEN $2 AND $3 ORDER BY device, name");
    bind_range(db, out, count);
    return take_attributes(db, out, count);
}

/* One attribute of every device of the page: a seek each, where reading them all steps over the
 * rows of all the others. */
static enum err read_named(struct db *db, struct span name, struct device_facts *out,
                           uint32_t count)
{
    db_query(db, "SELECT a.device, a.name, a.value FROM device d CROSS JOIN attribute a"
                 " ON a.name = $1 AND a.tenant = d.tenant AND a.device = d.id"
                 " WHERE d.tenant = $2 AND d.id BETWEEN $3 AND $4 ORDER BY d.id");
    db_bind_span(db, name);
    bind_range(db, out, count);
    return take_attributes(db, out, count);
}

static enum err read_tags(struct db *db, struct device_facts *out, uint32_t count)
{
    uint32_t at = 0;
    bool row;

    db_query(db, "SELECT device, name FROM tag"
                 " WHERE tenant = $1 AND device BETWEEN $2 AND $3 ORDER BY device, name");
    bind_range(db, out, count);
    for (;;) {
        struct device_facts *facts;

        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        facts = facts_of(out, count, &at, db_column_int(db, 0));
        if (facts && facts->tag_count < TAGS_MAX)
            db_column_text(db, 1, facts->tags[facts->tag_count++], NAME_SIZE_MAX + 1);
    }
}

static enum err read_groups(struct db *db, struct device_facts *out, uint32_t count)
{
    uint32_t at = 0;
    bool row;

    db_query(db, "SELECT device, name FROM group_member"
                 " WHERE tenant = $1 AND device BETWEEN $2 AND $3 ORDER BY device, name");
    bind_range(db, out, count);
    for (;;) {
        struct device_facts *facts;

        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        facts = facts_of(out, count, &at, db_column_int(db, 0));
        if (facts && facts->group_count < GROUPS_MAX)
            db_column_text(db, 1, facts->groups[facts->group_count++], NAME_SIZE_MAX + 1);
    }
}

enum err store_device_page(struct db *db, int64_t tenant, int64_t after, uint32_t max,
                           struct device_facts *out, uint32_t *count)
{
    CHECK(max > 0 && max <= DEVICE_PAGE_MAX);
    TRY(read_rows(db, tenant, after, max, out, count));
    if (*count == 0)
        return ERR_OK;
    TRY(read_attributes(db, out, *count));
    TRY(read_tags(db, out, *count));
    return read_groups(db, out, *count);
}

static void read_walked(struct db *db, int64_t tenant, struct device_facts *out)
{
    struct device_row *row = &out->row;

    out->attribute_count = out->tag_count = out->group_count = 0;
    *row = (struct device_row){.tenant = tenant};
    row->id = db_column_int(db, 0);
    db_column_text(db, 1, row->name, sizeof row->name);
    row->utc_offset_min = (int32_t)db_column_int(db, 2);
    row->hold = db_column_int(db, 3) != 0;
    row->running_known = db_column_digest(db, 4, row->running);
    db_column_text(db, 5, row->version, sizeof row->version);
    row->last_seen.ms = db_column_int(db, 6);
    row->assignment = db_column_int(db, 7);
    db_column_text(db, 8, row->product, sizeof row->product);
    db_column_text(db, 9, row->hardware, sizeof row->hardware);
    row->security_floor = (uint32_t)db_column_int(db, 10);
    row->sealing_key_known = db_column_int(db, 11) != 0;
    row->protocol = (enum protocol)db_column_int(db, 12);
    CHECK(row->protocol < PROTOCOL_COUNT);
    out->takes_part = db_column_int(db, 13) != 0;
}

static enum err walk_rows(struct db *db, const struct device_walk *walk, int64_t after,
                          uint32_t max, struct device_facts *out, uint32_t *count)
{
    bool row;

    *count = 0;
    db_query(
        db, "SELECT d.id, d.name, d.utc_offset_min, d.hold, s.running, s.version,"
            " s.last_seen_ms, s.assignment, d.product, d.hardware, d.security_floor,"
            " length(d.sealing_key) > 0, d.protocol, $1 <> 0 AND EXISTS (SELECT 1 FROM assignment a"
            " WHERE a.tenant = d.tenant AND a.device = d.id AND a.rollout = $1)" TABLES
            " WHERE d.tenant = $2 AND d.status = $3 AND d.id > $4 ORDER BY d.id LIMIT $5");
    db_bind_int(db, walk->rollout);
    db_bind_int(db, walk->tenant);
    db_bind_int(db, walk->status);
    db_bind_int(db, after);
    db_bind_int(db, max);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(*count < max);
        read_walked(db, walk->tenant, &out[*count]);
        out[(*count)++].row.status = walk->status;
    }
}

enum err store_device_walk(struct db *db, const struct device_walk *walk, int64_t after,
                           uint32_t max, struct device_facts *out, uint32_t *count)
{
    CHECK(max > 0 && max <= DEVICE_PAGE_MAX);
    TRY(walk_rows(db, walk, after, max, out, count));
    if (*count == 0)
        return ERR_OK;
    if (walk->attribute_count > DEVICE_WALK_NAMES_MAX)
        TRY(read_attributes(db, out, *count));
    for (uint32_t i = 0;
         i < walk->attribute_count && walk->attribute_count <= DEVICE_WALK_NAMES_MAX; i++)
        TRY(read_named(db, walk->attributes[i], out, *count));
    if (walk->tags)
        TRY(read_tags(db, out, *count));
    return walk->groups ? read_groups(db, out, *count) : ERR_OK;
}

enum err store_device_facts(struct db *db, int64_t tenant, int64_t id, struct device_facts *out)
{
    uint32_t count;

    TRY(store_device_page(db, tenant, id - 1, 1, out, &count));
    return count == 1 && out->row.id == id ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_device_count(struct db *db, int64_t tenant, int64_t counts[DEVICE_STATUS_COUNT])
{
    bool row;

    memset(counts, 0, DEVICE_STATUS_COUNT * sizeof counts[0]);
    db_query(db, "SELECT status, count(*) FROM device WHERE tenant = $1 GROUP BY status");
    db_bind_int(db, tenant);
    for (;;) {
        TRY(db_step(db, &row));
        if (!row)
            return ERR_OK;
        CHECK(db_column_int(db, 0) < DEVICE_STATUS_COUNT);
        counts[db_column_int(db, 0)] = db_column_int(db, 1);
    }
}
