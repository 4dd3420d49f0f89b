/* From rows to the questions that fleet/ answers: selectors over devices, facts for decide().
 *
 * Used alike by polls, admission, previews and `device explain`, so that they cannot differ. */
#pragma once

#include "app/app.h"
#include "app/artifacts.h"
#include "fleet/decide.h"
#include "fleet/selector.h"
#include "store/assignment.h"
#include "store/release.h"
#include "store/rollout.h"

/* Fields: name, status, protocol, product, hw, version, hold, tag, group; anything else is an
 * attribute. A selector_lookup; `self` is a struct device_facts. */
bool facts_lookup(void *self, struct span field, uint32_t index, struct span *value);

bool facts_match(const struct selector *selector, const struct device_facts *facts);

/* Room that the spans of struct decide_facts point into. Large: keep it on the heap or static
 * to a story. */
struct decide_room {
    struct decide_facts facts;
    struct decide_device device;
    struct decide_release release;
    struct span hardware[HARDWARE_MAX], bases[BASES_MAX];
};

/* What a decision is about. Everything must outlive the room. */
struct facts_case {
    const struct device_row *device;
    const struct rollout_row *rollout;       /* NULL: none concerns the device */
    const struct release_row *release;       /* NULL exactly when rollout is */
    const struct artifacts *artifacts;       /* of the release; for our own agents it may be NULL */
    const struct assignment_row *assignment; /* NULL: the rollout has not touched the device */
    bool selected;                           /* the rollout's selector matches the device */
    bool blocked;                            /* see rules_block() */
    bool other_rollout;                      /* another rollout is at work on it */
    bool in_hand;                            /* the device says that it has the assignment */
    bool fetches_back;                       /* see facts_way_back() */
    const char *judged;                      /* why its judge gives no leave; NULL: it does */
    struct utc now;
};

void facts_for_decide(const struct facts_case *of, struct decide_room *out);

/* How a device gets back to what it ran before an assignment. */
enum way_back_kind {
    WAY_BACK_NONE,  /* it stays where it is: see `reason` */
    WAY_BACK_BANK,  /* by booting its other bank */
    WAY_BACK_FETCH, /* by a download: its other bank holds something else */
};

struct way_back {
    enum way_back_kind kind;
    struct release_row release;  /* what it ran before; signed, and allowed today */
    uint8_t sha256[DIGEST_SIZE]; /* and which file of it */
    enum err err;                /* WAY_BACK_NONE: why, in words of three lengths */
    const char *reason, *sentence;
};

enum err facts_way_back(struct app *app, const struct device_row *device,
                        const struct assignment_row *assignment, struct way_back *out) MUST_USE;

/* Whether product and hardware of the release are the device's and its protocol has use for it,
 * whatever it runs. */
bool facts_fit(const struct device_row *device, const struct release_row *release,
               const struct artifacts *artifacts);
