/* rollout: evidence, holds, and the journal computed again. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/replay.h"
#include "cli/risk.h"
#include "cli/table.h"
#include "os/quantity.h"

/* ---- looking ---- */

static double real(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void print_cohorts(struct cli *cli, const json_t *cohorts)
{
    static const char *const columns[] = {"COHORT",   "DEVICES", "EXPOSED", "BAD",
                                          "EVIDENCE", "PRICE",   "WINDOW",  "HELD BY"};
    struct table *table = table_open(columns, COUNT_OF(columns));
    const json_t *cohort;
    size_t index;

    json_array_foreach(cohorts, index, cohort)
    {
        table_cell(table, field_text(cohort, "name"));
        table_cell_format(table, "%" PRId64, field_int(cohort, "size"));
        table_cell_format(table, "%" PRId64, field_int(cohort, "exposed"));
        table_cell_format(table, "%" PRId64, field_int(cohort, "bad"));
        table_cell_format(table, "%.1f", real(cohort, "revealed"));
        table_cell_format(table, "%.2f%%", real(cohort, "price_percent"));
        table_cell(table, field_text(cohort, "window"));
        table_cell(table, field_text(cohort, "held_by"));
    }
    table_print(table, cli->out);
    table_close(table);
}

void print_risk_plan(struct cli *cli, const json_t *rollout)
{
    const json_t *plan = json_object_get(rollout, "risk");
    char observe[QUANTITY_TEXT_SIZE];

    if (!json_is_object(plan))
        return;
    output_pair(cli, "strategy", field_text(rollout, "strategy"));
    (void)fprintf(cli->out,
                  "%-19sat most %" PRId64 " harmed with %.1f%% confidence, for harm of %.1f%% or "
                  "more where %.1f%% fail anyway\n",
                  "limit:", field_int(plan, "max_harmed"), real(plan, "confidence_percent"),
                  real(plan, "floor_percent"), real(plan, "background_percent"));
    output_pair(cli, "observed for",
                quantity_print_duration(field_int(plan, "observe_s"), observe));
}

static void print_holds(struct cli *cli, const json_t *holds)
{
    const json_t *hold;
    size_t index;

    json_array_foreach(holds, index, hold)
    {
        output_pair(cli, "hold", field_text(hold, "sentence"));
    }
}

void print_risk(struct cli *cli, const json_t *risk)
{
    if (!json_is_object(risk))
        return;
    if (!field_bool(risk, "sorted")) {
        output_pair(cli, "evidence", "its devices have not been sorted into cohorts yet");
        return;
    }
    output_pair(cli, "evidence", field_text(json_object_get(risk, "whole"), "sentence"));
    print_holds(cli, json_object_get(risk, "holds"));
    output_pair(cli, "trouble", field_text(risk, "trouble"));
    (void)fprintf(cli->out, "%-19s%" PRId64 " entries\n", "journal:", field_int(risk, "entries"));
}

int get_risk(struct cli *cli, const char *rollout, json_t **out)
{
    struct api_path path = api_path("/rollouts/{}/risk", rollout);

    return api_get(cli, &path, out);
}

static int list_cohorts(struct cli *cli, const char *rollout, json_t **out)
{
    struct api_path path = api_path("/rollouts/{}/cohorts", rollout);

    return api_list(cli, &path, 0, out);
}

int cmd_rollout_cohorts(struct cli *cli)
{
    json_t *cohorts;
    int code = list_cohorts(cli, cli->args[0], &cohorts);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, cohorts);
    print_cohorts(cli, cohorts);
    json_decref(cohorts);
    return CODE_OK;
}

/* ---- lifting ---- */

int cmd_rollout_lift(struct cli *cli)
{
    struct api_path path = api_path("/rollouts/{}/lift-hold", cli->args[0]);
    const char *reason = options_text(&cli->options, "reason");
    json_t *risk = NULL, *body;
    int code;

    if (!reason || reason[0] == '\0')
        return complain(cli, CODE_USAGE, "give --reason: why may these devices go on?");
    body = json_pack("{s:s, s:s}", "cohort", cli->args[1], "reason", reason);
    if (!body)
        return complain(cli, CODE_USAGE, "cohort and reason must be UTF-8");
    code = api_send(cli, "POST", &path, body, &risk);
    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, risk);
    (void)fputs("Lifted the hold of ", cli->out);
    print_safe(cli->out, cli->args[1]);
    (void)fprintf(cli->out, "; %" PRId64 " cohorts are still held.\n", field_int(risk, "held"));
    json_decref(risk);
    return CODE_OK;
}

/* ---- replaying ---- */

static int differs(struct cli *cli, const json_t *entry, const struct why *why)
{
    return complain(cli, CODE_ERROR, "entry %" PRId64 " (%s at %" PRId64 " s): %s",
                    field_int(entry, "number"), field_text(entry, "event"),
                    field_int(entry, "at_s"), why->text);
}

static int replay_page(struct cli *cli, struct replay *replay, const json_t *page)
{
    const json_t *entry;
    size_t index;

    json_array_foreach(json_object_get(page, "items"), index, entry)
    {
        struct why why;

        why_clear(&why);
        if (replay_take(replay, entry, &why) != ERR_OK)
            return differs(cli, entry, &why);
    }
    return CODE_OK;
}

static int replay_all(struct cli *cli, struct replay *replay)
{
    char cursor[512] = "";
    int code = CODE_OK;

    do {
        struct api_path path = api_path("/rollouts/{}/journal", cli->args[0]);
        json_t *page;

        api_query(&path, "limit", "1000");
        api_query(&path, "cursor", cursor);
        code = api_get(cli, &path, &page);
        if (code != CODE_OK)
            return code;
        code = replay_page(cli, replay, page);
        (void)snprintf(cursor, sizeof cursor, "%s", field_text(page, "next"));
        json_decref(page);
    } while (code == CODE_OK && cursor[0] != '\0');
    return code;
}

static int report_replay(struct cli *cli, const struct replay *replay)
{
    if (cli->json)
        return output_json(cli, json_pack("{s:I, s:I, s:b}", "entries",
                                          (json_int_t)replay_entries(replay), "grants",
                                          (json_int_t)replay_grants(replay), "agrees", 1));
    (void)fprintf(cli->out,
                  "All %" PRId64 " decisions come out the same; %" PRId64 " of them gave leave.\n",
                  replay_entries(replay), replay_grants(replay));
    return CODE_OK;
}

static int replay_from(struct cli *cli, const json_t *risk, const json_t *cohorts)
{
    struct replay *replay = NULL;
    struct why why;
    int code;

    why_clear(&why);
    if (replay_open(risk, cohorts, &replay, &why) != ERR_OK)
        return complain(cli, CODE_ERROR, "the server's terms make no engine: %s", why.text);
    code = replay_all(cli, replay);
    if (code == CODE_OK)
        code = report_replay(cli, replay);
    replay_close(replay);
    return code;
}

int cmd_rollout_replay(struct cli *cli)
{
    json_t *risk = NULL, *cohorts = NULL;
    int code = get_risk(cli, cli->args[0], &risk);

    if (code == CODE_OK && !field_bool(risk, "sorted"))
        code = complain(cli, CODE_ERROR, "nothing has been decided yet");
    else if (code == CODE_OK)
        code = list_cohorts(cli, cli->args[0], &cohorts);
    if (code == CODE_OK)
        code = replay_from(cli, risk, cohorts);
    json_decref(risk);
    json_decref(cohorts);
    return code;
}
