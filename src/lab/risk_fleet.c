#include "lab/risk_fleet.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

#define DRAWS 200000

static const double link_share[FLEET_CLASSES] = {0.60, 0.25, 0.12, 0.03};
static const double gap_mean[FLEET_CLASSES] = {0.5, 6, 24, 192};
static const double gap_sigma[FLEET_CLASSES] = {0, 0.6, 0.8, 0.8};
static const double immediate[FLEET_CLASSES] = {0.95, 0.85, 0.70, 0.60};
static const double hardware_share[FLEET_HARDWARE] = {0.5, 0.3, 0.15, 0.05};
static const double version_share[FLEET_VERSIONS] = {0.6, 0.3, 0.1};

double fleet_uniform(struct prng *prng)
{
    return ((double)(prng_next(prng) >> 11) + 0.5) * 0x1p-53;
}

static double gauss(struct prng *prng)
{
    double radius = sqrt(-2 * log(fleet_uniform(prng)));

    return radius * cos(6.283185307179586 * fleet_uniform(prng));
}

static double draw_gap(uint32_t link, struct prng *prng)
{
    double sigma = gap_sigma[link];

    if (link == 0)
        return 0.25 + 0.5 * fleet_uniform(prng);
    return gap_mean[link] * exp(sigma * gauss(prng) - 0.5 * sigma * sigma);
}

/* Long gaps are met more often (the inspection paradox): accept by length. */
static double draw_residual(uint32_t link, struct prng *prng)
{
    double most = gap_mean[link] * 12;

    for (;;) {
        double gap = draw_gap(link, prng);

        if (fleet_uniform(prng) * most < gap)
            return gap * fleet_uniform(prng);
    }
}

static float pick(const float *table, struct prng *prng)
{
    return table[prng_next(prng) >> 48];
}

double fleet_gap(const struct fleet *fleet, uint32_t link, struct prng *prng)
{
    return pick(fleet->law[link].gap, prng);
}

double fleet_residual(const struct fleet *fleet, uint32_t link, struct prng *prng)
{
    return pick(fleet->law[link].residual, prng);
}

double fleet_install(const struct fleet *fleet, struct prng *prng)
{
    return pick(fleet->install, prng);
}

double fleet_return(const struct fleet *fleet, uint32_t link, struct prng *prng)
{
    double hours = fleet_install(fleet, prng) + 0.1;

    if (fleet_uniform(prng) >= fleet->law[link].immediate)
        hours += fleet_residual(fleet, link, prng);
    return hours;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void calibrate(struct fleet *fleet, uint32_t link, double *draws, struct prng *prng)
{
    static const double kept[FLEET_RUNGS] = {0.75, 0.95, 0.99};
    struct fleet_law *law = &fleet->law[link];
    uint32_t beyond = 0;

    for (uint32_t i = 0; i < DRAWS; i++)
        draws[i] = fleet_return(fleet, link, prng);
    qsort(draws, DRAWS, sizeof *draws, ascending);
    for (uint32_t i = 0; i < FLEET_RUNGS; i++)
        law->due[i] = (uint16_t)ceil(draws[(uint32_t)(DRAWS * kept[i])] / FLEET_TICK_H);
    for (uint32_t i = 0; i < DRAWS; i++)
        draws[i] = ceil(fleet_gap(fleet, link, prng) / FLEET_TICK_H);
    qsort(draws, DRAWS, sizeof *draws, ascending);
    law->gap_due = (uint16_t)draws[(uint32_t)(DRAWS * kept[FLEET_RUNGS - 1])];
    for (uint32_t i = 0; i < DRAWS; i++)
        beyond += draws[i] > law->gap_due;
    law->gap_silent_ppm = (uint32_t)(1e6 * beyond / DRAWS);
}

void fleet_make(struct fleet *fleet, uint64_t seed)
{
    struct prng prng = prng_seeded(seed);
    double *draws = malloc(DRAWS * sizeof *draws);

    CHECK(draws != NULL);
    for (uint32_t i = 0; i < FLEET_TABLE; i++)
        fleet->install[i] = (float)(0.3 * exp(0.5 * gauss(&prng)));
    for (uint32_t link = 0; link < FLEET_CLASSES; link++) {
        struct fleet_law *law = &fleet->law[link];

        law->immediate = immediate[link];
        for (uint32_t i = 0; i < FLEET_TABLE; i++) {
            law->gap[i] = (float)draw_gap(link, &prng);
            law->residual[i] = (float)draw_residual(link, &prng);
        }
        calibrate(fleet, link, draws, &prng);
    }
    free(draws);
}

static uint8_t draw_share(const double *shares, uint32_t count, struct prng *prng)
{
    double at = fleet_uniform(prng);
    uint32_t i = 0;

    while (i + 1 < count && at >= shares[i])
        at -= shares[i++];
    return (uint8_t)i;
}

struct fleet_place fleet_place(struct prng *prng, uint32_t site_count)
{
    return (struct fleet_place){
        .link = draw_share(link_share, FLEET_CLASSES, prng),
        .hardware = draw_share(hardware_share, FLEET_HARDWARE, prng),
        .version = draw_share(version_share, FLEET_VERSIONS, prng),
        .region = (uint8_t)prng_below(prng, FLEET_REGIONS),
        .site = (uint32_t)prng_below(prng, site_count),
    };
}

const char *fleet_link_name(uint32_t link)
{
    static const char *const names[FLEET_CLASSES] = {"mains", "cellular", "intermittent", "rare"};

    CHECK(link < FLEET_CLASSES);
    return names[link];
}
