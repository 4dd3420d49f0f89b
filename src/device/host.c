#include "device/host.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "device/bank_block.h"
#include "device/time_floor.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/say.h"
#include "os/signals.h"

#define SLICE_SIZE   (1u << 20) /* bytes read back in one step */
#define ATTEMPTS_MAX 5u         /* bad chunks or lists in a row */
#define RESTARTS_MAX 20u        /* of this program in one trial, beyond one for each boot */
#define BUSY_MS      5000       /* between two looks at the lock */
#define NEVER        ((struct instant){INT64_MAX})
#define TIME_FLOOR   ((struct utc){BUILD_TIME_S * 1000LL}) /* set by the build description */

/* ---- opening ---- */

static enum err open_banks(struct host *host, struct why *why)
{
    for (unsigned i = 0; i < AGENT_BANKS; i++) {
        const char *path = host->config->banks[i];

        if (bank_block_is(path))
            TRY(bank_block_open(&host->bank_files[i], path, &host->banks[i], why));
        else
            TRY(bank_file_open(&host->bank_files[i], path, host->config->bank_size, &host->banks[i],
                               why));
        host->world.banks[i] = &host->banks[i];
    }
    /* An update would overwrite what runs, and there would be nothing to fall back to. */
    if (bank_file_same(&host->bank_files[0], &host->bank_files[1]))
        return say(why, ERR_INVALID, "bank_b", "bank_a and bank_b are the same storage: %s and %s",
                   host->config->banks[0], host->config->banks[1]);
    return ERR_OK;
}

static enum err open_boot(struct host *host, struct why *why)
{
    const struct config *config = host->config;
    char path[BOOT_FILE_PATH_SIZE];

    host->keep = config->boot == CONFIG_BOOT_UBOOT ? boot_uboot_keep(&host->boot_uboot)
                                                   : boot_file_keep(&host->boot_file);
    if (config->boot == CONFIG_BOOT_UBOOT)
        return boot_uboot_open(&host->boot_uboot, config->uboot_config, config->kernel_cmdline,
                               config->boot_tries, &host->boot, why);
    if (config->boot_file)
        return boot_file_open(&host->boot_file, config->boot_file, config->boot_tries, &host->boot,
                              why);
    TRY(file_join(config->state_dir, "boot", path, sizeof path));
    return boot_file_open(&host->boot_file, path, config->boot_tries, &host->boot, why);
}

static enum err open_trust(struct host *host, struct why *why)
{
    char directory[RECORD_FILE_PATH_SIZE];
    struct file_bytes root = {0};
    enum err err = file_read(host->config->root_file, TUF_ROOT_SIZE_MAX, &root, why);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    err = file_join(host->config->state_dir, "tuf", directory, sizeof directory);
    if (err == ERR_OK)
        err = tuf_client_open(directory, (struct span){root.at, root.size}, &host->tuf, why);
    file_bytes_free(&root);
    if (err != ERR_OK)
        why_wrap(why, host->config->root_file);
    return err;
}

/* Fill in what the signed metadata on disk says of the image that runs; it has been confirmed, so
 * the floor that came with it holds. */
static void recall_factory(struct host *host)
{
    struct record_image *factory = &host->core_config.factory;
    struct release_facts facts;

    if (host_recall_facts(host, factory->sha256, &facts) != ERR_OK)
        return;
    factory->security_version = facts.security_version;
    factory->release_counter = facts.release_counter;
    (void)snprintf(factory->version, sizeof factory->version, "%s", facts.version);
    if (facts.security_floor > host->core_config.security_floor)
        host->core_config.security_floor = facts.security_floor;
    ring_note(&host->ring, LOG_LEVEL_INFO, "recalled", "version=%s security_floor=%u",
              facts.version, facts.security_floor);
}

/* A running bank the record knows nothing of holds what the factory put there; what that is
 * follows from its content alone. */
static enum err measure_factory(struct host *host, uint8_t running, struct why *why)
{
    const struct bank_file *bank = &host->bank_files[running];
    struct record_image *factory = &host->core_config.factory;

    factory->length = host->config->factory_size;
    if (factory->length == 0)
        TRY(bank_file_size(bank, &factory->length, why));
    if (factory->length == 0)
        return ERR_OK; /* an empty bank: nothing is known */
    TRY(bank_file_digest(bank, factory->length, factory->sha256, why));
    if (host->config->factory_version)
        (void)snprintf(factory->version, sizeof factory->version, "%s",
                       host->config->factory_version);
    factory->security_version = host->config->security_floor;
    factory->known = true;
    recall_factory(host);
    return ERR_OK;
}

static enum err look_at_running(struct host *host, struct why *why)
{
    struct boot_view view;
    struct record record = {0};
    uint32_t sequence;
    enum err err = record_load(&host->slots, &record, &sequence);

    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    TRY(host->boot.ops->look(host->boot.self, &view));
    if (record.banks[view.running].known || view.verdict == BOOT_TRIAL)
        return ERR_OK;
    return measure_factory(host, view.running, why);
}

/* Pages that are never touched cost nothing, so there is room for the longest list. */
static void make_room(struct host *host)
{
    size_t size = (size_t)CHUNKS_MAX * DIGEST_SIZE;
    void *list = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(list != MAP_FAILED);
    host->world.room = (struct agent_room){
        .list = list,
        .list_size = (uint32_t)size,
        .chunk = malloc(CHUNK_SIZE_MAX + AEAD_TAG_SIZE),
        .chunk_size = CHUNK_SIZE_MAX + AEAD_TAG_SIZE,
    };
    CHECK(host->world.room.chunk);
}

static void configure_core(struct host *host)
{
    const struct config *config = host->config;

    host->core_config.name = config->name;
    host->core_config.product = config->product;
    host->core_config.hardware = config->hardware;
    host->core_config.slice_size = SLICE_SIZE;
    host->core_config.attempts_max = ATTEMPTS_MAX;
    host->core_config.trial_s = config->trial_timeout_s;
    host->core_config.trial_starts_max = config->boot_tries + RESTARTS_MAX;
    host->core_config.poll_s = config->poll_interval_s;
    host->core_config.retry_s_min = config->retry_min_s;
    host->core_config.retry_s_max = config->retry_max_s;
    host->core_config.security_floor = config->security_floor;
    host->core_config.seed = entropy_seed();
    host->world.boot = &host->boot;
    host->world.slots = &host->slots;
    host->world.keep = &host->keep;
    host->world.sealer = &host->sealing.sealer;
    host->world.config = &host->core_config;
}

/* A former run's last words, still to be reported. */
static void recall_detail(struct host *host)
{
    char path[RECORD_FILE_PATH_SIZE];
    struct file_bytes bytes = {0};

    if (file_join(host->config->state_dir, "detail", path, sizeof path) == ERR_OK &&
        file_read(path, DETAIL_SIZE_MAX, &bytes, NULL) == ERR_OK)
        (void)snprintf(host->detail, sizeof host->detail, "%s", (const char *)bytes.at);
    file_bytes_free(&bytes);
}

static enum err open_state(struct host *host, struct why *why)
{
    const struct config *config = host->config;
    char path[RECORD_FILE_PATH_SIZE];

    TRY(file_make_directory(config->state_dir, 0700, why));
    TRY(file_join(config->state_dir, "lock", path, sizeof path));
    if (lock_take(&host->alone, path, why) != ERR_OK)
        return say(why, ERR_CONFLICT, "state_dir", "another agent is running in %s",
                   config->state_dir);
    file_remove_temporaries(config->state_dir);
    TRY(ring_open(&host->ring, config->state_dir, LOG_UPLOAD_SIZE_MAX, config->log_level, why));
    TRY(identity_open(&host->identity, config->state_dir, why));
    TRY(sealing_key_open(&host->sealing, config->state_dir, config->name, why));
    TRY(record_file_open(&host->record, config->state_dir, &host->slots, why));
    host->time_stored = time_floor_load(config->state_dir);
    timekeeper_prove(&host->keeper, host->time_stored);
    host->record.crash = config->crash;
    host->record.crash_at = config->crash_at;
    recall_detail(host);
    return ERR_OK;
}

static enum err open_all(struct host *host, struct why *why)
{
    TRY(open_state(host, why));
    TRY(open_banks(host, why));
    TRY(open_boot(host, why));
    TRY(open_trust(host, why));
    configure_core(host);
    TRY(look_at_running(host, why));
    make_room(host);
    host->signals = signal_open();
    return host->signals >= 0 ? ERR_OK : ERR_STORAGE;
}

static void take_orders(struct host *host, const struct agent_orders *orders);

static enum err start_core(struct host *host, struct why *why)
{
    struct agent_orders orders;
    enum err err = agent_start(&host->agent, &host->world, clock_instant(), &orders);

    if (err != ERR_OK)
        return say(why, err, NULL, "the agent's record or the boot selector cannot be used");
    ring_note(&host->ring, LOG_LEVEL_INFO, "start", "name=%s state=%s bank=%c boots=%u",
              host->config->name, agent_state_name(agent_state(&host->agent)),
              boot_file_bank_letter(host->agent.boot.running), host->agent.record.boot_count);
    take_orders(host, &orders);
    return ERR_OK;
}

enum err host_open(struct host *host, const struct config *config, struct why *why)
{
    enum err err;

    *host = (struct host){.config = config,
                          .signals = -1,
                          .alone = LOCK_FREE,
                          .update = LOCK_FREE,
                          .ring.fd = -1,
                          .bank_files = {{.fd = -1}, {.fd = -1}},
                          .wake_due = NEVER,
                          .started = clock_instant(),
                          .keeper = timekeeper_from(TIME_FLOOR)};
    err = open_all(host, why);
    if (err == ERR_OK)
        err = start_core(host, why);
    if (err != ERR_OK) {
        if (why && !why->text[0])
            (void)say(why, err, NULL, "cannot start: %s", err_text(err));
        host_close(host);
    }
    return err;
}

void host_close(struct host *host)
{
    if (host->signals >= 0)
        (void)close(host->signals);
    http_client_close(host->client);
    tuf_client_close(host->tuf);
    for (unsigned i = 0; i < AGENT_BANKS; i++)
        bank_file_close(&host->bank_files[i]);
    free(host->world.room.chunk);
    if (host->world.room.list)
        (void)munmap(host->world.room.list, host->world.room.list_size);
    ring_close(&host->ring);
    sealing_key_close(&host->sealing);
    lock_give(&host->update);
    lock_give(&host->alone);
    host->client = NULL;
    host->tuf = NULL;
    host->world.room = (struct agent_room){0};
    host->signals = -1;
}

/* ---- orders ---- */

/* A new order of a kind takes the place of one that waits. */
static void enqueue(struct host *host, const struct agent_order *order)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < host->queued; i++) {
        if (host->queue[i].kind != order->kind)
            host->queue[at++] = host->queue[i];
    }
    host->queued = at;
    CHECK(host->queued < HOST_QUEUE_MAX);
    host->queue[host->queued++] = *order;
    if (order->kind == AGENT_DO_RESOLVE) /* borrowed until the next step only */
        (void)snprintf(host->target, sizeof host->target, "%s", order->resolve.target);
}

static void start_fetch(struct host *host, const struct agent_order *order)
{
    host->fetch = (struct host_fetch){.open = true,
                                      .stream = order->fetch.stream,
                                      .at = order->fetch.from,
                                      .length = order->fetch.length};
    memcpy(host->fetch.sha256, order->fetch.sha256, DIGEST_SIZE);
}

static void take_orders(struct host *host, const struct agent_orders *orders)
{
    for (uint32_t i = 0; i < orders->count; i++) {
        const struct agent_order *order = &orders->list[i];

        if (order->kind == AGENT_DO_WAKE)
            host->wake_due = order->due;
        else if (order->kind == AGENT_DO_STOP)
            host->fetch.open = false;
        else if (order->kind == AGENT_DO_FETCH)
            start_fetch(host, order);
        else
            enqueue(host, order);
    }
}

/* The update lock belongs to work on the bank and to the flip, not to waiting. */
static bool needs_lock(enum agent_state state)
{
    switch (state) {
    case AGENT_LISTING:
    case AGENT_SCANNING:
    case AGENT_ERASING:
    case AGENT_FETCHING:
    case AGENT_VERIFYING:
    case AGENT_ASKING:
    case AGENT_SWITCHING:
        return true;
    case AGENT_IDLE:
    case AGENT_RESOLVING:
    case AGENT_CHECKING:
    case AGENT_STAGED:
    case AGENT_TRIAL:
    case AGENT_REVERTING:
    case AGENT_REPORTING:
    case AGENT_MEASURING:
    case AGENT_STATE_COUNT:
        break;
    }
    return false;
}

/* Whether the work may go on: the update lock is held, or can be taken again. After a restart
 * the core goes on with a download without asking; nothing in the bank changes before its list
 * has come, so it is enough to look here. */
static bool may_fetch(struct host *host)
{
    if (!host->config->lock_file || lock_held(&host->update) ||
        !needs_lock(agent_state(&host->agent)))
        return true;
    return lock_take(&host->update, host->config->lock_file, NULL) == ERR_OK;
}

void host_step(struct host *host, struct agent_event *event)
{
    enum agent_state before = agent_state(&host->agent);
    struct agent_orders orders;
    enum err err;

    event->now = clock_instant();
    err = agent_step(&host->agent, event, &orders);
    if (err == ERR_STORAGE)
        ring_note(&host->ring, LOG_LEVEL_ERROR, "record-unsaved", "dir=%s",
                  host->config->state_dir);
    if (err == ERR_OK || err == ERR_STORAGE)
        take_orders(host, &orders);
    if (agent_state(&host->agent) != before)
        ring_note(&host->ring, LOG_LEVEL_INFO, "state", "from=%s to=%s", agent_state_name(before),
                  agent_state_name(agent_state(&host->agent)));
    if (!needs_lock(agent_state(&host->agent)) && agent_state(&host->agent) != AGENT_CHECKING)
        lock_give(&host->update);
}

void host_failed(struct host *host, enum agent_order_kind order, enum err err, uint32_t retry_s)
{
    struct agent_event event = {
        .kind = AGENT_EV_FAILED,
        .failed = {.order = order, .err = err, .retry_s = retry_s},
    };

    host_step(host, &event);
}

/* ---- the loop ---- */

static void look_at_signals(struct host *host)
{
    int number;

    while ((number = signal_take(host->signals)) > 0) {
        ring_note(&host->ring, LOG_LEVEL_INFO, "stop", "signal=%d", number);
        host->stopping = true;
    }
}

static void sleep_until(struct host *host, struct instant due)
{
    struct instant now = clock_instant();
    int64_t wait_ms = due.ms - now.ms;

    if (wait_ms > 60000)
        wait_ms = 60000; /* so that a suspended machine looks at its clock again */
    (void)poll(&(struct pollfd){.fd = host->signals, .events = POLLIN}, 1,
               wait_ms > 0 ? (int)wait_ms : 0);
}

static struct instant sooner(struct instant a, struct instant b)
{
    return a.ms < b.ms ? a : b;
}

static void pop_and_carry_out(struct host *host)
{
    struct agent_order order = host->queue[0];

    host->queued--;
    memmove(host->queue, host->queue + 1, host->queued * sizeof host->queue[0]);
    host_carry_out(host, &order);
}

static void do_next(struct host *host)
{
    struct agent_event wake = {.kind = AGENT_EV_WAKE};

    if (host->queued > 0) {
        pop_and_carry_out(host);
    } else if (instant_reached(clock_instant(), host->wake_due)) {
        host->wake_due = NEVER;
        host_step(host, &wake);
    } else if (host->fetch.open && may_fetch(host)) {
        host_fetch_on(host);
    } else if (host->fetch.open) {
        sleep_until(host, sooner(host->wake_due, instant_after(clock_instant(), BUSY_MS)));
    } else {
        sleep_until(host, host->wake_due);
    }
}

static bool done_once(const struct host *host)
{
    if (!host->config->once)
        return false;
    return host->poll_failed || (host->polled && host->queued == 0 && !host->fetch.open &&
                                 agent_state(&host->agent) == AGENT_IDLE);
}

int host_run(struct host *host)
{
    while (!host->stopping && !host->reset && !done_once(host)) {
        do_next(host);
        look_at_signals(host);
    }
    if (host->reset)
        return CONFIG_EXIT_REBOOT;
    return host->config->once && host->poll_failed ? 3 : 0;
}
