/* The device's sealing key, for which content keys of sealed images are wrapped (crypto/wrap.h),
 * and the opening of such images for the core (agent/sealer.h).
 *
 *     STATE_DIR/sealing.key   private key, PEM, mode 0600; made at the first start: X25519. An
 *                             operator may put a P-256 one there before.
 *     STATE_DIR/sealing.pub   the public half that the server was told
 *
 * A key that is lost is made anew. As long as the server has not been told the present one, or a
 * wrap has not opened, a renewal is due. */
#pragma once

#include "agent/sealer.h"
#include "base/why.h"
#include "crypto/wrap.h"

#define SEALING_KEY_PATH_SIZE 4096u /* bytes of a path with NUL */

struct sealing_key {
    char told_path[SEALING_KEY_PATH_SIZE];
    const char *device; /* its name */
    struct wrap_key *key;
    struct sealing *image; /* in hand; NULL: none */
    uint8_t public_bytes[WRAP_PUBLIC_SIZE_MAX];
    size_t public_size;
    bool told;
    struct sealer sealer; /* for the core; borrows all of this */
};

/* `device` outlives it; it must not move. */
enum err sealing_key_open(struct sealing_key *sealing, const char *state_dir, const char *device,
                          struct why *why) MUST_USE;
void sealing_key_close(struct sealing_key *sealing);

struct span sealing_key_public(const struct sealing_key *sealing);

/* The server has taken sealing_key_public(). */
void sealing_key_told(struct sealing_key *sealing);
