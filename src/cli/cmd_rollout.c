/* rollout: drafting, looking, steering. Watching is cmd_watch.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/risk.h"
#include "cli/table.h"
#include "os/quantity.h"

/* ---- create ---- */

/* The request from file, options and the NAME operand. */
static enum err make_request(struct cli *cli, json_t *request, struct why *why)
{
    const char *file = options_path(&cli->options, "file");
    struct yaml *yaml;
    enum err err;

    if (file) {
        TRY(yaml_open_file(file, PLAN_FILE_SIZE_MAX, &yaml, why));
        err = plan_from_yaml(yaml, request, why);
        yaml_close(yaml);
        TRY(err);
    }
    if (cli->arg_count == 1 && json_object_set_new(request, "name", json_string(cli->args[0])) != 0)
        return ERR_INVALID;
    TRY(plan_from_options(&cli->options, request, why));
    return plan_check(request, why);
}

/* The server's answer to "whom would this reach?". */
static int ask_reach(struct cli *cli, const json_t *request, json_t **reach)
{
    struct api_path path = api_path("/rollouts");
    json_t *question = json_deep_copy(request);

    CHECK(question != NULL && json_object_set_new(question, "dry_run", json_true()) == 0);
    return api_send(cli, "POST", &path, question, reach);
}

/* The names: the sample when it is everybody, else the whole list. */
static int print_names(struct cli *cli, const char *selector, const json_t *reach)
{
    json_t *items = json_incref(json_object_get(reach, "sample")), *item;
    struct api_path path = api_path("/devices");
    size_t index;
    int code;

    if ((int64_t)json_array_size(items) < field_int(reach, "count")) {
        json_decref(items);
        api_query(&path, "selector", selector);
        code = api_list(cli, &path, 0, &items);
        if (code != CODE_OK)
            return code;
    }
    json_array_foreach(items, index, item)
    {
        const char *name = json_string_value(item);

        print_safe(cli->out, name ? name : field_text(item, "name"));
        (void)fputc('\n', cli->out);
    }
    json_decref(items);
    return CODE_OK;
}

/* Whom the release would not reach, though the selector does. */
static void tell_barred(struct cli *cli, const json_t *barred)
{
    const json_t *names = json_object_get(barred, "sample"), *name;
    size_t index;

    if (!barred || field_int(barred, "count") == 0)
        return;
    (void)fprintf(cli->err, "%" PRId64 " more are left out: their security floor is above it:",
                  field_int(barred, "count"));
    json_array_foreach(names, index, name)
    {
        (void)fputc(' ', cli->err);
        print_safe(cli->err, json_string_value(name));
    }
    (void)fputs(field_int(barred, "count") > (int64_t)json_array_size(names) ? " ...\n" : "\n",
                cli->err);
}

static int dry_run(struct cli *cli, const json_t *request)
{
    const json_t *stages;
    json_t *reach = NULL;
    int code = ask_reach(cli, request, &reach);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, reach);
    code = print_names(cli, field_text(request, "selector"), reach);
    stages = json_object_get(reach, "stages");
    (void)fprintf(cli->err,
                  "%" PRId64 " devices; by the end of each stage:", field_int(reach, "count"));
    for (size_t i = 0; i < json_array_size(stages); i++)
        (void)fprintf(cli->err, " %" PRId64,
                      (int64_t)json_integer_value(json_array_get(stages, i)));
    (void)fputs(". Nothing was changed.\n", cli->err);
    tell_barred(cli, json_object_get(reach, "below_floor"));
    json_decref(reach);
    return code;
}

/* The guard against a selector that says more than was meant: its count must be known. */
static int confirm_count(struct cli *cli, json_t *request)
{
    json_t *reach = NULL;
    char answer[32] = "";
    int64_t count = options_int(&cli->options, "confirm_count"), reached;
    bool needed;
    int code;

    if (options_given(&cli->options, "confirm_count")) {
        CHECK(json_object_set_new(request, "confirm_count", json_integer(count)) == 0);
        return CODE_OK;
    }
    code = ask_reach(cli, request, &reach);
    if (code != CODE_OK)
        return code;
    needed = field_bool(reach, "confirm_needed");
    reached = field_int(reach, "count");
    json_decref(reach);
    if (!needed)
        return CODE_OK;
    if (!cli->in_tty || !cli->err_tty)
        return complain(cli, CODE_USAGE,
                        "this reaches %" PRId64 " devices: if that is meant, give "
                        "--confirm-count %" PRId64,
                        reached, reached);
    (void)fprintf(cli->err,
                  "This reaches %" PRId64 " devices. Type that number to go on: ", reached);
    if (!fgets(answer, sizeof answer, stdin) || strtoll(answer, NULL, 10) != reached)
        return complain(cli, CODE_ERROR, "nothing done");
    CHECK(json_object_set_new(request, "confirm_count", json_integer(reached)) == 0);
    return CODE_OK;
}

/* `body` is taken. */
static int steer_with(struct cli *cli, const char *rollout, const char *verb, const char *reason,
                      json_t *body, json_t **out)
{
    struct api_path path = api_path("/rollouts/{}/{}", rollout, verb);

    CHECK(body != NULL);
    if (reason && json_object_set_new(body, "reason", json_string(reason)) != 0) {
        json_decref(body);
        return complain(cli, CODE_USAGE, "the reason must be UTF-8");
    }
    return api_send(cli, "POST", &path, body, out);
}

static int steer(struct cli *cli, const char *rollout, const char *verb, const char *reason,
                 json_t **out)
{
    return steer_with(cli, rollout, verb, reason, json_object(), out);
}

static int print_state(struct cli *cli, json_t *rollout)
{
    if (cli->json)
        return output_json(cli, rollout);
    (void)fputs("Rollout ", cli->out);
    print_safe(cli->out, field_text(rollout, "name"));
    (void)fprintf(cli->out, " (%" PRId64 ") is %s.\n", field_int(rollout, "id"),
                  field_text(rollout, "state"));
    json_decref(rollout);
    return CODE_OK;
}

static int create(struct cli *cli, json_t *request)
{
    struct api_path path = api_path("/rollouts");
    json_t *made = NULL, *started = NULL;
    char id[32];
    int code = confirm_count(cli, request);

    if (code == CODE_OK)
        code = api_send(cli, "POST", &path, json_incref(request), &made);
    if (code != CODE_OK)
        return code;
    if (!options_flag(&cli->options, "start"))
        return print_state(cli, made);
    (void)snprintf(id, sizeof id, "%" PRId64, field_int(made, "id"));
    json_decref(made);
    code = steer(cli, id, "start", NULL, &started);
    return code == CODE_OK ? print_state(cli, started) : code;
}

int cmd_rollout_create(struct cli *cli)
{
    json_t *request = json_object();
    struct why why;
    enum err err;
    int code;

    CHECK(request != NULL);
    why_clear(&why);
    err = make_request(cli, request, &why);
    if (err != ERR_OK)
        code = complain_why(cli, err == ERR_NOT_FOUND ? err : ERR_INVALID, &why);
    else if (options_flag(&cli->options, "dry_run"))
        code = dry_run(cli, request);
    else
        code = create(cli, request);
    json_decref(request);
    return code;
}

/* ---- looking ---- */

static int64_t bad_of(const json_t *counts)
{
    return field_int(counts, "failed") + field_int(counts, "reverted") +
           field_int(counts, "silent") + field_int(counts, "refused");
}

int cmd_rollout_list(struct cli *cli)
{
    static const char *const columns[] = {"ID",    "NAME", "RELEASE", "STATE",
                                          "STAGE", "GOOD", "BAD",     "DEVICES"};
    struct api_path path = api_path("/rollouts");
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code;

    api_query(&path, "state", options_text(&cli->options, "state"));
    code = api_list(cli, &path, (size_t)options_int(&cli->options, "limit"), &items);
    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        const json_t *counts = json_object_get(item, "counts");

        table_cell_format(table, "%" PRId64, field_int(item, "id"));
        table_cell(table, field_text(item, "name"));
        table_cell(table, field_text(item, "release"));
        table_cell(table, field_text(item, "state"));
        table_cell_format(table, "%" PRId64 "/%zu", field_int(item, "stage") + 1,
                          json_array_size(json_object_get(item, "stages")));
        table_cell_format(table, "%" PRId64, field_int(counts, "succeeded"));
        table_cell_format(table, "%" PRId64, bad_of(counts));
        table_cell_format(table, "%" PRId64, field_int(counts, "selected"));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

static void print_stage(struct table *table, const json_t *stage, size_t index)
{
    char soak[QUANTITY_TEXT_SIZE];
    bool share = json_object_get(stage, "percent") != NULL;

    table_cell_format(table, "%zu", index + 1);
    table_cell_format(table, "%" PRId64 "%s", field_int(stage, share ? "percent" : "count"),
                      share ? "%" : " devices");
    table_cell(table, quantity_print_duration(field_int(stage, "soak_s"), soak));
    table_cell_format(table, "over %" PRId64 "%% of %" PRId64 " or more",
                      field_int(stage, "failure_percent"), field_int(stage, "sample_min"));
    if (field_int(stage, "failure_count") > 0)
        table_cell_format(table, "over %" PRId64, field_int(stage, "failure_count"));
    else
        table_cell(table, NULL);
}

static void print_window(struct cli *cli, const json_t *window)
{
    char days[64], length[QUANTITY_TEXT_SIZE], text[160];

    if (!json_is_object(window))
        return;
    (void)snprintf(text, sizeof text, "%s from %s for %s",
                   field_joined(window, "days", days, sizeof days), field_text(window, "start"),
                   quantity_print_duration(field_int(window, "duration_s"), length));
    output_pair(cli, "window", text);
}

static void print_counts(struct cli *cli, const json_t *counts)
{
    const char *name;
    json_t *value;
    bool any = false;

    (void)fprintf(cli->out, "%-19s", "devices:");
    json_object_foreach((json_t *)(uintptr_t)counts, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        (void)fprintf(cli->out, "%s%" PRId64 " %s", any ? ", " : "",
                      (int64_t)json_integer_value(value), name);
        any = true;
    }
    (void)fputs(any ? "\n" : "none\n", cli->out);
}

static void print_rollout(struct cli *cli, const json_t *rollout, const json_t *risk)
{
    static const char *const columns[] = {"STAGE", "REACHES", "SOAK", "HALTS AT SHARE", "AT COUNT"};
    const json_t *stages = json_object_get(rollout, "stages");
    char text[QUANTITY_TEXT_SIZE];
    struct table *table;

    output_pair(cli, "rollout", field_text(rollout, "name"));
    (void)fprintf(cli->out, "%-19s%" PRId64 "\n", "number:", field_int(rollout, "id"));
    output_pair(cli, "release", field_text(rollout, "release"));
    output_pair(cli, "selector", field_text(rollout, "selector"));
    output_pair(cli, "state", field_text(rollout, "state"));
    output_pair(cli, "because", field_text(rollout, "reason"));
    (void)fprintf(cli->out, "%-19s%" PRId64 " of %zu\n", "stage:", field_int(rollout, "stage") + 1,
                  json_array_size(stages));
    print_counts(cli, json_object_get(rollout, "counts"));
    output_pair(cli, "deadline", quantity_print_duration(field_int(rollout, "deadline_s"), text));
    (void)fprintf(cli->out, "%-19s%" PRId64 "\n", "retries:", field_int(rollout, "retry_limit"));
    print_window(cli, json_object_get(rollout, "window"));
    output_pair(cli, "starts at", field_text(rollout, "start_at"));
    output_pair(cli, "ends at", field_text(rollout, "end_at"));
    output_pair(cli, "approval", field_bool(rollout, "needs_approval") ? "needed" : "");
    output_pair(cli, "approved by", field_text(rollout, "approved_by"));
    output_pair(cli, "created", field_text(rollout, "created_at"));
    output_pair(cli, "created by", field_text(rollout, "created_by"));
    print_risk_plan(cli, rollout);
    print_risk(cli, risk);
    (void)fputc('\n', cli->out);
    table = table_open(columns, COUNT_OF(columns));
    for (size_t i = 0; i < json_array_size(stages); i++)
        print_stage(table, json_array_get(stages, i), i);
    table_print(table, cli->out);
    table_close(table);
}

int cmd_rollout_get(struct cli *cli)
{
    struct api_path path = api_path("/rollouts/{}", cli->args[0]);
    json_t *rollout, *risk = NULL;
    int code = api_get(cli, &path, &rollout);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, rollout);
    if (json_is_object(json_object_get(rollout, "risk")))
        code = get_risk(cli, cli->args[0], &risk);
    if (code == CODE_OK)
        print_rollout(cli, rollout, risk);
    json_decref(rollout);
    json_decref(risk);
    return code;
}

int cmd_rollout_devices(struct cli *cli)
{
    static const char *const columns[] = {"DEVICE", "STATE", "STAGE", "ATTEMPT", "UPDATED", "WHAT"};
    struct api_path path = api_path("/rollouts/{}/devices", cli->args[0]);
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code;

    api_query(&path, "state", options_text(&cli->options, "state"));
    code = api_list(cli, &path, (size_t)options_int(&cli->options, "limit"), &items);
    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        const char *state = field_text(item, "state"), *detail = field_text(item, "detail");

        table_cell(table, field_text(item, "device"));
        if (strcmp(state, "downloading") == 0)
            table_cell_format(table, "%s %" PRId64 "%%", state, field_int(item, "percent"));
        else
            table_cell(table, state);
        table_cell_format(table, "%" PRId64, field_int(item, "stage") + 1);
        table_cell_format(table, "%" PRId64, field_int(item, "attempt"));
        table_cell(table, field_text(item, "updated_at"));
        table_cell(table, *detail ? detail : field_text(item, "error"));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

/* ---- report ---- */

static void report_stages(struct cli *cli, const json_t *stages)
{
    static const char *const columns[] = {"STAGE", "ADMITTED", "GOOD", "BAD", "OPEN"};
    static const char *const members[] = {"admitted", "succeeded", "failed", "open"};
    struct table *table = table_open(columns, COUNT_OF(columns));
    const json_t *stage;
    size_t index;

    json_array_foreach(stages, index, stage)
    {
        table_cell_format(table, "%" PRId64, field_int(stage, "stage") + 1);
        for (size_t i = 0; i < COUNT_OF(members); i++)
            table_cell_format(table, "%" PRId64, field_int(stage, members[i]));
    }
    table_print(table, cli->out);
    table_close(table);
}

static void report_failures(struct cli *cli, const json_t *failures)
{
    static const char *const columns[] = {"COUNT", "HOW", "ERROR", "DEVICES"};
    struct table *table;
    const json_t *failure;
    char names[512];
    size_t index;

    if (json_array_size(failures) == 0)
        return;
    (void)fputc('\n', cli->out);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(failures, index, failure)
    {
        table_cell_format(table, "%" PRId64, field_int(failure, "count"));
        table_cell(table, field_text(failure, "state"));
        table_cell(table, field_text(failure, "error"));
        table_cell(table, field_joined(failure, "sample", names, sizeof names));
    }
    table_print(table, cli->out);
    table_close(table);
}

int cmd_rollout_report(struct cli *cli)
{
    struct api_path path = api_path("/rollouts/{}/report", cli->args[0]);
    const json_t *rollout, *success;
    json_t *report;
    int code = api_get(cli, &path, &report);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, report);
    rollout = json_object_get(report, "rollout");
    print_safe(cli->out, field_text(report, "sentence"));
    (void)fputs("\n\n", cli->out);
    output_pair(cli, "rollout", field_text(rollout, "name"));
    output_pair(cli, "release", field_text(rollout, "release"));
    output_pair(cli, "selector", field_text(rollout, "selector"));
    output_pair(cli, "state", field_text(rollout, "state"));
    output_pair(cli, "because", field_text(rollout, "reason"));
    success = json_object_get(report, "success_percent");
    if (json_is_number(success))
        (void)fprintf(cli->out, "%-19s%.1f%% of outcomes\n", "good:", json_number_value(success));
    print_counts(cli, json_object_get(rollout, "counts"));
    print_risk_plan(cli, rollout);
    print_risk(cli, json_object_get(report, "risk"));
    (void)fputc('\n', cli->out);
    report_stages(cli, json_object_get(report, "stages"));
    report_failures(cli, json_object_get(report, "failures"));
    json_decref(report);
    return CODE_OK;
}

/* ---- steering ---- */

static int steer_and_print(struct cli *cli, const char *verb)
{
    json_t *rollout = NULL;
    int code = steer(cli, cli->args[0], verb, options_text(&cli->options, "reason"), &rollout);

    return code == CODE_OK ? print_state(cli, rollout) : code;
}

int cmd_rollout_approve(struct cli *cli)
{
    return steer_and_print(cli, "approve");
}

int cmd_rollout_start(struct cli *cli)
{
    return steer_and_print(cli, "start");
}

int cmd_rollout_pause(struct cli *cli)
{
    return steer_and_print(cli, "pause");
}

int cmd_rollout_resume(struct cli *cli)
{
    return steer_and_print(cli, "resume");
}

/* Stopping never asks: it is what one does in a hurry. */
int cmd_rollout_abort(struct cli *cli)
{
    return steer_and_print(cli, "abort");
}

int cmd_rollout_advance(struct cli *cli)
{
    return steer_and_print(cli, "advance");
}

static int roll_back(struct cli *cli)
{
    json_t *body = json_object(), *rollout = NULL;
    int64_t left = options_int(&cli->options, "leave_behind");
    int code;

    CHECK(body != NULL);
    if (options_given(&cli->options, "leave_behind"))
        CHECK(json_object_set_new(body, "leave_behind", json_integer(left)) == 0);
    code = steer_with(cli, cli->args[0], "rollback", options_text(&cli->options, "reason"), body,
                      &rollout);
    return code == CODE_OK ? print_state(cli, rollout) : code;
}

int cmd_rollout_rollback(struct cli *cli)
{
    char question[160];
    int code;

    (void)snprintf(question, sizeof question,
                   "Return every device that rollout %.64s updated to what it ran before?",
                   cli->args[0]);
    code = confirm(cli, question);
    return code == CODE_OK ? roll_back(cli) : code;
}

int cmd_rollout_delete(struct cli *cli)
{
    struct api_path path = api_path("/rollouts/{}", cli->args[0]);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}
