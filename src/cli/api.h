/* The management API as commands use it: a call prints its own error and returns an exit code.
 *
 * Calls that are safe to repeat (all but POST without a key; ours always have one) are tried
 * again a few times when the server cannot be reached or asks for patience. */
#pragma once

#include <jansson.h>

#include "base/span.h"
#include "cli/command.h"

#define API_PATH_SIZE 8192u /* bytes; a percent-encoded selector fits */

/* A path below /api/v1, with its query. */
struct api_path {
    char text[API_PATH_SIZE];
    bool query; /* whether it has one already */
};

/* "/devices/{}/logs/{}": each {} is the next argument (const char *), percent-encoded. */
struct api_path api_path(const char *pattern, ...);
/* Add "name=value" to the query; nothing for a NULL or empty value. */
void api_query(struct api_path *path, const char *name, const char *value);

/* Bytes, for those who read a stream. An error ends the call and is given back. */
typedef enum err api_take(void *self, struct span bytes);

/* `*out` is a new reference (NULL allowed for api_send: the answer is dropped). */
int api_get(struct cli *cli, const struct api_path *path, json_t **out);
/* `body` is taken; NULL: none. */
int api_send(struct cli *cli, const char *method, const struct api_path *path, json_t *body,
             json_t **out);
int api_send_if_match(struct cli *cli, const char *method, const struct api_path *path,
                      const char *etag, json_t *body, json_t **out);
int api_send_bytes(struct cli *cli, const struct api_path *path, struct span bytes, json_t **out);

/* The ETag of the last answer, "" if it had none. */
const char *api_etag(const struct cli *cli);

/* All pages of a list: an array; at most `limit` items if not 0. */
int api_list(struct cli *cli, const struct api_path *path, size_t limit, json_t **out);

/* Copy the answer's body to `to`. */
int api_download(struct cli *cli, const struct api_path *path, FILE *to);

/* Put a file under its digest unless the server has it. `*sent` tells whether bytes went out. */
int api_upload(struct cli *cli, const char *file, const char sha256[], const char *label,
               bool *sent);

/* Asked at least once a second while a stream is read; false ends it. */
typedef bool api_go_on(void *self);

/* Read server-sent events for at most `total_s` seconds, on a connection of its own: `take` and
 * `go_on` may make other calls. ERR_AGAIN: one of them ended it, or the time; ERR_OK: the server
 * did; ERR_LINK. `*status` is 0 without an answer. Prints nothing. */
struct api_stream {
    api_take *take;
    api_go_on *go_on;
    void *self;
    uint32_t total_s;
};
enum err api_stream(struct cli *cli, const struct api_path *path, const struct api_stream *stream,
                    unsigned *status);

/* A GET that prints nothing: for polling and `doctor`. `path` is not below /api/v1 here. */
enum err api_probe(struct cli *cli, const char *path, unsigned *status, json_t **out,
                   struct why *why);

/* The server's URL in use, for messages; NULL when there is none. */
const char *api_server(struct cli *cli);

void api_close(struct api *api); /* NULL-safe */
