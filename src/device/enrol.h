/* How a device gets its certificate and keeps it: enrolment once, renewal in good time. */
#pragma once

#include "base/time.h"
#include "device/config.h"
#include "device/identity.h"
#include "device/link_http.h"

/* Ask for the first certificate, and tell the public sealing key. ERR_AGAIN: an operator has to
 * accept the device first, ask again after link_retry_s(); ERR_DENIED: the claim token was refused;
 * others as link_enroll(). */
enum err enrol(struct link *link, const struct identity *identity, const struct config *config,
               struct span sealing_key, struct why *why) MUST_USE;

/* Ask for a new certificate for the same key, likewise. Works with an expired one too. */
enum err enrol_renew(struct link *link, const struct identity *identity,
                     const struct config *config, struct span sealing_key,
                     struct why *why) MUST_USE;
