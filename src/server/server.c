#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "app/app.h"
#include "app/deeds.h"
#include "artifact/mender.h"
#include "base/check.h"
#include "crypto/key.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/say.h"
#include "server/api.h"
#include "server/front.h"
#include "server/storage_key.h"
#include "server/stories.h"
#include "store/db_sqlite.h"
#include "store/device.h"
#include "store/migrate.h"

#define NAME_SIZE   64u  /* bytes of a file name of ours, with NUL */
#define PATH_SIZE   512u /* bytes of a path in the data directory, with NUL */
#define SECRET_ROOM 128u /* bytes of a token with NUL */

struct server {
    const struct settings *settings;
    const struct log *log;
    int lock; /* the data directory's, held as long as we run */
    char blobs_dir[PATH_SIZE], pki_dir[PATH_SIZE], tuf_dir[PATH_SIZE];
    struct pki *pki;
    struct key *audit_key, *assignment_key, *snapshot_key, *timestamp_key;
    struct key *newer[ONLINE_KEY_COUNT][ONLINE_KEYS_MAX];
    uint8_t content_storage_key[AEAD_KEY_SIZE];
    struct db *db;
    struct blobs *blobs;
    struct presence *presence;
    struct shelf *shelf;
    struct passes *passes;
    struct attempts *attempts;
    struct app *app; /* NULL until it is open */
    struct api *api;
    struct tls_server *tls;
    struct stats *stats;
    struct mender_keys artifact_keys;
    struct stories stories;
    struct engine *engine;
    struct front **fronts;
    size_t fronts_count;
    bool running;
};

/* ---- Directories and keys ---- */

static enum err path_of(const struct server *server, const char *name, char to[PATH_SIZE],
                        struct why *why)
{
    if (file_join(server->settings->data_dir, name, to, PATH_SIZE) != ERR_OK)
        return say(why, ERR_TOO_BIG, "data_dir", "the path of the data directory is too long");
    return ERR_OK;
}

/* Two servers on one database would each believe to be the only one that decides. */
static enum err lock_directory(struct server *server, struct why *why)
{
    char path[PATH_SIZE];

    TRY(path_of(server, "lock", path, why));
    server->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (server->lock < 0)
        return file_failed(why, "open", path);
    if (flock(server->lock, LOCK_EX | LOCK_NB) != 0)
        return say(why, ERR_CONFLICT, "data_dir", "another slipwayd uses %s",
                   server->settings->data_dir);
    return ERR_OK;
}

static enum err open_directories(struct server *server, struct why *why)
{
    TRY(file_make_directory(server->settings->data_dir, 0700, why));
    TRY(lock_directory(server, why));
    TRY(path_of(server, "blobs", server->blobs_dir, why));
    TRY(path_of(server, "pki", server->pki_dir, why));
    TRY(path_of(server, "tuf", server->tuf_dir, why));
    TRY(file_make_directory(server->pki_dir, 0700, why));
    return file_make_directory(server->tuf_dir, 0700, why);
}

/* A private key of our own, made when it is missing; `public` is the file of its public half, or
 * NULL. */
static enum err own_key(const char *directory, const char *name, const char *public,
                        struct key **out, struct why *why)
{
    char path[PATH_SIZE], public_path[PATH_SIZE];

    if (file_join(directory, name, path, sizeof path) != ERR_OK ||
        file_join(directory, public ? public : name, public_path, sizeof public_path) != ERR_OK)
        return say(why, ERR_TOO_BIG, "data_dir", "the path of the data directory is too long");
    if (file_exists(path)) {
        TRY(key_load_private(path, out, why));
    } else {
        TRY(key_generate(KEY_ED25519, out, why));
        TRY(key_save_private(*out, path, why));
    }
    return public ? key_save_public(*out, public_path, why) : ERR_OK;
}

static enum err open_storage_key(struct server *server, struct why *why)
{
    char path[PATH_SIZE];

    if (file_join(server->pki_dir, "content.key", path, sizeof path) != ERR_OK)
        return say(why, ERR_TOO_BIG, "data_dir", "the path of the data directory is too long");
    return storage_key_open(path, server->content_storage_key, why);
}

static enum err open_keys(struct server *server, struct utc now, struct why *why)
{
    const struct settings *settings = server->settings;
    struct pki_config pki = {.directory = server->pki_dir,
                             .server_names = settings->server_names,
                             .server_names_count = settings->server_names_count,
                             .device_days = settings->device_cert_days};
    bool fresh = false;

    TRY(pki_open(&pki, now, &server->pki, &fresh, why));
    if (fresh)
        log_line(server->log, LOG_LEVEL_INFO, "server", "ca-made", "certificate=%s",
                 pki_ca_file(server->pki));
    TRY(own_key(server->pki_dir, "audit.key", "audit.pub", &server->audit_key, why));
    TRY(own_key(server->pki_dir, "assignment.key", "assignment.pub", &server->assignment_key, why));
    TRY(open_storage_key(server, why));
    TRY(own_key(server->tuf_dir, "snapshot.key", "snapshot.pub", &server->snapshot_key, why));
    return own_key(server->tuf_dir, "timestamp.key", "timestamp.pub", &server->timestamp_key, why);
}

/* ---- Newer online keys ---- */

struct online_place {
    const char *directory;
    const char *base; /* "timestamp": timestamp.key is the first, timestamp.2.key next */
};

static struct online_place place_of(struct server *server, enum online_key kind)
{
    switch (kind) {
    case ONLINE_SNAPSHOT:
        return (struct online_place){server->tuf_dir, "snapshot"};
    case ONLINE_TIMESTAMP:
        return (struct online_place){server->tuf_dir, "timestamp"};
    case ONLINE_ASSIGNMENT:
    case ONLINE_KEY_COUNT:
        break;
    }
    return (struct online_place){server->pki_dir, "assignment"};
}

static void name_key(const struct online_place *place, uint32_t number, const char *suffix,
                     char to[NAME_SIZE])
{
    (void)snprintf(to, NAME_SIZE, "%s.%" PRIu32 ".%s", place->base, number, suffix);
}

/* Make key number `number`, or open the one a crash left nameless to everybody but us. */
static enum err make_online_key(void *self, enum online_key kind, uint32_t number,
                                const struct key **out, struct why *why)
{
    struct server *server = self;
    struct online_place place = place_of(server, kind);
    char name[NAME_SIZE], public[NAME_SIZE];

    CHECK(number >= 2 && number - 2 < ONLINE_KEYS_MAX);
    name_key(&place, number, "key", name);
    name_key(&place, number, "pub", public);
    TRY(own_key(place.directory, name, public, &server->newer[kind][number - 2], why));
    *out = server->newer[kind][number - 2];
    return ERR_OK;
}

/* Those of earlier starts: numbers without a gap. */
static enum err open_newer_keys(struct server *server, struct app_config *app, struct why *why)
{
    for (enum online_key kind = 0; kind < ONLINE_KEY_COUNT; kind++) {
        struct online_place place = place_of(server, kind);
        struct online_ring *ring = &app->newer[kind];
        char name[NAME_SIZE], path[PATH_SIZE];

        for (; ring->count < ONLINE_KEYS_MAX; ring->count++) {
            name_key(&place, ring->count + 2, "key", name);
            if (file_join(place.directory, name, path, sizeof path) != ERR_OK || !file_exists(path))
                break;
            TRY(make_online_key(server, kind, ring->count + 2, &ring->at[ring->count], why));
        }
    }
    return ERR_OK;
}

static void close_newer_keys(struct server *server)
{
    for (size_t kind = 0; kind < ONLINE_KEY_COUNT; kind++) {
        for (size_t i = 0; i < ONLINE_KEYS_MAX; i++)
            key_close(server->newer[kind][i]);
    }
}

/* ---- Data ---- */

static enum err open_data(struct server *server, struct utc now, struct why *why)
{
    char path[PATH_SIZE];

    TRY(path_of(server, "slipway.db", path, why));
    TRY(db_sqlite_open(path, &server->db, why));
    TRY(migrate(server->db, now, why));
    return blobs_dir_open(server->blobs_dir, server->settings->blobs_max, &server->blobs, why);
}

static enum err open_app(struct server *server, struct why *why)
{
    const struct settings *settings = server->settings;
    struct stories *stories = &server->stories;
    struct app_config config = {
        .db = server->db,
        .blobs = server->blobs,
        .issuer = stories_issuer_ops(stories),
        .presence = stories_presence_ops(stories),
        .publish = stories_publish_ops(stories),
        .shelf = stories_shelf_ops(stories),
        .snapshot_key = server->snapshot_key,
        .timestamp_key = server->timestamp_key,
        .assignment_key = server->assignment_key,
        .keys = {.self = server, .make = make_online_key},
        .content_storage_key = server->content_storage_key,
        .poll_interval_s = settings->poll_interval_s,
        .poll_jitter_percent = settings->poll_jitter_percent,
        .history_ms = (int64_t)settings->history_days * 24 * 3600 * 1000,
        .seed = entropy_seed(),
    };
    struct app *app = calloc(1, sizeof *app);
    enum err err;

    CHECK(app);
    *stories =
        (struct stories){.pki = server->pki,
                         .presence = server->presence,
                         .shelf = server->shelf,
                         .passes = server->passes,
                         .stats = server->stats,
                         .foreign = {.authorities = settings->hawkbit_authorities,
                                     .authorities_count = settings->hawkbit_authorities_count,
                                     .artifact_keys = &server->artifact_keys}};
    err = mender_keys_load(settings->mender_artifact_keys, settings->mender_artifact_keys_count,
                           &server->artifact_keys, why);
    if (err == ERR_OK)
        err = open_newer_keys(server, &config, why);
    if (err == ERR_OK)
        err = app_open(app, &config, why);
    if (err != ERR_OK) {
        free(app);
        return err;
    }
    server->app = app;
    stories->app = app;
    stories->foreign.app = app;
    return ERR_OK;
}

/* The first administrator's token. The file first and the commit second: a token that nobody has
 * read is worthless, a file whose token was never stored is written over at the next start. */
static enum err make_first_token(struct server *server, struct utc now, struct why *why)
{
    char secret[SECRET_ROOM + 1], path[PATH_SIZE];
    enum err err;

    TRY(path_of(server, "admin.token", path, why));
    TRY(app_begin(server->app, why));
    err = api_first_token(server->app, TENANT_DEFAULT, now, secret, SECRET_ROOM, why);
    if (err == ERR_OK) {
        size_t size = strlen(secret);

        secret[size] = '\n';
        err = file_replace(path, (struct span){(const uint8_t *)secret, size + 1}, 0600, why);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    if (err == ERR_OK)
        err = app_commit(server->app, why);
    if (err != ERR_OK)
        app_rollback(server->app);
    app_settled(server->app, err == ERR_OK);
    if (err == ERR_OK)
        log_line(server->log, LOG_LEVEL_INFO, "server", "admin-token-made", "file=%s", path);
    return err == ERR_CONFLICT ? ERR_OK : err; /* there is one already */
}

/* ---- Threads and sockets ---- */

static enum err open_tls(struct server *server, struct why *why)
{
    struct tls_config config = {
        .certificate_file = pki_server_certificate_file(server->pki),
        .key_file = pki_server_key_file(server->pki),
        .ca_file = pki_ca_file(server->pki),
        .tls12 = server->settings->tls12,
        .sessions_max = server->settings->tls_sessions,
    };

    return tls_server_open(&config, &server->tls, why);
}

static enum err open_blob(const void *self, const uint8_t sha256[DIGEST_SIZE], int *fd,
                          uint64_t *size)
{
    return blobs_open(self, sha256, fd, size);
}

static enum err open_fronts(struct server *server, struct why *why)
{
    const struct settings *settings = server->settings;
    struct front_config config = {
        .address = settings->listen,
        .tls = server->tls,
        .limits = settings->limits,
        .upload_max = settings->upload_max,
        .bodies_max = settings->bodies_max / settings->threads,
        .poll_interval_s = settings->poll_interval_s,
        .poll_jitter_percent = settings->poll_jitter_percent,
        .proxies = settings->trusted_proxies,
        .proxies_count = settings->trusted_proxies_count,
        .gap_ms = (int64_t)settings->poll_interval_s * 1000 * GAP_FACTOR,
        .blobs = {.self = server->blobs,
                  .open = open_blob,
                  .upload_directory = blobs_upload_dir(server->blobs)},
        .presence = server->presence,
        .shelf = server->shelf,
        .passes = server->passes,
        .attempts = server->attempts,
        .stats = server->stats,
        .log = server->log,
    };

    server->fronts = calloc(settings->threads, sizeof(struct front *));
    CHECK(server->fronts);
    for (uint32_t i = 0; i < settings->threads; i++) {
        TRY(front_open(&config, &server->fronts[i], why));
        server->fronts_count++;
        config.address = front_address(server->fronts[0]); /* with the port it really got */
        config.join = true;
    }
    return ERR_OK;
}

static enum err open_engine(struct server *server, struct why *why)
{
    struct engine_config config = {
        .ops = stories_engine_ops(&server->stories),
        .fronts = server->fronts,
        .fronts_count = server->fronts_count,
        .mailbox_size = server->settings->mailbox_size,
        .log = server->log,
        .stats = server->stats,
    };

    server->engine = engine_open(&config, why);
    server->stories.engine = server->engine;
    return server->engine ? ERR_OK : ERR_STORAGE;
}

static enum err open_all(struct server *server, struct utc now, struct why *why)
{
    struct api_config api = {.data_dir = server->settings->data_dir,
                             .confirm_above = server->settings->confirm_above};

    TRY(open_directories(server, why));
    TRY(open_keys(server, now, why));
    TRY(open_data(server, now, why));
    TRY(open_app(server, why));
    TRY(make_first_token(server, now, why));
    api.app = server->app;
    api.audit_key = server->audit_key;
    server->api = api_open(&api);
    server->stories.api = server->api;
    TRY(stories_load_passes(&server->stories, now, why));
    TRY(open_tls(server, why));
    TRY(open_fronts(server, why));
    return open_engine(server, why);
}

enum err server_open(const struct settings *settings, const struct log *log, struct utc now,
                     struct server **out, struct why *why)
{
    struct server *server = calloc(1, sizeof *server);
    enum err err;

    CHECK(server);
    server->settings = settings;
    server->log = log;
    server->lock = -1;
    server->stats = calloc(1, sizeof *server->stats);
    server->presence = presence_open();
    server->shelf = shelf_open();
    server->passes = passes_open();
    server->attempts = attempts_open();
    CHECK(server->stats);
    err = open_all(server, now, why);
    if (err != ERR_OK) {
        server_close(server);
        return err;
    }
    *out = server;
    return ERR_OK;
}

enum err server_start(struct server *server, struct why *why)
{
    CHECK(!server->running);
    TRY(engine_start(server->engine, why));
    server->running = true;
    for (size_t i = 0; i < server->fronts_count; i++)
        TRY(front_start(server->fronts[i], server->engine, why));
    return ERR_OK;
}

const char *server_address(const struct server *server)
{
    return front_address(server->fronts[0]);
}

int64_t server_heartbeat(const struct server *server)
{
    return STATS_GET(server->stats, engine_batches);
}

void server_stop(struct server *server)
{
    if (!server->running)
        return;
    for (size_t i = 0; i < server->fronts_count; i++)
        front_drain(server->fronts[i], server->settings->drain_ms);
    for (size_t i = 0; i < server->fronts_count; i++)
        front_join(server->fronts[i]);
    engine_stop(server->engine);
    server->running = false;
}

void server_close(struct server *server)
{
    if (!server)
        return;
    server_stop(server);
    for (size_t i = 0; i < server->fronts_count; i++)
        front_close(server->fronts[i]);
    free(server->fronts);
    engine_close(server->engine);
    api_close(server->api);
    if (server->app)
        app_close(server->app);
    free(server->app);
    tls_server_close(server->tls);
    shelf_close(server->shelf);
    passes_close(server->passes);
    attempts_close(server->attempts);
    presence_close(server->presence);
    blobs_close(server->blobs);
    db_close(server->db);
    key_close(server->audit_key);
    key_close(server->assignment_key);
    key_close(server->snapshot_key);
    key_close(server->timestamp_key);
    close_newer_keys(server);
    mender_keys_close(&server->artifact_keys);
    pki_close(server->pki);
    file_close(&server->lock);
    free(server->stats);
    free(server);
}
