/* slipwayd: read the options, start the server, tell the service manager, wait for the signal to
 * end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/signals.h"
#include "server/server.h"

#define EXIT_FAILED 1
#define LOOK_MS     1000 /* how often the watchdog's condition is looked at */
#define DESCRIPTORS 1024 /* besides connections: files being sent, database, logs */

static int failed(const struct why *why)
{
    (void)fprintf(stderr, "slipwayd: %s\n", why->text);
    return EXIT_FAILED;
}

/* Going on with fewer is better than not starting. */
static void raise_descriptor_limit(const struct settings *settings, const struct log *log)
{
    rlim_t wanted = (rlim_t)settings->limits.connections_max * settings->threads + DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_line(log, LOG_LEVEL_WARN, "server", "few-descriptors", "allowed=%llu wanted=%llu",
                 (unsigned long long)limit.rlim_cur, (unsigned long long)wanted);
}

/* Serve until a signal says to end. The engine ticks once a second; when it stops doing that, the
 * service manager is not told any more that we live, and starts us anew. */
static void wait_for_end(const struct server *server, int signals)
{
    int64_t last = -1;
    int number = 0;

    while (number != SIGTERM && number != SIGINT) {
        struct pollfd ready = {.fd = signals, .events = POLLIN};
        int64_t now;

        (void)poll(&ready, 1, LOOK_MS);
        number = signal_take(signals);
        now = server_heartbeat(server);
        if (now != last)
            (void)sd_notify(0, "WATCHDOG=1");
        last = now;
    }
}

static int serve(const struct settings *settings, int signals, const struct log *log)
{
    struct server *server = NULL;
    struct why why = {0};

    if (server_open(settings, log, clock_utc(), &server, &why) != ERR_OK ||
        server_start(server, &why) != ERR_OK) {
        server_close(server);
        return failed(&why);
    }
    log_line(log, LOG_LEVEL_INFO, "server", "ready", "listen=%s data_dir=%s threads=%u",
             server_address(server), settings->data_dir, settings->threads);
    (void)sd_notifyf(0, "READY=1\nSTATUS=Serving on %s", server_address(server));
    wait_for_end(server, signals);
    (void)sd_notify(0, "STOPPING=1");
    log_line(log, LOG_LEVEL_INFO, "server", "stopping", "next=\"finishing what is under way\"");
    server_close(server);
    log_line(log, LOG_LEVEL_INFO, "server", "stopped", "data_dir=%s", settings->data_dir);
    return EXIT_SUCCESS;
}

static int run(const struct options *options)
{
    struct settings settings;
    struct why why = {0};
    struct log log = {.fd = STDERR_FILENO, .plain = getenv("JOURNAL_STREAM") != NULL};
    int signals, code;

    if (settings_read(options, &settings, &why) != ERR_OK)
        return failed(&why);
    log.level = settings.log_level;
    if (options_check_only(options)) {
        options_print_effective(options, stdout);
        return EXIT_SUCCESS;
    }
    (void)umask(077);        /* what others may read is opened to them file by file */
    signals = signal_open(); /* before any thread, so that all of them block the signals */
    if (signals < 0) {
        why_say(&why, NULL, "signals cannot be watched");
        return failed(&why);
    }
    raise_descriptor_limit(&settings, &log);
    code = serve(&settings, signals, &log);
    file_close(&signals);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    int code = options_start(&settings_program, argc, argv, &options);

    if (code != OPTIONS_GO_ON)
        return code;
    code = run(&options);
    options_close(&options);
    return code;
}
