/* Counters of the whole process. Fronts and engine add, /metrics reads; nobody decides by them. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*   name                 kind     help: the text behind # HELP */
#define STATS_MAP(X)                                                                               \
    X(connections_open, gauge, "Connections open now")                                             \
    X(connections_total, counter, "Connections accepted")                                          \
    X(connections_refused, counter, "Connections refused because of connections_max")              \
    X(handshakes_full, counter, "Full TLS handshakes")                                             \
    X(handshakes_resumed, counter, "Resumed TLS handshakes")                                       \
    X(handshakes_failed, counter, "TLS handshakes that failed")                                    \
    X(requests_total, counter, "HTTP requests answered")                                           \
    X(requests_failed, counter, "HTTP requests answered with a 5xx status")                        \
    X(requests_refused, counter, "HTTP requests answered with a 4xx status")                       \
    X(polls_quiet, counter, "Polls answered from memory")                                          \
    X(polls_engine, counter, "Polls decided by the engine")                                        \
    X(reports_total, counter, "Reports of devices recorded, repeats included")                     \
    X(overload_total, counter, "Requests answered with 503 because the engine's mailbox was full") \
    X(attempts_limited_total, counter,                                                             \
      "Requests answered with 429 because their address had failed too often")                     \
    X(timeouts_total, counter, "Connections closed because the other side was too slow")           \
    X(bytes_out, counter, "Bytes of response bodies sent")                                         \
    X(streams_open, gauge, "Event streams open now")                                               \
    X(streams_lost, counter, "Event streams dropped because the reader was too slow")              \
    X(engine_exchanges, counter, "Requests decided by the engine")                                 \
    X(engine_batches, counter, "Transactions of the engine")                                       \
    X(engine_failed, counter, "Transactions of the engine that could not be committed")            \
    X(engine_busy_us, counter, "Microseconds the engine has spent in transactions")                \
    X(engine_waiting, gauge, "Requests waiting for the engine now")                                \
    X(devices_known, gauge, "Devices in memory")

struct stats {
#define X(name, kind, help) _Atomic int64_t name;
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
