#include "agent/table.h"

#include "agent/acts.h"
#include "base/check.h"

/* The whole behaviour of the agent. A pair that is not listed is refused.
 * Power loss: the rows on BOOTED, BOOTED_TRIAL and BOOTED_REVERTED say what the next boot makes
 * of the state that was saved last. A trial that nobody here has asked for is never confirmed. */
/* clang-format off */
#define ROW(from, on, act, ok, again, ends) \
    { AGENT_##from, INPUT_##on, act, AGENT_##ok, AGENT_##again, AGENT_##ends }

static const struct agent_row rows[] = {
    /*  from       on               act                  ok         again      ends      */
    ROW(IDLE,      BOOTED,          settle_in,           IDLE,      MEASURING, IDLE),
    ROW(IDLE,      BOOTED_TRIAL,    refuse_trial,        IDLE,      IDLE,      IDLE),
    ROW(IDLE,      BOOTED_REVERTED, settle_in,           IDLE,      MEASURING, IDLE),
    ROW(IDLE,      OFFER,           take_offer,          RESOLVING, IDLE,      IDLE),
    ROW(IDLE,      CANCEL,          recall_forgotten,    REPORTING, IDLE,      REPORTING),
    ROW(IDLE,      REACHED,         leave_it,            IDLE,      IDLE,      IDLE),

    ROW(MEASURING, BOOTED,          settle_in,           IDLE,      MEASURING, IDLE),
    ROW(MEASURING, BOOTED_TRIAL,    refuse_trial,        IDLE,      IDLE,      IDLE),
    ROW(MEASURING, BOOTED_REVERTED, settle_in,           IDLE,      MEASURING, IDLE),
    ROW(MEASURING, WORK,            measure_running,     IDLE,      MEASURING, IDLE),
    ROW(MEASURING, OFFER,           leave_it,            MEASURING, MEASURING, MEASURING),
    ROW(MEASURING, CANCEL,          leave_it,            MEASURING, MEASURING, MEASURING),
    ROW(MEASURING, REACHED,         leave_it,            MEASURING, MEASURING, MEASURING),

    ROW(RESOLVING, BOOTED,          forget_work,         IDLE,      IDLE,      IDLE),
    ROW(RESOLVING, BOOTED_TRIAL,    refuse_trial,        RESOLVING, RESOLVING, RESOLVING),
    ROW(RESOLVING, BOOTED_REVERTED, forget_work,         IDLE,      IDLE,      IDLE),
    ROW(RESOLVING, FACTS,           judge_facts,         CHECKING,  VERIFYING, REPORTING),
    ROW(RESOLVING, FAILED,          resolve_failed,      RESOLVING, RESOLVING, REPORTING),
    ROW(RESOLVING, WORK,            resolve_again,       RESOLVING, RESOLVING, REPORTING),
    ROW(RESOLVING, CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(RESOLVING, REACHED,         leave_it,            RESOLVING, RESOLVING, RESOLVING),

    ROW(CHECKING,  BOOTED,          forget_work,         IDLE,      IDLE,      IDLE),
    ROW(CHECKING,  BOOTED_TRIAL,    refuse_trial,        CHECKING,  CHECKING,  CHECKING),
    ROW(CHECKING,  BOOTED_REVERTED, forget_work,         IDLE,      IDLE,      IDLE),
    ROW(CHECKING,  READY,           take_room,           LISTING,   CHECKING,  REPORTING),
    ROW(CHECKING,  FAILED,          take_room,           LISTING,   CHECKING,  REPORTING),
    ROW(CHECKING,  WORK,            ask_room_again,      CHECKING,  CHECKING,  REPORTING),
    ROW(CHECKING,  CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(CHECKING,  REACHED,         leave_it,            CHECKING,  CHECKING,  CHECKING),

    ROW(LISTING,   BOOTED,          go_on,               LISTING,   LISTING,   LISTING),
    ROW(LISTING,   BOOTED_TRIAL,    refuse_trial,        LISTING,   LISTING,   LISTING),
    ROW(LISTING,   BOOTED_REVERTED, go_on,               LISTING,   LISTING,   LISTING),
    ROW(LISTING,   BYTES,           take_list,           SCANNING,  LISTING,   REPORTING),
    ROW(LISTING,   FAILED,          fetch_failed,        LISTING,   LISTING,   REPORTING),
    ROW(LISTING,   WORK,            fetch_again,         LISTING,   LISTING,   REPORTING),
    ROW(LISTING,   CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(LISTING,   REACHED,         leave_it,            LISTING,   LISTING,   LISTING),

    ROW(SCANNING,  BOOTED,          go_on,               LISTING,   LISTING,   LISTING),
    ROW(SCANNING,  BOOTED_TRIAL,    refuse_trial,        SCANNING,  SCANNING,  SCANNING),
    ROW(SCANNING,  BOOTED_REVERTED, go_on,               LISTING,   LISTING,   LISTING),
    ROW(SCANNING,  WORK,            scan_chunk,          ERASING,   SCANNING,  REPORTING),
    ROW(SCANNING,  CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(SCANNING,  REACHED,         leave_it,            SCANNING,  SCANNING,  SCANNING),

    ROW(ERASING,   BOOTED,          go_on,               LISTING,   LISTING,   LISTING),
    ROW(ERASING,   BOOTED_TRIAL,    refuse_trial,        ERASING,   ERASING,   ERASING),
    ROW(ERASING,   BOOTED_REVERTED, go_on,               LISTING,   LISTING,   LISTING),
    ROW(ERASING,   WORK,            erase_slice,         FETCHING,  ERASING,   REPORTING),
    ROW(ERASING,   CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(ERASING,   REACHED,         leave_it,            ERASING,   ERASING,   ERASING),

    ROW(FETCHING,  BOOTED,          go_on,               LISTING,   LISTING,   LISTING),
    ROW(FETCHING,  BOOTED_TRIAL,    refuse_trial,        FETCHING,  FETCHING,  FETCHING),
    ROW(FETCHING,  BOOTED_REVERTED, go_on,               LISTING,   LISTING,   LISTING),
    ROW(FETCHING,  BYTES,           take_chunk_bytes,    VERIFYING, FETCHING,  REPORTING),
    ROW(FETCHING,  FAILED,          fetch_failed,        VERIFYING, FETCHING,  REPORTING),
    ROW(FETCHING,  WORK,            fetch_again,         VERIFYING, FETCHING,  REPORTING),
    ROW(FETCHING,  CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(FETCHING,  REACHED,         leave_it,            FETCHING,  FETCHING,  FETCHING),

    ROW(VERIFYING, BOOTED,          go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(VERIFYING, BOOTED_TRIAL,    refuse_trial,        VERIFYING, VERIFYING, VERIFYING),
    ROW(VERIFYING, BOOTED_REVERTED, go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(VERIFYING, WORK,            read_back,           STAGED,    VERIFYING, REPORTING),
    ROW(VERIFYING, CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(VERIFYING, REACHED,         leave_it,            VERIFYING, VERIFYING, VERIFYING),

    ROW(STAGED,    BOOTED,          go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(STAGED,    BOOTED_TRIAL,    refuse_trial,        STAGED,    STAGED,    STAGED),
    ROW(STAGED,    BOOTED_REVERTED, go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(STAGED,    WORK,            ask_leave_to_reset,  STAGED,    STAGED,    REPORTING),
    ROW(STAGED,    READY,           take_leave_to_reset, ASKING,    STAGED,    REPORTING),
    ROW(STAGED,    FAILED,          take_leave_to_reset, ASKING,    STAGED,    REPORTING),
    ROW(STAGED,    REACHED,         look_at_window,      STAGED,    STAGED,    STAGED),
    ROW(STAGED,    CANCEL,          recall,              REPORTING, REPORTING, REPORTING),

    ROW(ASKING,    BOOTED,          go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(ASKING,    BOOTED_TRIAL,    refuse_trial,        ASKING,    ASKING,    ASKING),
    ROW(ASKING,    BOOTED_REVERTED, go_on,               VERIFYING, VERIFYING, VERIFYING),
    ROW(ASKING,    PROCEED,         take_proceed,        SWITCHING, STAGED,    REPORTING),
    ROW(ASKING,    HOLD,            take_hold,           STAGED,    STAGED,    REPORTING),
    ROW(ASKING,    NOTED,           take_hold,           STAGED,    STAGED,    REPORTING),
    ROW(ASKING,    FAILED,          leave_failed,        STAGED,    STAGED,    REPORTING),
    ROW(ASKING,    CANCEL,          recall,              REPORTING, REPORTING, REPORTING),
    ROW(ASKING,    REACHED,         leave_it,            ASKING,    ASKING,    ASKING),

    ROW(SWITCHING, BOOTED,          not_flipped,         VERIFYING, TRIAL,     REPORTING),
    ROW(SWITCHING, BOOTED_TRIAL,    start_trial,         TRIAL,     REVERTING, REVERTING),
    ROW(SWITCHING, BOOTED_REVERTED, trial_ended,         REPORTING, REPORTING, REPORTING),
    ROW(SWITCHING, WORK,            flip,                SWITCHING, SWITCHING, REPORTING),
    ROW(SWITCHING, CANCEL,          leave_it,            SWITCHING, SWITCHING, SWITCHING),
    ROW(SWITCHING, REACHED,         leave_it,            SWITCHING, SWITCHING, SWITCHING),

    ROW(TRIAL,     BOOTED,          trial_ended,         REPORTING, REPORTING, REPORTING),
    ROW(TRIAL,     BOOTED_TRIAL,    start_trial,         TRIAL,     REVERTING, REVERTING),
    ROW(TRIAL,     BOOTED_REVERTED, trial_ended,         REPORTING, REPORTING, REPORTING),
    ROW(TRIAL,     WORK,            watch_trial,         REPORTING, TRIAL,     REVERTING),
    ROW(TRIAL,     HEALTH,          take_health,         REPORTING, TRIAL,     REVERTING),
    ROW(TRIAL,     FAILED,          take_health,         REPORTING, TRIAL,     REVERTING),
    ROW(TRIAL,     REACHED,         server_reached,      REPORTING, TRIAL,     REVERTING),
    ROW(TRIAL,     CANCEL,          server_reached,      REPORTING, TRIAL,     REVERTING),

    ROW(REVERTING, BOOTED,          trial_over,          REPORTING, REPORTING, REPORTING),
    ROW(REVERTING, BOOTED_TRIAL,    go_on,               REVERTING, REVERTING, REVERTING),
    ROW(REVERTING, BOOTED_REVERTED, trial_over,          REPORTING, REPORTING, REPORTING),
    ROW(REVERTING, WORK,            reset_again,         REVERTING, REVERTING, REVERTING),
    ROW(REVERTING, CANCEL,          leave_it,            REVERTING, REVERTING, REVERTING),
    ROW(REVERTING, REACHED,         leave_it,            REVERTING, REVERTING, REVERTING),

    ROW(REPORTING, BOOTED,          go_on,               REPORTING, REPORTING, REPORTING),
    ROW(REPORTING, BOOTED_TRIAL,    refuse_trial,        REPORTING, REPORTING, REPORTING),
    ROW(REPORTING, BOOTED_REVERTED, go_on,               REPORTING, REPORTING, REPORTING),
    ROW(REPORTING, NOTED,           acknowledge,         IDLE,      IDLE,      IDLE),
    ROW(REPORTING, FAILED,          retry_report,        IDLE,      REPORTING, IDLE),
    ROW(REPORTING, WORK,            resend_report,       REPORTING, REPORTING, REPORTING),
    ROW(REPORTING, CANCEL,          leave_it,            REPORTING, REPORTING, REPORTING),
    ROW(REPORTING, REACHED,         leave_it,            REPORTING, REPORTING, REPORTING),
};

static const struct agent_state_info states[AGENT_STATE_COUNT] = {
    [AGENT_IDLE]      = { "idle",      enter_idle,      AGENT_DO_WAKE },
    [AGENT_RESOLVING] = { "resolving", enter_resolving, AGENT_DO_RESOLVE },
    [AGENT_CHECKING]  = { "checking",  enter_checking,  AGENT_DO_CHECK },
    [AGENT_LISTING]   = { "listing",   enter_listing,   AGENT_DO_FETCH },
    [AGENT_SCANNING]  = { "scanning",  enter_scanning,  AGENT_DO_WAKE },
    [AGENT_ERASING]   = { "erasing",   enter_erasing,   AGENT_DO_WAKE },
    [AGENT_FETCHING]  = { "fetching",  enter_fetching,  AGENT_DO_FETCH },
    [AGENT_VERIFYING] = { "verifying", enter_reading,   AGENT_DO_WAKE },
    [AGENT_STAGED]    = { "staged",    enter_staged,    AGENT_DO_CHECK },
    [AGENT_ASKING]    = { "asking",    enter_asking,    AGENT_DO_REPORT },
    [AGENT_SWITCHING] = { "switching", enter_switching, AGENT_DO_WAKE },
    [AGENT_TRIAL]     = { "trial",     enter_trial,     AGENT_DO_HEALTH },
    [AGENT_REVERTING] = { "reverting", enter_reverting, AGENT_DO_WAKE },
    [AGENT_REPORTING] = { "reporting", enter_reporting, AGENT_DO_REPORT },
    [AGENT_MEASURING] = { "measuring", enter_reading,   AGENT_DO_WAKE },
};
/* clang-format on */

const struct agent_row *agent_row_find(enum agent_state from, enum agent_input on)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].from == from && rows[i].on == on)
            return &rows[i];
    }
    return NULL;
}

const struct agent_state_info *agent_state_info(enum agent_state state)
{
    CHECK(state < AGENT_STATE_COUNT);
    return &states[state];
}
