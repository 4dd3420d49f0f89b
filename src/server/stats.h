/* Counters of the whole process. Fronts and engine add, /metrics reads; nobody decides by them. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*   field                   metric, after "slipway_"        kind     per  help
 * A value is shown divided by `per`: metrics are in base units. */
/* clang-format off */
#define STATS_MAP(X) \
    X(connections_open,       "connections",                  gauge,   1, "Connections open now") \
    X(connections_total,      "connections_total",            counter, 1, "Connections accepted") \
    X(connections_refused,    "connections_refused_total",    counter, 1, "Connections refused because of connections_max") \
    X(handshakes_full,        "handshakes_full_total",        counter, 1, "Full TLS handshakes") \
    X(handshakes_resumed,     "handshakes_resumed_total",     counter, 1, "Resumed TLS handshakes") \
    X(handshakes_failed,      "handshakes_failed_total",      counter, 1, "TLS handshakes that failed") \
    X(requests_total,         "requests_total",               counter, 1, "HTTP requests answered") \
    X(requests_failed,        "requests_failed_total",        counter, 1, "HTTP requests answered with a 5xx status") \
    X(requests_refused,       "requests_refused_total",       counter, 1, "HTTP requests answered with a 4xx status") \
    X(polls_quiet,            "polls_quiet_total",            counter, 1, "Polls answered from memory") \
    X(polls_engine,           "polls_engine_total",           counter, 1, "Polls decided by the engine") \
    X(reports_total,          "reports_total",                counter, 1, "Reports of devices recorded, repeats included") \
    X(overload_total,         "requests_overloaded_total",    counter, 1, "Requests answered with 503 because too many waited or too many bodies were held") \
    X(attempts_limited_total, "attempts_limited_total",       counter, 1, "Requests answered with 429 because their address had failed too often") \
    X(timeouts_total,         "connections_timed_out_total",  counter, 1, "Connections closed because the other side was too slow") \
    X(bytes_out,              "sent_bytes_total",             counter, 1, "Bytes of response bodies sent") \
    X(streams_open,           "streams",                      gauge,   1, "Event streams open now") \
    X(streams_lost,           "streams_lost_total",           counter, 1, "Event streams dropped because the reader was too slow") \
    X(engine_exchanges,       "engine_requests_total",        counter, 1, "Requests decided by the engine") \
    X(engine_batches,         "engine_batches_total",         counter, 1, "Transactions of the engine") \
    X(engine_failed,          "engine_batches_failed_total",  counter, 1, "Transactions of the engine that could not be committed") \
    X(engine_busy_us,         "engine_busy_seconds_total",    counter, 1000000, "Time the engine has spent in transactions") \
    X(engine_waiting,         "engine_waiting_requests",      gauge,   1, "Requests waiting for the engine now") \
    X(devices_known,          "devices_in_memory",            gauge,   1, "Devices that fronts can answer without the engine")
/* clang-format on */

struct stats {
#define X(field, metric, kind, per, help) _Atomic int64_t field;
    STATS_MAP(X)
#undef X
    _Atomic int64_t batches_up_to[6]; /* transactions by size; see stats_batch_bounds */
};

/* Requests in one transaction, at most; the last bucket is ENGINE_BATCH_MAX. */
static const uint32_t stats_batch_bounds[6] = {1, 4, 16, 64, 128, 256};

#define STATS_ADD(stats, name, amount) \
    ((void)atomic_fetch_add_explicit(&(stats)->name, (amount), memory_order_relaxed))
#define STATS_SET(stats, name, amount) \
    atomic_store_explicit(&(stats)->name, (amount), memory_order_relaxed)
#define STATS_GET(stats, name) atomic_load_explicit(&(stats)->name, memory_order_relaxed)

static inline void stats_note_batch(struct stats *stats, uint64_t count)
{
    for (size_t i = 0; i < sizeof stats_batch_bounds / sizeof stats_batch_bounds[0]; i++) {
        if (count <= stats_batch_bounds[i])
            STATS_ADD(stats, batches_up_to[i], 1);
    }
}
