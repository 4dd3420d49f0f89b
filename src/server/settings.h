/* What slipwayd can be told: the option table and the values read from it. */
#pragma once

#include "net/http_server.h"
#include "os/log.h"
#include "os/options.h"

/* Texts belong to the options they were read from. */
struct settings {
    const char *listen;
    const char *data_dir;
    const char *const *server_names;
    size_t server_names_count;
    const char *const *trusted_proxies; /* addresses */
    size_t trusted_proxies_count;
    const char *const *hawkbit_authorities; /* "TENANT=HASH" */
    size_t hawkbit_authorities_count;
    const char *const *mender_artifact_keys; /* files */
    size_t mender_artifact_keys_count;
    uint32_t threads; /* fronts */
    bool tls12;
    uint32_t tls_sessions;
    uint32_t poll_interval_s, poll_jitter_percent;
    uint64_t bodies_max, upload_max, blobs_max;
    uint32_t device_cert_days;
    uint32_t history_days;
    uint32_t confirm_above;
    uint32_t mailbox_size;
    int64_t drain_ms;
    struct http_limits limits;
    enum log_level log_level;
};

/* The table with all that --help and the manual page need. */
extern const struct program settings_program;

/* Read and check together what the table cannot check by itself. ERR_INVALID. */
enum err settings_read(const struct options *options, struct settings *out,
                       struct why *why) MUST_USE;
