/* The gate as a table: rule, evidence, finding and the sentence a person reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fleet/gate.h"

struct row {
    struct gate_rule rule;
    struct gate_evidence evidence;
    enum gate_finding finding;
    const char *sentence;
};

static const struct row rows[] = {
    {{100, 0, 0},
     {0, 0, 0},
     GATE_TOO_EARLY,
     "none of 0 outcomes is bad, the share is judged from 1 on"},
    {{100, 0, 5},
     {0, 4, 0},
     GATE_TOO_EARLY,
     "4 of 4 outcomes are bad (4 reported, 0 silent), the share is judged from 5 on"},
    {{100, 0, 5},
     {1, 4, 0},
     GATE_BREACH_SHARE,
     "4 of 5 outcomes are bad (4 reported, 0 silent): 80.0 %, the limit is 10.0 %"},
    {{100, 0, 5},
     {18, 1, 1},
     GATE_CLEAR,
     "2 of 20 outcomes are bad (1 reported, 1 silent): 10.0 %, the limit is 10.0 %"},
    {{100, 0, 5},
     {17, 0, 3},
     GATE_BREACH_SHARE,
     "3 of 20 outcomes are bad (0 reported, 3 silent): 15.0 %, the limit is 10.0 %"},
    {{0, 0, 1},
     {99, 1, 0},
     GATE_BREACH_SHARE,
     "1 of 100 outcomes is bad (1 reported, 0 silent): 1.0 %, the limit is 0.0 %"},
    {{0, 0, 1}, {1, 0, 0}, GATE_CLEAR, "none of 1 outcome is bad: 0.0 %, the limit is 0.0 %"},
    {{1000, 0, 1},
     {0, 9, 9},
     GATE_CLEAR,
     "18 of 18 outcomes are bad (9 reported, 9 silent): 100.0 %, the limit is 100.0 %"},
    {{1000, 2, 50},
     {0, 1, 0},
     GATE_TOO_EARLY,
     "1 of 1 outcome is bad (1 reported, 0 silent), the share is judged from 50 on"},
    {{1000, 2, 50},
     {0, 1, 1},
     GATE_BREACH_COUNT,
     "2 of 2 outcomes are bad (1 reported, 1 silent), the limit is 2"},
    {{999, 0, 1},
     {0, 2147483647, 2147483647},
     GATE_BREACH_SHARE,
     "4294967294 of 4294967294 outcomes are bad (2147483647 reported, 2147483647 silent): 100.0 %, "
     "the limit is 99.9 %"},
};

static void test_rows(void **state)
{
    char room[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gate_verdict verdict = gate_judge(&rows[i].rule, &rows[i].evidence);
        struct buf buf = buf_over(room, sizeof room);

        assert_int_equal(verdict.finding, rows[i].finding);
        assert_int_equal(gate_breached(&verdict), rows[i].finding == GATE_BREACH_SHARE ||
                                                      rows[i].finding == GATE_BREACH_COUNT);
        gate_explain(&verdict, &buf);
        assert_string_equal(buf_finish_text(&buf), rows[i].sentence);
        assert_non_null(gate_finding_name(verdict.finding));
    }
}

/* More good never shuts a gate, more bad never opens one. */
static void test_monotone(void **state)
{
    const struct gate_rule rule = {150, 7, 4};

    (void)state;
    for (uint32_t good = 0; good < 40; good++) {
        for (uint32_t bad = 0; bad < 20; bad++) {
            struct gate_evidence evidence = {good, bad, 0}, worse = {good, bad, 1};
            struct gate_verdict verdict = gate_judge(&rule, &evidence);
            struct gate_verdict then = gate_judge(&rule, &worse);

            if (gate_breached(&verdict))
                assert_true(gate_breached(&then));
            evidence.good++;
            then = gate_judge(&rule, &evidence);
            if (verdict.finding == GATE_CLEAR)
                assert_int_equal(then.finding, GATE_CLEAR);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_monotone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
