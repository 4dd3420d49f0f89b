/* Signals as something to wait for, instead of something that interrupts. */
#pragma once

#include "base/types.h"

/* Block SIGINT, SIGTERM and SIGHUP in this and all later threads, ignore SIGPIPE, and return a
 * descriptor that becomes readable when one of them comes; -1 on failure. Call before threads
 * are started. */
int signal_open(void) MUST_USE;

/* The next signal, or 0 when there is none. Does not block. */
int signal_take(int fd);

/* Give children the default signal mask and SIGPIPE back; between fork and exec. */
void signal_reset(void);
