/* Content keys of sealed releases, and what devices need to get one: docs/spec/sealed.md.
 *
 * The publisher brings a content key once; the server checks it against the signed facts, keeps it
 * encrypted under its own storage key (pki/content.key) and never shows it again. It leaves only
 * wrapped for one device, inside that device's mandate. */
#pragma once

#include "app/app.h"
#include "app/device.h"
#include "crypto/sealing.h"
#include "crypto/wrap.h"
#include "store/release.h"

/* Take the content key of a release, named "PRODUCT@VERSION"; audited. The same key again changes
 * nothing. ERR_NOT_FOUND: no such release; ERR_INVALID: it is not sealed; ERR_UNTRUSTED: the
 * signed facts are of another key; ERR_UNSUITABLE: this server keeps no content keys. */
struct content_upload {
    int64_t tenant;
    const char *actor;
    struct span release;
    const uint8_t *key; /* CONTENT_KEY_SIZE bytes */
    struct utc now;
};
enum err content_take(struct app *app, const struct content_upload *upload,
                      struct why *why) MUST_USE;

/* The content key of `release` wrapped for the device, WRAP_SIZE_MAX bytes at most; nothing for a
 * release that is not sealed. ERR_NOT_FOUND: the server has no content key for it, or the device
 * no sealing key; ERR_CORRUPT: what is stored does not open. */
enum err content_wrap(struct app *app, const struct device_row *device,
                      const struct release_row *release, struct buf *out, struct why *why) MUST_USE;

/* The sealing key a device sends when it enrols or renews; empty: it has none to send, and the one
 * that is known stays. Another one than before is audited. ERR_CORRUPT: nothing can be wrapped for
 * it. */
enum err content_take_sealing_key(struct app *app, const struct device_call *call,
                                  struct span sealing_key, struct why *why) MUST_USE;

/* The device under this name is another one now. */
enum err content_forget_sealing_key(struct app *app, const struct device_row *device) MUST_USE;

/* Whether the content key of a sealed release is here and opens with the storage key. */
bool content_present(struct app *app, const struct release_row *release);

/* Whether devices could get this release: it is in the clear, or its content key is here.
 * ERR_INVALID with the sentence. */
enum err content_ready(struct app *app, const struct release_row *release,
                       struct why *why) MUST_USE;
