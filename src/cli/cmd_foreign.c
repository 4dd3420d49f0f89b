/* device add, device token, gateway: devices of other people's clients, and what they show. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"

/* Texts that were given, under these names of options and members alike; NULL ends. False: one is
 * not UTF-8. */
static bool add_texts(struct cli *cli, json_t *body, const char *const *names)
{
    for (; *names; names++) {
        const char *text = options_text(&cli->options, *names);

        if (text && json_object_set_new(body, *names, json_string(text)) != 0)
            return false;
    }
    return true;
}

static int send(struct cli *cli, const struct api_path *path, json_t *body,
                const char *const *names, json_t **made)
{
    if (add_texts(cli, body, names))
        return api_send(cli, "POST", path, body, made);
    json_decref(body);
    return complain(cli, CODE_USAGE, "what is given must be UTF-8");
}

/* The only time a secret is printed: alone on standard output, so that it can go into a file. */
static int print_secret(struct cli *cli, json_t *made)
{
    const char *token = field_text(made, "token");

    if (cli->json)
        return output_json(cli, made);
    if (*token) {
        (void)fprintf(cli->out, "%s\n", token);
        (void)fprintf(cli->err, "The token of %s. It cannot be shown again.\n",
                      field_text(made, "name"));
    } else {
        (void)fprintf(cli->err, "%s is registered.\n", field_text(made, "name"));
    }
    json_decref(made);
    return CODE_OK;
}

int cmd_device_add(struct cli *cli)
{
    static const char *const names[] = {"protocol", "external", "product",
                                        "hardware", "token",    NULL};
    struct api_path path = api_path("/devices");
    json_t *made = NULL;
    int code;

    if (!options_text(&cli->options, "protocol"))
        return complain(cli, CODE_USAGE,
                        "give --protocol hawkbit or mender: devices with our own "
                        "agent enrol by themselves");
    code = send(cli, &path, json_pack("{s:s}", "name", cli->args[0]), names, &made);
    return code == CODE_OK ? print_secret(cli, made) : code;
}

int cmd_device_token(struct cli *cli)
{
    static const char *const names[] = {"token", NULL};
    struct api_path path = api_path("/devices/{}/foreign-token", cli->args[0]);
    json_t *made = NULL;
    int code = send(cli, &path, json_object(), names, &made);

    return code == CODE_OK ? print_secret(cli, made) : code;
}

/* ---- gateways ---- */

int cmd_gateway_new(struct cli *cli)
{
    static const char *const names[] = {"selector", "token", NULL};
    struct api_path path = api_path("/gateway-tokens");
    json_t *made = NULL;
    int code = send(cli, &path, json_pack("{s:s}", "name", cli->args[0]), names, &made);

    return code == CODE_OK ? print_secret(cli, made) : code;
}

int cmd_gateway_list(struct cli *cli)
{
    static const char *const columns[] = {"ID", "NAME", "PROTOCOL", "SPEAKS FOR", "CREATED", "BY"};
    struct api_path path = api_path("/gateway-tokens");
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code = api_list(cli, &path, (size_t)options_int(&cli->options, "limit"), &items);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        const char *selector = field_text(item, "selector");

        table_cell_format(table, "%" PRId64, field_int(item, "id"));
        table_cell(table, field_text(item, "name"));
        table_cell(table, field_text(item, "protocol"));
        table_cell(table, *selector ? selector : "all");
        table_cell(table, field_text(item, "created_at"));
        table_cell(table, field_text(item, "created_by"));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

static int revoke_gateway(struct cli *cli, const char *id)
{
    struct api_path path = api_path("/gateway-tokens/{}", id);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}

int cmd_gateway_revoke(struct cli *cli)
{
    return output_for_each(cli, 0, revoke_gateway);
}
