/* Rollout plans: stages, windows and whole files, understood or refused with a place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/plan.h"

static struct why why;

static void assert_json(json_t *json, const char *expected)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void test_stages(void **state)
{
    static const char *const bad[] = {"",    "%",    "0%",   "101%", "0",   "-1",  "+5",
                                      "1.5", "0.5%", "10%%", "ten",  " 1%", "10 %"};
    json_t *stage = NULL;

    (void)state;
    assert_int_equal(plan_stage("10%", &stage), ERR_OK);
    assert_json(stage, "{\"percent\":10}");
    assert_int_equal(plan_stage("100%", &stage), ERR_OK);
    assert_json(stage, "{\"percent\":100}");
    assert_int_equal(plan_stage("25", &stage), ERR_OK);
    assert_json(stage, "{\"count\":25}");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_not_equal(plan_stage(bad[i], &stage), ERR_OK);
}

static void test_windows(void **state)
{
    static const struct {
        const char *text, *json;
    } good[] = {
        {"mon-fri 02:00+3h",
         "{\"days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\"],\"duration_s\":10800,"
         "\"start\":\"02:00\"}"},
        {"sat,sun 22:30+90m",
         "{\"days\":[\"sat\",\"sun\"],\"duration_s\":5400,\"start\":\"22:30\"}"},
        {"daily 00:00+24h", "{\"days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\",\"sat\",\"sun\"],"
                            "\"duration_s\":86400,\"start\":\"00:00\"}"},
        {"sat-mon 01:00+1h",
         "{\"days\":[\"mon\",\"sat\",\"sun\"],\"duration_s\":3600,\"start\":\"01:00\"}"},
        {"mon,wed-thu,mon 01:00+60",
         "{\"days\":[\"mon\",\"wed\",\"thu\"],\"duration_s\":60,\"start\":\"01:00\"}"},
    };
    static const char *const bad[] = {
        "",
        "mon",
        "mon 02:00",
        "mon 02:00+",
        "mon 02:00+3x",
        "mon 2:00+3h",
        "mon 24:00+1h",
        "mon 02:60+1h",
        "mon 02:00+25h",
        "mon 02:00+59s",
        "monday 02:00+1h",
        "mon- 02:00+1h",
        "mon-xyz 02:00+1h",
        ",mon 02:00+1h",
        "mon, 02:00+1h",
        " 02:00+1h",
        "02:00+1h",
        "mon  02:00+1h",
        "daily,mon 02:00+1h",
    };
    json_t *window = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(plan_window(good[i].text, &window, &why), ERR_OK);
        assert_json(window, good[i].json);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why_clear(&why);
        assert_int_equal(plan_window(bad[i], &window, &why), ERR_INVALID);
        assert_string_equal(why.field, "window");
        assert_true(why.text[0] != '\0');
    }
}

static enum err read_yaml(const char *text, json_t **out)
{
    json_t *request = json_object();
    struct yaml *yaml = NULL;
    enum err err;

    why_clear(&why);
    err = yaml_open_text("plan.yaml", text, strlen(text), &yaml, &why);
    if (err == ERR_OK)
        err = plan_from_yaml(yaml, request, &why);
    yaml_close(yaml);
    if (err == ERR_OK)
        *out = request;
    else
        json_decref(request);
    return err;
}

static void test_whole_file(void **state)
{
    json_t *request = NULL;

    (void)state;
    assert_int_equal(read_yaml("name: june\nrelease: router@2.1\nselector: 'site = \"oslo\"'\n"
                               "soak: 30s\nfailure_percent: 5%\ndeadline: 10m\nretry: 2\n"
                               "needs_approval: true\nstart_at: 2026-11-25T10:00:00Z\n"
                               "window: mon 02:00+3h\n"
                               "stages:\n  - 10%\n  - percent: 50\n    soak: 1h\n  - count: 500\n"
                               "    min_sample: 3\n    failure_count: 4\n",
                               &request),
                     ERR_OK);
    assert_int_equal(plan_check(request, &why), ERR_OK);
    assert_json(request,
                "{\"deadline_s\":600,\"name\":\"june\",\"needs_approval\":true,"
                "\"release\":\"router@2.1\",\"retry_limit\":2,\"selector\":\"site = \\\"oslo\\\"\","
                "\"stages\":[{\"failure_percent\":5,\"percent\":10,\"soak_s\":30},"
                "{\"failure_percent\":5,\"percent\":50,\"soak_s\":3600},"
                "{\"count\":500,\"failure_count\":4,\"failure_percent\":5,\"sample_min\":3,"
                "\"soak_s\":30}],\"start_at\":\"2026-11-25T10:00:00Z\","
                "\"window\":{\"days\":[\"mon\"],\"duration_s\":10800,\"start\":\"02:00\"}}");
}

static void test_risk(void **state)
{
    static const struct {
        const char *written, *sent;
    } confidences[] = {{"0.99", "99"}, {"0.995", "99.5"}, {"0.9", "90"},
                       {"99%", "99"},  {"99.9%", "99.9"}, {"0.999", "99.9"}};
    json_t *request = NULL;
    char text[160], expected[160];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(confidences); i++) {
        (void)snprintf(text, sizeof text, "confidence: %s\n", confidences[i].written);
        assert_int_equal(read_yaml(text, &request), ERR_OK);
        (void)snprintf(expected, sizeof expected, "%.1f", strtod(confidences[i].sent, NULL));
        (void)snprintf(text, sizeof text, "%.1f",
                       json_number_value(json_object_get(request, "confidence_percent")));
        assert_string_equal(text, expected);
        json_decref(request);
    }
    assert_int_equal(read_yaml("name: x\nrelease: a@1\nselector: all\nstrategy: risk\n"
                               "max_harmed: 50\nfloor: 3%\nbackground: 1\nobserve: 1d\n",
                               &request),
                     ERR_OK);
    assert_int_equal(plan_check(request, &why), ERR_OK); /* without stages */
    assert_json(request, "{\"background_percent\":1,\"floor_percent\":3,\"max_harmed\":50,"
                         "\"name\":\"x\",\"observe_s\":86400,\"release\":\"a@1\","
                         "\"selector\":\"all\",\"strategy\":\"risk\"}");
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *yaml, *text;
    } bad[] = {
        {"nam: x\n", "plan.yaml:1: a plan has no \"nam\""},
        {"name: x\nsoak: soon\n",
         "plan.yaml:2: soak must be a duration like 90s, 10m or 1h30m, not \"soon\""},
        {"retry: -1\n", "plan.yaml:1: retry must be a number, not \"-1\""},
        {"stages: 10%\n", "plan.yaml:1: stages is a list"},
        {"stages:\n  - 10%\n  - 0%\n",
         "plan.yaml:3: a stage is a whole share like 10%, a count like 25, or a map"},
        {"stages:\n  - soak: 1m\n", "plan.yaml:2: a stage needs percent or count"},
        {"stages:\n  - {percent: 10, count: 3}\n",
         "plan.yaml:2: a stage has percent or count, not both"},
        {"stages:\n  - {percent: 0}\n", "plan.yaml:2: percent and count are whole numbers from 1"},
        {"stages:\n  - {percent: 10, window: x}\n", "plan.yaml:2: a stage has no \"window\""},
        {"stages: [[10%]]\n",
         "plan.yaml:1: a stage is a whole share like 10%, a count like 25, or a map"},
        {"needs_approval: yes\n", "plan.yaml:1: needs_approval must be true or false, not \"yes\""},
        {"end_at: tomorrow\n",
         "plan.yaml:1: end_at must be a time in UTC like 2026-11-25T10:00:00Z, not \"tomorrow\""},
        {"failure_percent: 0.5%\n",
         "plan.yaml:1: failure_percent must be a whole percentage like 5%, not \"0.5%\""},
        {"confidence: 1\n",
         "plan.yaml:1: confidence must be a probability like 0.99 or 99%, not \"1\""},
        {"confidence: 0.\n",
         "plan.yaml:1: confidence must be a probability like 0.99 or 99%, not \"0.\""},
        {"confidence: 0.9999\n",
         "plan.yaml:1: confidence must be a probability like 0.99 or 99%, not \"0.9999\""},
        {"floor: 0.05%\n",
         "plan.yaml:1: floor must be a percentage like 3% or 0.5%, not \"0.05%\""},
        {"name: [a]\n", "plan.yaml:1: needs one value here"},
        {"- a\n", "plan.yaml:1: a plan is lines of \"name: value\""},
        {"", "plan.yaml:1: a plan is lines of \"name: value\""},
    };
    json_t *request = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(read_yaml(bad[i].yaml, &request), ERR_INVALID);
        assert_string_equal(why.text, bad[i].text);
    }
}

static void test_what_is_missing(void **state)
{
    json_t *request = NULL;

    (void)state;
    assert_int_equal(read_yaml("release: a@1\nselector: all\nstages: [1]\n", &request), ERR_OK);
    assert_int_equal(plan_check(request, &why), ERR_INVALID);
    assert_string_equal(why.text, "a rollout needs a name");
    json_decref(request);
    assert_int_equal(read_yaml("name: x\nrelease: a@1\nselector: all\nstages: []\n", &request),
                     ERR_OK);
    assert_int_equal(plan_check(request, &why), ERR_INVALID);
    assert_string_equal(why.field, "stages");
    json_decref(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages),     cmocka_unit_test(test_windows),
        cmocka_unit_test(test_whole_file), cmocka_unit_test(test_risk),
        cmocka_unit_test(test_bad_files),  cmocka_unit_test(test_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
