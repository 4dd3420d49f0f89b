/* What the files of the judge share. Private to them. */
#pragma once

#include "app/judge.h"
#include "store/device.h"

#define KNOWN_STRATUM 0u /* devices that name no link, and those of links beyond the limit */

struct judge_device {
    struct risk_device_row row; /* with the engine's part */
    enum risk_answer answer;    /* the last one it got */
    uint16_t cohort;            /* by which */
};

struct sorting; /* judge_sort.c */

struct judge {
    struct risk_row row;
    bool opened;
    bool touched, marked; /* changed since the transaction began, since the savepoint */
    uint64_t used;        /* the larger, the later */
    struct sorting *sorting;

    struct risk risk;
    struct cohort *cohorts;
    struct risk_label_row *names; /* of cohorts */
    uint64_t *keys;               /* hashes of those */
    uint32_t cohort_count;
    struct risk_stratum strata[COHORT_STRATA_MAX];
    struct risk_label_row links[COHORT_STRATA_MAX];
    uint32_t link_count;
    uint64_t *site_keys; /* hashes of names */
    uint32_t *sites, site_count;

    struct judge_device *devices;
    uint32_t device_count, device_room;
    uint32_t deadline_s; /* of the rollout's plan */
    uint32_t watched;    /* the first so many devices are looked at without the release */

    struct risk_decision halt;   /* the last one that halted */
    struct risk_decision *holds; /* by cohort: why it is held; answer NOTED: it is not */
    char trouble[JUDGE_SENTENCE_MAX];
};

uint64_t judge_key(struct span name);

/* The one of this rollout, from memory or computed from its journal. */
enum err judge_of(struct app *app, const struct rollout_row *row, struct judge **out) MUST_USE;

/* With names, strata and sites in place: memory, and the engine at second 0. */
enum err judge_start(struct judge *judge) MUST_USE;
void judge_free(struct judge *judge);
void judge_sort_free(struct sorting *sorting);

/* Whether any device has leave and will come due. */
bool judge_outstanding(const struct judge *judge);

/* Room for one more; its number is judge->device_count - 1. */
struct judge_device *judge_append(struct judge *judge);

/* Go on sorting the devices of the rollout; judge->opened when that is done. */
enum err judge_sort(struct app *app, const struct rollout_row *row, struct judge *judge,
                    struct utc now) MUST_USE;

/* What is known of a device, as it is now. */
enum err judge_describe(struct app *app, const struct judge *judge,
                        const struct device_facts *facts, struct risk_device *out) MUST_USE;

/* Keep why a cohort is held; whether it was not known to be. */
bool judge_note_hold(struct judge *judge, uint16_t cohort);

/* Note what an entry of the journal says. */
void judge_note(struct judge *judge, const struct risk_entry *entry, int64_t number);
