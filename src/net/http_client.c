#include "net/http_client.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"

#define CONNECT_S_DEFAULT 15u
#define STALL_S_DEFAULT   30u
#define PACE_US_MAX       100000 /* microseconds between two looks at the watch */

struct http_client {
    CURL *curl;
    char *ca_file, *cert_file, *key_file, *agent;
    struct utc time_floor;
    uint32_t connect_s, stall_s;
    uint64_t bytes_per_s;
    int64_t paced_us; /* monotonic time before which the cap allows no further byte */
    bool plain_allowed;
    uint8_t *body; /* grown as needed, kept for the next call */
    size_t body_room;
};

/* One call under way; lives on the stack of http_client_call(). */
struct flight {
    struct http_client *client;
    const struct http_call *call;
    struct http_answer *answer;
    size_t body_size, size_max;
    uint64_t uploaded;
    enum err err;  /* why we stopped the transfer ourselves */
    bool stopped;  /* by the watch */
    uint64_t part; /* bytes that went to the sink */
    char ours[96]; /* why, in words; curl writes over its own at the end */
    char text[CURL_ERROR_SIZE];
};

static char *copy_text(const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    CHECK(!text || copy);
    return copy;
}

struct http_client *http_client_open(const struct http_client_setup *setup, struct why *why)
{
    const char *files[] = {setup->ca_file, setup->cert_file, setup->key_file};
    struct http_client *client;

    CHECK(!setup->cert_file == !setup->key_file);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i] && access(files[i], R_OK) != 0) {
            why_say(why, NULL, "cannot be read");
            why_wrap(why, files[i]);
            return NULL;
        }
    }
    client = calloc(1, sizeof *client);
    CHECK(client);
    client->curl = curl_easy_init();
    CHECK(client->curl);
    client->ca_file = copy_text(setup->ca_file);
    client->cert_file = copy_text(setup->cert_file);
    client->key_file = copy_text(setup->key_file);
    client->agent = copy_text(setup->agent ? setup->agent : "slipway");
    client->time_floor = setup->time_floor;
    client->connect_s = setup->connect_s ? setup->connect_s : CONNECT_S_DEFAULT;
    client->stall_s = setup->stall_s ? setup->stall_s : STALL_S_DEFAULT;
    client->bytes_per_s = setup->bytes_per_s;
    client->plain_allowed = setup->plain_allowed;
    return client;
}

void http_client_close(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->ca_file);
    free(client->cert_file);
    free(client->key_file);
    free(client->agent);
    free(client->body);
    free(client);
}

/* A certificate that begins after the floor may be valid by now; we cannot know better. */
static int accept_later_begin(int good, X509_STORE_CTX *store)
{
    if (good || X509_STORE_CTX_get_error(store) != X509_V_ERR_CERT_NOT_YET_VALID)
        return good;
    X509_STORE_CTX_set_error(store, X509_V_OK); /* libcurl asks for the result again */
    return 1;
}

static CURLcode set_up_tls(CURL *curl, void *ssl_ctx, void *self)
{
    const struct http_client *client = self;

    (void)curl;
    if (client->time_floor.ms > 0) {
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ssl_ctx),
                                   (time_t)(client->time_floor.ms / 1000));
        SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, accept_later_begin);
    }
    return CURLE_OK;
}

static void keep_field(struct span line, size_t name_size, char to[HTTP_FIELD_SIZE])
{
    size_t at = name_size, size;

    while (at < line.size && (line.at[at] == ' ' || line.at[at] == '\t'))
        at++;
    size = line.size - at;
    while (size > 0 && (line.at[at + size - 1] == '\r' || line.at[at + size - 1] == '\n'))
        size--;
    size = size < HTTP_FIELD_SIZE - 1 ? size : HTTP_FIELD_SIZE - 1;
    memcpy(to, line.at + at, size);
    to[size] = '\0';
}

/* Decimal seconds; a date (RFC 9110 10.2.3 allows one) counts as none. */
static uint32_t parse_seconds(const char *text)
{
    uint64_t value = 0;

    for (; *text >= '0' && *text <= '9' && value < UINT32_MAX; text++)
        value = value * 10 + (uint64_t)(*text - '0');
    return *text != '\0' ? 0 : value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static size_t take_header(char *at, size_t one, size_t size, void *self)
{
    struct http_answer *answer = ((struct flight *)self)->answer;
    struct span line = {(const uint8_t *)at, size * one};
    char seconds[HTTP_FIELD_SIZE];

    if (line.size >= 5 && strncmp(at, "HTTP/", 5) == 0) { /* a new status line: forget 1xx */
        *answer = (struct http_answer){0};
    } else if (line.size > 13 && strncasecmp(at, "content-type:", 13) == 0) {
        keep_field(line, 13, answer->content_type);
    } else if (line.size > 5 && strncasecmp(at, "etag:", 5) == 0) {
        keep_field(line, 5, answer->etag);
    } else if (line.size > 14 && strncasecmp(at, "content-range:", 14) == 0) {
        keep_field(line, 14, answer->content_range);
    } else if (line.size > 12 && strncasecmp(at, "retry-after:", 12) == 0) {
        keep_field(line, 12, seconds);
        answer->retry_after_s = parse_seconds(seconds);
    }
    return line.size;
}

static enum err keep_body(struct flight *flight, const char *at, size_t size)
{
    struct http_client *client = flight->client;
    size_t room = client->body_room ? client->body_room : 4096;

    if (size > flight->size_max - flight->body_size) {
        (void)snprintf(flight->ours, sizeof flight->ours, "the answer is larger than %zu bytes",
                       flight->size_max);
        return ERR_TOO_BIG;
    }
    while (room < flight->body_size + size)
        room *= 2;
    if (room != client->body_room) {
        uint8_t *grown = realloc(client->body, room);

        CHECK(grown);
        client->body = grown;
        client->body_room = room;
    }
    memcpy(client->body + flight->body_size, at, size);
    flight->body_size += size;
    return ERR_OK;
}

/* Whether the answer is the part that was asked for: 206, and starting where it should. */
static bool right_part(const struct http_call *call, const struct http_answer *answer, long status)
{
    char wanted[HTTP_FIELD_SIZE];
    int size =
        snprintf(wanted, sizeof wanted, "bytes %.*s-", (int)strcspn(call->range, "-"), call->range);

    return status == 206 && strncmp(answer->content_range, wanted, (size_t)size) == 0;
}

/* Bytes in "FIRST-LAST"; one without an end has none. */
static uint64_t part_size(const char *range)
{
    const char *last = strchr(range, '-') + 1;

    return *last == '\0' ? UINT64_MAX : strtoull(last, NULL, 10) - strtoull(range, NULL, 10) + 1;
}

static enum err pass_on(struct flight *flight, struct span bytes)
{
    const struct http_call *call = flight->call;
    long status = 0;

    (void)curl_easy_getinfo(flight->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!call->sink.take || status / 100 != 2)
        return keep_body(flight, (const char *)bytes.at, bytes.size);
    if (call->range && !right_part(call, flight->answer, status)) {
        (void)snprintf(flight->ours, sizeof flight->ours,
                       "the server does not send the part that was asked for");
        return ERR_CORRUPT;
    }
    flight->part += bytes.size;
    if (call->range && flight->part > part_size(call->range)) {
        (void)snprintf(flight->ours, sizeof flight->ours,
                       "the server sends more than the part that was asked for");
        return ERR_CORRUPT;
    }
    return call->sink.take(call->sink.self, bytes);
}

static int on_progress(void *self, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct flight *flight = self;
    const struct http_watch *watch = &flight->call->watch;
    bool upwards = flight->call->upload_size > 0;

    if (!watch->go_on)
        return 0;
    if (watch->go_on(watch->self, (uint64_t)(upwards ? up : down),
                     (uint64_t)(upwards ? up_total : down_total)))
        return 0;
    flight->err = ERR_AGAIN;
    flight->stopped = true;
    return 1;
}

static int64_t monotonic_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Wait until `size` more bytes are within the cap; TCP makes the sender wait with us. libcurl has
 * a cap of its own, but reads up to a hundred buffers before it looks at it. The watch is asked
 * while we wait. */
static enum err pace(struct flight *flight, size_t size)
{
    struct http_client *client = flight->client;
    int64_t now_us = monotonic_us();

    if (client->bytes_per_s == 0)
        return ERR_OK;
    if (client->paced_us < now_us)
        client->paced_us = now_us;
    client->paced_us += (int64_t)((double)size * 1e6 / (double)client->bytes_per_s);
    while ((now_us = monotonic_us()) < client->paced_us) {
        int64_t wait_us = client->paced_us - now_us;

        (void)usleep((useconds_t)(wait_us < PACE_US_MAX ? wait_us : PACE_US_MAX));
        if (on_progress(flight, 0, 0, 0, 0) != 0)
            return ERR_AGAIN;
    }
    return ERR_OK;
}

static size_t take_body(char *at, size_t one, size_t count, void *self)
{
    struct flight *flight = self;
    size_t size = one * count;

    flight->err = pass_on(flight, (struct span){(const uint8_t *)at, size});
    if (flight->err == ERR_OK)
        flight->err = pace(flight, size);
    return flight->err == ERR_OK ? size : 0;
}

static size_t give_body(char *to, size_t one, size_t count, void *self)
{
    struct flight *flight = self;
    const struct http_call *call = flight->call;
    size_t room = one * count;
    uint64_t total = call->upload_size ? call->upload_size : call->body.size;
    size_t size = total - flight->uploaded < room ? (size_t)(total - flight->uploaded) : room;

    if (call->upload_size) {
        ssize_t got = pread(call->upload_fd, to, size, (off_t)flight->uploaded);

        if (got < 0 || (got == 0 && size > 0)) { /* unreadable, or shorter than it was */
            flight->err = ERR_STORAGE;
            return CURL_READFUNC_ABORT;
        }
        size = (size_t)got;
    } else if (size) {
        memcpy(to, call->body.at + flight->uploaded, size);
    }
    flight->uploaded += size;
    return size;
}

/* libcurl starts a body over when a kept connection turns out to be dead. */
static int rewind_body(void *self, curl_off_t offset, int origin)
{
    struct flight *flight = self;

    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    flight->uploaded = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);

    CHECK(longer);
    return longer;
}

static struct curl_slist *header_lines(const struct http_call *call)
{
    struct curl_slist *list = add_line(NULL, "Expect:"); /* no wait for 100-continue */
    char line[256];

    if (call->content_type) {
        (void)snprintf(line, sizeof line, "Content-Type: %s", call->content_type);
        list = add_line(list, line);
    } else {
        list = add_line(list, "Content-Type:"); /* not libcurl's form encoding */
    }
    for (size_t i = 0; i < HTTP_HEADERS_MAX && call->headers[i]; i++)
        list = add_line(list, call->headers[i]);
    return list;
}

#define SET(option, value) CHECK(curl_easy_setopt(curl, CURLOPT_##option, value) == CURLE_OK)

static void set_client(struct http_client *client)
{
    CURL *curl = client->curl;

    SET(NOSIGNAL, 1L);
    SET(PATH_AS_IS, 1L); /* a name may have ".." in it: the server shall see what was meant */
    SET(PROXY, "");      /* and so none from the environment */
    SET(PROTOCOLS_STR, client->plain_allowed ? "http,https" : "https");
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(TCP_KEEPALIVE, 1L);
    SET(USERAGENT, client->agent);
    if (client->ca_file) {
        SET(CAINFO, client->ca_file);
        SET(CAPATH, NULL);
    }
    if (client->cert_file) {
        SET(SSLCERT, client->cert_file);
        SET(SSLKEY, client->key_file);
    }
    SET(SSL_CTX_FUNCTION, set_up_tls);
    SET(SSL_CTX_DATA, client);
    SET(CONNECTTIMEOUT, (long)client->connect_s);
    SET(LOW_SPEED_LIMIT, 1L);
    SET(LOW_SPEED_TIME, (long)client->stall_s);
}

static void set_request_body(CURL *curl, const struct http_call *call, const char *method)
{
    uint64_t size = call->upload_size ? call->upload_size : call->body.size;

    if (size == 0 && strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0) {
        SET(NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
        SET(CUSTOMREQUEST, method);
        return;
    }
    SET(UPLOAD, 1L);
    SET(INFILESIZE_LARGE, (curl_off_t)size);
    SET(CUSTOMREQUEST, method);
}

static void set_call(struct flight *flight, struct curl_slist *headers)
{
    CURL *curl = flight->client->curl;
    const struct http_call *call = flight->call;

    set_request_body(curl, call, call->method ? call->method : "GET");
    SET(URL, call->url);
    SET(HTTPHEADER, headers);
    SET(RANGE, call->range);
    SET(TIMEOUT, (long)call->total_s);
    SET(ERRORBUFFER, flight->text);
    SET(HEADERFUNCTION, take_header);
    SET(HEADERDATA, flight);
    SET(WRITEFUNCTION, take_body);
    SET(WRITEDATA, flight);
    SET(READFUNCTION, give_body);
    SET(READDATA, flight);
    SET(SEEKFUNCTION, rewind_body);
    SET(SEEKDATA, flight);
    SET(NOPROGRESS, 0L);
    SET(XFERINFOFUNCTION, on_progress);
    SET(XFERINFODATA, flight);
}

static enum err classify(CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return ERR_UNTRUSTED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return ERR_INVALID;
    default:
        return ERR_LINK;
    }
}

static enum err conclude(const struct flight *flight, CURLcode code, struct why *why)
{
    if (flight->err != ERR_OK) {
        if (flight->stopped)
            why_say(why, NULL, "stopped before there was an answer");
        else if (flight->ours[0])
            why_say(why, NULL, flight->ours);
        return flight->err;
    }
    if (code != CURLE_OK)
        why_say(why, NULL, flight->text[0] ? flight->text : curl_easy_strerror(code));
    return classify(code);
}

enum err http_client_call(struct http_client *client, const struct http_call *call,
                          struct http_answer *answer, struct why *why)
{
    struct http_answer fresh = {0};
    struct flight flight = {.client = client,
                            .call = call,
                            .answer = &fresh,
                            .size_max = call->size_max ? call->size_max : MESSAGE_SIZE_MAX};
    struct curl_slist *headers = header_lines(call);
    long status = 0;
    CURLcode code;
    enum err err;

    CHECK(call->url);
    curl_easy_reset(client->curl); /* keeps connections and TLS sessions */
    set_client(client);
    set_call(&flight, headers);
    code = curl_easy_perform(client->curl);
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);

    err = conclude(&flight, code, why);
    if (err == ERR_OK) {
        fresh.status = (uint32_t)status;
        fresh.body = (struct span){client->body, flight.body_size};
        *answer = fresh;
    }
    return err;
}
