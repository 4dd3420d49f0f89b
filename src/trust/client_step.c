/* What the steps of the workflow share: one file of DIR or of the repository. */
#include <inttypes.h>

#include "base/check.h"
#include "os/say.h"
#include "trust/client_form.h"
#include "trust/tuf_file.h"

static enum err name_file(const char *role, uint64_t version, char out[TUF_FILE_NAME_SIZE],
                          struct why *why)
{
    if (tuf_role_file_name(role, version, out))
        return ERR_OK;
    return say(why, ERR_TOO_BIG, NULL, "role %.60s...: its name is too long for a file", role);
}

enum err client_read_stored(const struct tuf_client *client, enum tuf_role kind, const char *role,
                            struct tuf_metadata **out, struct why *why)
{
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
    enum err err;

    TRY(name_file(role, 0, name, why));
    TRY(tuf_file_read(client->dir, name, tuf_role_size_max(kind), &bytes, why));
    err = tuf_metadata_read(kind, tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return err;
}

enum err client_store(const struct tuf_client *client, const char *role,
                      const struct tuf_metadata *metadata, struct why *why)
{
    char name[TUF_FILE_NAME_SIZE];

    TRY(name_file(role, 0, name, why));
    return tuf_file_replace(client->dir, name, tuf_metadata_bytes(metadata), why);
}

static enum err fetch_file(const struct tuf_fetch *fetch, const char *name, size_t size_max,
                           struct tuf_bytes *out, struct why *why)
{
    struct tuf_bytes bytes = {0};
    enum err err = fetch->get(fetch->self, name, size_max, &bytes, why);

    if (err == ERR_OK && bytes.size > size_max) {
        tuf_bytes_done(&bytes);
        err = say(why, ERR_TOO_BIG, NULL, "is longer than %zu bytes", size_max);
    }
    if (err != ERR_OK)
        return say_where(why, err, "%s", name);
    *out = bytes;
    return ERR_OK;
}

enum err client_fetch(const struct refresh *refresh, enum tuf_role kind, const char *role,
                      uint64_t version, const struct tuf_file *listed, struct tuf_metadata **out,
                      struct why *why)
{
    size_t size_max = tuf_role_size_max(kind);
    char name[TUF_FILE_NAME_SIZE];
    struct tuf_bytes bytes;
    enum err err = ERR_OK;

    if (listed && listed->has_length && listed->length < size_max)
        size_max = (size_t)listed->length;
    TRY(name_file(role, version, name, why));
    TRY(fetch_file(refresh->fetch, name, size_max, &bytes, why));
    if (listed)
        err = tuf_check_bytes(listed, tuf_bytes_span(&bytes), why);
    if (err == ERR_OK)
        err = tuf_metadata_read(kind, tuf_bytes_span(&bytes), out, why);
    tuf_bytes_done(&bytes);
    return say_where(why, err, "%s", name);
}

uint64_t client_version_in_name(const struct tuf_client *client, const struct tuf_file *listed)
{
    return tuf_consistent_snapshot(client->trusted[TUF_ROOT]) ? listed->version : 0;
}

enum err client_check_fresh(const struct tuf_client *client, const char *role,
                            const struct tuf_metadata *metadata, struct why *why)
{
    char expired[UTC_TEXT_SIZE], now[UTC_TEXT_SIZE];

    if (client->resuming || !tuf_metadata_expired(metadata, client->now))
        return ERR_OK;
    utc_format(tuf_metadata_expires(metadata), expired);
    utc_format(client->now, now);
    return say(why, ERR_UNTRUSTED, NULL, "%.60s version %" PRIu64 " expired at %s; it is now %s",
               role, tuf_metadata_version(metadata), expired, now);
}

enum err client_check_version(const char *role, const struct tuf_metadata *metadata,
                              uint64_t version, struct why *why)
{
    if (tuf_metadata_version(metadata) == version)
        return ERR_OK;
    return say(why, ERR_CONFLICT, NULL, "%.60s: is version %" PRIu64 " instead of %" PRIu64, role,
               tuf_metadata_version(metadata), version);
}

/* Everything that makes targets trusted but length and hashes. */
static enum err judge(const struct tuf_client *client, const struct role_source *source,
                      const struct tuf_metadata *targets, struct why *why)
{
    TRY(say_where(why, tuf_verify(&source->authority, targets, why), "%.60s", source->role));
    TRY(client_check_version(source->role, targets, source->listed.version, why));
    return client_check_fresh(client, source->role, targets, why);
}

/* The stored targets, if they are what the snapshot names. */
static enum err read_known(const struct tuf_client *client, const struct role_source *source,
                           struct tuf_metadata **out, struct why *why)
{
    struct tuf_metadata *stored;
    enum err err;

    TRY(client_read_stored(client, TUF_TARGETS, source->role, &stored, why));
    err = tuf_check_bytes(&source->listed, tuf_metadata_bytes(stored), why);
    if (err == ERR_OK)
        err = judge(client, source, stored, why);
    if (err == ERR_OK)
        *out = stored;
    else
        tuf_metadata_close(stored);
    return err;
}

enum err client_get_targets(const struct refresh *refresh, const struct role_source *source,
                            struct tuf_metadata **out, struct why *why)
{
    const struct tuf_client *client = refresh->client;
    struct tuf_metadata *fresh;
    enum err err = read_known(client, source, out, why);

    if (err == ERR_OK || !refresh->fetch)
        return err;
    why_clear(why);
    TRY(client_fetch(refresh, TUF_TARGETS, source->role,
                     client_version_in_name(client, &source->listed), &source->listed, &fresh,
                     why));
    err = judge(client, source, fresh, why);
    if (err == ERR_OK)
        err = client_store(client, source->role, fresh, why);
    if (err == ERR_OK)
        *out = fresh;
    else
        tuf_metadata_close(fresh);
    return err;
}
