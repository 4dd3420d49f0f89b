/* slipway-lab load: how much a server bears, asked by many devices at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/command.h"
#include "lab/load.h"
#include "lab/load_enroll.h"
#include "os/options.h"

static const struct option_spec table[] = {
    {"enroll", 0, OPTION_PATH, NULL, 0, 0, "FILE",
     "First enrol a device with every claim token of this file, one a line"},
    {"server", 's', OPTION_TEXT, "https://127.0.0.1:8443", 0, 0, "URL", "Load this server"},
    {"ca_file", 0, OPTION_PATH, NULL, 0, 0, "FILE", "Trust servers with a certificate by this CA"},
    {"identities", 'i', OPTION_PATH, "identities", 0, 0, "DIRECTORY",
     "Keep and take the devices' keys and certificates here"},
    {"kind", 'k', OPTION_TEXT, "poll", 0, 0, "get|poll|report",
     "Send plain GETs, quiet polls, or progress reports of an assignment"},
    {"path", 'p', OPTION_TEXT, "/", 0, 0, "PATH", "What to GET"},
    {"connections", 0, OPTION_INT, "64", 1, LOAD_CONNECTIONS_MAX, "COUNT",
     "Keep so many connections busy, each with an identity of its own"},
    {"seconds", 0, OPTION_DURATION_S, "5s", 0, 3600, "TIME", "Measure for so long; 0: enrol only"},
};

static const struct program program = {
    .name = "slipway-lab load",
    .section = 1,
    .summary = "load a server with many devices",
    .description =
        "Opens keep-alive connections over TLS, each with a device's own certificate, and sends "
        "the next request on each as soon as the last answer is in. Prints answers per second and "
        "latencies as one line of name=value pairs.",
    .table = table,
    .count = COUNT_OF(table),
    .exits = "0: measured\n1: a connection broke or a request was refused\n2: wrong usage",
};

/* "https://1.2.3.4:8443" in its two parts. */
static bool split_url(const char *url, char *host, size_t host_size, uint16_t *port)
{
    const char *at = url + strlen("https://"), *colon = strrchr(url, ':');
    unsigned long number;

    if (strncmp(url, "https://", strlen("https://")) != 0 || !colon || colon <= at ||
        (size_t)(colon - at) >= host_size)
        return false;
    memcpy(host, at, (size_t)(colon - at));
    host[colon - at] = '\0';
    number = strtoul(colon + 1, NULL, 10);
    *port = (uint16_t)number;
    return number > 0 && number <= UINT16_MAX;
}

static int complain(const struct why *why)
{
    (void)fprintf(stderr, "%s: %s\n", program.name, why->text);
    return LAB_FAILED;
}

static enum load_kind kind_of(const char *word)
{
    return strcmp(word, "get") == 0    ? LOAD_GET
           : strcmp(word, "poll") == 0 ? LOAD_POLL
                                       : LOAD_REPORT;
}

static int measure(const struct options *options, const struct load_setup *setup)
{
    struct load_result result;
    struct why why = {0};

    if (load_run(setup, &result, &why) != ERR_OK)
        return complain(&why);
    printf("kind=%s connections=%u seconds=%.2f answers=%llu refused=%llu per_second=%.0f "
           "p50_us=%u p99_us=%u max_us=%u answer_bytes=%llu\n",
           options_text(options, "kind"), setup->connections, result.seconds,
           (unsigned long long)result.answers, (unsigned long long)result.refused,
           (double)result.answers / result.seconds, result.p50_us, result.p99_us, result.max_us,
           (unsigned long long)result.answer_bytes);
    return result.refused == 0 ? LAB_HELD : LAB_FAILED;
}

static int run(const struct options *options)
{
    char host[64];
    struct load_setup setup = {
        .host = host,
        .ca_file = options_path(options, "ca_file"),
        .identities = options_path(options, "identities"),
        .kind = kind_of(options_text(options, "kind")),
        .path = options_text(options, "path"),
        .connections = (uint32_t)options_int(options, "connections"),
        .seconds = (uint32_t)options_duration_s(options, "seconds"),
    };
    const char *url = options_text(options, "server"), *claims = options_path(options, "enroll");
    struct why why = {0};
    uint32_t enrolled;

    if (!setup.ca_file || !split_url(url, host, sizeof host, &setup.port)) {
        (void)fprintf(stderr, "%s: give --ca-file, and --server as https://ADDRESS:PORT\n",
                      program.name);
        return LAB_USAGE;
    }
    if (claims) {
        if (load_enroll(url, setup.ca_file, claims, setup.identities, &enrolled, &why) != ERR_OK)
            return complain(&why);
        printf("enrolled=%u\n", enrolled);
    }
    return setup.seconds == 0 ? LAB_HELD : measure(options, &setup);
}

int lab_load(int argc, char **argv)
{
    struct options options;
    int code = options_start(&program, argc, argv, &options);

    if (code != OPTIONS_GO_ON)
        return code;
    code = run(&options);
    options_close(&options);
    return code;
}
