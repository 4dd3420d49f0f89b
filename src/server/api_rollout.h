/* What the files about rollouts in the management API share. */
#pragma once

#include "server/api_call.h"

/* ERR_NOT_FOUND with a reply when the path names none. `row` is large: keep it on the heap. */
enum err find_rollout(struct api_call *call, struct rollout_row *row) MUST_USE;

/* The members of a rollout, into an open object. */
enum err out_rollout(struct api_call *call, struct json_out *out,
                     const struct rollout_row *row) MUST_USE;

/* The members of what its judge knows, into an open object. */
enum err out_risk(struct api_call *call, struct json_out *out,
                  const struct rollout_row *row) MUST_USE;

/* A rollout as the whole reply, with its ETag. */
enum err reply_rollout(struct api_call *call, uint16_t status,
                       const struct rollout_row *row) MUST_USE;
