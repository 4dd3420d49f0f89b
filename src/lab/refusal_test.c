/* The server counts refusals by the names that devices give: whatever their accept rule says, the
 * server knows. Here, because device and server core never include each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/accept.h"
#include "fleet/refusal.h"

static void test_the_server_knows_every_rule(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < accept_rule_count(); i++) {
        const char *name = agent_reason_name(accept_rule_reason(i));

        if (name[0] == '\0') /* the last rule stands for every hindrance */
            continue;
        if (refusal_of_name(span_of(name)) == REFUSAL_OTHER)
            fail_msg("the server does not know \"%s\"", name);
    }
}

static void test_hindrances_are_known(void **state)
{
    static const enum agent_reason hindrances[] = {AGENT_REASON_SIZE, AGENT_REASON_SPACE,
                                                   AGENT_REASON_BUSY, AGENT_REASON_POWER};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hindrances); i++)
        assert_int_not_equal(refusal_of_name(span_of(agent_reason_name(hindrances[i]))),
                             REFUSAL_OTHER);
}

static void test_names_are_names(void **state)
{
    (void)state;
    for (enum refusal i = 0; i < REFUSAL_COUNT; i++) {
        const char *name = refusal_name(i);

        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        assert_int_equal(refusal_of_name(span_of(name)), i);
    }
    assert_int_equal(refusal_of_name(SPAN_LITERAL("")), REFUSAL_OTHER);
    assert_int_equal(refusal_of_name(SPAN_LITERAL("floor ")), REFUSAL_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_server_knows_every_rule),
        cmocka_unit_test(test_hindrances_are_known),
        cmocka_unit_test(test_names_are_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
