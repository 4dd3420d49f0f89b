#include "server/device_api.h"

#include <stdlib.h>
#include <string.h>

#include "app/device.h"
#include "base/check.h"
#include "crypto/sha256.h"
#include "os/say.h"
#include "server/stats.h"
#include "store/delegated.h"
#include "store/metadata.h"
#include "trust/delegation.h"
#include "wire/wire.h"

#define WHERE_SIZE_MAX     512u /* bytes of path and query; ours are far shorter */
#define ROOM_SIZE          (2u * NATIVE_DER_SIZE_MAX + MESSAGE_SIZE_MAX)
#define VERSION_DIGITS_MAX 18u /* what fits 64 bits for certain */
#define RETRY_S            10u /* after trouble of our own */

struct device_handling {
    struct app *app;
    struct exchange *exchange;
    struct call call;
    struct answer answer;
    struct device_call device;
    struct why why;
    bool blob; /* the front streams call.fetch.sha256 */
};

static const char *verb_of(enum exchange_method method)
{
    switch (method) {
    case METHOD_GET:
        return "GET";
    case METHOD_POST:
        return "POST";
    case METHOD_PUT:
        return "PUT";
    case METHOD_PATCH:
        return "PATCH";
    case METHOD_DELETE:
        return "DELETE";
    case METHOD_OTHER:
        break;
    }
    return "OTHER";
}

static enum err to_message(const struct exchange *exchange, char where[WHERE_SIZE_MAX],
                           struct message *out)
{
    const struct request_view *request = &exchange->request;
    struct buf buf = buf_over(where, WHERE_SIZE_MAX);

    buf_span(&buf, request->path);
    if (request->query.size > 0) {
        buf_byte(&buf, '?');
        buf_span(&buf, request->query);
    }
    if (buf.overflow)
        return ERR_TOO_BIG;
    *out = (struct message){.verb = span_of(verb_of(request->method)),
                            .where = buf_written(&buf),
                            .body = request->body};
    if (request->content_type.size > 0)
        out->headers[out->header_count++] =
            (struct message_header){SPAN_LITERAL("Content-Type"), request->content_type};
    return ERR_OK;
}

/* ---- one function per question ---- */

static struct device_credential credential_of(const struct exchange *exchange)
{
    const struct peer *peer = &exchange->peer;

    return (struct device_credential){.tenant = span_of(peer->tenant),
                                      .device = span_of(peer->device),
                                      .fingerprint = peer->fingerprint,
                                      .expired = peer->certificate == PEER_CERTIFICATE_EXPIRED,
                                      .address = peer->address};
}

static void answer_enrolled(struct device_handling *handling)
{
    const struct app_config *config = &handling->app->config;

    handling->answer.kind = ANSWER_ENROLLED;
    handling->answer.enrolled = (struct native_enrolled){
        .certificate = {handling->device.certificate.der, handling->device.certificate.der_size},
        .ca = config->issuer.ca(config->issuer.self),
        .poll_s = config->poll_interval_s};
}

static enum err enrol(struct device_handling *handling)
{
    struct device_credential credential = credential_of(handling->exchange);
    bool pending;

    TRY(device_enroll(handling->app, &credential, &handling->call.enrol, handling->exchange->now,
                      &handling->device, &pending, &handling->why));
    if (!pending) {
        answer_enrolled(handling);
        return ERR_OK;
    }
    handling->answer.kind = ANSWER_PENDING;
    handling->answer.pending.retry_s = ENROLL_RETRY_S;
    return ERR_OK;
}

static enum err renew(struct device_handling *handling)
{
    TRY(device_renew(handling->app, &handling->device, &handling->call.renew, &handling->why));
    answer_enrolled(handling);
    return ERR_OK;
}

static enum err poll(struct device_handling *handling)
{
    handling->answer.kind = ANSWER_POLL;
    if (handling->exchange->stats)
        STATS_ADD(handling->exchange->stats, polls_engine, 1);
    return app_db_failed(
        handling->app,
        device_poll(handling->app, &handling->device, &handling->call.poll, &handling->answer.poll),
        &handling->why);
}

static enum err details(struct device_handling *handling)
{
    handling->answer.kind = ANSWER_DETAILS;
    return app_db_failed(handling->app,
                         device_details(handling->app, &handling->device, handling->call.assignment,
                                        &handling->answer.details),
                         &handling->why);
}

static enum err report(struct device_handling *handling)
{
    handling->answer.kind = ANSWER_VERDICT;
    TRY(device_report(handling->app, &handling->device, &handling->call.report,
                      &handling->answer.verdict, &handling->why));
    if (handling->exchange->stats)
        STATS_ADD(handling->exchange->stats, reports_total, 1);
    return ERR_OK;
}

static enum err inventory(struct device_handling *handling)
{
    uint8_t digest[DIGEST_SIZE];

    handling->answer.kind = ANSWER_NOTED;
    sha256_of(handling->exchange->request.body, digest);
    return device_inventory(handling->app, &handling->device, &handling->call.inventory, digest,
                            &handling->why);
}

static enum err upload_log(struct device_handling *handling)
{
    handling->answer.kind = ANSWER_NOTED;
    return device_log(handling->app, &handling->device, handling->call.assignment,
                      handling->call.text, &handling->why);
}

/* "12" of "12.ROLE.json" and the rest behind it; false: not of that form. */
static bool split_name(struct span name, uint64_t *version, struct span *rest)
{
    size_t at = 0;

    *version = 0;
    for (; at < name.size && at < VERSION_DIGITS_MAX && name.at[at] >= '0' && name.at[at] <= '9';
         at++)
        *version = *version * 10 + (uint64_t)(name.at[at] - '0');
    *rest = (struct span){name.at + at, name.size - at};
    return *version > 0 && rest->size > 1 && rest->at[0] == '.';
}

/* The list of a delegated role, whose name is quoted as files are. */
static enum err delegated_list(struct device_handling *handling, uint64_t version)
{
    int64_t tenant = handling->device.device.tenant;
    struct delegated_names *names = calloc(1, sizeof *names);
    char file[TUF_FILE_NAME_SIZE];
    struct delegated_row row;
    uint32_t i = 0;
    enum err err;

    CHECK(names);
    err = store_delegated_names(handling->app->db, tenant, false, names);
    while (err == ERR_OK && i < names->count &&
           !(tuf_role_file_name(names->at[i], version, file) && span_is(handling->call.name, file)))
        i++;
    if (err == ERR_OK && i == names->count)
        err = ERR_NOT_FOUND;
    if (err == ERR_OK)
        err = store_delegated_find(handling->app->db, tenant, names->at[i], version, &row);
    if (err == ERR_OK)
        handling->answer.bytes = row.bytes;
    free(names);
    return err;
}

/* "timestamp.json" or "12.ROLE.json"; the front answers from memory, so this is seldom asked. */
static enum err metadata(struct device_handling *handling)
{
    static const struct {
        const char *suffix;
        enum metadata_role role;
    } names[] = {{".root.json", METADATA_ROOT},
                 {".targets.json", METADATA_TARGETS},
                 {".snapshot.json", METADATA_SNAPSHOT}};
    struct metadata_row row;
    struct span rest;
    uint64_t version;

    handling->answer.kind = ANSWER_BYTES;
    if (span_is(handling->call.name, "timestamp.json")) {
        TRY(store_metadata_find(handling->app->db, handling->device.device.tenant,
                                METADATA_TIMESTAMP, 0, &row));
        handling->answer.bytes = row.bytes;
        return ERR_OK;
    }
    if (!split_name(handling->call.name, &version, &rest))
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!span_is(rest, names[i].suffix))
            continue;
        TRY(store_metadata_find(handling->app->db, handling->device.device.tenant, names[i].role,
                                version, &row));
        handling->answer.bytes = row.bytes;
        return ERR_OK;
    }
    return delegated_list(handling, version);
}

static enum err fetch(struct device_handling *handling)
{
    handling->blob = true;
    return app_db_failed(
        handling->app,
        device_may_read(handling->app, &handling->device, handling->call.fetch.sha256),
        &handling->why);
}

/* clang-format off */
static enum err (*const stories[CALL_COUNT])(struct device_handling *) = {
    [CALL_ENROL]     = enrol,
    [CALL_RENEW]     = renew,
    [CALL_POLL]      = poll,
    [CALL_DETAILS]   = details,
    [CALL_REPORT]    = report,
    [CALL_INVENTORY] = inventory,
    [CALL_LOG]       = upload_log,
    [CALL_METADATA]  = metadata,
    [CALL_FETCH]     = fetch,
};
/* clang-format on */

/* ---- the whole ---- */

static enum err run(struct device_handling *handling)
{
    struct device_credential credential = credential_of(handling->exchange);
    enum call_kind kind = handling->call.kind;

    CHECK(kind < CALL_COUNT && stories[kind]);
    if (kind != CALL_ENROL) {
        if (handling->exchange->peer.certificate == PEER_NO_CERTIFICATE)
            return say(&handling->why, ERR_UNTRUSTED, NULL, "a client certificate is required");
        TRY(device_enter(handling->app, &credential, kind == CALL_RENEW, handling->exchange->now,
                         &handling->device, &handling->why));
    }
    return stories[kind](handling);
}

static void refuse(struct device_handling *handling, enum err err)
{
    const char *text = handling->why.text[0] != '\0' ? handling->why.text : err_text(err);
    bool ours = err == ERR_AGAIN || err == ERR_STORAGE || err == ERR_LINK;

    handling->answer.kind = ANSWER_REFUSED;
    handling->answer.refused.err = err;
    handling->answer.refused.detail = span_of(text);
    if (handling->answer.refused.detail.size > DETAIL_SIZE_MAX)
        handling->answer.refused.detail.size = DETAIL_SIZE_MAX;
    handling->answer.refused.retry_s = ours ? RETRY_S : 0;
}

/* Header names of wires are literals; only these two occur. */
static void copy_headers(struct exchange *exchange, const struct message *message)
{
    char value[REPLY_HEADER_VALUE_MAX];

    for (uint32_t i = 0; i < message->header_count; i++) {
        if (span_is(message->headers[i].name, "Retry-After") &&
            span_to_text(message->headers[i].value, value, sizeof value))
            reply_header(exchange, "Retry-After", value);
    }
}

static void reply(struct device_handling *handling, const struct wire *wire)
{
    static const char json[] = "application/json";
    struct exchange *exchange = handling->exchange;
    uint8_t room[ROOM_SIZE];
    struct buf buf = buf_over(room, sizeof room);
    struct message message;

    if (wire->encode(&handling->call, &handling->answer, &buf, &message) != ERR_OK) {
        reply_problem(exchange, 500, ERR_TOO_BIG, NULL, "the answer does not fit into a message");
        return;
    }
    copy_headers(exchange, &message);
    if (message.body.size == 0)
        reply_empty(exchange, message.status);
    else
        reply_bytes(exchange, message.status,
                    handling->answer.kind == ANSWER_BYTES ? json : NATIVE_MIME, message.body);
}

static enum err handle(struct device_handling *handling, const struct wire *wire,
                       const struct message *message)
{
    enum err err = wire->decode(message, &handling->call);

    if (err == ERR_OK)
        err = run(handling);
    if (err == ERR_OK && handling->blob) {
        reply_blob(handling->exchange, handling->call.fetch.sha256);
        handling->exchange->reply.blob_shared = !handling->device.release.withdrawn;
        return ERR_OK;
    }
    if (err != ERR_OK)
        refuse(handling, err);
    reply(handling, wire);
    return err;
}

/* No body, so nothing to decode: only why this certificate is refused. */
static enum err handle_at_door(struct device_handling *handling, const struct wire *wire)
{
    struct device_credential credential = credential_of(handling->exchange);
    enum err err = device_enter(handling->app, &credential, false, handling->exchange->now,
                                &handling->device, &handling->why);

    if (err == ERR_OK)
        err = say(&handling->why, ERR_AGAIN, NULL, "the device has just changed; try again");
    refuse(handling, err);
    reply(handling, wire);
    return err;
}

enum err device_handle(struct app *app, struct exchange *exchange)
{
    struct device_handling handling = {.app = app, .exchange = exchange};
    char where[WHERE_SIZE_MAX];
    struct message message;
    const struct wire *wire;
    enum err err = to_message(exchange, where, &message);

    if (err != ERR_OK) {
        reply_problem(exchange, 414, err, NULL, "the path is too long");
        return err;
    }
    wire = wire_of(&message);
    if (!wire) {
        reply_problem(exchange, 404, ERR_NOT_FOUND, NULL, "no device protocol has this path");
        return ERR_NOT_FOUND;
    }
    if (exchange->kind == EXCHANGE_AT_DOOR)
        return handle_at_door(&handling, wire);
    return handle(&handling, wire, &message);
}
