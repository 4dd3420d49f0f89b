/* policy: what signers state about images and time, staged and signed like releases. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/staged.h"
#include "codec/hex.h"
#include "os/quantity.h"
#include "os/say.h"
#include "trust/policy.h"

/* A digest, or PRODUCT@VERSION of a release that the repository lists. */
static enum err find_digest(struct cli *cli, const char *name, uint8_t out[DIGEST_SIZE],
                            struct why *why)
{
    const char *at = strchr(name, '@');
    char product[NAME_SIZE_MAX + 1];
    struct release_facts facts;

    if (hex_parse(span_of(name), out, DIGEST_SIZE))
        return ERR_OK;
    if (!at || (size_t)(at - name) > NAME_SIZE_MAX)
        return say(why, ERR_INVALID, NULL,
                   "\"%.80s\" is neither the digest of an image nor PRODUCT@VERSION", name);
    (void)snprintf(product, sizeof product, "%.*s", (int)(at - name), name);
    TRY(repository_find_release(staged_dir(cli), product, at + 1, &facts, why));
    memcpy(out, facts.sha256, DIGEST_SIZE);
    return ERR_OK;
}

static int block(struct cli *cli, bool blocked)
{
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    struct why why;
    enum err err;

    why_clear(&why);
    err = find_digest(cli, cli->args[0], digest, &why);
    if (err == ERR_OK)
        err = repository_block(&edit, digest, blocked, &why);
    if (err == ERR_OK) {
        hex_print((struct span){digest, sizeof digest}, hex);
        (void)fprintf(cli->out, "%s\n", hex);
    }
    return staged_edited(cli, &edit, err, &why);
}

int cmd_policy_block(struct cli *cli)
{
    return block(cli, true);
}

int cmd_policy_unblock(struct cli *cli)
{
    return block(cli, false);
}

int cmd_policy_grace(struct cli *cli)
{
    struct repository_edit edit = {.dir = staged_dir(cli),
                                   .expires = staged_expiry(cli, "targets_expires")};
    int64_t seconds = 0;
    struct why why;
    enum err err = ERR_OK;

    why_clear(&why);
    if (quantity_duration_s(cli->args[0], &seconds) != ERR_OK || seconds < 0)
        err = say(&why, ERR_INVALID, NULL, "\"%.40s\" is not a time like 90s, 10m or 30d",
                  cli->args[0]);
    if (err == ERR_OK && seconds > POLICY_STALE_MAX_S)
        seconds = UINT32_MAX; /* refused with a sentence below */
    if (err == ERR_OK)
        err = repository_set_grace(&edit, (uint32_t)seconds, &why);
    return staged_edited(cli, &edit, err, &why);
}
