/* How the host carries out each kind of order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "crypto/digest.h"
#include "device/enrol.h"
#include "device/health_exec.h"
#include "device/host.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/process.h"
#include "os/say.h"
#include "os/signals.h"

#define RANGE_SIZE_MIN  65536u /* bytes of one range request */
#define RANGE_SIZE_MAX  (4u << 20)
#define RANGE_S         5u /* seconds one may take under a bandwidth limit */
#define RESET_TIMEOUT_S 60
#define POWER_TIMEOUT_S 10
#define FLOOR_TEXT_SIZE 12u /* bytes of a 32-bit number with NUL */

/* ---- what all of them need ---- */

static struct utc machine_clock(const struct host *host)
{
    struct utc rtc = clock_utc();

    if (host->config->clock_s > 0)
        rtc.ms = host->config->clock_s * 1000 + (clock_instant().ms - host->started.ms);
    return rtc;
}

struct utc host_now(const struct host *host)
{
    return timekeeper_now(&host->keeper, machine_clock(host), clock_instant());
}

static bool go_on(void *self, uint64_t done, uint64_t total)
{
    struct host *host = self;
    int number = signal_take(host->signals);

    (void)done, (void)total;
    if (number > 0) {
        ring_note(&host->ring, LOG_LEVEL_INFO, "stop", "signal=%d", number);
        host->stopping = true;
    }
    return !host->stopping;
}

struct link *host_link(struct host *host, struct why *why)
{
    bool enrolled = identity_enrolled(&host->identity);
    const struct http_client_setup setup = {
        .ca_file = host->config->ca_file,
        .cert_file = enrolled ? host->identity.certificate_path : NULL,
        .key_file = enrolled ? host->identity.key_path : NULL,
        .agent = "slipway-agent/" SLIPWAY_VERSION,
        .time_floor = host->keeper.floor,
        .bytes_per_s = host->config->bandwidth_limit,
    };

    if (!host->client) {
        host->client = http_client_open(&setup, why);
        if (!host->client)
            return NULL;
        host->link = link_over(host->client, host->config->server);
        host->link.watch = (struct http_watch){.go_on = go_on, .self = host};
    }
    return &host->link;
}

/* The next call shows the certificate we have then. */
static void forget_link(struct host *host)
{
    http_client_close(host->client);
    host->client = NULL;
}

static void detail_path(const struct host *host, char to[RECORD_FILE_PATH_SIZE])
{
    CHECK(file_join(host->config->state_dir, "detail", to, RECORD_FILE_PATH_SIZE) == ERR_OK);
}

/* What will be tried again is logged only: flash wears. */
void host_remember(struct host *host, const char *what, enum err err, const struct why *why)
{
    char path[RECORD_FILE_PATH_SIZE];

    ring_note(&host->ring, LOG_LEVEL_WARN, what, "err=%s why=\"%s\"", err_name(err), why->text);
    if (err == ERR_LINK || err == ERR_AGAIN)
        return;
    (void)snprintf(host->detail, sizeof host->detail, "%.*s", (int)DETAIL_SIZE_MAX, why->text);
    detail_path(host, path);
    if (file_replace(path, span_of(host->detail), 0600, NULL) != ERR_OK)
        return; /* a help, not a need */
}

static void forget_detail(struct host *host)
{
    char path[RECORD_FILE_PATH_SIZE];

    host->detail[0] = '\0';
    detail_path(host, path);
    (void)unlink(path);
}

/* ---- identity ---- */

static enum err renew(struct host *host, struct link *link, struct why *why)
{
    enum err err =
        enrol_renew(link, &host->identity, host->config, sealing_key_public(&host->sealing), why);

    if (err != ERR_OK) {
        ring_note(&host->ring, LOG_LEVEL_WARN, "renewal-failed", "why=\"%s\"", why->text);
        return err;
    }
    ring_note(&host->ring, LOG_LEVEL_INFO, "renewed", "certificate=%s",
              host->identity.certificate_path);
    sealing_key_told(&host->sealing);
    forget_link(host);
    return ERR_OK;
}

static enum err enrol_now(struct host *host, struct link *link, struct why *why)
{
    TRY(enrol(link, &host->identity, host->config, sealing_key_public(&host->sealing), why));
    ring_note(&host->ring, LOG_LEVEL_INFO, "enrolled", "certificate=%s",
              host->identity.certificate_path);
    sealing_key_told(&host->sealing);
    forget_link(host);
    return ERR_OK;
}

/* Have a certificate that the server will take. A renewal that fails is no reason not to poll as
 * long as the old one is good. */
static enum err ensure_identity(struct host *host, struct why *why)
{
    struct identity_validity validity;
    struct link *link = host_link(host, why);
    struct utc now = timekeeper_guess(&host->keeper, machine_clock(host), clock_instant());
    enum err err;

    if (!link)
        return ERR_STORAGE;
    if (!identity_enrolled(&host->identity))
        return enrol_now(host, link, why);
    TRY(identity_validity(&host->identity, &validity, why));
    if (!identity_renewal_due(&validity, now) && host->sealing.told)
        return ERR_OK;
    err = renew(host, link, why);
    return now.ms < validity.end.ms ? ERR_OK : err;
}

/* ---- poll ---- */

static void note_chores(struct host *host, const struct native_answer *answer)
{
    host->chores.inventory = answer->flags & NATIVE_WANT_INVENTORY;
    host->chores.renewal = answer->flags & NATIVE_WANT_RENEWAL;
    if (answer->flags & NATIVE_WANT_LOG) {
        host->chores.log = true;
        host->chores.log_assignment = host->agent.record.work.assignment;
    }
}

static enum err upload_log(struct host *host, struct link *link, struct why *why)
{
    struct buf text = buf_over(malloc(LOG_UPLOAD_SIZE_MAX), LOG_UPLOAD_SIZE_MAX);
    enum err err;

    CHECK(text.at);
    err = ring_read(&host->ring, &text, why);
    if (err == ERR_OK)
        err = link_logs(link, host->chores.log_assignment, buf_written(&text), why);
    free(text.at);
    return err;
}

/* What the operator says of the device, and the floor as it is now. `text` holds it. */
static void take_inventory(const struct host *host, struct native_inventory *out,
                           char text[FLOOR_TEXT_SIZE])
{
    out->attributes = host->config->attributes;
    CHECK(out->attributes.count < ATTRIBUTES_MAX);
    (void)snprintf(text, FLOOR_TEXT_SIZE, "%u", host->agent.record.security_floor);
    out->attributes.list[out->attributes.count++] =
        (struct native_attribute){SPAN_LITERAL(CONFIG_FLOOR_ATTRIBUTE), span_of(text)};
}

static enum err send_inventory(const struct host *host, struct link *link, struct why *why)
{
    struct native_inventory inventory;
    char text[FLOOR_TEXT_SIZE];

    take_inventory(host, &inventory, text);
    return link_inventory(link, &inventory, why);
}

/* By this the server sees that it knows the inventory already. */
static enum err inventory_digest(const struct host *host, uint8_t out[NATIVE_INVENTORY_SIZE])
{
    struct native_inventory inventory;
    char text[FLOOR_TEXT_SIZE];
    uint8_t bytes[MESSAGE_SIZE_MAX], digest[DIGEST_SIZE];
    struct buf message = buf_over(bytes, sizeof bytes);

    take_inventory(host, &inventory, text);
    TRY(native_inventory_encode(&inventory, &message));
    digest_of(DIGEST_SHA256, buf_written(&message), digest);
    memcpy(out, digest, NATIVE_INVENTORY_SIZE);
    return ERR_OK;
}

/* None of these is important enough to be repeated before the server asks again; the log is, as
 * it may be us who want it there. */
static void do_chores(struct host *host)
{
    struct why why = {0};
    struct link *link = host_link(host, &why);
    enum err err = ERR_OK;

    if (!link)
        return;
    if (host->chores.inventory)
        err = send_inventory(host, link, &why);
    if (err == ERR_OK && host->chores.log) {
        err = upload_log(host, link, &why);
        host->chores.log = err == ERR_LINK || err == ERR_AGAIN;
    }
    if (err != ERR_OK)
        ring_note(&host->ring, LOG_LEVEL_WARN, "chore-failed", "why=\"%s\"", why.text);
    if (host->chores.renewal)
        (void)renew(host, link, &why); /* logged there; asked for again by the server */
    host->chores.inventory = host->chores.renewal = false;
}

static void poll_failed(struct host *host, enum err err, const struct why *why)
{
    if (host->stopping) /* we gave it up ourselves: no failure to remember */
        return;
    host->poll_failed = true;
    ring_note(&host->ring, LOG_LEVEL_WARN, "poll-failed", "err=%s why=\"%s\"", err_name(err),
              why->text);
    host_failed(host, AGENT_DO_POLL, err, host->client ? link_retry_s(&host->link) : 0);
}

/* Each offer brings its own, signed for the nonce of its poll. An answer without an offer, as of a
 * rollout that is paused, leaves the one in hand: it is as good as it was. */
static void keep_mandate(struct host *host, const struct native_poll *poll,
                         const struct native_answer *answer)
{
    struct host_mandate *mandate = &host->mandate;

    if (answer->kind != NATIVE_INSTALL && answer->kind != NATIVE_ROLLBACK)
        return;
    CHECK(answer->signed_assignment.size <= sizeof mandate->bytes);
    mandate->size = answer->signed_assignment.size;
    memcpy(mandate->nonce, poll->nonce, sizeof mandate->nonce);
    if (mandate->size > 0)
        memcpy(mandate->bytes, answer->signed_assignment.at, mandate->size);
}

static enum err ask(struct host *host, struct native_answer *out, struct why *why)
{
    struct link *link = host_link(host, why);
    struct native_poll poll;

    if (!link)
        return ERR_STORAGE;
    agent_poll(&host->agent, &poll);
    poll.inventory_known = inventory_digest(host, poll.inventory) == ERR_OK;
    poll.nonce_known = true;
    entropy_fill(poll.nonce, sizeof poll.nonce);
    TRY(link_poll(link, &poll, out, why));
    keep_mandate(host, &poll, out);
    return ERR_OK;
}

/* A device without a clock learns only by a refusal that its certificate has expired. If it was
 * revoked, the renewal is refused as well. */
static enum err ask_as_ourselves(struct host *host, struct native_answer *out, struct why *why)
{
    enum err err;

    TRY(ensure_identity(host, why));
    err = ask(host, out, why);
    if (err != ERR_DENIED || renew(host, host_link(host, why), why) != ERR_OK)
        return err;
    return ask(host, out, why);
}

static void carry_out_poll(struct host *host)
{
    struct native_answer answer;
    struct agent_event event = {.kind = AGENT_EV_ANSWER, .answer = &answer};
    struct why why = {0};
    enum err err = ask_as_ourselves(host, &answer, &why);

    if (err != ERR_OK) {
        poll_failed(host, err, &why);
        return;
    }
    host->polled = true;
    timekeeper_tell(&host->keeper, answer.server_s, clock_instant());
    ring_note(&host->ring, answer.kind == NATIVE_NOTHING ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
              "answer", "kind=%d assignment=%llu next=%us flags=%u", (int)answer.kind,
              (unsigned long long)answer.assignment, answer.next_poll_s, answer.flags);
    note_chores(host, &answer);
    host_step(host, &event);
    do_chores(host);
}

/* ---- check ---- */

static enum err check_room(struct host *host, uint64_t length, struct why *why)
{
    uint8_t spare = (uint8_t)(1 - host->agent.boot.running);

    if (host->config->fail_space)
        return say(why, ERR_TOO_BIG, NULL, "no room, as --fail-space demands");
    return bank_file_room(&host->bank_files[spare], length, host->config->space_reserve, why);
}

/* Enough to finish what is begun, the way back included; the operator's command knows. */
static enum err check_power(const struct host *host, struct why *why)
{
    const char *const argv[] = {"/bin/sh", "-c", host->config->power_command, NULL};
    const struct process_run run = {.argv = argv, .timeout_ms = POWER_TIMEOUT_S * 1000};
    int status = 0;

    if (!host->config->power_command || !host->config->power_command[0])
        return ERR_OK;
    if (process_run(&run, &status, why) != ERR_OK)
        return ERR_AGAIN;
    return status == 0 ? ERR_OK
                       : say(why, ERR_AGAIN, NULL, "the power command ended with %d", status);
}

static void carry_out_check(struct host *host, const struct agent_order *order)
{
    struct agent_event event = {.kind = AGENT_EV_READY, .ready = ERR_OK};
    struct why why = {0};

    if (host->config->lock_file && !lock_held(&host->update))
        event.ready = lock_take(&host->update, host->config->lock_file, &why);
    if (event.ready == ERR_OK) {
        event.ready = check_power(host, &why);
        event.hindrance = event.ready == ERR_OK ? AGENT_REASON_NONE : AGENT_REASON_POWER;
    }
    if (event.ready == ERR_OK && order->check.what == AGENT_CHECK_ERASE)
        event.ready = check_room(host, order->check.length, &why);
    if (event.ready != ERR_OK)
        host_remember(host, "not-ready", event.ready, &why);
    host_step(host, &event);
}

/* ---- fetch ---- */

static enum err pass_piece(void *self, struct span bytes)
{
    struct host *host = self;
    struct host_fetch *fetch = &host->fetch;
    struct agent_event event = {
        .kind = AGENT_EV_BYTES,
        .bytes = {.stream = fetch->stream, .at = fetch->at, .piece = bytes},
    };

    if (bytes.size > fetch->length - fetch->at)
        return ERR_CORRUPT;
    fetch->at += bytes.size;
    host_step(host, &event); /* may stop this transfer or begin another one */
    return fetch->open && fetch->at == event.bytes.at + bytes.size ? ERR_OK : ERR_CONFLICT;
}

static uint64_t range_size(const struct host *host)
{
    uint64_t size = host->config->bandwidth_limit * RANGE_S;

    if (size == 0 || size > RANGE_SIZE_MAX)
        size = RANGE_SIZE_MAX;
    return size < RANGE_SIZE_MIN ? RANGE_SIZE_MIN : size;
}

void host_fetch_on(struct host *host)
{
    const struct http_sink sink = {.take = pass_piece, .self = host};
    struct host_fetch *fetch = &host->fetch;
    uint64_t from = fetch->at, left = fetch->length - from, size = range_size(host);
    struct why why = {0};
    struct link *link = host_link(host, &why);
    enum err err = ERR_STORAGE;

    CHECK(from < fetch->length);
    if (link)
        err = link_blob(link, fetch->sha256, from, left < size ? left : size, sink, &why);
    if (err == ERR_CONFLICT || !fetch->open) /* the core has other plans */
        return;
    if (err == ERR_OK && fetch->at == from)
        err = say(&why, ERR_LINK, NULL, "the server sent nothing");
    if (err != ERR_OK) {
        fetch->open = false;
        if (!host->stopping) {
            host_remember(host, "fetch-failed", err, &why);
            host_failed(host, AGENT_DO_FETCH, err, link ? link_retry_s(link) : 0);
        }
    } else if (fetch->at == fetch->length) {
        fetch->open = false;
    }
}

/* ---- report ---- */

static bool bad_end(enum native_phase phase)
{
    return phase == PHASE_FAILED || phase == PHASE_REVERTED || phase == PHASE_REFUSED;
}

/* The core's reason, and what we know beyond it. */
static void fill_report(struct host *host, struct native_report *out, char detail[DETAIL_SIZE_MAX])
{
    struct buf text = buf_over(detail, DETAIL_SIZE_MAX);
    struct span more = span_of(host->detail);

    agent_report(&host->agent, &host->told, out);
    if (!bad_end(host->told.phase) || more.size == 0 || out->detail.size + 2 > text.room)
        return;
    buf_span(&text, out->detail);
    if (text.size > 0)
        buf_text(&text, ": ");
    if (more.size > text.room - text.size)
        more.size = text.room - text.size;
    buf_span(&text, more);
    out->detail = buf_written(&text);
}

static void carry_out_report(struct host *host, const struct agent_order *order)
{
    struct agent_event event = {.kind = AGENT_EV_VERDICT};
    struct native_report report;
    char detail[DETAIL_SIZE_MAX];
    struct why why = {0};
    struct link *link = host_link(host, &why);
    enum err err = ERR_STORAGE;

    host->told = order->report;
    fill_report(host, &report, detail);
    if (link)
        err = link_report(link, &report, &event.verdict.is, &why);
    if (err != ERR_OK && host->stopping)
        return;
    if (err != ERR_OK) {
        ring_note(&host->ring, LOG_LEVEL_WARN, "report-failed", "phase=%s err=%s why=\"%s\"",
                  native_phase_name(host->told.phase), err_name(err), why.text);
        host_failed(host, AGENT_DO_REPORT, err, link ? link_retry_s(link) : 0);
        return;
    }
    ring_note(&host->ring, LOG_LEVEL_INFO, "reported", "phase=%s assignment=%llu verdict=%d",
              native_phase_name(host->told.phase), (unsigned long long)host->told.assignment,
              (int)event.verdict.is.kind);
    if (native_phase_final(host->told.phase))
        forget_detail(host);
    event.verdict.report_id = host->told.id;
    host_step(host, &event);
    if (bad_end(host->told.phase)) {
        host->chores.log = true;
        host->chores.log_assignment = host->told.assignment;
        do_chores(host);
    }
}

/* ---- health and reset ---- */

static void carry_out_health(struct host *host)
{
    uint8_t running = host->agent.boot.running;
    const struct health_check check = {
        .command = host->config->health_command,
        .timeout_s = host->config->health_timeout_s,
        .name = host->config->name,
        .bank = host->config->banks[running],
        .version = host->agent.record.banks[running].version,
    };
    struct agent_event event = {.kind = AGENT_EV_HEALTH};
    struct why why = {0};

    event.health = health_exec(&check, &why);
    if (event.health == ERR_OK)
        ring_note(&host->ring, LOG_LEVEL_INFO, "healthy", "bank=%c",
                  boot_file_bank_letter(running));
    else
        host_remember(host, "unhealthy", event.health, &why);
    host_step(host, &event);
}

static void carry_out_reset(struct host *host)
{
    const char *const argv[] = {"/bin/sh", "-c", host->config->reboot_command, NULL};
    const struct process_run run = {.argv = argv, .timeout_ms = RESET_TIMEOUT_S * 1000};
    struct why why = {0};
    int status = 0;
    enum err err;

    ring_note(&host->ring, LOG_LEVEL_INFO, "reset", "by=\"%s\"", host->config->reboot_command);
    if (host->config->reboot != CONFIG_REBOOT_COMMAND) {
        host->reset = true;
        return;
    }
    err = process_run(&run, &status, &why);
    if (err != ERR_OK || status != 0) /* the core orders another one when nothing happens */
        ring_note(&host->ring, LOG_LEVEL_ERROR, "reset-failed", "status=%d why=\"%s\"", status,
                  why.text);
}

void host_carry_out(struct host *host, const struct agent_order *order)
{
    switch (order->kind) {
    case AGENT_DO_POLL:
        carry_out_poll(host);
        break;
    case AGENT_DO_RESOLVE:
        host_resolve(host);
        break;
    case AGENT_DO_CHECK:
        carry_out_check(host, order);
        break;
    case AGENT_DO_REPORT:
        carry_out_report(host, order);
        break;
    case AGENT_DO_HEALTH:
        carry_out_health(host);
        break;
    case AGENT_DO_RESET:
        carry_out_reset(host);
        break;
    case AGENT_DO_WAKE:
    case AGENT_DO_STOP:
    case AGENT_DO_FETCH:
        CHECK(false);
    }
}
