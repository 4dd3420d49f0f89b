#include "store/expiring.h"

#include "base/check.h"
#include "store/device.h"

/* The newest of each role and list, tokens in force, claims that can still be used, and the
 * certificates of active devices: of each the one that ends last. Kinds as in the header; those of
 * metadata are its roles. */
#define QUERY                                                                                     \
    "SELECT role, '', stored_ms, expires_ms, 1 FROM metadata m WHERE tenant = $1 AND version ="   \
    " (SELECT max(version) FROM metadata WHERE tenant = $1 AND role = m.role)"                    \
    " UNION ALL SELECT 4, role, stored_ms, expires_ms, 1 FROM delegated d WHERE tenant = $1"      \
    " AND waiting = 0 AND version = (SELECT max(version) FROM delegated WHERE tenant = $1"        \
    "  AND role = d.role AND waiting = 0)"                                                        \
    " UNION ALL SELECT 5, name, created_ms, expires_ms, 1 FROM token WHERE tenant = $1"           \
    " AND revoked_ms = 0 AND expires_ms > 0"                                                      \
    " UNION ALL SELECT 6, CAST(id AS TEXT), created_ms, expires_ms, 1 FROM claim"                 \
    " WHERE tenant = $1 AND used_ms = 0 AND expires_ms > $2"                                      \
    " UNION ALL SELECT 7, '', min(issued_ms), min(ends_ms), count(*) FROM"                        \
    " (SELECT max(issued_ms) AS issued_ms, max(not_after_ms) AS ends_ms FROM certificate c"       \
    "  JOIN device d ON d.tenant = c.tenant AND d.id = c.device"                                  \
    "  WHERE $3 >= 0 AND c.tenant = $1 AND c.revoked_ms = 0 AND d.status = $3 GROUP BY c.device)" \
    " HAVING count(*) > 0"                                                                        \
    " ORDER BY 4 LIMIT $4"

static void read_row(struct db *db, struct expiring_row *out)
{
    *out = (struct expiring_row){.kind = (enum expiring_kind)db_column_int(db, 0),
                                 .from.ms = db_column_int(db, 2),
                                 .expires.ms = db_column_int(db, 3),
                                 .count = (uint32_t)db_column_int(db, 4)};
    CHECK(out->kind < EXPIRING_CA);
    CHECK(span_to_text(db_column_span(db, 1), out->name, sizeof out->name));
}

enum err store_expiring(struct db *db, const struct expiring_wanted *wanted,
                        struct expiring_row *out, uint32_t *count)
{
    bool row = true;

    *count = 0;
    db_query(db, QUERY);
    db_bind_int(db, wanted->tenant);
    db_bind_int(db, wanted->now.ms);
    db_bind_int(db, wanted->devices ? DEVICE_ACTIVE : -1); /* no device has that status */
    db_bind_int(db, wanted->max);
    while (row) {
        TRY(db_step(db, &row));
        if (row)
            read_row(db, &out[(*count)++]);
    }
    return ERR_OK;
}
