#include "cli/output.h"

#include <string.h>

#include "base/check.h"
#include "cli/table.h"
#include "os/clock.h"

int output_json(struct cli *cli, json_t *json)
{
    int failed = json_dumpf(json, cli->out, JSON_INDENT(2) | JSON_ENCODE_ANY);

    json_decref(json);
    (void)fputc('\n', cli->out);
    return failed ? complain(cli, CODE_ERROR, "cannot write to standard output") : CODE_OK;
}

int output_list_json(struct cli *cli, json_t *items)
{
    return output_json(cli, json_pack("{s:o, s:n}", "items", items, "next"));
}

void output_pair(struct cli *cli, const char *name, const char *text)
{
    if (!text || *text == '\0')
        return;
    (void)fprintf(cli->out, "%s:%*s", name, (int)(strlen(name) < 18 ? 18 - strlen(name) : 1), "");
    print_safe(cli->out, text);
    (void)fputc('\n', cli->out);
}

int64_t output_now_s(void)
{
    return clock_utc().ms / 1000;
}

int output_for_each(struct cli *cli, size_t from, for_one *one)
{
    size_t failed = 0, count = cli->arg_count - from;
    int first = CODE_OK;

    CHECK(from <= cli->arg_count);
    for (size_t i = from; i < cli->arg_count; i++) {
        int code = one(cli, cli->args[i]);

        failed += code != CODE_OK;
        first = first == CODE_OK ? code : first;
        if (code == CODE_UNREACHABLE)
            return failed == i - from + 1 ? code : CODE_PARTIAL;
    }
    return failed > 0 && failed < count ? CODE_PARTIAL : first;
}
