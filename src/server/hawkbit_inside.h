/* Inside hawkBit's device API: one request on its way. Only server/hawkbit_*.c include this. */
#pragma once

#include "app/foreign.h"
#include "server/foreign_api.h"
#include "wire/hawkbit.h"

#define HAWKBIT_ETAG_SIZE 40u /* with quotes and NUL */

struct hawkbit_handling {
    const struct foreign_host *host;
    struct app *app;
    struct exchange *exchange;
    struct hawkbit_call call;
    enum hawkbit_media media;
    struct foreign_call device;
    struct foreign_offer offer;
    struct why why;
    char etag[HAWKBIT_ETAG_SIZE]; /* of the answer; "": still to be made from its bytes */

    /* The body. */
    struct tree_node nodes[HAWKBIT_NODES_MAX];
    uint8_t texts[HAWKBIT_BODY_SIZE_MAX];
    struct buf texts_buf;
    struct tree tree;
};

/* ---- hawkbit_enter.c ---- */

/* By target token, gateway token, our own certificate or a trusted proxy's word. ERR_UNTRUSTED and
 * ERR_DENIED are 401 without a body. */
enum err hawkbit_enter(struct hawkbit_handling *handling) MUST_USE;

/* ---- hawkbit_reply.c ---- */

/* 200 with what was written, its ETag, or 304. */
enum err hawkbit_reply_begin(struct hawkbit_handling *handling, struct buf *buf,
                             struct tree_out *out) MUST_USE;
enum err hawkbit_reply_end(struct hawkbit_handling *handling, struct buf *buf) MUST_USE;

/* From what has been written; for an answer of which less than all decides whether it has changed.
 */
void hawkbit_make_etag(struct hawkbit_handling *handling, const struct buf *buf);

/* `status` with hawkBit's error body; returns `err`. */
enum err hawkbit_refuse(struct hawkbit_handling *handling, uint16_t status, enum err err,
                        const char *class, const char *code, const char *message);

/* Whatever a story has said. Returns `err`. */
enum err hawkbit_reply_error(struct hawkbit_handling *handling, enum err err);

/* Read the body into the tree. Answers 415 or 400 by itself. */
enum err hawkbit_read_body(struct hawkbit_handling *handling) MUST_USE;

/* ---- hawkbit_work.c: deployments and their files ---- */

enum err hawkbit_deployment(struct hawkbit_handling *handling) MUST_USE;
enum err hawkbit_installed(struct hawkbit_handling *handling) MUST_USE;
enum err hawkbit_artifacts(struct hawkbit_handling *handling) MUST_USE;
enum err hawkbit_artifact(struct hawkbit_handling *handling) MUST_USE;
enum err hawkbit_md5sum(struct hawkbit_handling *handling) MUST_USE;
