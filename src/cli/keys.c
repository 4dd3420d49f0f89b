#include "cli/keys.h"

#include <stdlib.h>
#include <string.h>

#include "cli/api.h"
#include "cli/secret.h"
#include "crypto/key_pkcs11.h"
#include "os/say.h"
#include "trust/tuf_key.h"

void keys_close(struct keys *keys)
{
    for (uint32_t i = 0; i < keys->count; i++)
        key_close(keys->at[i]);
    keys->count = 0;
}

const char *keys_shown(const char *name, char room[KEYS_SHOWN_SIZE])
{
    size_t size = strcspn(name, "?");
    const char *pin = strstr(name, "pin-"); /* in the wrong place it is no less secret */

    if (!pkcs11_is_uri(name))
        return name;
    if (pin && (size_t)(pin - name) < size)
        size = (size_t)(pin - name);
    if (size >= KEYS_SHOWN_SIZE)
        size = KEYS_SHOWN_SIZE - 1;
    memcpy(room, name, size);
    room[size] = '\0';
    return room;
}

enum err keys_open(struct cli *cli, const char *name, struct key **out, struct why *why)
{
    struct key_ask ask = secret_ask(cli);
    char room[KEYS_SHOWN_SIZE];

    if (pkcs11_is_uri(name))
        return say_where(why, pkcs11_open(name, &ask, out, why), "%s", keys_shown(name, room));
    return tuf_key_load(name, &ask, out, why);
}

static int load(struct cli *cli, const char *path, bool private_only, struct keys *out)
{
    struct why why;
    enum err err;

    why_clear(&why);
    if (out->count == REPOSITORY_KEYS_MAX)
        return complain(cli, CODE_USAGE, "a role has at most %u keys", REPOSITORY_KEYS_MAX);
    err = keys_open(cli, path, &out->at[out->count], &why);
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    out->count++;
    if (private_only && !key_is_private(out->at[out->count - 1]))
        return complain(cli, CODE_USAGE, "%s is a public key: signing needs the private one", path);
    return CODE_OK;
}

int keys_load(struct cli *cli, const char *option, bool private_only, struct keys *out)
{
    size_t count;
    const char *const *paths = options_list(&cli->options, option, &count);
    int code = CODE_OK;

    out->count = 0;
    for (size_t i = 0; i < count && code == CODE_OK; i++)
        code = load(cli, paths[i], private_only, out);
    if (code != CODE_OK)
        keys_close(out);
    return code;
}

/* A key of the server; `needed` complains when it has none. */
static int ask_server(struct cli *cli, const char *member, bool needed, struct keys *out)
{
    struct api_path trust = api_path("/trust");
    const json_t *key;
    json_t *json;
    struct why why;
    enum err err;
    int code = api_get(cli, &trust, &json);

    if (code != CODE_OK)
        return code;
    why_clear(&why);
    key = json_object_get(json, member);
    if (!needed && (!key || json_is_null(key))) {
        json_decref(json);
        return CODE_OK;
    }
    err = tuf_key_from_json(key, &out->at[out->count], &why);
    json_decref(json);
    if (err != ERR_OK)
        return complain(cli, CODE_ERROR, "the server's %s: %s", member, why.text);
    out->count++;
    return CODE_OK;
}

int keys_load_online(struct cli *cli, const char *path, const char *member, struct keys *out)
{
    out->count = 0;
    return path ? load(cli, path, false, out) : ask_server(cli, member, true, out);
}

int keys_load_if_any(struct cli *cli, const char *member, struct keys *out)
{
    return ask_server(cli, member, false, out);
}
