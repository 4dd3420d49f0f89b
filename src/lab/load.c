#include "lab/load.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lab/load_request.h"
#include "os/say.h"

#define ANSWER_SIZE_MAX  16384u /* bytes of one answer with its header */
#define LATENCIES_MAX_US 1000000u
#define EVENTS_MAX       64

struct lane {
    SSL *ssl;
    int fd;
    struct load_request request; /* what this connection sends */
    char room[ANSWER_SIZE_MAX];
    size_t got;
    uint64_t sent_us;
    bool warm; /* has had its first answer */
};

struct load {
    const struct load_setup *setup;
    SSL_CTX *context;
    struct lane *lanes;
    int epoll;
    uint32_t warm;
    uint64_t begin_us, end_us; /* of the measured time; 0 before */
    uint32_t *latencies;       /* answers by microseconds */
    struct load_result result;
};

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static enum err tls_failed(struct why *why, const char *what)
{
    char reason[128] = "connection closed";
    unsigned long code = ERR_get_error();

    if (code != 0)
        ERR_error_string_n(code, reason, sizeof reason);
    return say(why, ERR_LINK, NULL, "%s: %s", what, reason);
}

static int connect_to(const struct load_setup *setup)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(setup->port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || inet_pton(AF_INET, setup->host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static enum err open_lane(struct load *load, struct lane *lane, const char *name, struct why *why)
{
    const char *directory = load->setup->identities;
    char certificate[4096], key[4096];

    (void)snprintf(certificate, sizeof certificate, "%s/%s.crt", directory, name);
    (void)snprintf(key, sizeof key, "%s/%s.key", directory, name);
    lane->fd = connect_to(load->setup);
    if (lane->fd < 0)
        return say(why, ERR_LINK, NULL, "cannot connect to %s:%u: %s", load->setup->host,
                   load->setup->port, strerror(errno));
    lane->ssl = SSL_new(load->context);
    if (!lane->ssl || SSL_set_fd(lane->ssl, lane->fd) != 1 ||
        SSL_use_certificate_file(lane->ssl, certificate, SSL_FILETYPE_PEM) != 1 ||
        SSL_use_PrivateKey_file(lane->ssl, key, SSL_FILETYPE_PEM) != 1)
        return tls_failed(why, name);
    if (SSL_connect(lane->ssl) != 1)
        return tls_failed(why, "handshake");
    (void)fcntl(lane->fd, F_SETFL, O_NONBLOCK);
    return load_request_init(&lane->request, load->setup->kind, load->setup->path, why);
}

/* Requests are far smaller than a socket's buffer, so a short write is a broken connection. */
static enum err send_next(struct lane *lane, struct why *why)
{
    struct span bytes;

    TRY(load_request_next(&lane->request, &bytes, why));
    lane->got = 0;
    lane->sent_us = now_us();
    if (SSL_write(lane->ssl, bytes.at, (int)bytes.size) != (int)bytes.size)
        return tls_failed(why, "sending");
    return ERR_OK;
}

/* Size of a whole answer with its header, 0 while the header is not complete. */
static size_t answer_size(struct lane *lane)
{
    const char *end, *length;

    lane->room[lane->got] = '\0';
    end = strstr(lane->room, "\r\n\r\n");
    if (!end)
        return 0;
    length = strcasestr(lane->room, "\r\ncontent-length:");
    if (!length || length > end)
        return (size_t)(end - lane->room) + 4;
    return (size_t)(end - lane->room) + 4 + strtoul(length + 17, NULL, 10);
}

static void count_answer(struct load *load, struct lane *lane, uint64_t now)
{
    uint64_t took_us = now - lane->sent_us;
    bool good = lane->room[9] == '2';

    load->result.answer_bytes = lane->got;
    if (load->begin_us == 0 || now > load->end_us)
        return;
    if (!good) {
        load->result.refused++;
        return;
    }
    load->result.answers++;
    load->latencies[took_us < LATENCIES_MAX_US ? took_us : LATENCIES_MAX_US - 1]++;
    if (took_us > load->result.max_us)
        load->result.max_us = (uint32_t)took_us;
}

static enum err take_answer(struct load *load, struct lane *lane, struct why *why)
{
    uint64_t now = now_us();
    struct span answer = {(const uint8_t *)lane->room, lane->got};

    count_answer(load, lane, now);
    if (!lane->warm && load_request_learn(&lane->request, answer)) {
        lane->warm = true;
        load->warm++;
        if (load->warm == load->setup->connections) {
            load->begin_us = now_us();
            load->end_us = load->begin_us + (uint64_t)load->setup->seconds * 1000000u;
        }
    }
    return send_next(lane, why);
}

static enum err read_lane(struct load *load, struct lane *lane, struct why *why)
{
    for (;;) { /* until the socket is drained */
        size_t wanted;
        int size =
            SSL_read(lane->ssl, lane->room + lane->got, (int)(ANSWER_SIZE_MAX - 1 - lane->got));

        if (size <= 0) {
            if (SSL_get_error(lane->ssl, size) == SSL_ERROR_WANT_READ)
                return ERR_OK;
            return tls_failed(why, "reading");
        }
        lane->got += (size_t)size;
        wanted = answer_size(lane);
        if (wanted >= ANSWER_SIZE_MAX)
            return say(why, ERR_TOO_BIG, NULL, "an answer has more than %u bytes", ANSWER_SIZE_MAX);
        if (wanted != 0 && lane->got >= wanted)
            TRY(take_answer(load, lane, why));
    }
}

static enum err run(struct load *load, struct why *why)
{
    struct epoll_event events[EVENTS_MAX];

    for (uint32_t i = 0; i < load->setup->connections; i++)
        TRY(send_next(&load->lanes[i], why));
    while (load->end_us == 0 || now_us() < load->end_us) {
        int count = epoll_wait(load->epoll, events, EVENTS_MAX, 10000);

        if (count <= 0)
            return say(why, ERR_LINK, NULL, "no answer within 10 s");
        for (int i = 0; i < count; i++)
            TRY(read_lane(load, events[i].data.ptr, why));
    }
    return ERR_OK;
}

/* The latency that `permille` of all answers did not exceed. */
static uint32_t percentile_us(const struct load *load, uint64_t permille)
{
    uint64_t seen = 0, wanted = load->result.answers * permille / 1000u;

    for (uint32_t us = 0; us < LATENCIES_MAX_US; us++) {
        seen += load->latencies[us];
        if (seen > wanted)
            return us;
    }
    return LATENCIES_MAX_US;
}

static enum err open_lanes(struct load *load, struct why *why)
{
    DIR *directory = opendir(load->setup->identities);
    const struct dirent *entry;
    uint32_t count = 0;
    enum err err = ERR_OK;

    if (!directory)
        return say(why, ERR_NOT_FOUND, "identities", "cannot open %s: %s", load->setup->identities,
                   strerror(errno));
    while (err == ERR_OK && count < load->setup->connections && (entry = readdir(directory))) {
        struct lane *lane = &load->lanes[count];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = lane};
        char name[256];
        size_t size = strlen(entry->d_name);

        if (size < 5 || size >= sizeof name || strcmp(entry->d_name + size - 4, ".crt") != 0)
            continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)(size - 4), entry->d_name);
        err = open_lane(load, lane, name, why);
        if (err == ERR_OK && epoll_ctl(load->epoll, EPOLL_CTL_ADD, lane->fd, &event) != 0)
            err = say(why, ERR_LINK, NULL, "epoll: %s", strerror(errno));
        count++;
    }
    (void)closedir(directory);
    if (err == ERR_OK && count < load->setup->connections)
        return say(why, ERR_NOT_FOUND, "connections", "%s holds only %u identities",
                   load->setup->identities, count);
    return err;
}

static void close_load(struct load *load)
{
    for (uint32_t i = 0; load->lanes && i < load->setup->connections; i++) {
        SSL_free(load->lanes[i].ssl);
        if (load->lanes[i].fd >= 0)
            (void)close(load->lanes[i].fd);
    }
    free(load->lanes);
    free(load->latencies);
    SSL_CTX_free(load->context);
    if (load->epoll >= 0)
        (void)close(load->epoll);
}

enum err load_run(const struct load_setup *setup, struct load_result *out, struct why *why)
{
    struct load load = {.setup = setup, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    enum err err = ERR_OK;

    load.lanes = calloc(setup->connections, sizeof *load.lanes);
    load.latencies = calloc(LATENCIES_MAX_US, sizeof *load.latencies);
    load.context = SSL_CTX_new(TLS_client_method());
    if (!load.lanes || !load.latencies || !load.context || load.epoll < 0)
        err = say(why, ERR_STORAGE, NULL, "out of memory");
    for (uint32_t i = 0; load.lanes && i < setup->connections; i++)
        load.lanes[i].fd = -1;
    if (err == ERR_OK && SSL_CTX_load_verify_locations(load.context, setup->ca_file, NULL) != 1)
        err = tls_failed(why, setup->ca_file);
    if (err == ERR_OK) {
        SSL_CTX_set_verify(load.context, SSL_VERIFY_PEER, NULL);
        err = open_lanes(&load, why);
    }
    if (err == ERR_OK)
        err = run(&load, why);
    if (err == ERR_OK) {
        load.result.seconds = (double)(now_us() - load.begin_us) / 1e6;
        load.result.p50_us = percentile_us(&load, 500);
        load.result.p99_us = percentile_us(&load, 990);
        *out = load.result;
    }
    close_load(&load);
    return err;
}
