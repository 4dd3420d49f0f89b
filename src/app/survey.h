/* A survey finds out whom in the fleet a selector or a rollout means. A fleet may be a hundred
 * thousand devices, and the engine has other things to do, so a survey goes on in slices: each
 * transaction reads at most SURVEY_SLICE devices, and the next one goes on from there.
 *
 *     ask -> ERR_OK: here is what was found
 *         -> ERR_AGAIN with app->unfinished: ask again in the next turn
 *
 * The engine sees app->unfinished, undoes the story and tells it again in its next turn; the tick
 * does the same with its own questions. Small fleets fit into one slice and notice nothing of it.
 * What was found is as old as its slices: a second at the most. Nothing is decided by it but how
 * large stages are and who is asked first; whether a device may have a release is decided from its
 * row in the moment of its admission. */
#pragma once

#include "app/app.h"
#include "fleet/selector.h"
#include "store/release.h"
#include "store/rollout.h"

#define SURVEY_SLICE        8192u /* devices read in one transaction: 10 to 20 ms */
#define SURVEY_SAMPLE_MAX   20u   /* names given as examples */
#define SURVEYS_MAX         16u   /* at a time; who comes later waits */
#define SURVEY_FORGOTTEN_MS 5000  /* nobody has asked for it since */

/* Which active devices are meant: those that match and, with a release, are reached by a rollout
 * of it: product and hardware fit, the floor lets it pass, and the device does not run the release
 * already, unless that rollout has brought it there. Devices that others have updated would
 * otherwise be waited for as ones that are out of reach. */
struct survey_question {
    int64_t tenant;
    struct span selector;              /* its text, which parses; empty: all */
    const struct release_row *release; /* NULL: any device that matches is meant */
    int64_t rollout;                   /* 0: none yet */
};

struct survey_names {
    uint32_t count, sampled;
    char sample[SURVEY_SAMPLE_MAX][NAME_SIZE_MAX + 1]; /* the first ones */
};

struct survey_result {
    struct survey_names meant;
    struct survey_names
        below_floor; /* meant but for their security floor, which bars the release */
};

enum err survey_count(struct app *app, const struct survey_question *question, struct utc now,
                      struct survey_result *out, struct why *why) MUST_USE;

/* ---- For admission ---- */

struct survey;

/* One of the devices that are meant. */
struct survey_device {
    int64_t device;
    uint64_t stratum, order; /* given by the visitor */
    uint64_t place;          /* in the whole order; ties by `order` */
    bool eligible;           /* it may be chosen now; given by the visitor */
};

/* Fills in what it gives. It may use the database. */
typedef enum err survey_visit(void *self, const struct device_facts *facts,
                              struct survey_device *device);

/* Visit whoever is meant, put them in order (see survey_order.h), hand out the eligible ones. */
enum err survey_choose(struct app *app, const struct survey_question *question, survey_visit *visit,
                       void *self, struct utc now, struct survey **out) MUST_USE;

/* How many are meant, eligible or not. */
uint32_t survey_meant(const struct survey *survey);

/* The next in order; false: there are no more. */
bool survey_next(struct survey *survey, int64_t *device);

/* It has been used up. Otherwise what is left is handed out in the next turn. */
void survey_done(struct app *app, struct survey *survey);

void survey_forget_all(struct app *app);
