/* What a server may hand out as a journal, and what is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/types.h"
#include "cli/replay.h"

#define TERMS                                                                                \
    "\"terms\":{\"harmed_max\":50,\"first_max\":32,\"doubt_ppm\":10000,\"floor_ppm\":30000," \
    "\"false_alarm_ppm\":10000,\"tolerance_permille\":1500,\"tick_s\":10,\"late_s\":100,"    \
    "\"bake_s\":200,\"site_s\":50,\"reported_low_ppm\":0,\"reported_high_ppm\":10000,"       \
    "\"lost_low_ppm\":0,\"silent_high_ppm\":12000,\"absent_high_ppm\":5000,"                 \
    "\"health_low_ppm\":0,\"health_high_ppm\":2000,\"curve_permille\":[1000,1000,1000,1000," \
    "1000,1000,1000,1000,1000,1000,1000,1000,1000,1000,1000,1000]}"
#define RISK    "{\"sites\":0,\"strata\":[{\"link\":\"\",\"size\":9}]," TERMS "}"
#define COHORTS "[{\"name\":\"everything\",\"size\":9}]"

static json_t *parse(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);

    assert_non_null(json);
    return json;
}

static enum err open_replay(const char *risk, const char *cohorts, struct replay **out)
{
    json_t *risk_json = parse(risk), *cohorts_json = parse(cohorts);
    struct why why = {0};
    enum err err = replay_open(risk_json, cohorts_json, out, &why);

    json_decref(risk_json);
    json_decref(cohorts_json);
    return err;
}

static enum err take(struct replay *replay, const char *entry, struct why *why)
{
    json_t *json = parse(entry);
    enum err err = replay_take(replay, json, why);

    json_decref(json);
    return err;
}

static void test_terms_that_make_no_engine(void **state)
{
    static const char *const rows[][2] = {
        {"{}", COHORTS},
        {RISK, "[]"},
        {"{\"sites\":0,\"strata\":[]," TERMS "}", COHORTS},
        {"{\"sites\":2000000,\"strata\":[{\"size\":9}]," TERMS "}", COHORTS},
        {"{\"sites\":-1,\"strata\":[{\"size\":9}]," TERMS "}", COHORTS},
        {"{\"sites\":0,\"strata\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]," TERMS "}", COHORTS},
    };
    struct replay *replay = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_not_equal(open_replay(rows[i][0], rows[i][1], &replay), ERR_OK);
    assert_null(replay);
    replay_close(NULL);
}

static void test_entries(void **state)
{
    /* [1, tick, 20 s, nobody, 0, 0, 0, 0, 0, noted, 0, 0, 0] */
    static const char tick[] = "{\"number\":1,\"entry\":\"8d0108141affffffff000000000000000000\"}";
    static const char *const corrupt[] = {
        "{}",
        "{\"number\":1}",
        "{\"number\":1,\"entry\":\"8d\"}",
        "{\"number\":1,\"entry\":\"8d0108141affffffff00000000000000000\"}",
        "{\"number\":2,\"entry\":\"8d0108141affffffff000000000000000000\"}",
        "{\"number\":1,\"entry\":\"xd0108141affffffff000000000000000000\"}",
        /* about device 2^31 */
        "{\"number\":1,\"entry\":\"8d0108141a80000000000000000000000000\"}",
    };
    struct replay *replay = NULL;
    struct why why = {0};

    (void)state;
    assert_int_equal(open_replay(RISK, COHORTS, &replay), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(corrupt); i++)
        assert_int_equal(take(replay, corrupt[i], &why), ERR_CORRUPT);
    /* The server says that this tick has halted the rollout. */
    assert_int_equal(
        take(replay, "{\"number\":1,\"entry\":\"910108141affffffff00000000000600000000000000\"}",
             &why),
        ERR_CONFLICT);
    assert_string_equal(why.text, "another answer");
    replay_close(replay);
    assert_int_equal(open_replay(RISK, COHORTS, &replay), ERR_OK);
    assert_int_equal(take(replay, tick, &why), ERR_OK);
    assert_int_equal(replay_entries(replay), 1);
    assert_int_equal(replay_grants(replay), 0);
    assert_int_equal(take(replay, tick, &why), ERR_CORRUPT); /* twice */
    replay_close(replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms_that_make_no_engine),
        cmocka_unit_test(test_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
