#include "cli/api.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/context.h"
#include "cli/fields.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "codec/hex.h"
#include "net/http_client.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/say.h"

#define ANSWER_SIZE_MAX (16u * 1024u * 1024u) /* bytes of one JSON answer */
#define TRIES           4u                    /* of a call that is safe to repeat */
#define WAIT_S_MAX      10u                   /* longest pause between two tries */
#define PAGES_MAX       100000u
#define HEADER_SIZE     (CONTEXT_TOKEN_SIZE_MAX + 64u)

struct api {
    struct context context;
    struct http_client *client;
    struct http_client *stream;      /* a second connection, opened by the first api_stream() */
    char authorization[HEADER_SIZE]; /* whole line; "" without a token */
    char etag[HTTP_FIELD_SIZE];
};

/* ---- paths ---- */

/* RFC 3986 2.3: everything but the unreserved characters. */
static void add_encoded(struct api_path *path, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t at = strlen(path->text);

    for (; *text != '\0' && at + 4 < sizeof path->text; text++) {
        unsigned char c = (unsigned char)*text;

        if (strchr(plain, c)) {
            path->text[at++] = (char)c;
            continue;
        }
        path->text[at++] = '%';
        path->text[at++] = digits[c >> 4];
        path->text[at++] = digits[c & 15];
    }
    path->text[at] = '\0';
}

/* As it stands; literals of ours are short. */
static void add_plain(struct api_path *path, const char *text, size_t size)
{
    size_t at = strlen(path->text);

    CHECK(at + size + 1 < sizeof path->text);
    memcpy(path->text + at, text, size);
    path->text[at + size] = '\0';
}

struct api_path api_path(const char *pattern, ...)
{
    struct api_path path = {.text = ""};
    const char *hole;
    va_list list;

    va_start(list, pattern);
    add_plain(&path, "/api/v1", 7);
    while ((hole = strstr(pattern, "{}")) != NULL) {
        add_plain(&path, pattern, (size_t)(hole - pattern));
        add_encoded(&path, va_arg(list, const char *));
        pattern = hole + 2;
    }
    add_plain(&path, pattern, strlen(pattern));
    va_end(list);
    return path;
}

void api_query(struct api_path *path, const char *name, const char *value)
{
    if (!value || *value == '\0')
        return;
    add_plain(path, path->query ? "&" : "?", 1);
    path->query = true;
    add_plain(path, name, strlen(name));
    add_plain(path, "=", 1);
    add_encoded(path, value);
}

/* ---- connection ---- */

/* A token may travel without TLS only inside this machine. */
static bool is_local_plain(const char *server)
{
    static const char *const local[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};

    for (size_t i = 0; i < COUNT_OF(local); i++) {
        size_t size = strlen(local[i]);

        if (strncmp(server, local[i], size) == 0 && (server[size] == ':' || server[size] == '\0'))
            return true;
    }
    return false;
}

static int check_server(struct cli *cli, const struct context *context)
{
    if (context->server[0] == '\0')
        return complain(cli, CODE_USAGE,
                        "no server is known: run slipway login, or give --server URL");
    if (strncmp(context->server, "https://", 8) != 0 && !is_local_plain(context->server))
        return complain(cli, CODE_USAGE, "the server's URL must begin with https://, not \"%s\"",
                        context->server);
    return CODE_OK;
}

static int read_token(struct cli *cli, struct api *api, struct why *why)
{
    char token[CONTEXT_TOKEN_SIZE_MAX + 1];
    enum err err;

    if (api->context.token_file[0] == '\0')
        return CODE_OK;
    err = context_token(api->context.token_file, token, why);
    if (err != ERR_OK)
        return complain_why(cli, err, why);
    (void)snprintf(api->authorization, sizeof api->authorization, "Authorization: Bearer %s",
                   token);
    return CODE_OK;
}

static struct http_client *open_client(const struct context *context, struct why *why)
{
    struct http_client_setup setup = {
        .agent = "slipway-cli/" SLIPWAY_VERSION,
        .ca_file = context->ca[0] ? context->ca : NULL,
        .plain_allowed = is_local_plain(context->server),
    };

    return http_client_open(&setup, why);
}

static int open_api(struct cli *cli)
{
    struct api *api;
    struct why why;
    enum err err;
    int code;

    why_clear(&why);
    if (cli->api)
        return CODE_OK;
    api = calloc(1, sizeof *api);
    CHECK(api != NULL);
    err = context_load(&cli->options, &api->context, &why);
    code = err != ERR_OK ? complain_why(cli, err, &why) : check_server(cli, &api->context);
    if (code == CODE_OK)
        code = read_token(cli, api, &why);
    if (code == CODE_OK) {
        api->client = open_client(&api->context, &why);
        if (!api->client)
            code = complain(cli, CODE_ERROR, "%s", why.text);
    }
    if (code != CODE_OK) {
        api_close(api);
        return code;
    }
    cli->api = api;
    return CODE_OK;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    http_client_close(api->client);
    http_client_close(api->stream);
    memset(api->authorization, 0, sizeof api->authorization);
    free(api);
}

const char *api_server(struct cli *cli)
{
    return open_api(cli) == CODE_OK ? cli->api->context.server : NULL;
}

const char *api_etag(const struct cli *cli)
{
    return cli->api ? cli->api->etag : "";
}

/* ---- what the server refused ---- */

static int code_of_status(unsigned status)
{
    switch (status) {
    case 400:
    case 413:
    case 422:
        return CODE_USAGE;
    case 401:
    case 403:
        return CODE_DENIED;
    case 404:
        return CODE_NOT_FOUND;
    case 409:
    case 412:
        return CODE_CONFLICT;
    case 429:
    case 502:
    case 503:
    case 504:
        return CODE_UNREACHABLE;
    default:
        return CODE_ERROR;
    }
}

static json_t *parse(struct span body)
{
    return json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);
}

/* Under a selector, a caret below the place the server means. */
static void point_at(struct cli *cli, const char *field, int64_t column)
{
    const char *selector = NULL;

    for (size_t i = 0; i < cli->options.count; i++)
        if (strcmp(cli->options.table[i].name, "selector") == 0)
            selector = options_text(&cli->options, "selector");
    if (!selector && cli->arg_count == 1)
        selector = cli->args[0];
    (void)fputs("  ", cli->err);
    print_safe(cli->err, field);
    if (strcmp(field, "selector") == 0 && selector && column > 0 && column < 1000) {
        (void)fputs(": ", cli->err);
        print_safe(cli->err, selector);
        (void)fprintf(cli->err, "\n            %*s^", (int)column - 1, "");
    }
    (void)fputc('\n', cli->err);
}

/* application/problem+json (RFC 9457) as a sentence. */
static int complain_problem(struct cli *cli, const struct http_answer *answer)
{
    json_t *problem = answer->body.size ? parse(answer->body) : NULL;
    const char *detail = field_text(problem, "detail"), *field = field_text(problem, "field");

    if (*detail == '\0')
        detail = field_text(problem, "title");
    (void)fputs("slipway: ", cli->err);
    if (*detail)
        print_safe(cli->err, detail);
    else
        (void)fprintf(cli->err, "the server answered with status %u", (unsigned)answer->status);
    (void)fputc('\n', cli->err);
    if (*field)
        point_at(cli, field, field_int(problem, "column"));
    json_decref(problem);
    return code_of_status(answer->status);
}

static int complain_link(struct cli *cli, enum err err, const struct why *why)
{
    if (err == ERR_LINK || err == ERR_UNTRUSTED)
        return complain(cli, CODE_UNREACHABLE, "%s: %s", cli->api->context.server,
                        why->text[0] ? why->text : err_text(err));
    return complain_why(cli, err, why);
}

/* ---- calls ---- */

static void add_header(struct http_call *call, const char *line)
{
    for (size_t i = 0; i < HTTP_HEADERS_MAX; i++) {
        if (call->headers[i])
            continue;
        call->headers[i] = line;
        return;
    }
    CHECK(false);
}

static void url_of(const struct cli *cli, const char *path, char *to, size_t size)
{
    (void)snprintf(to, size, "%s%s", cli->api->context.server, path);
}

static bool worth_a_retry(enum err err, const struct http_answer *answer)
{
    return err == ERR_LINK || (err == ERR_OK && (answer->status == 503 || answer->status == 429));
}

/* One call with retries. What comes back was either an error without an answer, or an answer. */
static enum err call_patiently(struct cli *cli, struct http_call *call, struct http_answer *answer,
                               struct why *why)
{
    char url[API_PATH_SIZE + sizeof cli->api->context.server];
    enum err err = ERR_OK;

    url_of(cli, call->url, url, sizeof url);
    call->url = url;
    call->size_max = ANSWER_SIZE_MAX;
    if (cli->api->authorization[0])
        add_header(call, cli->api->authorization);
    for (unsigned attempt = 1; attempt <= TRIES; attempt++) {
        unsigned wait_s = 1u << (attempt - 1);

        memset(answer, 0, sizeof *answer);
        if (call->upload_size > 0 && lseek(call->upload_fd, 0, SEEK_SET) != 0)
            return say(why, ERR_STORAGE, NULL, "cannot read the upload again");
        err = http_client_call(cli->api->client, call, answer, why);
        if (!worth_a_retry(err, answer) || attempt == TRIES)
            break;
        if (err == ERR_OK && answer->retry_after_s > wait_s)
            wait_s = answer->retry_after_s;
        (void)nanosleep(&(struct timespec){.tv_sec = wait_s < WAIT_S_MAX ? wait_s : WAIT_S_MAX},
                        NULL);
    }
    if (err == ERR_OK)
        memcpy(cli->api->etag, answer->etag, sizeof cli->api->etag);
    return err;
}

/* Make the call; `*out` gets the JSON of a 2xx answer (NULL when it had no body). */
static int finish(struct cli *cli, struct http_call *call, json_t **out)
{
    struct http_answer answer;
    struct why why;
    json_t *json = NULL;
    enum err err;

    why_clear(&why);
    err = call_patiently(cli, call, &answer, &why);
    if (err != ERR_OK)
        return complain_link(cli, err, &why);
    if (answer.status < 200 || answer.status > 299)
        return complain_problem(cli, &answer);
    if (answer.body.size > 0) {
        json = parse(answer.body);
        if (!json)
            return complain(cli, CODE_ERROR, "the server's answer is not JSON");
    }
    if (out)
        *out = json;
    else
        json_decref(json);
    return CODE_OK;
}

static void make_idempotency_key(char *to, size_t size)
{
    uint8_t random[16];
    char hex[2 * sizeof random + 1];

    entropy_fill(random, sizeof random);
    hex_print((struct span){random, sizeof random}, hex);
    (void)snprintf(to, size, "Idempotency-Key: %s", hex);
}

int api_get(struct cli *cli, const struct api_path *path, json_t **out)
{
    struct http_call call = {.method = "GET", .url = path->text};
    int code = open_api(cli);

    if (code != CODE_OK)
        return code;
    code = finish(cli, &call, out);
    if (code == CODE_OK && !*out)
        return complain(cli, CODE_ERROR, "the server's answer is empty");
    return code;
}

int api_send_bytes(struct cli *cli, const struct api_path *path, struct span bytes, json_t **out)
{
    struct http_call call = {
        .method = "POST", .url = path->text, .content_type = "application/json", .body = bytes};
    char key[64];
    int code = open_api(cli);

    if (code != CODE_OK)
        return code;
    make_idempotency_key(key, sizeof key);
    add_header(&call, key);
    return finish(cli, &call, out);
}

int api_send_if_match(struct cli *cli, const char *method, const struct api_path *path,
                      const char *etag, json_t *body, json_t **out)
{
    struct http_call call = {.method = method, .url = path->text};
    char key[64], if_match[HTTP_FIELD_SIZE + 16];
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    int code = open_api(cli);

    json_decref(body);
    if (code == CODE_OK) {
        make_idempotency_key(key, sizeof key);
        if (strcmp(method, "POST") == 0)
            add_header(&call, key);
        if (etag && *etag) {
            (void)snprintf(if_match, sizeof if_match, "If-Match: %s", etag);
            add_header(&call, if_match);
        }
        if (text) {
            call.content_type = "application/json";
            call.body = span_of(text);
        }
        code = finish(cli, &call, out);
    }
    free(text);
    return code;
}

int api_send(struct cli *cli, const char *method, const struct api_path *path, json_t *body,
             json_t **out)
{
    return api_send_if_match(cli, method, path, NULL, body, out);
}

static int add_page(struct cli *cli, const struct api_path *path, const char *cursor, size_t limit,
                    json_t *all, json_t **page)
{
    struct api_path here = *path;
    json_t *items, *item;
    size_t index;
    int code;

    api_query(&here, "cursor", cursor);
    code = api_get(cli, &here, page);
    if (code != CODE_OK)
        return code;
    items = json_object_get(*page, "items");
    json_array_foreach(items, index, item) if (limit == 0 || json_array_size(all) < limit)
        CHECK(json_array_append(all, item) == 0);
    return CODE_OK;
}

int api_list(struct cli *cli, const struct api_path *path, size_t limit, json_t **out)
{
    json_t *all = json_array(), *page = NULL;
    char cursor[512] = "";
    int code;

    CHECK(all != NULL);
    for (unsigned i = 0; i < PAGES_MAX; i++) {
        code = add_page(cli, path, cursor, limit, all, &page);
        if (code != CODE_OK) {
            json_decref(all);
            return code;
        }
        (void)snprintf(cursor, sizeof cursor, "%s", field_text(page, "next"));
        json_decref(page);
        if (cursor[0] == '\0' || (limit > 0 && json_array_size(all) >= limit))
            break;
    }
    *out = all;
    return CODE_OK;
}

/* ---- bodies that are files ---- */

static enum err write_out(void *self, struct span bytes)
{
    FILE *to = self;

    return fwrite(bytes.at, 1, bytes.size, to) == bytes.size ? ERR_OK : ERR_STORAGE;
}

int api_download(struct cli *cli, const struct api_path *path, FILE *to)
{
    char url[API_PATH_SIZE + sizeof cli->api->context.server];
    struct http_call call = {.url = url, .sink = {write_out, to}};
    struct http_answer answer = {.status = 0};
    struct why why;
    enum err err;
    int code = open_api(cli);

    if (code != CODE_OK)
        return code;
    why_clear(&why);
    url_of(cli, path->text, url, sizeof url);
    if (cli->api->authorization[0])
        add_header(&call, cli->api->authorization);
    err = http_client_call(cli->api->client, &call, &answer, &why);
    if (err != ERR_OK)
        return complain_link(cli, err, &why);
    return answer.status == 200 ? CODE_OK : complain_problem(cli, &answer);
}

static bool show_upload(void *self, uint64_t done, uint64_t total)
{
    progress_bytes(self, done, total, clock_instant());
    return true;
}

static int put_blob(struct cli *cli, const struct api_path *path, int fd, uint64_t size,
                    const char *label)
{
    struct progress progress = progress_begin(cli->err, cli->err_tty, label, clock_instant());
    struct http_call call = {.method = "PUT",
                             .url = path->text,
                             .content_type = "application/octet-stream",
                             .upload_fd = fd,
                             .upload_size = size,
                             .watch = {show_upload, &progress}};
    struct http_answer answer;
    struct why why;
    enum err err;

    why_clear(&why);
    err = call_patiently(cli, &call, &answer, &why);
    progress_clear(&progress);
    if (err != ERR_OK)
        return complain_link(cli, err, &why);
    return answer.status < 300 ? CODE_OK : complain_problem(cli, &answer);
}

/* CODE_OK with `*there` when the server answered at all. */
static int ask_for_blob(struct cli *cli, const struct api_path *path, bool *there)
{
    struct http_call call = {.method = "HEAD", .url = path->text};
    struct http_answer answer;
    struct why why;
    enum err err;

    why_clear(&why);
    err = call_patiently(cli, &call, &answer, &why);
    if (err != ERR_OK)
        return complain_link(cli, err, &why);
    *there = answer.status == 200;
    if (*there || answer.status == 404)
        return CODE_OK;
    return complain_problem(cli, &answer);
}

int api_upload(struct cli *cli, const char *file, const char sha256[], const char *label,
               bool *sent)
{
    struct api_path path = api_path("/blobs/{}", sha256);
    struct stat stat;
    bool there = false;
    int code = open_api(cli), fd;

    *sent = false;
    if (code == CODE_OK)
        code = ask_for_blob(cli, &path, &there);
    if (code != CODE_OK || there)
        return code;
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_size == 0) {
        file_close(&fd);
        return complain(cli, CODE_ERROR, "%s cannot be read or is empty", file);
    }
    code = put_blob(cli, &path, fd, (uint64_t)stat.st_size, label);
    file_close(&fd);
    *sent = code == CODE_OK;
    return code;
}

/* ---- streams and probes ---- */

static bool keep_streaming(void *self, uint64_t done, uint64_t total)
{
    const struct api_stream *stream = self;

    (void)done;
    (void)total;
    return stream->go_on(stream->self);
}

enum err api_stream(struct cli *cli, const struct api_path *path, const struct api_stream *stream,
                    unsigned *status)
{
    char url[API_PATH_SIZE + sizeof cli->api->context.server];
    struct api_stream copy = *stream;
    struct http_call call = {.url = url,
                             .sink = {stream->take, stream->self},
                             .watch = {keep_streaming, &copy},
                             .total_s = stream->total_s};
    struct http_answer answer = {.status = 0};
    struct why why;
    enum err err;

    CHECK(cli->api != NULL);
    why_clear(&why);
    if (!cli->api->stream)
        cli->api->stream = open_client(&cli->api->context, &why);
    if (!cli->api->stream)
        return ERR_LINK;
    url_of(cli, path->text, url, sizeof url);
    add_header(&call, "Accept: text/event-stream");
    if (cli->api->authorization[0])
        add_header(&call, cli->api->authorization);
    err = http_client_call(cli->api->stream, &call, &answer, &why);
    *status = answer.status;
    return err;
}

enum err api_probe(struct cli *cli, const char *path, unsigned *status, json_t **out,
                   struct why *why)
{
    char url[API_PATH_SIZE + sizeof cli->api->context.server];
    struct http_call call = {.url = url, .size_max = ANSWER_SIZE_MAX, .total_s = 15};
    struct http_answer answer = {.status = 0};
    enum err err;

    if (open_api(cli) != CODE_OK)
        return ERR_INVALID;
    url_of(cli, path, url, sizeof url);
    if (cli->api->authorization[0])
        add_header(&call, cli->api->authorization);
    err = http_client_call(cli->api->client, &call, &answer, why);
    *status = answer.status;
    *out = err == ERR_OK && answer.body.size > 0 ? parse(answer.body) : NULL;
    return err;
}
