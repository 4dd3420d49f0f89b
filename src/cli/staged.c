#include "cli/staged.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "os/clock.h"

const char *staged_dir(const struct cli *cli)
{
    return options_path(&cli->options, "dir");
}

struct utc staged_expiry(const struct cli *cli, const char *option)
{
    int64_t now_s = clock_utc().ms / 1000;

    return (struct utc){(now_s + options_duration_s(&cli->options, option)) * 1000};
}

void staged_print(struct cli *cli, const char *role, const struct repository_signing *signing)
{
    (void)fprintf(cli->out, "%s %" PRIu64 ": %" PRIu32 " of %" PRIu32 " signatures, %s\n", role,
                  signing->version, signing->have, signing->need,
                  signing->complete ? "complete" : "waiting for more");
}

json_t *staged_json(const char *role, const struct repository_signing *signing)
{
    json_t *json =
        json_pack("{s:s, s:I, s:I, s:I, s:b}", "role", role, "version",
                  (json_int_t)signing->version, "signatures", (json_int_t)signing->have,
                  "threshold", (json_int_t)signing->need, "complete", (int)signing->complete);

    CHECK(json);
    return json;
}

int staged_report(struct cli *cli, const char *role)
{
    struct repository_signing signing;
    struct why why;
    enum err err;

    why_clear(&why);
    err = repository_staged(staged_dir(cli), role, &signing, &why);
    if (err == ERR_NOT_FOUND) {
        (void)fprintf(cli->err, "%s is complete.\n", role);
        return CODE_OK;
    }
    if (err != ERR_OK)
        return complain_why(cli, err, &why);
    (void)fprintf(cli->err, "%s %" PRIu64 " is staged: %" PRIu32 " of %" PRIu32 " signatures.\n",
                  role, signing.version, signing.have, signing.need);
    return CODE_OK;
}

enum err staged_sign_at_hand(struct cli *cli, const char *role, const struct keys *keys,
                             struct why *why)
{
    struct repository_signing signing = {0};

    for (uint32_t i = 0; i < keys->count && !signing.complete; i++) {
        if (key_is_private(keys->at[i]))
            TRY(repository_sign(staged_dir(cli), role, keys->at[i], &signing, why));
    }
    return ERR_OK;
}

int staged_edited(struct cli *cli, const struct repository_edit *edit, enum err err,
                  const struct why *why)
{
    return err == ERR_OK ? staged_report(cli, edit->role) : complain_why(cli, err, why);
}
