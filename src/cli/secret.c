#include "cli/secret.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/wipe.h"
#include "os/say.h"

static enum err from_file(const char *path, char *to, struct why *why)
{
    FILE *file = fopen(path, "re");
    bool good = file && fgets(to, KEY_SECRET_SIZE_MAX, file);

    if (file)
        (void)fclose(file);
    if (!good)
        return say(why, ERR_DENIED, "passphrase_file", "%s: no passphrase can be read from it",
                   path);
    to[strcspn(to, "\r\n")] = '\0';
    return ERR_OK;
}

static enum err from_variable(const char *name, char *to, struct why *why)
{
    const char *value = getenv(name);

    if (!value || strlen(value) >= KEY_SECRET_SIZE_MAX)
        return say(why, ERR_DENIED, "passphrase_env", "%s is not set, or too long", name);
    memcpy(to, value, strlen(value) + 1);
    return ERR_OK;
}

/* A line from standard input that the terminal does not show. */
static enum err from_terminal(struct cli *cli, const char *what, char *to, struct why *why)
{
    struct termios shown, hidden;
    bool good;

    if (!cli->in_tty || tcgetattr(STDIN_FILENO, &shown) != 0)
        return say(why, ERR_DENIED, NULL,
                   "%s is needed, and nobody can be asked here: give --passphrase-file or "
                   "--passphrase-env",
                   what);
    hidden = shown;
    hidden.c_lflag &= (tcflag_t)~ECHO;
    (void)fprintf(cli->err, "%c%s: ", what[0] >= 'a' ? what[0] - 'a' + 'A' : what[0], what + 1);
    (void)fflush(cli->err);
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &hidden);
    good = fgets(to, KEY_SECRET_SIZE_MAX, stdin) != NULL;
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
    (void)fputc('\n', cli->err);
    if (!good)
        return say(why, ERR_DENIED, NULL, "%s was not given", what);
    to[strcspn(to, "\r\n")] = '\0';
    return ERR_OK;
}

static enum err ask(void *self, const char *what, char *to, struct why *why)
{
    struct cli *cli = self;
    const char *file = options_path(&cli->options, "passphrase_file");
    const char *variable = options_text(&cli->options, "passphrase_env");

    if (file)
        return from_file(file, to, why);
    return variable ? from_variable(variable, to, why) : from_terminal(cli, what, to, why);
}

struct key_ask secret_ask(struct cli *cli)
{
    return (struct key_ask){.self = cli, .secret = ask};
}

static bool is_typed(const struct cli *cli)
{
    return !options_given(&cli->options, "passphrase_file") &&
           !options_given(&cli->options, "passphrase_env");
}

enum err secret_new(struct cli *cli, const char *path, char *to, struct why *why)
{
    char question[KEY_SECRET_SIZE_MAX], again[KEY_SECRET_SIZE_MAX] = "";
    bool same;

    (void)snprintf(question, sizeof question, "a passphrase for %.200s", path);
    TRY(ask(cli, question, to, why));
    if (*to == '\0')
        return say(why, ERR_INVALID, NULL,
                   "an empty passphrase protects nothing; --no-passphrase says so");
    if (!is_typed(cli))
        return ERR_OK;
    TRY(ask(cli, "the same again", again, why));
    same = strcmp(to, again) == 0;
    wipe(again, sizeof again);
    return same ? ERR_OK : say(why, ERR_INVALID, NULL, "the two passphrases differ");
}
