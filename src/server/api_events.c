/* Live events in the management API. Topics are those of app/: "events" has everything. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "server/api_call.h"
#include "server/api_rollout.h"

enum err api_events(struct api_call *call)
{
    reply_stream(call->exchange, "events");
    return ERR_OK;
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
        reply_stream(call->exchange, topic);
    }
    free(row);
    return err;
}
