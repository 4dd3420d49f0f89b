/* Who this device is to the server: an EC P-256 key that never leaves it (device.key, mode 0600)
 * and the certificate the server made for that key (device.crt). */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "base/why.h"

#define IDENTITY_PATH_SIZE 4096u /* bytes of a path with NUL */

struct identity {
    char key_path[IDENTITY_PATH_SIZE];
    char certificate_path[IDENTITY_PATH_SIZE];
};

struct identity_validity {
    struct utc begin, end;
};

/* Use what is in `directory`; the key is made at the first call. */
enum err identity_open(struct identity *identity, const char *directory, struct why *why) MUST_USE;

/* Whether there is a certificate. */
bool identity_enrolled(const struct identity *identity);

/* A signing request for CN=`name`, PKCS#10 in DER, signed with the key. */
enum err identity_request(const struct identity *identity, const char *name, struct buf *out,
                          struct why *why) MUST_USE;

/* Keep a certificate the server sent (DER), replacing the former one. ERR_UNTRUSTED: it is not for
 * our key or not for `name`; ERR_CORRUPT: it is no certificate. */
enum err identity_keep(const struct identity *identity, struct span certificate, const char *name,
                       struct why *why) MUST_USE;

/* ERR_NOT_FOUND: not enrolled. */
enum err identity_validity(const struct identity *identity, struct identity_validity *out,
                           struct why *why) MUST_USE;

/* Whether two thirds of its life are over: time to renew, long before it hurts. */
bool identity_renewal_due(const struct identity_validity *validity, struct utc now);
