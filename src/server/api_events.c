/* Live events in the management API. Topics are those of app/: "events" has everything but the
 * audit log. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "server/api_call.h"
#include "server/api_rollout.h"

static enum err open_stream(struct api_call *call, const char *topic)
{
    char tenant[NAME_SIZE_MAX + 1];

    TRY(store_tenant_name(call->app->db, call->tenant, tenant));
    reply_stream(call->exchange, tenant, topic);
    return ERR_OK;
}

enum err api_events(struct api_call *call)
{
    return open_stream(call, "events");
}

enum err api_audit_events(struct api_call *call)
{
    return open_stream(call, TOPIC_AUDIT);
}

enum err api_rollout_events(struct api_call *call)
{
    struct rollout_row *row = calloc(1, sizeof *row);
    char topic[TOPIC_SIZE_MAX + 1];
    enum err err;

    CHECK(row);
    err = find_rollout(call, row);
    if (err == ERR_OK) {
        (void)snprintf(topic, sizeof topic, "rollout/%lld", (long long)row->id);
        err = open_stream(call, topic);
    }
    free(row);
    return err;
}
