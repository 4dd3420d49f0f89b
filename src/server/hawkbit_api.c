#include "server/hawkbit_api.h"

#include <stdlib.h>

#include "base/check.h"
#include "server/hawkbit_inside.h"
#include "server/stats.h"
#include "store/release.h"

#define CLASS "org.eclipse.hawkbit."

/* ---- the poll ---- */

/* The time to sleep has jitter: it is no change that a client should hear of. */
static enum err write_base(struct hawkbit_handling *handling)
{
    const struct foreign_offer *offer = &handling->offer;
    struct hawkbit_base base = {.installed = offer->installed, .config = offer->wants_attributes};
    char origin[FOREIGN_ORIGIN_SIZE];
    struct hawkbit_place place = {origin, handling->call.tenant_segment,
                                  handling->call.device_segment};
    struct tree_out out;
    struct buf buf;

    if (foreign_origin(handling->exchange, origin) != ERR_OK)
        return hawkbit_reply_error(handling, ERR_INVALID);
    if (offer->action == FOREIGN_INSTALL)
        base.deployment = offer->id;
    else if (offer->action == FOREIGN_CANCEL)
        base.cancel = offer->id;
    TRY(hawkbit_reply_begin(handling, &buf, &out));
    hawkbit_write_base(&place, &base, &out);
    hawkbit_make_etag(handling, &buf);
    base.sleep_s = offer->next_poll_s;
    buf.size = 0;
    out = tree_out(&buf, out.cbor);
    hawkbit_write_base(&place, &base, &out);
    return hawkbit_reply_end(handling, &buf);
}

static enum err poll(struct hawkbit_handling *handling, struct span runs)
{
    if (handling->exchange->stats)
        STATS_ADD(handling->exchange->stats, polls_engine, 1);
    return foreign_poll(handling->app, &handling->device, runs, &handling->offer, &handling->why);
}

static enum err on_base(struct hawkbit_handling *handling)
{
    enum err err = poll(handling, (struct span){0});

    return err == ERR_OK ? write_base(handling) : hawkbit_reply_error(handling, err);
}

static enum err on_cancel(struct hawkbit_handling *handling)
{
    enum err err = poll(handling, (struct span){0});
    struct tree_out out;
    struct buf buf;

    if (err == ERR_OK &&
        (handling->offer.action != FOREIGN_CANCEL || handling->offer.id != handling->call.id))
        err = ERR_NOT_FOUND;
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    TRY(hawkbit_reply_begin(handling, &buf, &out));
    hawkbit_write_cancel(handling->call.id, &out);
    return hawkbit_reply_end(handling, &buf);
}

/* ---- what it says of a deployment ---- */

static enum foreign_phase phase_of(enum hawkbit_meaning meaning)
{
    switch (meaning) {
    case HAWKBIT_MEANS_DOWNLOAD:
        return FOREIGN_DOWNLOADING;
    case HAWKBIT_MEANS_CLAIM:
        return FOREIGN_CLAIMED;
    case HAWKBIT_MEANS_FAILURE:
        return FOREIGN_FAILED;
    case HAWKBIT_MEANS_DROPPED:
        return FOREIGN_DROPPED;
    case HAWKBIT_MEANS_KEEPS:
        return FOREIGN_KEEPS;
    case HAWKBIT_MEANS_NOTE:
        break;
    }
    return FOREIGN_NOTE;
}

/* What is over stays so. hawkBit says that of deployments, and not of cancelling. */
static enum err reply_verdict(struct hawkbit_handling *handling, enum foreign_verdict verdict,
                              bool of_cancel)
{
    switch (verdict) {
    case FOREIGN_OVER:
        reply_empty(handling->exchange, of_cancel ? 200 : 410);
        return ERR_OK;
    case FOREIGN_FLOODED:
        (void)hawkbit_refuse(handling, 429, ERR_TOO_BIG,
                             CLASS "repository.exception.AssignmentQuotaExceededException",
                             "quota.tooManyEntries", "this action has too many entries already");
        return ERR_OK;
    case FOREIGN_NOTED:
    case FOREIGN_PROCEED:
    case FOREIGN_DROP: /* it will be told at its next poll */
        break;
    }
    reply_empty(handling->exchange, 200);
    return ERR_OK;
}

static enum err report(struct hawkbit_handling *handling, const struct hawkbit_feedback *feedback,
                       bool of_cancel)
{
    const struct foreign_report report = {.id = handling->call.id,
                                          .phase = phase_of(hawkbit_meaning(feedback, of_cancel)),
                                          .percent = feedback->percent,
                                          .code = feedback->code,
                                          .words = hawkbit_words(feedback),
                                          .messages = feedback->messages,
                                          .message_count = feedback->message_count};
    enum foreign_verdict verdict;
    enum err err =
        foreign_report(handling->app, &handling->device, &report, &verdict, &handling->why);

    if (err == ERR_INVALID && of_cancel)
        return hawkbit_refuse(handling, 405, err,
                              CLASS "repository.exception.CancelActionNotAllowedException",
                              "action.notCancelable", "this action is not being cancelled");
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    if (handling->exchange->stats)
        STATS_ADD(handling->exchange->stats, reports_total, 1);
    return reply_verdict(handling, verdict, of_cancel);
}

static enum err on_feedback(struct hawkbit_handling *handling)
{
    bool of_cancel = handling->call.kind == HAWKBIT_CANCEL_FEEDBACK;
    struct hawkbit_feedback feedback;
    enum err err;

    TRY(hawkbit_read_body(handling));
    err = hawkbit_read_feedback(&handling->tree, &feedback);
    if (err == ERR_TOO_BIG)
        return hawkbit_reply_error(handling, err);
    if (err != ERR_OK)
        return hawkbit_refuse(handling, 400, err,
                              CLASS "rest.exception.MessageNotReadableException",
                              "rest.body.notReadable",
                              "status.execution and status.result.finished must be there, with "
                              "words that are known");
    return report(handling, &feedback, of_cancel);
}

/* ---- what it says of itself ---- */

static enum foreign_mode mode_of(enum hawkbit_mode mode)
{
    switch (mode) {
    case HAWKBIT_REPLACE:
        return FOREIGN_REPLACE;
    case HAWKBIT_REMOVE:
        return FOREIGN_REMOVE;
    case HAWKBIT_MERGE:
        break;
    }
    return FOREIGN_MERGE;
}

static enum err bad_attributes(struct hawkbit_handling *handling, enum err err)
{
    if (err != ERR_INVALID)
        return hawkbit_reply_error(handling, err);
    return hawkbit_refuse(handling, 400, err,
                          CLASS "repository.exception.InvalidTargetAttributeException",
                          "repo.invalidTargetAttributes",
                          "a name or value has too many characters, or some that are not allowed");
}

static enum err save_attributes(struct hawkbit_handling *handling,
                                const struct hawkbit_config *config)
{
    struct foreign_attribute list[HAWKBIT_ATTRIBUTES_MAX];
    enum err err;

    for (uint32_t i = 0; i < config->count; i++)
        list[i] = (struct foreign_attribute){config->list[i].name, config->list[i].value};
    err = foreign_attributes(handling->app, &handling->device, mode_of(config->mode), list,
                             config->count, &handling->why);
    if (err != ERR_OK)
        return bad_attributes(handling, err);
    reply_empty(handling->exchange, 200); /* swupdate asks for ever again after 204 */
    return ERR_OK;
}

static enum err on_config(struct hawkbit_handling *handling)
{
    struct hawkbit_config config;
    enum err err;

    TRY(hawkbit_read_body(handling));
    err = hawkbit_read_config(&handling->tree, &config);
    if (err == ERR_CORRUPT)
        return hawkbit_refuse(handling, 400, err,
                              CLASS "rest.exception.MessageNotReadableException",
                              "rest.body.notReadable", "data must be there, and a map of texts");
    return err == ERR_OK ? save_attributes(handling, &config) : bad_attributes(handling, err);
}

/* It names what it runs: as good as any other word of it. */
static enum err on_installed_put(struct hawkbit_handling *handling)
{
    struct hawkbit_installed installed;
    struct release_row release;
    bool known;
    enum err err;

    TRY(hawkbit_read_body(handling));
    if (hawkbit_read_installed(&handling->tree, &installed) != ERR_OK)
        return hawkbit_refuse(handling, 400, ERR_CORRUPT,
                              CLASS "rest.exception.MessageNotReadableException",
                              "rest.body.notReadable", "name and version must be there");
    err = store_release_find(handling->app->db, handling->device.call.device.tenant, installed.name,
                             installed.version, &release);
    known = span_is(installed.version, handling->device.foreign.runs);
    if (err == ERR_OK)
        err = poll(handling, installed.version);
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    reply_empty(handling->exchange, known ? 200 : 201);
    return ERR_OK;
}

/* ---- the whole ---- */

/* clang-format off */
static const struct {
    enum err (*handle)(struct hawkbit_handling *);
    bool json; /* its answer has one of our media types */
} stories[HAWKBIT_KIND_COUNT] = {
    [HAWKBIT_BASE]            = {on_base, true},
    [HAWKBIT_DEPLOYMENT]      = {hawkbit_deployment, true},
    [HAWKBIT_FEEDBACK]        = {on_feedback, false},
    [HAWKBIT_CANCEL]          = {on_cancel, true},
    [HAWKBIT_CANCEL_FEEDBACK] = {on_feedback, false},
    [HAWKBIT_INSTALLED]       = {hawkbit_installed, true},
    [HAWKBIT_INSTALLED_PUT]   = {on_installed_put, false},
    [HAWKBIT_CONFIG]          = {on_config, false},
    [HAWKBIT_ARTIFACTS]       = {hawkbit_artifacts, true},
    [HAWKBIT_ARTIFACT]        = {hawkbit_artifact, false},
    [HAWKBIT_MD5SUM]          = {hawkbit_md5sum, false},
};
/* clang-format on */

static struct span verb_of(enum exchange_method method)
{
    switch (method) {
    case METHOD_GET:
        return SPAN_LITERAL("GET");
    case METHOD_POST:
        return SPAN_LITERAL("POST");
    case METHOD_PUT:
        return SPAN_LITERAL("PUT");
    case METHOD_PATCH:
    case METHOD_DELETE:
    case METHOD_OTHER:
        break;
    }
    return SPAN_LITERAL("OTHER");
}

static enum err run(struct hawkbit_handling *handling)
{
    const struct request_view *request = &handling->exchange->request;
    enum err err =
        hawkbit_route(verb_of(request->method), request->path, request->query, &handling->call);

    if (err == ERR_INVALID) {
        reply_empty(handling->exchange, 405);
        return err;
    }
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    err = hawkbit_accept(request->accept, &handling->media);
    if (err != ERR_OK && stories[handling->call.kind].json) {
        reply_empty(handling->exchange, 406);
        return err;
    }
    err = hawkbit_enter(handling);
    if (err != ERR_OK)
        return hawkbit_reply_error(handling, err);
    return stories[handling->call.kind].handle(handling);
}

static enum err handle(const struct foreign_host *host, struct exchange *exchange)
{
    struct hawkbit_handling *handling = calloc(1, sizeof *handling);
    enum err err;

    CHECK(handling);
    handling->host = host;
    handling->app = host->app;
    handling->exchange = exchange;
    err = run(handling);
    if (err != ERR_OK && exchange->reply.status == 0)
        (void)hawkbit_reply_error(handling, err);
    free(handling);
    return err;
}

static size_t body_max(enum exchange_method method, struct span path)
{
    (void)path;
    return method == METHOD_POST || method == METHOD_PUT ? HAWKBIT_BODY_SIZE_MAX : 0;
}

const struct foreign_api foreign_hawkbit = {
    .name = "hawkbit", .claims = hawkbit_claims, .body_max = body_max, .handle = handle};
