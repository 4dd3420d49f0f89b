#include "fleet/risk.h"

#include "base/check.h"
#include "fleet/limit.h"

#define MILLION     1000000u
#define LAST_RUNG   (EXPOSURE_RUNGS - 1u)
#define CONTROL_MAX (1u << 29) /* control deadlines of one stretch */

static enum err refuse(struct why *why, const char *field, const char *text)
{
    why_say(why, field, text);
    return ERR_INVALID;
}

static struct control_arm *control_of(struct risk_stratum *stratum, bool roll_call)
{
    return roll_call ? &stratum->lost : &stratum->silent;
}

/* ---- Start ---- */

static enum err check_curve(const struct risk_rule *rule, struct why *why)
{
    uint16_t before = 0;

    for (uint32_t i = 0; i < COHORT_CURVE_TICKS; i++) {
        if (rule->curve_permille[i] < before)
            return refuse(why, "curve_permille", "the share of reports must not fall");
        before = rule->curve_permille[i];
    }
    if (before != 1000)
        return refuse(why, "curve_permille", "the share of reports must end at 1000");
    return ERR_OK;
}

static enum err check_rule(const struct risk_rule *rule, struct why *why)
{
    if (rule->harmed_max == 0 || rule->harmed_max > RISK_HARMED_MAX)
        return refuse(why, "harmed_max", "must be from 1 to 1048576 devices");
    if (rule->first_max == 0)
        return refuse(why, "first_max", "must be at least one device");
    if (rule->doubt_ppm == 0 || rule->doubt_ppm > MILLION / 2)
        return refuse(why, "doubt_ppm", "must be from 1 to 500000");
    if (rule->floor_ppm > MILLION)
        return refuse(why, "floor_ppm", "must be at most 1000000");
    if (rule->false_alarm_ppm == 0 || rule->false_alarm_ppm > MILLION / 2)
        return refuse(why, "false_alarm_ppm", "must be from 1 to 500000");
    if (rule->tolerance_permille < 1000 || rule->tolerance_permille > 10000)
        return refuse(why, "tolerance_permille", "must be from 1000 to 10000");
    if (rule->tick_s == 0 || rule->tick_s > 86400)
        return refuse(why, "tick_s", "must be from 1 to 86400 seconds");
    if (rule->bake_s / rule->tick_s >= RISK_TICKS_MAX)
        return refuse(why, "bake_s", "must be below 65535 ticks");
    if (rule->strata == 0 || rule->strata > COHORT_STRATA_MAX)
        return refuse(why, "strata", "must be from 1 to 16");
    return check_curve(rule, why);
}

static enum err check_memory(const struct risk_memory *memory, uint32_t strata, struct why *why)
{
    if (memory->cohort_count == 0 || memory->cohort_count > RISK_COHORTS_MAX)
        return refuse(why, "cohorts", "there must be from 1 to 4096, the whole the first");
    if (memory->kind_count == 0 || memory->kind_count > RISK_KINDS_MAX)
        return refuse(why, "kinds", "there must be from 1 to 64");
    for (uint32_t i = 0; i < strata; i++) {
        if (memory->strata[i].silent_ppm > MILLION || memory->strata[i].absent_ppm > MILLION)
            return refuse(why, "strata", "a share is at most 1000000");
    }
    if (memory->site_count > RISK_SITES_MAX)
        return refuse(why, "sites", "there must be at most 1048576");
    for (uint32_t i = 0; i < memory->kind_count; i++) {
        const struct risk_kind *kind = &memory->kinds[i];

        if (kind->reported_high_ppm > MILLION / 2 || kind->silent_high_ppm > MILLION / 2 ||
            kind->absent_high_ppm > MILLION / 2 || kind->health_high_ppm > MILLION / 2)
            return refuse(why, "kinds", "a background above one half cannot be told from a defect");
        if (kind->reported_low_ppm > kind->reported_high_ppm ||
            kind->lost_low_ppm > kind->silent_high_ppm ||
            kind->health_low_ppm > kind->health_high_ppm)
            return refuse(why, "kinds", "a lower bound is above its upper bound");
    }
    return ERR_OK;
}

/* ln(numerator / ppm), in q32. */
static int64_t log_of(uint32_t numerator, uint32_t ppm)
{
    return fixed_ln(fixed_ratio(numerator * MILLION, ppm));
}

/* exp(-ticks / late). */
static int64_t fade_of(const struct risk_rule *rule, uint32_t ticks)
{
    uint64_t age = (uint64_t)ticks * rule->tick_s; /* below 2^33 */

    if (rule->late_s == 0 || age / rule->late_s >= 40)
        return 0;
    return fixed_exp(-fixed_div((int64_t)(age << 24), (int64_t)rule->late_s << 24));
}

/* Of harmless devices, those that will look well, at least. */
static int64_t sound_share(const struct risk *risk)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < risk->kind_count; i++) {
        const struct risk_kind *kind = &risk->kinds[i];
        uint32_t low = kind->reported_low_ppm + kind->lost_low_ppm + kind->health_low_ppm;

        most = low > most ? low : most;
    }
    return fixed_ratio(most < MILLION ? MILLION - most : 1, MILLION);
}

/* Who may raise how many of the false alarms, in parts of a thousand: the whole rollout and all
 * other cohorts; within each, the channels. Reports and silence are what defects show by most. */
#define WHOLE_PERMILLE   700
#define COHORTS_PERMILLE 300

static const uint16_t channel_permille[COHORT_CHANNEL_COUNT] = {
    [COHORT_REPORTED] = 350, [COHORT_SILENT] = 350, [COHORT_LOST] = 100, [COHORT_HEALTH] = 200};

static void share_alarms(struct risk *risk)
{
    uint32_t others = risk->cohort_count > 1 ? risk->cohort_count - 1 : 1;
    int64_t all = log_of(1, risk->rule.false_alarm_ppm);

    for (uint32_t i = 0; i < COHORT_CHANNEL_COUNT; i++) {
        int64_t channel = all - fixed_ln(fixed_ratio(channel_permille[i], 1000));

        risk->derived.halt_log[i] = channel - fixed_ln(fixed_ratio(WHOLE_PERMILLE, 1000));
        risk->derived.hold_log[i] = channel - fixed_ln(fixed_ratio(COHORTS_PERMILLE, 1000)) +
                                    fixed_ln((int64_t)others << 32);
    }
}

static void derive(struct risk *risk)
{
    const struct risk_rule *rule = &risk->rule;
    struct cohort_rule *derived = &risk->derived;

    derived->exposure.harmed_max = rule->harmed_max;
    derived->exposure.first_max = rule->first_max;
    derived->exposure.refute = log_of(2 * EXPOSURE_RUNGS, rule->doubt_ppm);
    exposure_tabulate(&derived->exposure);
    derived->exposure.mean = limit_mean(rule->harmed_max, log_of(2, rule->doubt_ppm));
    derived->exposure.floor = fixed_ratio(rule->floor_ppm, MILLION);
    derived->exposure.sound = sound_share(risk);
    derived->tolerance = fixed_ratio(rule->tolerance_permille, 1000);
    share_alarms(risk);
    derived->fade = fade_of(rule, 1);
    memcpy(derived->curve_permille, rule->curve_permille, sizeof derived->curve_permille);
}

enum err risk_start(struct risk *risk, const struct risk_rule *rule,
                    const struct risk_memory *memory, struct why *why)
{
    TRY(check_rule(rule, why));
    TRY(check_memory(memory, rule->strata, why));
    *risk = (struct risk){.rule = *rule,
                          .cohorts = memory->cohorts,
                          .cohort_count = memory->cohort_count,
                          .kinds = memory->kinds,
                          .kind_count = memory->kind_count,
                          .strata = memory->strata,
                          .sites = memory->sites,
                          .site_count = memory->site_count};
    derive(risk);
    for (uint32_t i = 0; i < memory->cohort_count; i++)
        cohort_start(&risk->cohorts[i], memory->cohort_sizes[i]);
    for (uint32_t i = 0; i < rule->strata; i++)
        risk->strata[i] = (struct risk_stratum){.size = memory->strata[i].size,
                                                .absent_ppm = memory->strata[i].absent_ppm,
                                                .silent_ppm = memory->strata[i].silent_ppm};
    for (uint32_t i = 0; i < memory->site_count; i++)
        risk->sites[i] = 0;
    return ERR_OK;
}

/* ---- Time ---- */

static uint32_t observed_ticks(const struct risk *risk, const struct risk_device *device)
{
    uint32_t bake = risk->rule.bake_s / risk->rule.tick_s;

    return bake > device->due[LAST_RUNG] ? bake : device->due[LAST_RUNG];
}

/* Ticks after the flip at which the next thing is due. One more than asked for, because the flip
 * came somewhere within its tick: a deadline may be late, not early. */
static uint32_t next_ticks(const struct risk *risk, const struct risk_device *device)
{
    uint32_t last = observed_ticks(risk, device);
    uint64_t call = (uint64_t)device->due[LAST_RUNG] << (device->calls + 1);

    for (uint32_t i = 0; i < EXPOSURE_RUNGS; i++) {
        if ((device->passed & 1u << i) == 0)
            return device->due[i] + 1u;
    }
    return (call < last ? (uint32_t)call : last) + 1u;
}

uint32_t risk_next_due_s(const struct risk *risk, const struct risk_device *device)
{
    uint64_t at;

    if ((device->flags & RISK_DEVICE_EXPOSED) == 0 || (device->flags & RISK_DEVICE_BAKED) != 0)
        return RISK_NEVER;
    at = ((uint64_t)device->exposed + next_ticks(risk, device)) * risk->rule.tick_s;
    return at < RISK_NEVER ? (uint32_t)at : RISK_NEVER;
}

static void stretch(struct risk *risk)
{
    struct cohort_control control[COHORT_STRATA_MAX];

    for (uint32_t i = 0; i < risk->rule.strata; i++) {
        struct risk_stratum *stratum = &risk->strata[i];

        control[i] = (struct cohort_control){stratum->silent, stratum->lost, stratum->size != 0};
        stratum->silent = stratum->lost = (struct control_arm){0};
    }
    for (uint32_t i = 0; i < risk->cohort_count; i++)
        cohort_stretch(&risk->cohorts[i], &risk->derived, control, risk->rule.strata);
}

/* ---- Conviction ---- */

static void describe(const struct risk *risk, uint16_t cohort, enum cohort_channel channel,
                     struct risk_decision *out)
{
    const struct evidence *evidence = &risk->cohorts[cohort].evidence[channel];

    out->cohort = cohort;
    out->channel = (uint8_t)channel;
    out->events = evidence->events;
    out->background = evidence->background;
    out->log = evidence_log(evidence);
    out->goal = (cohort == COHORT_WHOLE ? risk->derived.halt_log : risk->derived.hold_log)[channel];
}

/* A halt outranks holds; of several holds the first is described. */
static void convict(struct risk *risk, uint16_t cohort, struct risk_decision *out)
{
    enum cohort_channel channel;

    if (!cohort_convicted(&risk->cohorts[cohort], &risk->derived, cohort == COHORT_WHOLE, &channel))
        return;
    cohort_hold(&risk->cohorts[cohort], channel);
    if (cohort == COHORT_WHOLE) {
        risk->halted = true;
        out->answer = RISK_HALT;
        describe(risk, cohort, channel, out);
        return;
    }
    risk->holds++;
    out->new_holds++;
    if (out->answer == RISK_NOTED) {
        out->answer = RISK_HOLD;
        describe(risk, cohort, channel, out);
    }
}

static void convict_device(struct risk *risk, const struct risk_device *device,
                           struct risk_decision *out)
{
    for (uint32_t i = 0; i < device->cohort_count; i++)
        convict(risk, device->cohorts[i], out);
}

static void on_tick(struct risk *risk, uint32_t to, struct risk_decision *out)
{
    while (risk->tick < to) {
        risk->tick++;
        for (uint32_t i = 0; i < risk->cohort_count; i++)
            cohort_tick(&risk->cohorts[i], &risk->derived);
        if (risk->tick % COHORT_STRETCH_TICKS != 0)
            continue;
        stretch(risk);
        for (uint32_t i = 0; i < risk->cohort_count; i++)
            convict(risk, (uint16_t)i, out);
    }
}

/* ---- Leave ---- */

static int64_t share_of(uint32_t ppm)
{
    return fixed_ratio(ppm, MILLION);
}

/* p/(1-p): the rate of those that have not failed yet. */
static int64_t odds_of(uint32_t ppm)
{
    return fixed_ratio(ppm, MILLION - ppm) + 1;
}

static int64_t health_per_tick(const struct risk *risk, const struct risk_device *device)
{
    uint32_t ticks = observed_ticks(risk, device);

    return odds_of(risk->kinds[device->kind].health_high_ppm) / (ticks > 0 ? ticks : 1) + 1;
}

static void grant(struct risk *risk, struct risk_device *device)
{
    int64_t reported = odds_of(risk->kinds[device->kind].reported_high_ppm);
    int64_t health = health_per_tick(risk, device);

    for (uint32_t i = 0; i < device->cohort_count; i++)
        cohort_expose(&risk->cohorts[device->cohorts[i]], &risk->derived, reported, health);
    risk->strata[device->stratum].exposed++;
    device->flags = RISK_DEVICE_EXPOSED;
    device->passed = 0;
    device->calls = 0;
    device->exposed = risk->tick;
}

static void on_ask(struct risk *risk, struct risk_device *device, struct risk_decision *out)
{
    for (uint32_t i = 0; i < device->cohort_count; i++) {
        uint16_t cohort = device->cohorts[i];
        const struct cohort *at = &risk->cohorts[cohort];

        if (!at->held)
            continue;
        out->answer = cohort == COHORT_WHOLE ? RISK_HALTED : RISK_HELD;
        describe(risk, cohort, (enum cohort_channel)at->held_by, out);
        return;
    }
    for (uint32_t i = 0; i < device->cohort_count; i++) {
        uint16_t cohort = device->cohorts[i];
        struct exposure_view view =
            exposure_look(&risk->cohorts[cohort].exposure, &risk->derived.exposure);

        if (i == 0 || view.finding > out->view.finding ||
            (view.finding == out->view.finding && view.price > out->view.price)) {
            out->view = view;
            out->cohort = cohort;
        }
    }
    out->answer = out->view.finding >= EXPOSURE_UNHEARD ? RISK_WAIT : RISK_GRANT;
    if (out->answer == RISK_GRANT)
        grant(risk, device);
}

/* ---- What becomes of a device ---- */

static uint32_t age_of(const struct risk *risk, const struct risk_device *device)
{
    return risk->tick - device->exposed;
}

static void on_good(struct risk *risk, struct risk_device *device)
{
    bool gone = (device->flags & RISK_DEVICE_GONE) != 0;
    bool back = (device->flags & RISK_DEVICE_BACK) != 0;
    int64_t fade = fade_of(&risk->rule, age_of(risk, device));

    if ((device->flags & RISK_DEVICE_BAD) != 0 || (back && !gone))
        return;
    for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++) {
        uint32_t counted = gone ? device->gone : device->due[rung];
        int64_t revealed = FIXED_ONE - fade_of(&risk->rule, counted);

        if ((device->passed & 1u << rung) == 0)
            continue;
        for (uint32_t i = 0; i < device->cohort_count; i++)
            exposure_forgive(&risk->cohorts[device->cohorts[i]].exposure, rung, revealed, fade);
    }
    for (uint32_t i = 0; i < device->cohort_count; i++)
        risk->cohorts[device->cohorts[i]].exposure.well++;
    device->flags = (uint8_t)((device->flags | RISK_DEVICE_BACK) & ~RISK_DEVICE_GONE);
}

/* The ledgers of all its cohorts learn that the device is bad. */
static void turn_bad(struct risk *risk, const struct risk_device *device, int64_t fade)
{
    bool well = (device->flags & RISK_DEVICE_BACK) != 0 && (device->flags & RISK_DEVICE_GONE) == 0;

    for (uint32_t i = 0; i < device->cohort_count; i++) {
        struct exposure *exposure = &risk->cohorts[device->cohorts[i]].exposure;

        exposure->well -= well;
        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++) {
            bool passed = (device->passed & 1u << rung) != 0;

            if (passed && well)
                exposure_turn(exposure, rung, fade);
            else if (!passed)
                exposure_miss(exposure, rung, 0);
        }
    }
}

static void on_bad(struct risk *risk, struct risk_device *device, enum cohort_channel channel,
                   struct risk_decision *out)
{
    if ((device->flags & RISK_DEVICE_BAD) != 0)
        return;
    turn_bad(risk, device, fade_of(&risk->rule, age_of(risk, device)));
    device->flags = (uint8_t)((device->flags | RISK_DEVICE_BACK | RISK_DEVICE_BAD));
    for (uint32_t i = 0; i < device->cohort_count; i++)
        evidence_event(&risk->cohorts[device->cohorts[i]].evidence[channel]);
    convict_device(risk, device, out);
}

/* Only of devices that have reported nothing since: what was counted for them is taken back. What
 * was charged for them as evidence stays; that only makes a halt rarer. */
static void on_unused(struct risk *risk, struct risk_device *device)
{
    bool gone = (device->flags & RISK_DEVICE_GONE) != 0;
    bool bad = (device->flags & RISK_DEVICE_BACK) == 0 || gone;
    const struct risk_kind *kind = &risk->kinds[device->kind];
    int64_t background = share_of(kind->reported_low_ppm + kind->lost_low_ppm);

    for (uint32_t i = 0; i < device->cohort_count; i++) {
        struct cohort *cohort = &risk->cohorts[device->cohorts[i]];

        cohort->exposure.exposed--;
        cohort->exposure.well -= !bad;
        if ((device->flags & RISK_DEVICE_BAKED) == 0)
            cohort_baked(cohort, health_per_tick(risk, device));
        for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++) {
            uint32_t age = !bad ? age_of(risk, device) : gone ? device->gone : device->due[rung];

            if ((device->passed & 1u << rung) != 0)
                exposure_withdraw(&cohort->exposure, rung, bad, fade_of(&risk->rule, age),
                                  background);
        }
    }
    risk->strata[device->stratum].exposed--;
    device->flags = device->passed = device->calls = 0;
}

/* One power cut is one event. */
static bool counts_as_silent(struct risk *risk, uint32_t site)
{
    uint32_t last;

    if (site == RISK_NO_SITE)
        return true;
    last = risk->sites[site];
    if (last != 0 && (uint64_t)(risk->tick + 1 - last) * risk->rule.tick_s < risk->rule.site_s)
        return false;
    risk->sites[site] = risk->tick + 1;
    return true;
}

/* A deadline of a treated device has passed. */
static void try_silence(struct risk *risk, const struct risk_device *device,
                        enum cohort_channel channel, bool silent)
{
    const struct risk_kind *kind = &risk->kinds[device->kind];
    uint32_t ppm = channel == COHORT_LOST ? kind->absent_high_ppm : kind->silent_high_ppm;
    int64_t background = fixed_mul(share_of(ppm), risk->derived.tolerance);
    bool counts = silent && counts_as_silent(risk, device->site);

    for (uint32_t i = 0; i < device->cohort_count; i++) {
        struct cohort *cohort = &risk->cohorts[device->cohorts[i]];
        struct control_arm *arm = channel == COHORT_LOST ? &cohort->lost[device->stratum]
                                                         : &cohort->silent[device->stratum];

        arm->due++;
        arm->silent += counts;
        arm->background += background;
    }
}

static void pass_rung(struct risk *risk, struct risk_device *device, uint32_t rung)
{
    const struct risk_kind *kind = &risk->kinds[device->kind];
    bool back = (device->flags & RISK_DEVICE_BACK) != 0;
    int64_t fade = fade_of(&risk->rule, device->due[rung]);
    int64_t background = share_of(kind->reported_low_ppm + kind->lost_low_ppm);

    device->passed = (uint8_t)(device->passed | 1u << rung);
    if (rung == LAST_RUNG)
        try_silence(risk, device, COHORT_SILENT, !back);
    if ((device->flags & RISK_DEVICE_BAD) != 0)
        return; /* counted on every rung when it turned bad */
    for (uint32_t i = 0; i < device->cohort_count; i++) {
        struct exposure *exposure = &risk->cohorts[device->cohorts[i]].exposure;

        if (back)
            exposure_pass(exposure, rung, fade);
        else
            exposure_miss(exposure, rung, FIXED_ONE - fade);
        exposure_expect(exposure, rung, background);
    }
}

/* The device had looked well and is gone. */
static void lose(struct risk *risk, struct risk_device *device)
{
    uint32_t age = age_of(risk, device);

    turn_bad(risk, device, fade_of(&risk->rule, age));
    device->flags |= RISK_DEVICE_GONE;
    device->gone = (uint16_t)(age < RISK_TICKS_MAX ? age : RISK_TICKS_MAX);
}

static void hold_roll_call(struct risk *risk, struct risk_device *device, bool silent)
{
    bool last = next_ticks(risk, device) > observed_ticks(risk, device);
    bool well = (device->flags & (RISK_DEVICE_BACK | RISK_DEVICE_BAD | RISK_DEVICE_GONE)) ==
                RISK_DEVICE_BACK;

    device->calls++;
    if (last) {
        device->flags |= RISK_DEVICE_BAKED;
        for (uint32_t i = 0; i < device->cohort_count; i++)
            cohort_baked(&risk->cohorts[device->cohorts[i]], health_per_tick(risk, device));
    }
    if (!well)
        return; /* counted already */
    try_silence(risk, device, COHORT_LOST, silent);
    if (silent)
        lose(risk, device);
    for (uint32_t i = 0; i < device->cohort_count && last && !silent; i++)
        exposure_expect_all(&risk->cohorts[device->cohorts[i]].exposure,
                            share_of(risk->kinds[device->kind].health_low_ppm));
}

static void on_due(struct risk *risk, struct risk_device *device, bool silent)
{
    for (uint32_t rung = 0; rung < EXPOSURE_RUNGS; rung++) {
        if ((device->passed & 1u << rung) == 0) {
            pass_rung(risk, device, rung);
            return;
        }
    }
    hold_roll_call(risk, device, silent);
}

static void on_control(struct risk *risk, const struct risk_event *event)
{
    struct risk_stratum *stratum = &risk->strata[event->stratum];
    struct control_arm *arm = control_of(stratum, event->roll_call);

    if (event->kind == RISK_CONTROL_SILENT) {
        arm->silent += counts_as_silent(risk, event->site);
        return;
    }
    arm->due += event->count;
    arm->background +=
        event->count * share_of(event->roll_call ? stratum->absent_ppm : stratum->silent_ppm);
}

static void on_lift(struct risk *risk, uint16_t cohort)
{
    if (!risk->cohorts[cohort].held)
        return;
    cohort_lift(&risk->cohorts[cohort]);
    if (cohort == COHORT_WHOLE)
        risk->halted = false;
    else
        risk->holds--;
}

/* ---- Step ---- */

static enum err check_device(const struct risk *risk, const struct risk_event *event,
                             struct why *why)
{
    const struct risk_device *device = event->device;
    bool exposed = (device->flags & RISK_DEVICE_EXPOSED) != 0;

    if (device->cohort_count == 0 || device->cohort_count > RISK_COHORTS_OF_ONE ||
        device->cohorts[0] != COHORT_WHOLE)
        return refuse(why, "cohorts", "a device has from 1 to 12 cohorts, the whole the first");
    for (uint32_t i = 1; i < device->cohort_count; i++) {
        if (device->cohorts[i] <= device->cohorts[i - 1] ||
            device->cohorts[i] >= risk->cohort_count)
            return refuse(why, "cohorts", "cohorts must exist and ascend");
    }
    if (device->stratum >= risk->rule.strata || device->kind >= risk->kind_count)
        return refuse(why, "stratum", "there is no such stratum or kind");
    if (device->site != RISK_NO_SITE && device->site >= risk->site_count)
        return refuse(why, "site", "there is no such site");
    if (device->due[0] == 0 || device->due[0] > device->due[1] || device->due[1] > device->due[2])
        return refuse(why, "due", "deadlines must be at least a tick and must not fall");
    if (exposed != (event->kind != RISK_ASK))
        return refuse(why, "device", exposed ? "has leave already" : "was never given leave");
    if (event->kind == RISK_UNUSED && (device->flags & RISK_DEVICE_BAD) != 0)
        return refuse(why, "device", "has reported what the release did to it");
    if (event->kind == RISK_DUE && risk_next_due_s(risk, device) > event->at_s)
        return refuse(why, "at_s", "nothing is due yet");
    return ERR_OK;
}

static enum err check_control(const struct risk *risk, const struct risk_event *event,
                              struct why *why)
{
    const struct control_arm *arm;

    if (event->stratum >= risk->rule.strata)
        return refuse(why, "stratum", "there is no such stratum");
    arm = control_of(&risk->strata[event->stratum], event->roll_call);
    if (event->kind == RISK_CONTROL && event->count > CONTROL_MAX - arm->due)
        return refuse(why, "count", "is more than any fleet has");
    if (event->kind == RISK_CONTROL)
        return ERR_OK;
    if (event->site != RISK_NO_SITE && event->site >= risk->site_count)
        return refuse(why, "site", "there is no such site");
    if (arm->silent >= arm->due)
        return refuse(why, "stratum", "more are silent than came due");
    return ERR_OK;
}

static enum err check_event(const struct risk *risk, const struct risk_event *event,
                            struct why *why)
{
    uint32_t tick = event->at_s / risk->rule.tick_s;

    if (tick < risk->tick)
        return refuse(why, "at_s", "time goes back");
    if (tick > risk->tick && event->kind != RISK_TICK)
        return refuse(why, "at_s", "the engine has not been told that time has passed");
    switch (event->kind) {
    case RISK_ASK:
    case RISK_GOOD:
    case RISK_BAD:
    case RISK_WORSE:
    case RISK_UNUSED:
    case RISK_DUE:
        return check_device(risk, event, why);
    case RISK_CONTROL:
    case RISK_CONTROL_SILENT:
        return check_control(risk, event, why);
    case RISK_LIFT:
        if (event->cohort >= risk->cohort_count)
            return refuse(why, "cohort", "there is no such cohort");
        return ERR_OK;
    case RISK_TICK:
        return ERR_OK;
    case RISK_EVENT_COUNT:
        break;
    }
    return refuse(why, "kind", "there is no such event");
}

enum err risk_step(struct risk *risk, const struct risk_event *event, struct risk_decision *out,
                   struct why *why)
{
    TRY(check_event(risk, event, why));
    memset(out, 0, sizeof *out); /* padding too: decisions are compared as bytes */
    switch (event->kind) {
    case RISK_ASK:
        on_ask(risk, event->device, out);
        break;
    case RISK_GOOD:
        on_good(risk, event->device);
        break;
    case RISK_BAD:
        on_bad(risk, event->device, COHORT_REPORTED, out);
        break;
    case RISK_WORSE:
        on_bad(risk, event->device, COHORT_HEALTH, out);
        break;
    case RISK_UNUSED:
        on_unused(risk, event->device);
        break;
    case RISK_DUE:
        on_due(risk, event->device, event->silent);
        break;
    case RISK_CONTROL:
    case RISK_CONTROL_SILENT:
        on_control(risk, event);
        break;
    case RISK_TICK:
        on_tick(risk, event->at_s / risk->rule.tick_s, out);
        break;
    case RISK_LIFT:
        on_lift(risk, event->cohort);
        break;
    case RISK_EVENT_COUNT:
        break;
    }
    return ERR_OK;
}

bool risk_exhausted(struct risk *risk)
{
    struct exposure *whole = &risk->cohorts[COHORT_WHOLE].exposure;
    int64_t hidden = ((int64_t)whole->exposed << 32) - exposure_revealed(whole, LAST_RUNG);

    return exposure_look(whole, &risk->derived.exposure).finding == EXPOSURE_FULL &&
           hidden < FIXED_ONE / 2;
}
