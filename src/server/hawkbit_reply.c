/* Answers of hawkBit's device API, and the reading of bodies. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "codec/hex.h"
#include "crypto/sha256.h"
#include "net/http_range.h"
#include "server/hawkbit_inside.h"

#define REPLY_SIZE (128u * 1024u) /* bytes: 16 artifacts with four links each */
#define CLASS      "org.eclipse.hawkbit."

enum err hawkbit_reply_begin(struct hawkbit_handling *handling, struct buf *buf,
                             struct tree_out *out)
{
    void *room = malloc(REPLY_SIZE);

    CHECK(room);
    *buf = buf_over(room, REPLY_SIZE);
    *out = tree_out(buf, handling->media == HAWKBIT_CBOR);
    return ERR_OK;
}

/* As hawkBit's: over the bytes of the answer, so each media type has its own. */
void hawkbit_make_etag(struct hawkbit_handling *handling, const struct buf *buf)
{
    uint8_t digest[DIGEST_SIZE];
    char hex[33];

    sha256_of(buf_written(buf), digest);
    hex_print((struct span){digest, 16}, hex);
    (void)snprintf(handling->etag, sizeof handling->etag, "\"0%s\"", hex);
}

enum err hawkbit_reply_end(struct hawkbit_handling *handling, struct buf *buf)
{
    struct exchange *exchange = handling->exchange;
    bool fits = !buf->overflow;

    if (fits) {
        if (handling->etag[0] == '\0')
            hawkbit_make_etag(handling, buf);
        reply_header(exchange, "ETag", handling->etag);
        if (http_etag_listed(exchange->request.if_none_match, span_of(handling->etag), true))
            reply_empty(exchange, 304);
        else
            reply_bytes(exchange, 200, hawkbit_media_name(handling->media), buf_written(buf));
    }
    free(buf->at);
    return fits ? ERR_OK : hawkbit_reply_error(handling, ERR_TOO_BIG);
}

enum err hawkbit_refuse(struct hawkbit_handling *handling, uint16_t status, enum err err,
                        const char *class, const char *code, const char *message)
{
    const struct hawkbit_error error = {class, code, message};
    uint8_t room[1024];
    struct buf buf = buf_over(room, sizeof room);
    struct tree_out out = tree_out(&buf, handling->media == HAWKBIT_CBOR);

    hawkbit_write_error(&error, &out);
    CHECK(!buf.overflow);
    reply_bytes(handling->exchange, status,
                handling->media == HAWKBIT_CBOR ? "application/cbor" : "application/json",
                buf_written(&buf));
    return err;
}

enum err hawkbit_reply_error(struct hawkbit_handling *handling, enum err err)
{
    const char *text = handling->why.text[0] != '\0' ? handling->why.text : err_text(err);

    switch (err) {
    case ERR_UNTRUSTED:
    case ERR_DENIED:
    case ERR_CONFLICT: /* the name belongs to a device of another protocol */
        reply_empty(handling->exchange, 401);
        return err;
    case ERR_NOT_FOUND:
        reply_empty(handling->exchange, 404);
        return err;
    case ERR_AGAIN:
        reply_header(handling->exchange, "Retry-After", "10");
        reply_empty(handling->exchange, 429); /* clients try again after it */
        return err;
    case ERR_TOO_BIG:
        return hawkbit_refuse(handling, 429, err,
                              CLASS "repository.exception.AssignmentQuotaExceededException",
                              "quota.tooManyEntries", text);
    case ERR_INVALID:
    case ERR_CORRUPT:
        return hawkbit_refuse(handling, 400, err,
                              CLASS "repository.exception.ConstraintViolationException",
                              "repo.constraintViolation", text);
    case ERR_OK:
    case ERR_LINK:
    case ERR_STORAGE:
    case ERR_UNSUITABLE:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
    default:
        return hawkbit_refuse(handling, 500, err, CLASS "exception.GenericSpServerException",
                              "repo.genericError", "the server has a problem of its own");
    }
}

enum err hawkbit_read_body(struct hawkbit_handling *handling)
{
    const struct request_view *request = &handling->exchange->request;
    enum err err;
    bool cbor;

    if (hawkbit_content(request->content_type, &cbor) != ERR_OK) {
        reply_empty(handling->exchange, 415);
        return ERR_INVALID;
    }
    handling->texts_buf = buf_over(handling->texts, sizeof handling->texts);
    handling->tree = (struct tree){
        .nodes = handling->nodes, .room = HAWKBIT_NODES_MAX, .texts = &handling->texts_buf};
    err = cbor ? tree_read_cbor(request->body, &handling->tree)
               : tree_read_json(request->body, &handling->tree);
    if (err == ERR_TOO_BIG)
        return hawkbit_reply_error(handling, err);
    if (err != ERR_OK)
        return hawkbit_refuse(handling, 400, err,
                              CLASS "rest.exception.MessageNotReadableException",
                              "rest.body.notReadable", "The request body is not well formed.");
    return ERR_OK;
}
