#include "cli/content.h"

#include <stdio.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/fields.h"
#include "cli/staged.h"
#include "codec/hex.h"
#include "crypto/wipe.h"
#include "trust/content_key.h"

#define RELEASE_NAME_SIZE (NAME_SIZE_MAX + 1 + VERSION_SIZE_MAX + 1)

struct publishing {
    struct cli *cli;
    int code;
    unsigned missing;
};

static bool server_has(struct publishing *publishing, const char *release)
{
    struct api_path path = api_path("/releases/{}", release);
    json_t *json;
    bool has;

    publishing->code = api_get(publishing->cli, &path, &json);
    if (publishing->code != CODE_OK)
        return false;
    has = field_bool(json, "content_key_present");
    json_decref(json);
    return has;
}

static int send_key(struct cli *cli, const char *release, const uint8_t key[CONTENT_KEY_SIZE])
{
    struct api_path path = api_path("/releases/{}/content-key", release);
    char hex[2 * CONTENT_KEY_SIZE + 1];
    json_t *body;
    int code;

    hex_print((struct span){key, CONTENT_KEY_SIZE}, hex);
    body = json_pack("{s:s}", "content_key", hex);
    CHECK(body);
    code = api_send(cli, "POST", &path, body, NULL);
    wipe(hex, sizeof hex);
    if (code == CODE_OK)
        (void)fprintf(cli->err, "Brought the content key of %s.\n", release);
    return code;
}

static enum err publish_one(void *self, const struct tuf_target *target, struct why *why)
{
    struct publishing *publishing = self;
    const struct release_facts *facts = &target->facts;
    uint8_t key[CONTENT_KEY_SIZE];
    char release[RELEASE_NAME_SIZE];
    enum err err;

    if (!target->has_facts || !facts->sealed.used)
        return ERR_OK;
    (void)snprintf(release, sizeof release, "%s@%s", facts->product, facts->version);
    if (server_has(publishing, release))
        return ERR_OK;
    if (publishing->code != CODE_OK)
        return ERR_AGAIN; /* said already; ends the walk */
    err = content_key_load(staged_dir(publishing->cli), facts->sha256, key, why);
    if (err == ERR_NOT_FOUND) {
        publishing->missing++;
        (void)fprintf(publishing->cli->err,
                      "Note: the content key of %s is neither here nor on the server.\n", release);
        return ERR_OK;
    }
    TRY(err);
    publishing->code = send_key(publishing->cli, release, key);
    wipe(key, sizeof key);
    return publishing->code == CODE_OK ? ERR_OK : ERR_AGAIN;
}

int content_publish(struct cli *cli, const struct tuf_metadata *list)
{
    struct publishing publishing = {.cli = cli, .code = CODE_OK};
    struct why why;
    enum err err;

    why_clear(&why);
    err = tuf_for_each_target(list, publish_one, &publishing, &why);
    if (publishing.code != CODE_OK)
        return publishing.code;
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    return publishing.missing > 0 ? CODE_PARTIAL : CODE_OK;
}
