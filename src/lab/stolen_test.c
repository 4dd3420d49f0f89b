/* A short run with the thief; `slipway-lab stolen-server` does the whole of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lab/stolen.h"

static void test_the_thief_gets_nothing(void **state)
{
    struct stolen_plan plan = {.seed = 11, .steps = 20000, .life = 1000};
    struct stolen_figures figures;

    (void)state;
    stolen_run(&plan, &figures);
    if (stolen_harm(&figures) > 0)
        fail_msg("harm at step %llu", (unsigned long long)figures.worst_step);
    /* He was heard, and the device lived on. */
    assert_true(figures.accepted > 500);
    assert_true(figures.confirmed > 200);
    assert_true(figures.went_back > 20);
    assert_true(figures.records_lost > 0);
}

/* Every condition of the accept rule that he can violate was met. */
static void test_each_refusal_is_met(void **state)
{
    static const enum agent_reason met[] = {
        AGENT_REASON_METADATA,
        AGENT_REASON_PRODUCT,
        AGENT_REASON_HARDWARE,
        AGENT_REASON_ASSIGNMENT_KEY,
        AGENT_REASON_ASSIGNMENT_SIGNATURE,
        AGENT_REASON_NOT_ADDRESSED,
        AGENT_REASON_REPLAYED,
        AGENT_REASON_NONCE,
        AGENT_REASON_ACTION,
        AGENT_REASON_DIGEST,
        AGENT_REASON_ROOT_VERSION,
        AGENT_REASON_FLOOR,
        AGENT_REASON_NOT_NEWER,
        AGENT_REASON_BASE,
        AGENT_REASON_BLOCKED,
        AGENT_REASON_STALE,
        AGENT_REASON_EARLY,
        AGENT_REASON_LATE,
        AGENT_REASON_SPACE,
        AGENT_REASON_OTHER_BANK,
    };
    struct stolen_plan plan = {.seed = 12, .steps = 20000, .life = 1000};
    struct stolen_figures figures;

    (void)state;
    stolen_run(&plan, &figures);
    for (size_t i = 0; i < COUNT_OF(met); i++) {
        if (figures.refused[met[i]] == 0)
            fail_msg("%s was never met", agent_reason_name(met[i]));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_thief_gets_nothing),
        cmocka_unit_test(test_each_refusal_is_met),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
