/* trust status and expiring: what the server has, and until when. */
#include <inttypes.h>
#include <string.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"

static void delegated_rows(struct table *table, const json_t *json)
{
    const json_t *list = json_object_get(json, "delegated");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);

        table_cell(table, field_text(one, "role"));
        table_cell_format(table, "%" PRId64, field_int(one, "version"));
        table_cell(table, field_text(one, "expires"));
        table_cell(table, "signers, offline");
    }
}

int cmd_trust_status(struct cli *cli)
{
    static const char *const columns[] = {"ROLE", "VERSION", "EXPIRES", "KEPT BY"};
    static const char *const roles[] = {"root", "targets", "snapshot", "timestamp"};
    struct api_path path = api_path("/trust");
    struct table *table;
    json_t *json;
    int code = api_get(cli, &path, &json);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, json);
    table = table_open(columns, COUNT_OF(columns));
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        char version[32], expires[32];

        (void)snprintf(version, sizeof version, "%s_version", roles[i]);
        (void)snprintf(expires, sizeof expires, "%s_expires", roles[i]);
        table_cell(table, roles[i]);
        if (json_is_integer(json_object_get(json, version)))
            table_cell_format(table, "%lld", (long long)field_int(json, version));
        else
            table_cell(table, NULL);
        table_cell(table, field_text(json, expires));
        table_cell(table, i < 2 ? "signers, offline" : "server");
    }
    delegated_rows(table, json);
    table_print(table, cli->out);
    table_close(table);
    json_decref(json);
    return CODE_OK;
}

/* ---- expiring ---- */

static void expiring_rows(struct table *table, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        int64_t left_s = field_int(item, "left_s");

        table_cell(table, field_text(item, "kind"));
        table_cell(table, field_text(item, "name"));
        table_cell(table, field_text(item, "expires"));
        if (left_s <= 0)
            table_cell(table, "EXPIRED");
        else
            table_cell_format(table, "%" PRId64 "d", left_s / 86400);
        table_cell(table, field_text(item, "breaks"));
    }
}

int cmd_trust_expiring(struct cli *cli)
{
    static const char *const columns[] = {"WHAT", "NAME", "EXPIRES", "LEFT", "THEN"};
    struct api_path path = api_path("/trust/expiring");
    const char *on = options_text(&cli->options, "on");
    int64_t within = options_int(&cli->options, "within");
    char days[24];
    struct table *table;
    bool broken;
    json_t *json;
    int code;

    api_query(&path, "on", on);
    if (within > 0) {
        (void)snprintf(days, sizeof days, "%" PRId64, within);
        api_query(&path, "within_days", days);
    }
    code = api_get(cli, &path, &json);
    if (code != CODE_OK)
        return code;
    broken = on && field_int(json, "broken") > 0;
    if (cli->json) {
        code = output_json(cli, json);
        return code == CODE_OK && broken ? CODE_PARTIAL : code;
    }
    table = table_open(columns, COUNT_OF(columns));
    expiring_rows(table, json_object_get(json, "items"));
    table_print(table, cli->out);
    table_close(table);
    json_decref(json);
    return broken ? CODE_PARTIAL : CODE_OK;
}
