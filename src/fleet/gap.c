#include "fleet/gap.h"

#include "base/check.h"

#define MILLION     1000000u
#define STEPS       64u /* codes to a doubling */
#define FIRST_END_S 60u

/* 2^(i/64) in units of 2^-16, rounded up so that ends never come early. */
static const uint32_t steps[STEPS] = {
    65536,  66250,  66972,  67701,  68438,  69183,  69937,  70698,  71468,  72246,  73033,
    73828,  74632,  75445,  76266,  77097,  77936,  78785,  79643,  80510,  81387,  82273,
    83169,  84075,  84990,  85916,  86851,  87797,  88753,  89719,  90696,  91684,  92682,
    93692,  94712,  95743,  96786,  97840,  98905,  99982,  101071, 102171, 103284, 104409,
    105546, 106695, 107857, 109031, 110218, 111419, 112632, 113858, 115098, 116352, 117619,
    118899, 120194, 121503, 122826, 124163, 125515, 126882, 128264, 129661};

uint32_t gap_end_s(uint16_t code)
{
    CHECK(code < GAP_CODES);
    return (uint32_t)((((uint64_t)FIRST_END_S * steps[code % STEPS]) << (code / STEPS)) >> 16);
}

uint16_t gap_code(uint32_t seconds)
{
    uint16_t low = 0, high = GAP_CODES - 1;

    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);

        if (gap_end_s(middle) >= seconds)
            high = middle;
        else
            low = (uint16_t)(middle + 1);
    }
    return low;
}

void gap_history_add(struct gap_history *history, uint32_t gap_s)
{
    CHECK(history->next < GAP_KEPT && history->count <= GAP_KEPT);
    history->code[history->next] = gap_code(gap_s);
    history->next = (uint8_t)((history->next + 1) % GAP_KEPT);
    if (history->count < GAP_KEPT)
        history->count++;
}

/* ceil((n + 1)(1 - share)). */
static uint32_t conformal_rank(uint32_t count, uint32_t share_ppm)
{
    return (uint32_t)(((uint64_t)(count + 1) * (MILLION - share_ppm) + MILLION - 1) / MILLION);
}

uint32_t gap_own_deadline_s(const struct gap_history *history, uint32_t share_ppm)
{
    uint16_t sorted[GAP_KEPT];
    uint32_t rank = conformal_rank(history->count, share_ppm);

    CHECK(share_ppm <= MILLION && history->count <= GAP_KEPT);
    if (rank == 0 || rank > history->count)
        return GAP_NONE;
    for (uint32_t i = 0; i < history->count; i++) { /* insertion: 99 at most */
        uint32_t at = i;

        for (; at > 0 && sorted[at - 1] > history->code[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = history->code[i];
    }
    return gap_end_s(sorted[rank - 1]);
}

void gap_curve_ended(struct gap_curve *curve, uint32_t gap_s)
{
    curve->ended[gap_code(gap_s)]++;
}

void gap_curve_absent(struct gap_curve *curve, uint32_t so_far_s)
{
    curve->absent[gap_code(so_far_s)]++;
}

/* Walks down a Kaplan-Meier curve, code by code. */
struct descent {
    const struct gap_curve *curve;
    uint64_t at_risk;
    uint64_t survival; /* after the present code, in units of 2^-32 */
};

static struct descent descent_from_top(const struct gap_curve *curve)
{
    struct descent descent = {.curve = curve, .survival = UINT64_C(1) << 32};

    for (uint32_t i = 0; i < GAP_CODES; i++)
        descent.at_risk += curve->ended[i] + curve->absent[i];
    return descent;
}

static void descend(struct descent *descent, uint32_t code)
{
    const struct gap_curve *curve = descent->curve;

    if (descent->at_risk == 0)
        return;
    descent->survival =
        descent->survival * (descent->at_risk - curve->ended[code]) / descent->at_risk;
    descent->at_risk -= curve->ended[code] + curve->absent[code];
}

uint32_t gap_class_deadline_s(const struct gap_curve *curve, uint32_t share_ppm)
{
    struct descent descent = descent_from_top(curve);
    uint64_t goal = ((uint64_t)share_ppm << 32) / MILLION;

    CHECK(share_ppm <= MILLION);
    for (uint16_t i = 0; i < GAP_CODES && descent.at_risk > 0; i++) {
        descend(&descent, i);
        if (descent.survival <= goal)
            return gap_end_s(i);
    }
    return GAP_NONE;
}

/* The area under the curve is the mean gap; what is left of it to the right of w, as a share, is
 * the chance that a random moment is more than w after the last contact. */
uint32_t gap_class_watch_s(const struct gap_curve *curve, uint32_t share_ppm)
{
    struct descent descent = descent_from_top(curve);
    uint64_t area = 0, left;

    CHECK(share_ppm <= MILLION);
    if (descent.at_risk == 0)
        return GAP_NONE;
    for (uint16_t i = 0; i < GAP_CODES; i++) {
        area += descent.survival * (gap_end_s(i) - (i > 0 ? gap_end_s((uint16_t)(i - 1)) : 0));
        descend(&descent, i);
    }
    if (descent.survival == UINT64_C(1) << 32)
        return GAP_NONE;
    descent = descent_from_top(curve);
    left = area;
    for (uint16_t i = 0; i < GAP_CODES; i++) {
        left -= descent.survival * (gap_end_s(i) - (i > 0 ? gap_end_s((uint16_t)(i - 1)) : 0));
        if (left <= area / MILLION * share_ppm)
            return gap_end_s(i);
        descend(&descent, i);
    }
    return GAP_NONE;
}

uint32_t gap_deadline_s(const struct gap_history *history, const struct gap_curve *curve,
                        uint32_t share_ppm, uint32_t otherwise_s)
{
    uint32_t own = gap_own_deadline_s(history, share_ppm);
    uint32_t of_class = own == GAP_NONE ? gap_class_deadline_s(curve, share_ppm) : own;

    return of_class == GAP_NONE ? otherwise_s : of_class;
}
