/* What one decision of the risk engine costs, and what it keeps per device and per cohort.
 *   cc -O2 -I src bench/risk/cost.c BUILD/src/fleet/libfleet.a BUILD/src/base/libbase.a ... */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/prng.h"
#include "fleet/gap.h"
#include "fleet/risk.h"

#define COHORTS 300u
#define DEVICES 200000u

_Noreturn void check_failed(const char *file, unsigned line, const char *condition)
{
    (void)fprintf(stderr, "%s:%u: %s\n", file, line, condition);
    abort();
}

static struct cohort cohorts[COHORTS];
static uint32_t sizes[COHORTS];
static struct risk_stratum strata[4] = {{.size = 1}, {.size = 1}, {.size = 1}, {.size = 1}};
static const struct risk_kind kind = {10000, 10000, 2000, 12000, 2000, 2000, 2000};
static struct risk_device devices[DEVICES];
static struct risk risk;

static double now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

static double say(enum risk_event_kind event_kind, uint32_t from, uint32_t to, uint32_t *grants)
{
    double begun = now_us();

    for (uint32_t i = from; i < to; i++) {
        struct risk_event event = {
            .kind = event_kind, .at_s = risk.tick * 900, .device = &devices[i]};
        struct risk_decision decision;

        if (risk_step(&risk, &event, &decision, NULL) == ERR_OK)
            *grants += decision.answer == RISK_GRANT;
    }
    return (now_us() - begun) / (to - from);
}

int main(void)
{
    struct risk_rule rule = {.harmed_max = 100000,
                             .first_max = 100000,
                             .doubt_ppm = 10000,
                             .floor_ppm = 30000,
                             .false_alarm_ppm = 10000,
                             .tolerance_permille = 1500,
                             .tick_s = 900,
                             .late_s = 43200,
                             .bake_s = 86400,
                             .strata = 4,
                             .curve_permille = {500, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000,
                                                1000, 1000, 1000, 1000, 1000, 1000, 1000}};
    struct risk_memory memory = {cohorts, sizes, COHORTS, strata, &kind, 1, NULL, 0};
    struct prng prng = prng_seeded(1);
    uint32_t grants = 0, none = 0;
    double ask, good, bad, fresh, tick;

    for (uint32_t i = 0; i < DEVICES; i++) {
        devices[i] = (struct risk_device){
            .cohort_count = 8, .stratum = i % 4, .site = RISK_NO_SITE, .due = {1, 2, 4}};
        for (uint32_t k = 1; k < 8; k++)
            devices[i].cohorts[k] = (uint16_t)(1 + (k - 1) * 42 + prng_below(&prng, 42));
        for (uint32_t k = 0; k < 8; k++)
            sizes[devices[i].cohorts[k]]++;
    }
    CHECK(risk_start(&risk, &rule, &memory, NULL) == ERR_OK);
    ask = say(RISK_ASK, 0, 80000, &grants);
    good = say(RISK_GOOD, 0, 79000, &none);
    bad = say(RISK_BAD, 79000, 79200, &none);
    fresh = now_us();
    for (uint32_t i = 0; i < 200; i++) {
        (void)say(RISK_BAD, 79200 + i, 79201 + i, &none);
        (void)say(RISK_ASK, 80000 + i, 80001 + i, &none);
    }
    fresh = (now_us() - fresh) / 200;
    tick = now_us();
    for (uint32_t i = 1; i <= 400; i++) {
        struct risk_event event = {.kind = RISK_TICK, .at_s = i * 900};
        struct risk_decision decision;

        CHECK(risk_step(&risk, &event, &decision, NULL) == ERR_OK);
    }
    tick = (now_us() - tick) / 400;
    printf("300 cohorts, 8 of them per device, %u of 80000 granted\n", grants);
    printf("ask %.2f us, good report %.2f us, bad report %.2f us, bad report and the ask after it "
           "%.1f us, tick of 15 min %.0f us\n",
           ask, good, bad, fresh, tick);
    printf("%zu bytes per device, %zu per cohort, %zu per device for its gaps\n",
           sizeof(struct risk_device), sizeof(struct cohort), sizeof(struct gap_history));
    return 0;
}
