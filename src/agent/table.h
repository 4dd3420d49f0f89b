/* The transition table of the agent: which input makes what of which state. Inside the agent
 * only; hosts know agent.h.
 *
 * An input is an event as the present state sees it: an answer to a poll, for instance, is an
 * offer, a cancel, or nothing but a sign that the server can be reached. */
#pragma once

#include "agent/agent.h"

enum agent_input {
    INPUT_BOOTED,          /* power is back; the boot loader runs the confirmed image */
    INPUT_BOOTED_TRIAL,    /* ... an image on probation */
    INPUT_BOOTED_REVERTED, /* ... the confirmed image, after a trial that failed */
    INPUT_WORK,            /* the time that the state asked for has come */
    INPUT_OFFER,           /* the server has something, and nothing is in hand */
    INPUT_CANCEL,          /* the server takes back what is in hand, or replaces it */
    INPUT_REACHED,         /* the server answered, with nothing new */
    INPUT_FACTS,           /* verified release facts */
    INPUT_READY,           /* the host's answer to a check */
    INPUT_BYTES,           /* a piece of the transfer */
    INPUT_PROCEED,         /* leave to flip */
    INPUT_HOLD,            /* no leave yet */
    INPUT_NOTED,           /* the report is durable at the server */
    INPUT_HEALTH,          /* the health check ended */
    INPUT_FAILED,          /* the order that the state waits for could not be carried out */
    INPUT_COUNT
};

/* What a row does. ERR_OK and ERR_AGAIN choose the next state, any other error is the third way
 * out. It changes data, gives orders and draws up the final report; it never changes the state. */
typedef enum err agent_act(struct agent *agent, const struct agent_event *event,
                           struct agent_orders *out);

struct agent_row {
    enum agent_state from;
    enum agent_input on;
    agent_act *act;
    enum agent_state ok;    /* next state when act returns ERR_OK */
    enum agent_state again; /* ... ERR_AGAIN */
    enum agent_state ends;  /* ... any other error */
};

/* Properties of a state beside its rows. */
struct agent_state_info {
    const char *name;
    /* Gives the state's first orders; also after power loss, hence repeatable. */
    void (*enter)(struct agent *agent, struct instant now, struct agent_orders *out);
    enum agent_order_kind awaits; /* whose AGENT_EV_FAILED is INPUT_FAILED; DO_WAKE = none */
};

/* The row for this pair, NULL if there is none. */
const struct agent_row *agent_row_find(enum agent_state from, enum agent_input on);

const struct agent_state_info *agent_state_info(enum agent_state state);
