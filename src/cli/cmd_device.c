/* device, claim, group. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"
#include "os/file.h"
#include "os/quantity.h"

#define PREAUTHORIZE_SIZE_MAX (16u * 1024u * 1024u) /* bytes of a list of devices */
#define PREAUTHORIZE_BATCH    1000u                 /* devices of one request */

static size_t limit_of(const struct cli *cli)
{
    return (size_t)options_int(&cli->options, "limit");
}

/* ---- looking ---- */

static void device_row(struct table *table, const json_t *device, int64_t now_s)
{
    const json_t *running = json_object_get(device, "running");
    const json_t *assignment = json_object_get(device, "assignment");
    const json_t *attributes = json_object_get(device, "attributes");
    const char *version = field_text(running, "release");
    char age[AGE_SIZE], tags[512];

    table_cell(table, field_text(device, "name"));
    table_cell(table, field_text(device, "protocol"));
    table_cell_format(table, "%s%s", field_text(device, "status"),
                      field_bool(device, "hold") ? ", hold" : "");
    table_cell(table, *version ? version : field_text(running, "version"));
    table_cell(table, field_text(attributes, "hw"));
    table_cell(table, field_age(field_text(device, "last_seen"), now_s, age));
    if (json_is_object(assignment))
        table_cell_format(table, "%s in %s", field_text(assignment, "state"),
                          field_text(assignment, "rollout_name"));
    else
        table_cell(table, NULL);
    table_cell(table, field_joined(device, "tags", tags, sizeof tags));
}

int cmd_device_list(struct cli *cli)
{
    static const char *const columns[] = {"NAME",     "PROTOCOL", "STATUS",     "RUNNING",
                                          "HARDWARE", "SEEN",     "ASSIGNMENT", "TAGS"};
    struct api_path path = api_path("/devices");
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code;

    api_query(&path, "selector", cli->arg_count ? cli->args[0] : NULL);
    api_query(&path, "status", options_text(&cli->options, "status"));
    code = api_list(cli, &path, limit_of(cli), &items);
    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item) device_row(table, item, output_now_s());
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

static void print_attributes(struct cli *cli, const json_t *attributes)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)attributes, name, value)
    {
        (void)fputs("  ", cli->out);
        print_safe(cli->out, name);
        (void)fputs(" = ", cli->out);
        print_safe(cli->out, json_string_value(value) ? json_string_value(value) : "");
        (void)fputc('\n', cli->out);
    }
}

/* What stands behind the outcome, in words; "": there is none yet. */
static const char *proof_text(const char *proof)
{
    if (strcmp(proof, "claimed") == 0)
        return "claims success, and has not proven it";
    if (strcmp(proof, "running") == 0)
        return "runs the release";
    if (strcmp(proof, "returned") == 0)
        return "came back after its claim";
    return strcmp(proof, "soaked") == 0 ? "has stood by its claim" : "";
}

static void print_device(struct cli *cli, const json_t *device)
{
    const json_t *running = json_object_get(device, "running");
    const json_t *assignment = json_object_get(device, "assignment");
    char text[1024];

    output_pair(cli, "name", field_text(device, "name"));
    output_pair(cli, "status", field_text(device, "status"));
    output_pair(cli, "protocol", field_text(device, "protocol"));
    output_pair(cli, "external name", field_text(device, "external"));
    output_pair(cli, "says it runs", field_text(device, "runs"));
    output_pair(cli, "hold", field_bool(device, "hold") ? "yes, gets no updates" : "");
    output_pair(cli, "running", field_text(running, "release"));
    output_pair(cli, "version", field_text(running, "version"));
    output_pair(cli, "digest", field_text(running, "sha256"));
    output_pair(cli, "last seen", field_text(device, "last_seen"));
    output_pair(cli, "enrolled", field_text(device, "enrolled_at"));
    output_pair(cli, "certificate ends", field_text(device, "certificate_expires"));
    output_pair(cli, "tags", field_joined(device, "tags", text, sizeof text));
    output_pair(cli, "groups", field_joined(device, "groups", text, sizeof text));
    output_pair(cli, "note", field_text(device, "note"));
    if (json_is_object(assignment)) {
        (void)snprintf(text, sizeof text, "%s of %s in rollout %s, %" PRId64 "%%",
                       field_text(assignment, "state"), field_text(assignment, "release"),
                       field_text(assignment, "rollout_name"), field_int(assignment, "percent"));
        output_pair(cli, "assignment", text);
        output_pair(cli, "proof", proof_text(field_text(assignment, "proof")));
        output_pair(cli, "error", field_text(assignment, "detail"));
    }
    (void)fputs("attributes:\n", cli->out);
    print_attributes(cli, json_object_get(device, "attributes"));
}

int cmd_device_get(struct cli *cli)
{
    struct api_path path = api_path("/devices/{}", cli->args[0]);
    json_t *device;
    int code = api_get(cli, &path, &device);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, device);
    print_device(cli, device);
    json_decref(device);
    return CODE_OK;
}

int cmd_device_explain(struct cli *cli)
{
    struct api_path path = api_path("/devices/{}/explain", cli->args[0]);
    json_t *json;
    int code = api_get(cli, &path, &json);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, json);
    print_safe(cli->out, field_text(json, "sentence"));
    (void)fputc('\n', cli->out);
    json_decref(json);
    return CODE_OK;
}

int cmd_device_history(struct cli *cli)
{
    static const char *const columns[] = {"AT", "KIND", "WHAT"};
    struct api_path path = api_path("/devices/{}/history", cli->args[0]);
    struct table *table;
    json_t *items, *item;
    size_t index;
    int code = api_list(cli, &path, limit_of(cli), &items);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        table_cell(table, field_text(item, "at"));
        table_cell(table, field_text(item, "kind"));
        table_cell(table, field_text(item, "sentence"));
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

/* ---- logs ---- */

static int list_logs(struct cli *cli, json_t *items)
{
    static const char *const columns[] = {"ID", "AT", "SIZE", "ASSIGNMENT"};
    struct table *table;
    json_t *item;
    size_t index;

    if (cli->json)
        return output_list_json(cli, items);
    table = table_open(columns, COUNT_OF(columns));
    json_array_foreach(items, index, item)
    {
        char size[QUANTITY_TEXT_SIZE];

        table_cell_format(table, "%" PRId64, field_int(item, "id"));
        table_cell(table, field_text(item, "at"));
        table_cell(table, quantity_print_size((uint64_t)field_int(item, "size"), size));
        if (json_is_integer(json_object_get(item, "assignment")))
            table_cell_format(table, "%" PRId64, field_int(item, "assignment"));
        else
            table_cell(table, NULL);
    }
    table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return CODE_OK;
}

/* The newest log, whatever order the list has. */
static int64_t last_log(const json_t *items)
{
    int64_t last = 0;
    const json_t *item;
    size_t index;

    json_array_foreach(items, index, item) last =
        field_int(item, "id") > last ? field_int(item, "id") : last;
    return last;
}

int cmd_device_logs(struct cli *cli)
{
    struct api_path path = api_path("/devices/{}/logs", cli->args[0]);
    char id[32];
    json_t *items;
    int code;

    if (cli->arg_count == 1 || strcmp(cli->args[1], "last") == 0) {
        code = api_list(cli, &path, 0, &items);
        if (code != CODE_OK)
            return code;
        if (cli->arg_count == 1)
            return list_logs(cli, items);
        (void)snprintf(id, sizeof id, "%" PRId64, last_log(items));
        json_decref(items);
        if (strcmp(id, "0") == 0)
            return complain(cli, CODE_NOT_FOUND, "%s has sent no log", cli->args[0]);
    } else {
        (void)snprintf(id, sizeof id, "%.31s", cli->args[1]);
    }
    path = api_path("/devices/{}/logs/{}", cli->args[0], id);
    return api_download(cli, &path, cli->out);
}

/* ---- changing ---- */

static int post(struct cli *cli, const char *pattern, const char *name)
{
    struct api_path path = api_path(pattern, name);

    return api_send(cli, "POST", &path, NULL, NULL);
}

static int accept_one(struct cli *cli, const char *name)
{
    return post(cli, "/devices/{}/accept", name);
}

static int reject_one(struct cli *cli, const char *name)
{
    return post(cli, "/devices/{}/reject", name);
}

static int revoke_one(struct cli *cli, const char *name)
{
    return post(cli, "/devices/{}/revoke", name);
}

static int request_log_one(struct cli *cli, const char *name)
{
    return post(cli, "/devices/{}/request-log", name);
}

static int delete_one(struct cli *cli, const char *name)
{
    struct api_path path = api_path("/devices/{}", name);

    return api_send(cli, "DELETE", &path, NULL, NULL);
}

int cmd_device_accept(struct cli *cli)
{
    return output_for_each(cli, 0, accept_one);
}

int cmd_device_reject(struct cli *cli)
{
    return output_for_each(cli, 0, reject_one);
}

int cmd_device_request_log(struct cli *cli)
{
    return output_for_each(cli, 0, request_log_one);
}

static int confirm_many(struct cli *cli, const char *verb)
{
    char question[128];

    if (cli->arg_count == 1)
        (void)snprintf(question, sizeof question, "%s %.64s?", verb, cli->args[0]);
    else
        (void)snprintf(question, sizeof question, "%s %zu devices?", verb, cli->arg_count);
    return confirm(cli, question);
}

int cmd_device_revoke(struct cli *cli)
{
    int code = confirm_many(cli, "Revoke");

    return code == CODE_OK ? output_for_each(cli, 0, revoke_one) : code;
}

int cmd_device_delete(struct cli *cli)
{
    int code = confirm_many(cli, "Delete");

    return code == CODE_OK ? output_for_each(cli, 0, delete_one) : code;
}

static int hold_one(struct cli *cli, const char *name)
{
    struct api_path path = api_path("/devices/{}", name);
    bool hold = !options_flag(&cli->options, "off");

    return api_send(cli, "PATCH", &path, json_pack("{s:b}", "hold", hold), NULL);
}

int cmd_device_hold(struct cli *cli)
{
    return output_for_each(cli, 0, hold_one);
}

static bool has_tag(const json_t *tags, const char *tag, size_t *at)
{
    for (*at = 0; *at < json_array_size(tags); (*at)++)
        if (strcmp(json_string_value(json_array_get(tags, *at)), tag) == 0)
            return true;
    return false;
}

/* The tags as they shall be; the API takes the whole list, guarded by If-Match. */
int cmd_device_tag(struct cli *cli)
{
    struct api_path path = api_path("/devices/{}", cli->args[0]);
    bool remove = options_flag(&cli->options, "remove");
    json_t *device, *tags;
    char etag[256];
    size_t at;
    int code = api_get(cli, &path, &device);

    if (code != CODE_OK)
        return code;
    (void)snprintf(etag, sizeof etag, "%s", api_etag(cli));
    tags = json_deep_copy(json_object_get(device, "tags"));
    json_decref(device);
    tags = tags ? tags : json_array();
    for (size_t i = 1; i < cli->arg_count; i++) {
        bool there = has_tag(tags, cli->args[i], &at);

        if (remove && there)
            (void)json_array_remove(tags, at);
        else if (!remove && !there && json_array_append_new(tags, json_string(cli->args[i])) != 0)
            return complain(cli, CODE_USAGE, "a tag must be UTF-8");
    }
    return api_send_if_match(cli, "PATCH", &path, etag, json_pack("{s:o}", "tags", tags), NULL);
}

/* ---- pre-authorisation ---- */

static int send_batch(struct cli *cli, json_t **devices)
{
    struct api_path path = api_path("/devices/preauthorize");
    json_t *body = json_pack("{s:o}", "devices", *devices);
    int code = api_send(cli, "POST", &path, body, NULL);

    *devices = json_array();
    return code;
}

/* "NAME SHA256", also with a comma between. False: something else. */
static bool read_pair(char *line, char **name, char **digest)
{
    char *rest = NULL;

    *name = strtok_r(line, " ,\t\r\n", &rest);
    *digest = strtok_r(NULL, " ,\t\r\n", &rest);
    return *name && *digest && strlen(*digest) == 64 && !strtok_r(NULL, " ,\t\r\n", &rest);
}

static int preauthorize_lines(struct cli *cli, FILE *file, size_t *count)
{
    json_t *devices = json_array();
    char line[512], *name, *digest;
    unsigned number = 0;
    int code = CODE_OK;

    while (code == CODE_OK && fgets(line, sizeof line, file)) {
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#')
            continue;
        if (!read_pair(line, &name, &digest)) {
            code = complain(cli, CODE_USAGE, "%s:%u: must be a name and 64 hex digits",
                            cli->args[0], number);
            break;
        }
        CHECK(json_array_append_new(
                  devices, json_pack("{s:s, s:s}", "name", name, "key_sha256", digest)) == 0);
        (*count)++;
        if (json_array_size(devices) == PREAUTHORIZE_BATCH)
            code = send_batch(cli, &devices);
    }
    if (code == CODE_OK && json_array_size(devices) > 0)
        code = send_batch(cli, &devices);
    json_decref(devices);
    return code;
}

int cmd_device_preauthorize(struct cli *cli)
{
    bool from_stdin = strcmp(cli->args[0], "-") == 0;
    FILE *file = from_stdin ? stdin : fopen(cli->args[0], "re");
    size_t count = 0;
    int code;

    if (!file)
        return complain(cli, CODE_ERROR, "%s cannot be read", cli->args[0]);
    code = preauthorize_lines(cli, file, &count);
    if (!from_stdin)
        (void)fclose(file);
    if (code == CODE_OK)
        (void)fprintf(cli->err, "%zu devices may enrol.\n", count);
    return code;
}
