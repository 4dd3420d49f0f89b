/* Which file of a release a device can use. The one place that decides it, for admission, polls,
 * previews and explanations alike. */
#pragma once

#include "app/app.h"
#include "store/artifact.h"
#include "store/release.h"

/* All of a release; about 24 KiB. */
struct artifacts {
    struct artifact_row list[ARTIFACTS_MAX];
    uint32_t count;
};

/* What a device may have. Points into the release or the artifacts. */
struct artifact_choice {
    bool none;             /* nothing in a format of its protocol; the rest is of the release */
    bool fits;             /* its hardware is among those named */
    const uint8_t *sha256; /* what counts as "the release" for this device; zeros: nothing */
    const char *hardware;  /* names with one space between; "": any */
    const struct artifact_row *list[ARTIFACTS_MAX]; /* foreign protocols: those that fit */
    uint32_t count;
};

enum err artifacts_of(struct app *app, const struct release_row *release,
                      struct artifacts *out) MUST_USE;

/* The image for our own agents. For others the files of the first format that has one for the
 * hardware. A release that came in through the management API of one protocol is nobody else's. */
void artifacts_choose(const struct artifacts *artifacts, const struct release_row *release,
                      const struct device_row *device, struct artifact_choice *out);

/* What a device calls itself when it runs the file. */
const char *artifact_runs_as(const struct artifact_row *artifact,
                             const struct release_row *release);
