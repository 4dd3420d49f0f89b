#include "lab/power.h"

#include "base/check.h"

uint64_t power_spend(struct power *power, uint64_t units)
{
    uint64_t before = power->spent;
    uint64_t cut =
        power->cuts_taken < power->cut_count ? power->cuts[power->cuts_taken] : POWER_NO_CUT;

    CHECK(cut >= before);
    if (power->op_count < POWER_OPS_MAX)
        power->ops[power->op_count++] = before;
    if (cut == POWER_NO_CUT || cut >= before + units) {
        power->spent += units;
        return units;
    }
    power->spent = cut;
    power->cuts_taken++;
    return cut - before;
}

_Noreturn void power_off(struct power *power)
{
    longjmp(power->off, 1);
}
