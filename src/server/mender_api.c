#include "server/mender_api.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/mender.h"
#include "app/pace.h"
#include "artifact/mender.h"
#include "base/check.h"
#include "crypto/public_key.h"
#include "os/file.h"
#include "os/say.h"
#include "server/mender_session.h"
#include "store/account.h"
#include "wire/mender_host.h"

#define RETRY_S        60u         /* whoever asks too often; clients know no less */
#define ANSWER_SIZE    8192u       /* bytes of the largest answer */
#define FACTS_READ_MAX (32u << 20) /* bytes of an artifact until its header must have come */
#define FACTS_PIECE    (64u << 10)
#define WHERE_SIZE_MAX 2048u /* bytes of path and query */
#define SIGNATURE_MAX  2048u /* characters of X-MEN-Signature */

struct handling {
    struct app *app;
    struct exchange *exchange;
    struct mender_call call;
    struct mender_session session;
    struct foreign_call device;
    struct why why;
};

/* ---- Answers ---- */

static void reply_sentence(struct handling *handling, uint16_t status, const char *sentence)
{
    uint8_t body[512];
    struct buf buf = buf_over(body, sizeof body);
    char request[MENDER_UUID_SIZE];

    mender_uuid(MENDER_OF_ROLLOUT, prng_next(&handling->app->prng), request);
    mender_write_error(sentence, request, &buf);
    if (buf.overflow) {
        buf = buf_over(body, sizeof body);
        mender_write_error("the request cannot be answered", request, &buf);
    }
    if (status == 429 || status == 503) {
        char retry[16];

        (void)snprintf(retry, sizeof retry, "%u", RETRY_S);
        reply_header(handling->exchange, "Retry-After", retry);
    }
    reply_header(handling->exchange, "X-MEN-RequestID", request);
    reply_bytes(handling->exchange, status, "application/json", buf_written(&buf));
}

static uint16_t status_of(enum err err)
{
    switch (err) {
    case ERR_CORRUPT:
        return 400;
    case ERR_INVALID:
        return 405;
    case ERR_AGAIN:
        return 429;
    case ERR_CONFLICT:
        return 409;
    case ERR_OK:
    case ERR_LINK:
    case ERR_STORAGE:
    case ERR_UNTRUSTED:
    case ERR_DENIED:
    case ERR_UNSUITABLE:
    case ERR_NOT_FOUND:
    case ERR_TOO_BIG:
    case ERR_UNHEALTHY:
    case ERR_COUNT:
    default:
        return reply_status_of(err);
    }
}

static void reply_refusal(struct handling *handling, enum err err)
{
    bool session = handling->call.kind != MENDER_AUTHENTICATE;

    /* Clients ask for a new token on 401 and on nothing else; those in C++ stop for good when that
     * 401 has a body. */
    if (session && (err == ERR_UNTRUSTED || err == ERR_DENIED))
        reply_empty(handling->exchange, 401);
    else
        reply_sentence(handling, err == ERR_DENIED || err == ERR_UNTRUSTED ? 401 : status_of(err),
                       handling->why.text[0] != '\0' ? handling->why.text : err_text(err));
}

/* ---- Authentication ---- */

/* The signature is over the body as it came, base64 in the header. */
static bool is_signed(const struct exchange *exchange, const struct public_key *key)
{
    struct span text = exchange->request.signature;
    uint8_t signature[SIGNATURE_MAX];
    size_t padding = 0;
    int size;

    if (text.size == 0 || text.size > sizeof signature || text.size % 4 != 0)
        return false;
    while (padding < 2 && text.at[text.size - 1 - padding] == '=')
        padding++;
    size = EVP_DecodeBlock(signature, text.at, (int)text.size);
    if (size < (int)padding)
        return false;
    return public_key_verify(key, exchange->request.body,
                             (struct span){signature, (size_t)size - padding});
}

/* Whoever tries has proved nothing. */
static enum err refuse_stranger(struct handling *handling, const char *sentence)
{
    struct deed deed = {.tenant = 1,
                        .actor = "stranger",
                        .action = "device.session",
                        .refused = true,
                        .stranger = true};
    struct why why;

    (void)say(&handling->why, ERR_UNTRUSTED, NULL, "%s", sentence);
    (void)say(&why, ERR_UNTRUSTED, NULL, "%s, from %s", sentence, handling->exchange->peer.address);
    return app_refuse(handling->app, handling->exchange->now, &deed, ERR_UNTRUSTED, &why);
}

static enum err read_proof(struct handling *handling, struct buf *der)
{
    struct public_key *key;
    enum err err = ERR_OK;

    if (handling->exchange->request.signature.size == 0)
        return say(&handling->why, ERR_CORRUPT, NULL, "missing signature header");
    if (public_key_from_any_pem(span_of(handling->call.pem), &key, NULL) != ERR_OK)
        return say(&handling->why, ERR_CORRUPT, NULL, "pubkey is no RSA, P-256 or Ed25519 key");
    if (!is_signed(handling->exchange, key))
        err = refuse_stranger(handling, "signature verification failed");
    else
        public_key_der(key, der);
    public_key_close(key);
    if (err == ERR_OK && der->overflow)
        return say(&handling->why, ERR_TOO_BIG, NULL, "pubkey is too long");
    return err;
}

static enum err tenant_name(struct handling *handling, char out[NAME_SIZE_MAX + 1])
{
    return store_tenant_name(handling->app->db, handling->device.call.device.tenant, out);
}

static enum err give_session(struct handling *handling)
{
    struct mender_session session = {.device = handling->device.call.device.id,
                                     .credential = handling->device.credential.id,
                                     .issued = handling->exchange->now};
    char token[MENDER_TOKEN_SIZE];

    session.expires.ms = session.issued.ms + MENDER_TOKEN_MS;
    TRY(tenant_name(handling, session.tenant));
    TRY(mender_session_make(handling->app, &session, token));
    reply_bytes(handling->exchange, 200, "application/jwt", span_of(token));
    return ERR_OK;
}

static enum err authenticate(struct handling *handling)
{
    uint8_t room[FOREIGN_KEY_SIZE_MAX];
    struct buf der = buf_over(room, sizeof room);
    struct mender_proof proof = {.tenant = span_of(handling->call.tenant),
                                 .identity = span_of(handling->call.identity),
                                 .address = handling->exchange->peer.address};
    bool accepted = false;

    TRY(read_proof(handling, &der));
    proof.key = buf_written(&der);
    TRY(mender_authenticate(handling->app, &proof, handling->exchange->now, &handling->device,
                            &accepted, &handling->why));
    if (accepted)
        return give_session(handling);
    reply_sentence(handling, 401, handling->why.text);
    return ERR_OK; /* what was entered stays */
}

/* ---- Inventory ---- */

/* What operators select by comes first, should a device have more than fits. */
static bool is_vital(const char *name)
{
    static const char *const vital[] = {"product",       "hardware", "device_type",
                                        "artifact_name", "version",  "kernel"};

    for (size_t i = 0; i < COUNT_OF(vital); i++) {
        if (strcmp(name, vital[i]) == 0)
            return true;
    }
    return false;
}

/* "hardware" is what artifacts are for: the device type. A device that says nothing of a product
 * is its own product. */
struct attribute_list {
    struct foreign_attribute at[ATTRIBUTES_MAX];
    uint32_t count;
};

static bool has(const struct attribute_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (span_is(list->at[i].name, name))
            return true;
    }
    return false;
}

static void put(struct attribute_list *list, const char *name, const char *value)
{
    if (list->count < ATTRIBUTES_MAX && value && value[0] != '\0' && !has(list, name))
        list->at[list->count++] = (struct foreign_attribute){span_of(name), span_of(value)};
}

static const char *told(const struct mender_call *call, const char *name)
{
    for (uint32_t i = 0; i < call->attributes_count; i++) {
        if (strcmp(call->attributes[i].name, name) == 0)
            return call->attributes[i].value;
    }
    return NULL;
}

static void put_all(struct attribute_list *list, const struct mender_call *call, bool vital)
{
    for (uint32_t i = 0; i < call->attributes_count; i++) {
        if (is_vital(call->attributes[i].name) == vital)
            put(list, call->attributes[i].name, call->attributes[i].value);
    }
}

static enum err inventory(struct handling *handling)
{
    const struct mender_call *call = &handling->call;
    const struct device_row *row = &handling->device.call.device;
    struct attribute_list list = {.count = 0};
    const char *type = told(call, "device_type");

    put_all(&list, call, true);
    put(&list, "hardware", type);
    if (call->replaces) { /* clients in C++ never say these; `next` does */
        put(&list, "hardware", row->hardware);
        put(&list, "device_type", row->hardware);
        put(&list, "artifact_name", handling->device.foreign.runs);
        put(&list, "product", row->product);
    }
    put_all(&list, call, false);
    TRY(foreign_attributes(handling->app, &handling->device,
                           call->replaces ? FOREIGN_REPLACE : FOREIGN_MERGE, list.at, list.count,
                           &handling->why));
    reply_empty(handling->exchange, 200);
    return ERR_OK;
}

/* ---- Next ---- */

/* The header is at the front of the file, so little of it is read. */
static enum err read_facts(struct handling *handling, const uint8_t sha256[DIGEST_SIZE],
                           struct mender_reader *reader)
{
    uint8_t *room = malloc(FACTS_PIECE);
    uint64_t size = 0, at = 0;
    int fd = -1;
    enum err err = blobs_open(handling->app->config.blobs, sha256, &fd, &size);

    CHECK(room);
    if (size > FACTS_READ_MAX)
        size = FACTS_READ_MAX;
    while (err == ERR_OK && !mender_reader_has_header(reader) && at < size) {
        size_t take = size - at < FACTS_PIECE ? (size_t)(size - at) : FACTS_PIECE;

        err = file_pread_all(fd, room, take, at);
        if (err == ERR_OK)
            err = mender_reader_take(reader, (struct span){room, take}, &handling->why);
        at += take;
    }
    if (fd >= 0)
        (void)close(fd);
    free(room);
    return err == ERR_OK && !mender_reader_has_header(reader) ? ERR_CORRUPT : err;
}

static enum err write_offer(struct handling *handling, const struct foreign_offer *offer,
                            const struct artifact_row *artifact, const json_t *facts)
{
    struct mender_link link = {.credential = handling->device.credential.id,
                               .deployment = offer->id,
                               .expires = mender_link_expires(handling->exchange->now)};
    char uri[FOREIGN_ORIGIN_SIZE + MENDER_LINK_SIZE], path[MENDER_LINK_SIZE];
    struct mender_offer out = {.deployment = offer->id,
                               .artifact = (uint64_t)artifact->id,
                               .name = json_string_value(json_object_get(facts, "name")),
                               .uri = uri,
                               .expires = link.expires,
                               .device_types = json_object_get(facts, "device_types")};
    uint8_t body[ANSWER_SIZE];
    struct buf buf = buf_over(body, sizeof body);

    TRY(tenant_name(handling, link.tenant));
    if (!span_to_text(span_of(artifact->file), link.file, sizeof link.file))
        return ERR_TOO_BIG;
    TRY(foreign_origin(handling->exchange, uri));
    TRY(mender_link_make(handling->app, &link, path));
    memcpy(uri + strlen(uri), path, strlen(path) + 1);
    TRY(mender_write_offer(&out, &buf));
    reply_bytes(handling->exchange, 200, "application/json", buf_written(&buf));
    return ERR_OK;
}

/* The first artifact that depends on nothing the device lacks. *fits says whether there was one. */
static enum err offer_one(struct handling *handling, const struct foreign_offer *offer, bool *fits)
{
    *fits = false;
    for (uint32_t i = 0; i < offer->artifact_count && !*fits; i++) {
        const struct artifact_row *artifact = &offer->artifacts[i];
        struct mender_reader *reader = mender_reader_open(NULL);
        enum err err = read_facts(handling, artifact->sha256, reader);

        *fits = err == ERR_OK &&
                mender_fits(mender_reader_facts(reader), handling->call.provides, &handling->why);
        if (*fits)
            err = write_offer(handling, offer, artifact, mender_reader_facts(reader));
        mender_reader_close(reader);
        if (*fits && err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* What a device has that it tells nowhere else. Written only when it has changed. */
static enum err note_provides(struct handling *handling)
{
    const json_t *provides = handling->call.provides;
    const json_t *given = json_object_get(provides, "device_type");
    const char *type = json_string_value(json_is_array(given) ? json_array_get(given, 0) : given);
    const char *name = json_string_value(json_object_get(provides, "artifact_name"));
    const struct device_row *row = &handling->device.call.device;
    struct attribute_list list = {.count = 0};

    if (strcmp(row->hardware, type ? type : "") == 0 && row->product[0] != '\0' &&
        strcmp(handling->device.foreign.runs, name) == 0)
        return ERR_OK;
    put(&list, "artifact_name", name);
    put(&list, "device_type", type);
    put(&list, "hardware", type);
    if (row->product[0] == '\0')
        put(&list, "product", type);
    for (uint32_t i = 0; i < list.count; i++) {
        if (list.at[i].value.size > ATTRIBUTE_SIZE_MAX)
            list.at[i].value.size = ATTRIBUTE_SIZE_MAX;
    }
    return foreign_attributes(handling->app, &handling->device, FOREIGN_MERGE, list.at, list.count,
                              &handling->why);
}

static enum err next(struct handling *handling)
{
    const char *name = json_string_value(json_object_get(handling->call.provides, "artifact_name"));
    struct foreign_offer *offer = calloc(1, sizeof *offer);
    bool fits = false;
    enum err err = note_provides(handling);

    CHECK(offer);
    if (err == ERR_OK)
        err = foreign_poll(handling->app, &handling->device, span_of(name), offer, &handling->why);
    if (err == ERR_OK && offer->action == FOREIGN_INSTALL)
        err = offer_one(handling, offer, &fits);
    free(offer);
    TRY(err);
    if (!fits)
        reply_empty(handling->exchange, 204);
    return ERR_OK;
}

/* ---- Status, log, control map ---- */

static enum foreign_phase phase_of(enum mender_status status)
{
    switch (status) {
    case MENDER_DOWNLOADING:
        return FOREIGN_DOWNLOADING;
    case MENDER_INSTALLING:
        return FOREIGN_INSTALLING;
    case MENDER_REBOOTING:
        return FOREIGN_REBOOTING;
    case MENDER_SUCCESS:
    case MENDER_ALREADY_INSTALLED:
        return FOREIGN_CLAIMED;
    case MENDER_FAILURE:
        return FOREIGN_FAILED;
    case MENDER_PAUSE_INSTALLING:
    case MENDER_PAUSE_REBOOTING:
    case MENDER_PAUSE_COMMITTING:
    case MENDER_STATUS_COUNT:
    default:
        return FOREIGN_NOTE;
    }
}

/* 409 is the only way to tell a client to stop. A report that repeats an outcome is none. */
static bool stops(enum foreign_verdict verdict, enum mender_status status)
{
    bool outcome =
        status == MENDER_SUCCESS || status == MENDER_FAILURE || status == MENDER_ALREADY_INSTALLED;

    return (verdict == FOREIGN_DROP || verdict == FOREIGN_OVER) && !outcome;
}

static enum err report_status(struct handling *handling)
{
    const struct mender_call *call = &handling->call;
    struct span substate = span_of(call->substate);
    struct foreign_report report = {.id = call->deployment,
                                    .phase = phase_of(call->status),
                                    .words = mender_status_name(call->status),
                                    .messages = &substate,
                                    .message_count = substate.size > 0 ? 1 : 0};
    enum foreign_verdict verdict = FOREIGN_NOTED;

    TRY(foreign_report(handling->app, &handling->device, &report, &verdict, &handling->why));
    if (stops(verdict, call->status))
        reply_sentence(handling, 409, "the deployment has been aborted");
    else if (verdict == FOREIGN_FLOODED && report.phase == FOREIGN_NOTE)
        reply_sentence(handling, 429, "too many reports about one deployment");
    else
        reply_empty(handling->exchange, 204);
    return ERR_OK;
}

static enum err upload_log(struct handling *handling)
{
    struct span text = {(const uint8_t *)handling->call.text, handling->call.text_size};

    /* The end is what people look for. */
    if (text.size > LOG_UPLOAD_SIZE_MAX)
        text = (struct span){text.at + text.size - LOG_UPLOAD_SIZE_MAX, LOG_UPLOAD_SIZE_MAX};
    TRY(foreign_log(handling->app, &handling->device, handling->call.deployment, text,
                    &handling->why));
    reply_empty(handling->exchange, 204);
    return ERR_OK;
}

static enum err control_map(struct handling *handling)
{
    struct foreign_offer *offer = calloc(1, sizeof *offer);
    uint8_t body[512];
    struct buf buf = buf_over(body, sizeof body);
    enum err err;

    CHECK(offer);
    err = foreign_deployment(handling->app, &handling->device, handling->call.deployment, false,
                             offer, &handling->why);
    if (err == ERR_OK && !offer->open)
        err = ERR_NOT_FOUND;
    free(offer);
    TRY(err);
    mender_write_control_map(handling->call.deployment, &buf);
    reply_bytes(handling->exchange, 200, "application/json", buf_written(&buf));
    return ERR_OK;
}

/* ---- The door ---- */

static enum err enter(struct handling *handling, const char *tenant, int64_t credential)
{
    struct foreign_credential shown = {.protocol = PROTOCOL_MENDER,
                                       .tenant = span_of(tenant),
                                       .proof = FOREIGN_BY_SESSION,
                                       .id = credential,
                                       .address = handling->exchange->peer.address};

    TRY(foreign_enter(handling->app, &shown, handling->exchange->now, &handling->device,
                      &handling->why));
    if (!pace_take(handling->app->asked, (uint64_t)credential, handling->exchange->now))
        return say(&handling->why, ERR_AGAIN, NULL, "too many requests");
    return ERR_OK;
}

static enum err enter_by_token(struct handling *handling)
{
    if (mender_session_read(handling->app, handling->exchange->request.bearer,
                            handling->exchange->now, &handling->session) != ERR_OK)
        return refuse_stranger(handling, "a session that is not in force");
    return enter(handling, handling->session.tenant, handling->session.credential);
}

/* A link needs no token, and lasts no longer than the deployment. */
static enum err download(struct handling *handling)
{
    struct artifact_row *artifact;
    struct mender_link link;
    enum err err;

    err = mender_link_read(handling->app, handling->exchange->request.path,
                           handling->exchange->request.query, handling->exchange->now, &link);
    if (err == ERR_OK)
        err = enter(handling, link.tenant, link.credential);
    if (err == ERR_UNTRUSTED || err == ERR_DENIED) {
        reply_sentence(handling, 403, "the link is not valid or has expired");
        return err;
    }
    TRY(err);
    artifact = calloc(1, sizeof *artifact);
    CHECK(artifact);
    err = foreign_artifact(handling->app, &handling->device, link.deployment, span_of(link.file),
                           artifact, &handling->why);
    if (err == ERR_OK)
        reply_blob(handling->exchange, artifact->sha256);
    free(artifact);
    return err;
}

static enum err run(struct handling *handling)
{
    /* clang-format off */
    static enum err (*const stories[MENDER_KIND_COUNT])(struct handling *) = {
        [MENDER_INVENTORY]   = inventory,
        [MENDER_NEXT]        = next,
        [MENDER_STATUS]      = report_status,
        [MENDER_LOG]         = upload_log,
        [MENDER_CONTROL_MAP] = control_map,
    };
    /* clang-format on */

    if (handling->call.kind == MENDER_AUTHENTICATE)
        return authenticate(handling);
    if (handling->call.kind == MENDER_DOWNLOAD)
        return download(handling);
    TRY(enter_by_token(handling));
    return stories[handling->call.kind](handling);
}

/* ---- The whole ---- */

static const char *verb_of(enum exchange_method method)
{
    static const char *const verbs[] = {
        [METHOD_GET] = "GET",     [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",
        [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_OTHER] = "OTHER"};

    return verbs[method];
}

static enum err decode(struct handling *handling)
{
    const struct request_view *request = &handling->exchange->request;
    char where[WHERE_SIZE_MAX];
    struct buf buf = buf_over(where, sizeof where);
    struct message message = {.verb = span_of(verb_of(request->method)), .body = request->body};

    buf_span(&buf, request->path);
    if (request->query.size > 0) {
        buf_byte(&buf, '?');
        buf_span(&buf, request->query);
    }
    if (buf.overflow)
        return say(&handling->why, ERR_TOO_BIG, NULL, "the path is too long");
    message.where = buf_written(&buf);
    return mender_decode(&message, &handling->call, &handling->why);
}

static enum err handle(const struct foreign_host *host, struct exchange *exchange)
{
    struct handling *handling = calloc(1, sizeof *handling);
    enum err err;

    CHECK(handling);
    handling->app = host->app;
    handling->exchange = exchange;
    err = decode(handling);
    if (err == ERR_OK)
        err = run(handling);
    if (err != ERR_OK && exchange->reply.status == 0)
        reply_refusal(handling, err);
    mender_call_close(&handling->call);
    free(handling);
    return err;
}

static size_t body_max(enum exchange_method method, struct span path)
{
    enum mender_kind kind;
    uint32_t deployment;

    if (mender_route(span_of(verb_of(method)), path, &kind, &deployment) != ERR_OK)
        return 0;
    return method == METHOD_GET ? 0 : mender_body_max(kind);
}

const struct foreign_api foreign_mender = {
    .name = "mender", .claims = mender_claims, .body_max = body_max, .handle = handle};
