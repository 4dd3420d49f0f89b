/* /metrics in the text format of Prometheus, version 0.0.4. Nothing here scans a table that grows
 * with the fleet: a scrape must not delay devices. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/deeds.h"
#include "app/expiring.h"
#include "base/check.h"
#include "fleet/risk.h"
#include "server/api_call.h"
#include "server/stats.h"
#include "store/audit_log.h"
#include "store/figures.h"
#include "store/metadata.h"

#define OPEN_ROLLOUTS_MAX 64u /* whose assignments are counted */

static void head(struct api_call *call, const char *name, const char *kind, const char *help)
{
    reply_printf(call->exchange, "# HELP slipway_%s %s.\n# TYPE slipway_%s %s\n", name, help, name,
                 kind);
}

/* `value` divided by `per`, a power of ten. */
static void scaled(struct api_call *call, const char *name, const char *kind, const char *help,
                   int64_t value, int64_t per)
{
    int digits = 0;

    for (int64_t rest = per; rest > 1; rest /= 10)
        digits++;
    head(call, name, kind, help);
    if (digits == 0)
        reply_printf(call->exchange, "slipway_%s %" PRId64 "\n", name, value);
    else
        reply_printf(call->exchange, "slipway_%s %" PRId64 ".%0*" PRId64 "\n", name, value / per,
                     digits, value % per);
}

static void labelled(struct api_call *call, const char *name, const char *label, const char *value,
                     int64_t number)
{
    reply_printf(call->exchange, "slipway_%s{%s=\"%s\"} %" PRId64 "\n", name, label, value, number);
}

static enum err put_devices(struct api_call *call)
{
    int64_t counts[DEVICE_STATUS_COUNT];

    TRY(store_device_count(call->app->db, call->tenant, counts));
    head(call, "devices", "gauge", "Devices by status");
    for (enum device_status i = 0; i < DEVICE_STATUS_COUNT; i++)
        labelled(call, "devices", "status", device_status_name(i), counts[i]);
    return ERR_OK;
}

static enum err put_rollouts(struct api_call *call)
{
    int64_t counts[ROLLOUT_STATE_COUNT];

    TRY(store_figures_rollouts(call->app->db, call->tenant, counts));
    head(call, "rollouts", "gauge", "Rollouts by state");
    for (enum rollout_state i = 0; i < ROLLOUT_STATE_COUNT; i++)
        labelled(call, "rollouts", "state", rollout_state_name(i), counts[i]);
    return ERR_OK;
}

static enum err count_assignments(struct api_call *call, int64_t counts[ASSIGNMENT_STATE_COUNT])
{
    struct rollout_key keys[OPEN_ROLLOUTS_MAX];
    uint32_t states[ASSIGNMENT_STATE_COUNT], count;

    TRY(store_rollout_open_list(call->app->db, (struct rollout_key){0}, OPEN_ROLLOUTS_MAX, keys,
                                &count));
    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].tenant != call->tenant)
            continue;
        TRY(store_assignment_count(call->app->db, keys[i].tenant, keys[i].id, states));
        for (size_t k = 0; k < ASSIGNMENT_STATE_COUNT; k++)
            counts[k] += states[k];
    }
    return ERR_OK;
}

static enum err put_assignments(struct api_call *call)
{
    int64_t counts[ASSIGNMENT_STATE_COUNT] = {0};

    TRY(count_assignments(call, counts));
    head(call, "assignments", "gauge", "Assignments of open rollouts by state");
    for (enum assignment_state i = 0; i < ASSIGNMENT_STATE_COUNT; i++)
        labelled(call, "assignments", "state", assignment_state_name(i), counts[i]);
    return ERR_OK;
}

static enum err put_metadata(struct api_call *call)
{
    static const char *const names[METADATA_ROLE_COUNT] = {
        [METADATA_ROOT] = "root",
        [METADATA_TARGETS] = "targets",
        [METADATA_SNAPSHOT] = "snapshot",
        [METADATA_TIMESTAMP] = "timestamp",
    };
    struct metadata_row row;

    head(call, "metadata_expiry_seconds", "gauge",
         "Seconds until signed metadata expires, negative when it has");
    for (enum metadata_role i = 0; i < METADATA_ROLE_COUNT; i++) {
        enum err err = store_metadata_find(call->app->db, call->tenant, i, 0, &row);

        if (err == ERR_NOT_FOUND)
            continue;
        TRY(err);
        labelled(call, "metadata_expiry_seconds", "role", names[i],
                 (row.expires.ms - call->now.ms) / 1000);
    }
    return ERR_OK;
}

/* Everything signed, delegated lists by the name of their role. */
static enum err put_trust(struct api_call *call)
{
    const struct expiring_wanted wanted = {
        .tenant = call->tenant, .now = call->now, .max = EXPIRING_ROWS_MAX};
    struct expiring_row *rows = calloc(EXPIRING_ROWS_MAX, sizeof *rows);
    uint32_t count = 0;
    enum err err;

    CHECK(rows);
    err = store_expiring(call->app->db, &wanted, rows, &count);
    head(call, "trust_expires_seconds", "gauge", "Seconds until a signed file expires, by role");
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        if (rows[i].kind == EXPIRING_TOKEN || rows[i].kind == EXPIRING_CLAIM)
            continue;
        labelled(call, "trust_expires_seconds", "role",
                 rows[i].name[0] ? rows[i].name : expiring_kind_name(rows[i].kind),
                 (rows[i].expires.ms - call->now.ms) / 1000);
    }
    free(rows);
    return err;
}

static enum err put_audit(struct api_call *call)
{
    struct audit_head audit;

    TRY(store_audit_head(call->app->db, call->tenant, &audit));
    scaled(call, "audit_entries_total", "counter", "Entries of the audit log", (int64_t)audit.seq,
           1);
    return ERR_OK;
}

static void put_refusals(struct api_call *call)
{
    head(call, "api_refusals_total", "counter", "Requests the management API refused, by error");
    for (enum err err = ERR_OK + 1; err < ERR_COUNT; err++)
        labelled(call, "api_refusals_total", "error", err_name(err),
                 (int64_t)call->api->refusals[err]);
}

/* Of devices: orders that their accept rule has refused. */
static void put_device_refusals(struct api_call *call)
{
    head(call, "device_refusals_total", "counter", "Orders that devices refused, by reason");
    for (enum refusal i = 0; i < REFUSAL_COUNT; i++)
        labelled(call, "device_refusals_total", "reason", refusal_name(i),
                 (int64_t)call->app->refusals.count[i]);
}

static void put_judged(struct api_call *call)
{
    head(call, "risk_decisions_total", "counter",
         "Answers of judges of rollouts that went into a journal, by answer");
    for (enum risk_answer i = 0; i < RISK_ANSWER_COUNT; i++)
        labelled(call, "risk_decisions_total", "answer", risk_answer_name(i),
                 (int64_t)call->app->judged.count[i]);
}

/* Second field of statm: resident pages. */
static int64_t resident_size(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    (void)fclose(file); /* was only read */
    return pages * sysconf(_SC_PAGESIZE);
}

static void put_batches(struct api_call *call, const struct stats *stats)
{
    char bound[16];

    head(call, "engine_batch_size", "histogram", "Requests decided in one transaction");
    for (size_t i = 0; i < COUNT_OF(stats_batch_bounds); i++) {
        (void)snprintf(bound, sizeof bound, "%u", stats_batch_bounds[i]);
        labelled(call, "engine_batch_size_bucket", "le", bound, STATS_GET(stats, batches_up_to[i]));
    }
    labelled(call, "engine_batch_size_bucket", "le", "+Inf", STATS_GET(stats, engine_batches));
    reply_printf(call->exchange,
                 "slipway_engine_batch_size_sum %" PRId64 "\n"
                 "slipway_engine_batch_size_count %" PRId64 "\n",
                 STATS_GET(stats, engine_exchanges), STATS_GET(stats, engine_batches));
}

static void put_process(struct api_call *call)
{
    const struct stats *stats = call->exchange->stats;

    scaled(call, "process_resident_memory_bytes", "gauge", "Resident memory", resident_size(), 1);
    scaled(call, "blob_bytes", "gauge", "Bytes of stored images and chunk lists",
           (int64_t)blobs_used(call->app->config.blobs), 1);
    if (!stats)
        return;
#define X(field, metric, kind, per, help) \
    scaled(call, metric, #kind, help, STATS_GET(stats, field), per);
    STATS_MAP(X)
#undef X
    put_batches(call, stats);
}

enum err api_metrics(struct api_call *call)
{
    reply_start(call->exchange, 200, "text/plain; version=0.0.4; charset=utf-8");
    TRY(put_devices(call));
    TRY(put_rollouts(call));
    TRY(put_assignments(call));
    TRY(put_metadata(call));
    TRY(put_trust(call));
    TRY(put_audit(call));
    if (call->tenant != TENANT_DEFAULT)
        return ERR_OK; /* the process is its operator's business */
    put_refusals(call);
    put_device_refusals(call);
    put_judged(call);
    put_process(call);
    return ERR_OK;
}
