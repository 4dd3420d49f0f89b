/* login, whoami, completion. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/table.h"
#include "os/file.h"
#include "os/say.h"

int cmd_completion(struct cli *cli)
{
    if (strcmp(cli->args[0], "bash") == 0)
        command_complete_bash(cli->out);
    else if (strcmp(cli->args[0], "zsh") == 0)
        command_complete_zsh(cli->out);
    else
        return complain(cli, CODE_USAGE, "there is completion for bash and zsh, not for \"%.40s\"",
                        cli->args[0]);
    return CODE_OK;
}

int cmd_whoami(struct cli *cli)
{
    struct api_path path = api_path("/whoami");
    json_t *json;
    int code = api_get(cli, &path, &json);

    if (code != CODE_OK)
        return code;
    if (cli->json)
        return output_json(cli, json);
    output_pair(cli, "server", api_server(cli));
    output_pair(cli, "token", field_text(json, "token"));
    output_pair(cli, "role", field_text(json, "role"));
    output_pair(cli, "tenant", field_text(json, "tenant"));
    json_decref(json);
    return CODE_OK;
}

/* ---- login ---- */

/* Paths in the context file must hold from any directory. */
static enum err make_absolute(char path[CONTEXT_PATH_SIZE], struct why *why)
{
    char *real;

    if (path[0] == '\0')
        return ERR_OK;
    real = realpath(path, NULL);
    if (!real)
        return file_failed(why, "find", path);
    (void)snprintf(path, CONTEXT_PATH_SIZE, "%s", real);
    free(real);
    return ERR_OK;
}

/* Keep a token from standard input in a file beside the context. */
static enum err store_token(struct cli *cli, struct context *context, struct why *why)
{
    char line[CONTEXT_TOKEN_SIZE_MAX + 2] = "";
    enum err err;

    if (cli->in_tty)
        (void)fputs("Token: ", cli->err);
    if (!fgets(line, sizeof line, stdin) || line[0] == '\n')
        return say(why, ERR_INVALID, "token_file", "there is no token on standard input");
    TRY(context_beside(&cli->options, "token", context->token_file, why));
    err = file_replace(context->token_file, span_of(line), 0600, why);
    memset(line, 0, sizeof line);
    return err;
}

static enum err settle(struct cli *cli, struct context *context, struct why *why)
{
    TRY(context_load(&cli->options, context, why));
    if (context->server[0] == '\0')
        return say(why, ERR_INVALID, "server", "give --server URL");
    TRY(make_absolute(context->ca, why));
    if (strcmp(context->token_file, "-") == 0) {
        TRY(context_save(&cli->options, context, why)); /* makes the directory */
        TRY(store_token(cli, context, why));
    }
    TRY(make_absolute(context->token_file, why));
    return context_save(&cli->options, context, why);
}

int cmd_login(struct cli *cli)
{
    struct context context;
    char path[CONTEXT_PATH_SIZE];
    struct why why;
    enum err err;
    bool from_stdin = options_path(&cli->options, "token_file") &&
                      strcmp(options_path(&cli->options, "token_file"), "-") == 0;

    why_clear(&why);
    /* Ask before writing where that is possible: a wrong login shall not replace a right one. */
    if (!from_stdin && !options_flag(&cli->options, "offline")) {
        int code = cmd_whoami(cli);

        if (code != CODE_OK)
            return code;
    }
    err = settle(cli, &context, &why);
    if (err == ERR_OK)
        err = context_path(&cli->options, path, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->err, "Remembered in %s.\n", path);
    return CODE_OK;
}

/* ---- trust ---- */
