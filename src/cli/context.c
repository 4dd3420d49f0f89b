#include "cli/context.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"
#include "os/say.h"
#include "os/yaml.h"

#define CONTEXT_FILE_SIZE_MAX 65536u /* bytes */

static const struct option_spec table[] = {
    {"context", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Itself"},
    {"server", 0, OPTION_TEXT, NULL, 0, 0, "URL", "The server"},
    {"ca", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Its CA"},
    {"token_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "The token"},
};

static enum err home(char to[CONTEXT_PATH_SIZE], struct why *why)
{
    const struct passwd *entry = getpwuid(getuid());

    if (!entry || !entry->pw_dir || strlen(entry->pw_dir) > CONTEXT_PATH_SIZE / 2)
        return say(why, ERR_NOT_FOUND, "context", "this user has no home; give --context");
    (void)snprintf(to, CONTEXT_PATH_SIZE, "%s/.config/slipway", entry->pw_dir);
    return ERR_OK;
}

/* The directory part of `path`, "." if it has none. */
static void directory_of(const char *path, char to[CONTEXT_PATH_SIZE])
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        (void)snprintf(to, CONTEXT_PATH_SIZE, ".");
    else if (slash == path)
        (void)snprintf(to, CONTEXT_PATH_SIZE, "/");
    else
        (void)snprintf(to, CONTEXT_PATH_SIZE, "%.*s", (int)(slash - path), path);
}

enum err context_beside(const struct options *options, const char *name, char to[CONTEXT_PATH_SIZE],
                        struct why *why)
{
    const char *given = options_path(options, "context");
    char directory[CONTEXT_PATH_SIZE];

    if (given)
        directory_of(given, directory);
    else
        TRY(home(directory, why));
    if (file_join(directory, name, to, CONTEXT_PATH_SIZE) != ERR_OK)
        return say(why, ERR_TOO_BIG, "context", "the path of the context file is too long");
    return ERR_OK;
}

enum err context_path(const struct options *options, char to[CONTEXT_PATH_SIZE], struct why *why)
{
    const char *given = options_path(options, "context");

    if (!given)
        return context_beside(options, "context.yaml", to, why);
    if (strlen(given) >= CONTEXT_PATH_SIZE)
        return say(why, ERR_TOO_BIG, "context", "the path of the context file is too long");
    (void)snprintf(to, CONTEXT_PATH_SIZE, "%s", given);
    return ERR_OK;
}

static void copy(char *to, size_t size, const char *first, const char *second)
{
    const char *from = first ? first : second ? second : "";

    (void)snprintf(to, size, "%s", from);
}

static void fill(const struct options *line, const struct options *file, struct context *out)
{
    size_t size;

    copy(out->server, sizeof out->server, options_text(line, "server"),
         options_text(file, "server"));
    copy(out->ca, sizeof out->ca, options_path(line, "ca"), options_path(file, "ca"));
    copy(out->token_file, sizeof out->token_file, options_path(line, "token_file"),
         options_path(file, "token_file"));
    for (size = strlen(out->server); size > 0 && out->server[size - 1] == '/';)
        out->server[--size] = '\0';
}

enum err context_load(const struct options *options, struct context *out, struct why *why)
{
    char path[CONTEXT_PATH_SIZE];
    struct file_bytes bytes = {NULL, 0};
    struct options file;
    enum err err;

    TRY(context_path(options, path, why));
    err = file_read(path, CONTEXT_FILE_SIZE_MAX, &bytes, why);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    if (err == ERR_NOT_FOUND)
        why_clear(why);
    err = options_parse_text(table, COUNT_OF(table), path, bytes.at ? (char *)bytes.at : "",
                             bytes.size, &file, why);
    file_bytes_free(&bytes);
    TRY(err);
    fill(options, &file, out);
    options_close(&file);
    return ERR_OK;
}

/* mkdir -p of the directory of `path`, for us alone. */
static enum err make_directories(const char *path, struct why *why)
{
    char part[CONTEXT_PATH_SIZE];

    for (const char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(at - path), path);
        if (!file_exists(part))
            TRY(file_make_directory(part, 0700, why));
    }
    return ERR_OK;
}

/* YAML in double quotes; control characters are refused before. */
static void print_text(FILE *to, const char *name, const char *text)
{
    if (*text == '\0')
        return;
    (void)fprintf(to, "%s: \"", name);
    for (; *text != '\0'; text++)
        (void)fprintf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    (void)fputs("\"\n", to);
}

enum err context_save(const struct options *options, const struct context *context, struct why *why)
{
    char path[CONTEXT_PATH_SIZE], *text = NULL;
    size_t size = 0;
    FILE *memory;
    enum err err;

    TRY(context_path(options, path, why));
    TRY(make_directories(path, why));
    memory = open_memstream(&text, &size);
    CHECK(memory != NULL);
    (void)fputs("# Written by slipway login.\n", memory);
    print_text(memory, "server", context->server);
    print_text(memory, "ca", context->ca);
    print_text(memory, "token_file", context->token_file);
    CHECK(fclose(memory) == 0);
    err = file_replace(path, (struct span){(const uint8_t *)text, size}, 0600, why);
    free(text);
    return err;
}

enum err context_token(const char *path, char to[CONTEXT_TOKEN_SIZE_MAX + 1], struct why *why)
{
    struct file_bytes bytes;
    const char *text;
    size_t from, size;
    enum err err = ERR_OK;

    TRY(file_read(path, 2 * CONTEXT_TOKEN_SIZE_MAX, &bytes, why));
    text = (const char *)bytes.at;
    from = strspn(text, " \t\r\n");
    size = strcspn(text + from, " \t\r\n");
    if (size == 0 || size > CONTEXT_TOKEN_SIZE_MAX)
        err = say(why, ERR_INVALID, "token_file", "%s holds no token", path);
    for (size_t i = 0; err == ERR_OK && i < size; i++)
        if (text[from + i] < 0x21 || text[from + i] > 0x7e)
            err = say(why, ERR_INVALID, "token_file", "%s holds no token", path);
    if (err == ERR_OK) {
        memcpy(to, text + from, size);
        to[size] = '\0';
    }
    file_bytes_free(&bytes);
    return err;
}
