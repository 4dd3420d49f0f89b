/* key: signing keys, offline. */
#include <string.h>

#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/output.h"
#include "cli/secret.h"
#include "cli/table.h"
#include "crypto/key.h"
#include "crypto/wipe.h"
#include "os/file.h"
#include "os/say.h"
#include "trust/tuf_key.h"

#define PATH_SIZE 4096u

/* Encrypted, unless told otherwise. */
static enum err save_private(struct cli *cli, const struct key *key, const char *path,
                             struct why *why)
{
    char passphrase[KEY_SECRET_SIZE_MAX] = "";
    enum err err;

    if (options_flag(&cli->options, "no_passphrase"))
        return key_save_private(key, path, why);
    if (file_exists(path)) /* before anything is typed */
        return say(why, ERR_CONFLICT, NULL, "%s: exists already", path);
    err = secret_new(cli, path, passphrase, why);
    if (err == ERR_OK)
        err = key_save_private_sealed(key, path, passphrase, why);
    wipe(passphrase, sizeof passphrase);
    return err;
}

int cmd_key_new(struct cli *cli)
{
    const char *path = cli->args[0];
    char public_path[PATH_SIZE], id[DIGEST_HEX_SIZE];
    struct key *key = NULL;
    enum key_kind kind;
    struct why why;
    enum err err;

    why_clear(&why);
    if (strlen(path) + sizeof ".pub" > sizeof public_path)
        return complain(cli, CODE_USAGE, "the path is too long");
    (void)snprintf(public_path, sizeof public_path, "%s.pub", path);
    if (!key_kind_parse(span_of(options_text(&cli->options, "kind")), &kind))
        return complain(cli, CODE_USAGE, "there is no such kind of key");
    err = key_generate(kind, &key, &why);
    if (err == ERR_OK)
        err = save_private(cli, key, path, &why);
    if (err == ERR_OK)
        err = key_save_public(key, public_path, &why);
    if (err != ERR_OK) {
        key_close(key);
        return complain_why(cli, err, &why);
    }
    tuf_key_id(key, id);
    key_close(key);
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:s, s:s, s:s}", "private", path, "public",
                                          public_path, "kind", key_kind_name(kind), "id", id));
    (void)fprintf(cli->out, "%s\n", id);
    (void)fprintf(cli->err,
                  "The private key is in %s: keep it off the server. Its public half is in %s.\n",
                  path, public_path);
    return CODE_OK;
}

static int show_one(struct cli *cli, struct table *table, json_t *items, const char *path)
{
    char id[DIGEST_HEX_SIZE], room[KEYS_SHOWN_SIZE];
    const char *name = keys_shown(path, room);
    struct key *key;
    struct why why;
    enum err err;

    why_clear(&why);
    err = keys_open(cli, path, &key, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    tuf_key_id(key, id);
    table_cell(table, name);
    table_cell(table, key_kind_name(key_kind(key)));
    table_cell(table, key_is_private(key) ? "private" : "public");
    table_cell(table, id);
    (void)json_array_append_new(items, json_pack("{s:s, s:s, s:b, s:s, s:o}", "file", name, "kind",
                                                 key_kind_name(key_kind(key)), "private",
                                                 key_is_private(key), "id", id, "key",
                                                 tuf_key_to_json(key)));
    key_close(key);
    return CODE_OK;
}

/* The public half of a key in a token, or of a file, for those who make repositories. */
int cmd_key_export(struct cli *cli)
{
    char id[DIGEST_HEX_SIZE];
    struct key *key;
    struct why why;
    enum err err;

    why_clear(&why);
    err = keys_open(cli, cli->args[0], &key, &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    tuf_key_id(key, id);
    err = key_save_public(key, cli->args[1], &why);
    key_close(key);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->out, "%s\n", id);
    return CODE_OK;
}

int cmd_key_show(struct cli *cli)
{
    static const char *const columns[] = {"FILE", "KIND", "HALF", "KEY ID"};
    struct table *table = table_open(columns, COUNT_OF(columns));
    json_t *items = json_array();
    int code = CODE_OK;

    for (size_t i = 0; i < cli->arg_count && code == CODE_OK; i++)
        code = show_one(cli, table, items, cli->args[i]);
    if (code == CODE_OK && cli->json)
        code = output_list_json(cli, json_incref(items));
    else if (code == CODE_OK)
        table_print(table, cli->out);
    table_close(table);
    json_decref(items);
    return code;
}
