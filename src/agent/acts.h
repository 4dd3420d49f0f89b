/* What the rows of the table do, by file: offer.c until something is fetched, install.c up to the
 * whole bank, flip.c from there on, orders.c what all of them need. Inside the agent only. */
#pragma once

#include "agent/table.h"

#define AGENT_NEVER ((struct instant){INT64_MAX}) /* a time that does not come */

/* ---- orders.c ---- */

void agent_give(struct agent_orders *out, struct agent_order order);

/* Whether trying again later may help. */
bool agent_passing(enum err err);

/* Poll at once, unless an answer is awaited already. */
void agent_poll_soon(struct agent *agent, struct instant now);

/* An id that was never used before, even across power loss. */
uint64_t agent_report_id(struct agent *agent);

/* Tell how it goes; nobody waits for the verdict, but it may be a cancel. */
void agent_tell(struct agent *agent, enum native_phase phase, enum agent_reason reason,
                struct agent_orders *out);

/* Draw up the final report and return `err` (ERR_CONFLICT for ERR_OK and ERR_AGAIN, so that the
 * third way out of the row is taken). */
enum err agent_finish(struct agent *agent, enum native_phase phase, enum err err,
                      enum agent_reason reason);

/* Set work_due to the next try: full jitter, doubling bounds, never before the server wants. */
void agent_back_off(struct agent *agent, struct instant now, uint32_t server_retry_s);

/* What the answer to a check says is in the way; `usual` if it does not say. */
enum agent_reason agent_hindrance(const struct agent_event *event, enum agent_reason usual);

/* The work makes progress: the next failure starts from the smallest bound again. */
void agent_progress(struct agent *agent);

/* Whether a state just entered must wait first, because it failed before power was lost. */
bool agent_waits_first(struct agent *agent, struct instant now);

/* Raise the security floor as far as confirmed images want it and no bank that can still be booted
 * would be left below it. Only while nothing is in hand. */
void agent_raise_floor(struct agent *agent);

const struct bank *agent_spare(const struct agent *agent);
struct record_image *agent_image(struct agent *agent, bool running);
bool agent_runs_wanted(const struct agent *agent);

/* `wait_s` that the server asks for, as far as it is granted: a server in the wrong hands must not
 * be able to put a device to sleep for good, and in a trial the way back must be found in time. */
int64_t agent_patience_ms(const struct agent *agent, uint32_t wait_s);

/* Time until the next poll after one that failed. */
int64_t agent_jitter_ms(struct agent *agent, uint32_t failures);

/* How the wanted image is cut; with a tag for each chunk when it is sealed. */
struct chunks agent_chunks(const struct record_work *work);

/* Have the sealer ready for the image in hand; ERR_OK when it is not sealed. Otherwise the sealer's
 * errors, ERR_UNSUITABLE without one. */
enum err agent_begin_sealer(struct agent *agent) MUST_USE;

/* Read at most one slice of `bank` into agent->sha, from agent->at on up to `length`.
 * ERR_AGAIN: there is more. */
enum err agent_read_slice(struct agent *agent, const struct bank *bank, uint64_t length);

/* ---- entering a state ---- */

void enter_idle(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_resolving(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_checking(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_listing(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_scanning(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_erasing(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_fetching(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_reading(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_staged(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_asking(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_switching(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_trial(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_reverting(struct agent *agent, struct instant now, struct agent_orders *out);
void enter_reporting(struct agent *agent, struct instant now, struct agent_orders *out);

/* ---- acts ---- */

agent_act go_on, forget_work, settle_in, refuse_trial, start_trial, not_flipped, trial_ended,
    trial_over;
agent_act leave_it, take_offer, recall, recall_forgotten, acknowledge, retry_report, resend_report;
agent_act resolve_again, resolve_failed, judge_facts, take_room, ask_room_again;
agent_act take_list, fetch_again, fetch_failed, scan_chunk, erase_slice, take_chunk_bytes;
agent_act read_back, measure_running;
agent_act look_at_window, ask_leave_to_reset, take_leave_to_reset, take_proceed, take_hold;
agent_act leave_failed, flip, watch_trial, take_health, server_reached, reset_again;
