#include "server/settings.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "net/listen.h"
#include "os/say.h"

#define MIB (INT64_C(1) << 20)
#define TIB (INT64_C(1) << 40)

/* clang-format off */
static const struct option_spec table[] = {
    {"config", 'c', OPTION_PATH, "/etc/slipway/slipwayd.yaml", 0, 0, "FILE",
     "Read this configuration file"},
    {"listen", 'l', OPTION_TEXT, "127.0.0.1:8443", 0, 0, "ADDRESS:PORT",
     "Serve devices and people here, over HTTPS"},
    {"data_dir", 'd', OPTION_PATH, "/var/lib/slipway", 0, 0, "DIR",
     "Keep database, blobs, keys and certificates in this directory"},
    {"server_names", 0, OPTION_LIST, "localhost,127.0.0.1", 0, 0, "NAMES",
     "Put these names and addresses into the server's certificate"},
    {"trusted_proxies", 0, OPTION_LIST, "", 0, 0, "ADDRESSES",
     "Believe these addresses when they name the device whose certificate they have checked"},
    {"hawkbit_authorities", 0, OPTION_LIST, "", 0, 0, "TENANT=HASH",
     "Let trusted proxies vouch for devices whose certificates these authorities have issued"},
    {"mender_artifact_keys", 0, OPTION_LIST, "", 0, 0, "FILES",
     "Take only artifacts through Mender's API that one of these public keys (PEM) has signed"},
    {"threads", 0, OPTION_INT, "2", 1, 64, "COUNT",
     "Run this many threads for connections; one more decides"},
    {"tls12", 0, OPTION_FLAG, "false", 0, 0, NULL,
     "Also accept TLS 1.2, for devices that have nothing better"},
    {"tls_sessions", 0, OPTION_INT, "20000", 0, 10000000, "COUNT",
     "Remember this many TLS sessions for quick reconnects, about 6 kB each"},
    {"connections_max", 0, OPTION_INT, "10000", 1, 10000000, "COUNT",
     "Keep at most this many connections open"},
    {"idle_timeout_s", 0, OPTION_DURATION_S, "2m", 1, 86400, "TIME",
     "Close connections that ask nothing for so long"},
    {"poll_interval_s", 0, OPTION_DURATION_S, "1m", 1, 604800, "TIME",
     "Tell devices to ask for news so often"},
    {"poll_jitter_percent", 0, OPTION_INT, "20", 0, 50, "PERCENT",
     "Spread their next question by so much in both directions"},
    {"bodies_max", 0, OPTION_SIZE, "128M", 16 * MIB, TIB, "BYTES",
     "Hold at most so much of request bodies in memory; more are told to come back"},
    {"upload_max", 0, OPTION_SIZE, "2G", 1, 16 * TIB, "BYTES",
     "Refuse larger files"},
    {"blobs_max", 0, OPTION_SIZE, "0", 0, INT64_MAX, "BYTES",
     "Keep at most so much in files altogether; 0 is as much as there is space"},
    {"device_cert_days", 0, OPTION_INT, "365", 1, 7300, "DAYS",
     "Let device certificates live so long; devices renew them in time"},
    {"history_days", 0, OPTION_INT, "400", 1, 36500, "DAYS",
     "Keep reports of devices for so long"},
    {"confirm_above", 0, OPTION_INT, "100", 0, 1000000000, "DEVICES",
     "Ask for a confirmation of the count before rollouts that reach more devices"},
    {"mailbox_size", 0, OPTION_INT, "8192", 16, 1048576, "COUNT",
     "Let at most so many requests wait for a decision; more are told to come back"},
    {"drain_s", 0, OPTION_DURATION_S, "10s", 0, 3600, "TIME",
     "Wait so long for requests under way when shutting down"},
    {"log_level", 0, OPTION_TEXT, "info", 0, 0, "error|warn|info|debug",
     "Log this and what is worse"},
};
/* clang-format on */

const struct program settings_program = {
    .name = "slipwayd",
    .section = 8,
    .summary = "firmware update server",
    .description =
        "slipwayd brings signed firmware releases to a fleet of devices in stages, and stops by "
        "itself when a release goes wrong.\n\n"
        "It serves devices over mutual TLS and people over a JSON API with tokens, both on one "
        "address. On its first start it makes a private certificate authority, its own "
        "certificate and an administrator's token in its data directory, and says where they "
        "are. Keys that sign releases never come near it.\n\n"
        "SIGTERM and SIGINT end it in good order: requests under way are finished first.",
    .config_option = "config",
    .table = table,
    .count = COUNT_OF(table),
    .files =
        "/etc/slipway/slipwayd.yaml: the configuration; the same names as the options\n\n"
        "DATA_DIR/slipway.db: devices, rollouts, reports and the audit log (SQLite)\n\n"
        "DATA_DIR/blobs: images and chunk lists by digest\n\n"
        "DATA_DIR/pki: the private CA, the server's certificate, the keys that sign audit "
        "exports and orders to devices\n\n"
        "DATA_DIR/tuf: the online keys for snapshot and timestamp metadata\n\n"
        "DATA_DIR/admin.token: the first administrator's token; keep it elsewhere and remove it",
    .exits = "0: ended as told\n1: could not start, or had to stop\n2: wrong usage",
    .see_also = "slipway(1), slipway-agent(8)",
};

static struct http_limits limits_of(const struct options *options, uint32_t threads)
{
    struct http_limits limits = http_limits_default();
    uint32_t connections = (uint32_t)options_int(options, "connections_max");

    limits.connections_max = (connections + threads - 1) / threads;
    limits.idle_ms = options_duration_s(options, "idle_timeout_s") * 1000;
    return limits;
}

enum err settings_read(const struct options *options, struct settings *out, struct why *why)
{
    struct settings settings = {
        .listen = options_text(options, "listen"),
        .data_dir = options_path(options, "data_dir"),
        .threads = (uint32_t)options_int(options, "threads"),
        .tls12 = options_flag(options, "tls12"),
        .tls_sessions = (uint32_t)options_int(options, "tls_sessions"),
        .poll_interval_s = (uint32_t)options_duration_s(options, "poll_interval_s"),
        .poll_jitter_percent = (uint32_t)options_int(options, "poll_jitter_percent"),
        .bodies_max = options_size(options, "bodies_max"),
        .upload_max = options_size(options, "upload_max"),
        .blobs_max = options_size(options, "blobs_max"),
        .device_cert_days = (uint32_t)options_int(options, "device_cert_days"),
        .history_days = (uint32_t)options_int(options, "history_days"),
        .confirm_above = (uint32_t)options_int(options, "confirm_above"),
        .mailbox_size = (uint32_t)options_int(options, "mailbox_size"),
        .drain_ms = options_duration_s(options, "drain_s") * 1000,
    };

    settings.server_names = options_list(options, "server_names", &settings.server_names_count);
    settings.trusted_proxies =
        options_list(options, "trusted_proxies", &settings.trusted_proxies_count);
    settings.mender_artifact_keys =
        options_list(options, "mender_artifact_keys", &settings.mender_artifact_keys_count);
    settings.hawkbit_authorities =
        options_list(options, "hawkbit_authorities", &settings.hawkbit_authorities_count);
    settings.limits = limits_of(options, settings.threads);
    CHECK(log_level_parse(span_of(options_text(options, "log_level")), &settings.log_level));
    if (settings.server_names_count == 0)
        return say(why, ERR_INVALID, "server_names", "at least one server name is needed");
    if (settings.bodies_max / settings.threads < METADATA_SIZE_MAX)
        return say(why, ERR_INVALID, "bodies_max",
                   "bodies_max must be at least %u bytes for each of the threads",
                   METADATA_SIZE_MAX);
    for (size_t i = 0; i < settings.hawkbit_authorities_count; i++) {
        if (!strchr(settings.hawkbit_authorities[i], '='))
            return say(why, ERR_INVALID, "hawkbit_authorities", "%s has not the form TENANT=HASH",
                       settings.hawkbit_authorities[i]);
    }
    TRY(listen_check(settings.listen, why));
    *out = settings;
    return ERR_OK;
}
