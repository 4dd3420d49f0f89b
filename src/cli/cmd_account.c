/* claim, group, token: things with a list, a maker and an end. */
#include <inttypes.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"

/* A column of a plain list: heading and member; `number` members are integers. */
struct column {
    const char *heading, *member;
    bool number;
};

static int print_list(struct cli *cli, const char *pattern, const struct column *columns,
                      size_t count)
{
    struct api_path path = api_path(pattern);
    const char *headings[TABLE_COLUMNS_MAX];
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code = api_list(cli, &path, (size_t)options_int(&cli->options, "limit"), &items);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    CHECK(count <= COUNT_OF(headings));
    for (size_t i = 0; i < count; i++)
        headings[i] = columns[i].heading;
    table = table_open(headings, count);
    json_array_foreach(items, index, item) for (size_t i = 0; i < count; i++)
    {
        if (columns[i].number)
            table_cell_format(table, "%" PRId64, field_int(item, columns[i].member));
        else
            table_cell(table, field_text(item, columns[i].member));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

/* The only time a secret is printed: alone on standard output, so that it can go into a file. */
static int print_secret(struct cli *cli, json_t *made)
{
    const char *expires = field_text(made, "expires_at");

    if (cli->json)
        return output_json(cli, made);
    (void)fprintf(cli->out, "%s\n", field_text(made, "token"));
    (void)fprintf(cli->err, "Number %" PRId64 ", valid %s%s. It cannot be shown again.\n",
                  field_int(made, "id"), *expires ? "until " : "for ever", expires);
    json_decref(made);
    return CODE_OK;
}

/* ---- claims ---- */

int cmd_claim_new(struct cli *cli)
{
    struct api_path path = api_path("/claims");
    const char *note = options_text(&cli->options, "note");
    json_t *body = json_pack("{s:I}", "expires_in_s",
                             (json_int_t)options_duration_s(&cli->options, "expires"));
    json_t *made = NULL;
    int code;

    if (note && json_object_set_new(body, "note", json_string(note)) != 0) {
        json_decref(body);
        return complain(cli, CODE_USAGE, "the note must be UTF-8");
    }
    code = api_send(cli, "POST", &path, body, &made);
    return code == CODE_OK ? print_secret(cli, made) : code;
}

int cmd_claim_list(struct cli *cli)
{
    static const struct column columns[] = {
        {"ID", "id", true},
        {"CREATED", "created_at", false},
        {"BY", "created_by", false},
        {"EXPIRES", "expires_at", false},
        {"USED BY", "used_by", false},
        {"NOTE", "note", false},
    };

    return print_list(cli, "/claims", columns, COUNT_OF(columns));
}

static int revoke_claim(struct cli *cli, const char *id)
{
    struct api_path path = api_path("/claims/{}", id);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}

int cmd_claim_revoke(struct cli *cli)
{
    return output_for_each(cli, 0, revoke_claim);
}

/* ---- groups ---- */

int cmd_group_list(struct cli *cli)
{
    static const struct column columns[] = {{"NAME", "name", false}, {"DEVICES", "devices", true}};

    return print_list(cli, "/groups", columns, COUNT_OF(columns));
}

static int put_member(struct cli *cli, const char *name)
{
    struct api_path path = api_path("/groups/{}/devices/{}", cli->args[0], name);

    return api_send(cli, "PUT", &path, NULL, NULL);
}

static int delete_member(struct cli *cli, const char *name)
{
    struct api_path path = api_path("/groups/{}/devices/{}", cli->args[0], name);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}

int cmd_group_add(struct cli *cli)
{
    return output_for_each(cli, 1, put_member);
}

int cmd_group_remove(struct cli *cli)
{
    return output_for_each(cli, 1, delete_member);
}

/* ---- tokens ---- */

int cmd_token_new(struct cli *cli)
{
    struct api_path path = api_path("/tokens");
    json_t *body =
        json_pack("{s:s, s:s}", "name", cli->args[0], "role", options_text(&cli->options, "role"));
    json_t *made = NULL;
    int64_t expires_s = options_duration_s(&cli->options, "expires");
    int code;

    if (!body)
        return complain(cli, CODE_USAGE, "the name must be UTF-8");
    if (expires_s > 0)
        CHECK(json_object_set_new(body, "expires_in_s", json_integer(expires_s)) == 0);
    code = api_send(cli, "POST", &path, body, &made);
    return code == CODE_OK ? print_secret(cli, made) : code;
}

int cmd_token_list(struct cli *cli)
{
    static const struct column columns[] = {
        {"ID", "id", true},
        {"NAME", "name", false},
        {"ROLE", "role", false},
        {"CREATED", "created_at", false},
        {"BY", "created_by", false},
        {"EXPIRES", "expires_at", false},
        {"LAST USED", "last_used_at", false},
    };

    return print_list(cli, "/tokens", columns, COUNT_OF(columns));
}

static int revoke_token(struct cli *cli, const char *id)
{
    struct api_path path = api_path("/tokens/{}", id);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}

int cmd_token_revoke(struct cli *cli)
{
    return output_for_each(cli, 0, revoke_token);
}
