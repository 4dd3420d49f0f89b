/* How often an address may fail: unknown tokens, and enrolments that are refused.
 *
 * Each address (of IPv6 its first 64 bits, which one machine has for itself) may fail
 * ATTEMPTS_BURST times at once and then once every ATTEMPTS_EVERY_MS; more are answered with 429
 * and never reach the engine. What succeeds costs nothing, and whoever shows a token in force or a
 * device certificate is not asked. So somebody who floods from behind the same address delays the
 * enrolment of a neighbour, and nothing else.
 *
 * Memory is fixed: ATTEMPTS_ADDRESSES addresses, in sets of ATTEMPTS_WAYS. A new one takes the
 * place of the one in its set that has failed the least. Shared by all fronts. */
#pragma once

#include "base/span.h"
#include "base/time.h"

#define ATTEMPTS_ADDRESSES 4096u
#define ATTEMPTS_WAYS      8u
#define ATTEMPTS_BURST     100u
#define ATTEMPTS_EVERY_MS  1000

struct attempts;

struct attempts *attempts_open(void) MUST_USE;
void attempts_close(struct attempts *attempts); /* NULL-safe */

/* Take one of the address's attempts, which is text without port. False when there is none left:
 * *retry_s, at least 1, is when there will be one. Any thread. */
bool attempts_take(struct attempts *attempts, const char *address, struct utc now,
                   uint32_t *retry_s) MUST_USE;

/* It was no failure after all. */
void attempts_give(struct attempts *attempts, const char *address);
