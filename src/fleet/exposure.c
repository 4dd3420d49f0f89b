#include "fleet/exposure.h"

#include "base/check.h"
#include "fleet/limit.h"

void exposure_tabulate(struct exposure_rule *rule)
{
    for (uint32_t i = 0; i < EXPOSURE_LIMITS; i++)
        rule->limits[i] = limit_expected(i, rule->refute);
}

void exposure_grant(struct exposure *exposure)
{
    exposure->exposed++;
}

void exposure_pass(struct exposure *exposure, uint32_t rung, int64_t fade)
{
    struct exposure_rung *at = &exposure->rung[rung];

    CHECK(rung < EXPOSURE_RUNGS && fade >= 0 && fade <= FIXED_ONE);
    at->live++;
    at->fading += fade;
}

void exposure_turn(struct exposure *exposure, uint32_t rung, int64_t fade)
{
    struct exposure_rung *at = &exposure->rung[rung];

    CHECK(rung < EXPOSURE_RUNGS && at->live > 0);
    at->live--;
    at->fading = at->fading > fade ? at->fading - fade : 0;
    exposure_miss(exposure, rung, FIXED_ONE - fade);
}

void exposure_miss(struct exposure *exposure, uint32_t rung, int64_t revealed)
{
    CHECK(rung < EXPOSURE_RUNGS && revealed >= 0 && revealed <= FIXED_ONE);
    exposure->rung[rung].bad++;
    exposure->rung[rung].settled += revealed;
}

void exposure_forgive(struct exposure *exposure, uint32_t rung, int64_t revealed, int64_t fade)
{
    struct exposure_rung *at = &exposure->rung[rung];

    CHECK(rung < EXPOSURE_RUNGS && at->bad > 0 && at->settled >= revealed);
    at->bad--;
    at->settled -= revealed;
    exposure_pass(exposure, rung, fade);
}

void exposure_withdraw(struct exposure *exposure, uint32_t rung, bool bad, int64_t fade,
                       int64_t background)
{
    struct exposure_rung *at = &exposure->rung[rung];

    CHECK(rung < EXPOSURE_RUNGS && (bad ? at->bad : at->live) > 0);
    if (bad) {
        at->bad--;
        at->settled = at->settled > FIXED_ONE - fade ? at->settled - (FIXED_ONE - fade) : 0;
    } else {
        at->live--;
        at->fading = at->fading > fade ? at->fading - fade : 0;
    }
    at->background = at->background > background ? at->background - background : 0;
}

void exposure_expect(struct exposure *exposure, uint32_t rung, int64_t background)
{
    CHECK(rung < EXPOSURE_RUNGS && background >= 0);
    exposure->rung[rung].background += background;
}

void exposure_expect_all(struct exposure *exposure, int64_t background)
{
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++)
        exposure_expect(exposure, i, background);
}

void exposure_age(struct exposure *exposure, int64_t factor)
{
    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++) {
        struct exposure_rung *at = &exposure->rung[i];

        /* Rounded up: what is still hidden is never understated. */
        at->fading = at->fading == 0 ? 0 : fixed_mul(at->fading, factor) + 1;
    }
}

int64_t exposure_revealed(const struct exposure *exposure, uint32_t rung)
{
    const struct exposure_rung *at = &exposure->rung[rung];
    int64_t revealed = ((int64_t)at->live << 32) - at->fading + at->settled;

    CHECK(rung < EXPOSURE_RUNGS);
    return revealed > 0 ? revealed : 0;
}

/* The largest q with background + q * sound * revealed within the limit. Harmless devices that look
 * bad anyway are not to be had twice: hence `sound`. */
static int64_t rung_price(struct exposure *exposure, uint32_t rung,
                          const struct exposure_rule *rule)
{
    struct exposure_rung *at = &exposure->rung[rung];
    int64_t revealed = fixed_mul(exposure_revealed(exposure, rung), rule->sound), room, price;

    if (at->limit == 0 || at->limit_of != at->bad) {
        at->limit = at->bad < EXPOSURE_LIMITS ? rule->limits[at->bad]
                                              : limit_expected(at->bad, rule->refute);
        at->limit_of = at->bad;
    }
    room = at->limit > at->background ? at->limit - at->background : 0;
    if (room >= revealed)
        return FIXED_ONE;
    price = fixed_div(room, revealed) + 1;
    return price < FIXED_ONE ? price : FIXED_ONE;
}

struct exposure_view exposure_look(struct exposure *exposure, const struct exposure_rule *rule)
{
    struct exposure_view view = {.exposed = exposure->exposed, .price = FIXED_ONE};
    int64_t hidden, next = ((int64_t)exposure->exposed + 1) << 32;

    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++) {
        int64_t price = rung_price(exposure, i, rule);

        if (i == 0 || price < view.price) {
            view.price = price;
            view.rung = (uint8_t)i;
        }
    }
    view.bad = exposure->rung[view.rung].bad;
    view.revealed = exposure_revealed(exposure, view.rung);
    hidden = next - exposure_revealed(exposure, EXPOSURE_RUNGS - 1);
    CHECK(exposure->well <= exposure->exposed);
    if (exposure->exposed - exposure->well >= rule->first_max + exposure->well / 2)
        view.finding = EXPOSURE_UNHEARD;
    else if (exposure->size <= rule->harmed_max)
        view.finding = EXPOSURE_SMALL;
    else if (fixed_mul(next, view.price) <= rule->mean)
        view.finding = EXPOSURE_WITHIN;
    else if (view.price < rule->floor && fixed_mul(hidden, view.price) <= rule->mean)
        view.finding = EXPOSURE_CLEARED;
    else
        view.finding = EXPOSURE_FULL;
    return view;
}

const char *exposure_finding_name(enum exposure_finding finding)
{
    static const char *const names[EXPOSURE_FINDING_COUNT] = {
        [EXPOSURE_SMALL] = "small",     [EXPOSURE_WITHIN] = "within",
        [EXPOSURE_CLEARED] = "cleared", [EXPOSURE_UNHEARD] = "unheard",
        [EXPOSURE_FULL] = "full",
    };

    CHECK(finding < EXPOSURE_FINDING_COUNT);
    return names[finding];
}
