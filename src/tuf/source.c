#include "tuf/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "codec/percent.h"
#include "os/say.h"

#define URL_SIZE_MAX 16384u /* bytes of a URL with NUL */

/* What may stand in the path of a URL as it is (RFC 3986, 3.3) besides letters and digits. */
#define PATH_SAFE "/!$&'()*+,;=:@"

struct source {
    struct http_client *client;
    char *metadata_url, *target_url; /* each ends in '/' */
};

static char *base_url(const char *url)
{
    size_t size = strlen(url);
    char *copy = malloc(size + 2);

    CHECK(copy);
    memcpy(copy, url, size + 1);
    if (size == 0 || url[size - 1] != '/')
        memcpy(copy + size, "/", 2);
    return copy;
}

enum err source_open(const char *metadata_url, const char *target_url, struct source **out,
                     struct why *why)
{
    const struct http_client_setup setup = {.agent = "slipway-tuf", .plain_allowed = true};
    struct http_client *client = http_client_open(&setup, why);
    struct source *source;

    if (!client)
        return ERR_INVALID;
    source = calloc(1, sizeof *source);
    CHECK(source);
    source->client = client;
    source->metadata_url = base_url(metadata_url);
    source->target_url = target_url ? base_url(target_url) : NULL;
    *out = source;
    return ERR_OK;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    http_client_close(source->client);
    free(source->metadata_url);
    free(source->target_url);
    free(source);
}

/* One GET; anything but 200 is a failure. */
static enum err get(struct source *source, struct http_call *call, struct span *body,
                    struct why *why)
{
    struct http_answer answer;
    enum err err = http_client_call(source->client, call, &answer, why);

    if (err != ERR_OK)
        return say_where(why, err, "%.120s", call->url);
    if (answer.status == 404 || answer.status == 403)
        return say(why, ERR_NOT_FOUND, NULL, "%.120s: there is none (HTTP status %u)", call->url,
                   answer.status);
    if (answer.status != 200)
        return say(why, ERR_LINK, NULL, "%.120s: HTTP status %u", call->url, answer.status);
    *body = answer.body;
    return ERR_OK;
}

static enum err get_metadata(void *self, const char *name, size_t size_max, struct tuf_bytes *out,
                             struct why *why)
{
    struct source *source = self;
    char url[URL_SIZE_MAX];
    struct http_call call = {.url = url, .size_max = size_max ? size_max : 1};
    int size = snprintf(url, sizeof url, "%s%s", source->metadata_url, name);
    struct span body;

    if (size < 0 || (size_t)size >= sizeof url)
        return say(why, ERR_TOO_BIG, NULL, "the URL is too long");
    TRY(get(source, &call, &body, why));
    *out = tuf_bytes_copy(body);
    return ERR_OK;
}

struct tuf_fetch source_fetch(struct source *source)
{
    return (struct tuf_fetch){.self = source, .get = get_metadata};
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A target's path is said to be a piece of a URL already, yet it may be any text: "%20" in it
 * stays what it is, as long as each of its percent signs makes sense so. */
static bool is_encoded(const char *path)
{
    for (const char *at = strchr(path, '%'); at; at = strchr(at + 1, '%')) {
        if (!is_hex(at[1]) || !is_hex(at[2]))
            return false;
    }
    return true;
}

enum err source_get_target(struct source *source, const char *path, const struct http_sink *sink,
                           struct why *why)
{
    char url[URL_SIZE_MAX];
    struct buf buf = buf_over(url, sizeof url);
    struct http_call call = {.url = url, .sink = *sink};
    struct span body;

    CHECK(source->target_url);
    buf_text(&buf, source->target_url);
    percent_put(&buf, span_of(path), is_encoded(path) ? "%" PATH_SAFE : PATH_SAFE);
    (void)buf_finish_text(&buf);
    if (buf.overflow)
        return say(why, ERR_TOO_BIG, NULL, "the URL is too long");
    return get(source, &call, &body, why);
}
