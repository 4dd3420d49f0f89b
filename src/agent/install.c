/* From an offer to a whole verified image in the spare bank. */
#include "agent/acts.h"
#include "base/check.h"

static struct chunks wanted_chunks(const struct agent *agent)
{
    return (struct chunks){.length = agent->record.work.image.length,
                           .size = agent->record.work.chunk_size};
}

static struct span chunk_list(const struct agent *agent)
{
    struct chunks chunks = wanted_chunks(agent);

    return (struct span){agent->world.room.list, chunks_list_size(&chunks)};
}

/* ---- idle, measuring ---- */

void enter_idle(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    CHECK(agent->record.work.assignment == 0);
    agent->poll_due = now;
    if (agent->starting && agent->record.poll_failures > 0)
        agent->poll_due = instant_after(now, agent_jitter_ms(agent, agent->record.poll_failures));
}

/* A verdict of the boot loader that the record has taken in is no longer needed. */
static void calm_boot(struct agent *agent)
{
    const struct boot *boot = agent->world.boot;

    if (agent->boot.verdict != BOOT_REVERTED)
        return;
    /* On failure the verdict just stays, and the next boot tries this again. */
    if (boot->ops->confirm(boot->self) == ERR_OK)
        agent->boot.verdict = BOOT_NORMAL;
}

enum err settle_in(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct record_image *factory = &agent->world.config->factory;

    (void)event, (void)out;
    calm_boot(agent);
    if (agent_image(agent, true)->known || !factory->known ||
        factory->length > agent->world.banks[agent->boot.running]->size)
        return ERR_OK;
    return ERR_AGAIN;
}

void enter_reading(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    agent->at = 0;
    sha256_init(&agent->sha);
    agent->work_due = now;
}

enum err measure_running(struct agent *agent, const struct agent_event *event,
                         struct agent_orders *out)
{
    const struct record_image *factory = &agent->world.config->factory;
    const struct bank *bank = agent->world.banks[agent->boot.running];
    uint8_t digest[DIGEST_SIZE];
    enum err err = agent_read_slice(agent, bank, factory->length);

    (void)out;
    agent->work_due = event->now;
    if (err != ERR_OK)
        return err;
    sha256_done(&agent->sha, digest);
    if (memcmp(digest, factory->sha256, DIGEST_SIZE) != 0)
        return ERR_OK; /* whatever runs here, it is not what we were told: it stays unknown */
    *agent_image(agent, true) = *factory;
    agent->dirty = true;
    return ERR_OK;
}

/* ---- offer and facts ---- */

enum err take_offer(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct native_answer *answer = event->answer;

    (void)out;
    if (!span_to_text(answer->target, agent->target, sizeof agent->target))
        return ERR_TOO_BIG;
    agent->record.work = (struct record_work){
        .assignment = answer->assignment,
        .download_barred = answer->kind == NATIVE_ROLLBACK,
    };
    agent->expected = answer->sha256;
    agent->record.work_failures = 0;
    agent->record.attempts = 0;
    agent->kept = 0;
    agent->percent_told = 0;
    return ERR_OK;
}

void enter_resolving(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)now;
    agent_give(out, (struct agent_order){
                        .kind = AGENT_DO_RESOLVE,
                        .resolve = {agent->record.work.assignment, agent->target},
                    });
}

enum err resolve_again(struct agent *agent, const struct agent_event *event,
                       struct agent_orders *out)
{
    enter_resolving(agent, event->now, out);
    return ERR_OK;
}

static bool passing(enum err err)
{
    return err == ERR_LINK || err == ERR_AGAIN;
}

enum err resolve_failed(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    (void)out;
    if (!passing(event->failed.err))
        return agent_finish(agent, PHASE_REFUSED, event->failed.err, AGENT_REASON_METADATA);
    agent_back_off(agent, event->now, event->failed.retry_s);
    return ERR_OK;
}

static enum err refuse(struct agent *agent, enum err err, enum agent_reason reason)
{
    return agent_finish(agent, PHASE_REFUSED, err, reason);
}

/* Product, hardware, security floor and base, in the words of the record. */
static enum agent_reason misfit(const struct agent *agent, const struct release_facts *facts)
{
    const struct record_image *running = &agent->record.banks[agent->boot.running];
    struct release_device device = {
        .product = agent->world.config->product,
        .hardware = agent->world.config->hardware,
        .version = running->known ? running->version : NULL,
        .sha256 = running->known ? running->sha256 : NULL,
        .security_floor = agent->record.security_floor,
    };

    switch (release_fit(facts, &device)) {
    case RELEASE_FITS:
        return AGENT_REASON_NONE;
    case RELEASE_OTHER_PRODUCT:
        return AGENT_REASON_PRODUCT;
    case RELEASE_OTHER_HARDWARE:
        return AGENT_REASON_HARDWARE;
    case RELEASE_BELOW_FLOOR:
        return AGENT_REASON_FLOOR;
    case RELEASE_OTHER_BASE:
        /* Going back is not applying an update: what is in the other bank was whole before. */
        return agent->record.work.download_barred ? AGENT_REASON_NONE : AGENT_REASON_BASE;
    }
    CHECK(!"a fit of some kind");
    return AGENT_REASON_FACTS;
}

static bool fits_storage(const struct agent *agent, const struct release_facts *facts)
{
    const struct agent_room *room = &agent->world.room;
    const struct bank *bank = agent_spare(agent);
    struct chunks chunks = {.length = facts->length, .size = facts->chunk_size};

    return facts->length <= bank->size && facts->chunk_size <= room->chunk_size &&
           facts->chunk_size % bank->write_size == 0 &&
           chunks_list_size(&chunks) <= room->list_size;
}

static void keep_facts(struct record_work *work, const struct release_facts *facts)
{
    work->image = (struct record_image){
        .known = true,
        .length = facts->length,
        .security_version = facts->security_version,
    };
    memcpy(work->image.sha256, facts->sha256, DIGEST_SIZE);
    memcpy(work->image.version, facts->version, sizeof work->image.version);
    work->chunk_size = facts->chunk_size;
    memcpy(work->chunks_sha256, facts->chunks_sha256, DIGEST_SIZE);
    work->security_floor = facts->security_floor;
}

enum err judge_facts(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct release_facts *facts = event->facts;
    struct chunks chunks = {.length = facts->length, .size = facts->chunk_size};
    const struct record_image *other = agent_image(agent, false);
    enum agent_reason reason;

    (void)out;
    agent_progress(agent);
    if (release_facts_check(facts, NULL) != ERR_OK || chunks_check(&chunks) != ERR_OK)
        return refuse(agent, ERR_CORRUPT, AGENT_REASON_FACTS);
    if (agent->expected.known && memcmp(agent->expected.at, facts->sha256, DIGEST_SIZE) != 0)
        return refuse(agent, ERR_UNTRUSTED, AGENT_REASON_FACTS);
    keep_facts(&agent->record.work, facts);
    if (agent_runs_wanted(agent))
        return agent_finish(agent, PHASE_SUCCEEDED, ERR_OK, AGENT_REASON_ALREADY);
    reason = misfit(agent, facts);
    if (reason != AGENT_REASON_NONE)
        return refuse(agent, ERR_UNSUITABLE, reason);
    if (other->known && memcmp(other->sha256, facts->sha256, DIGEST_SIZE) == 0)
        return ERR_AGAIN; /* no download needed; it is read back all the same */
    if (agent->record.work.download_barred)
        return refuse(agent, ERR_NOT_FOUND, AGENT_REASON_OTHER_BANK);
    if (!fits_storage(agent, facts))
        return refuse(agent, ERR_TOO_BIG, AGENT_REASON_SIZE);
    return ERR_OK;
}

/* ---- room and leave to erase ---- */

void enter_checking(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)now;
    agent_give(out, (struct agent_order){
                        .kind = AGENT_DO_CHECK,
                        .check = {AGENT_CHECK_ERASE, agent->record.work.image.length},
                    });
}

enum err ask_room_again(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    enter_checking(agent, event->now, out);
    return ERR_AGAIN;
}

enum err take_room(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    enum err err = event->kind == AGENT_EV_FAILED ? event->failed.err : event->ready;

    if (err == ERR_OK) {
        agent_progress(agent);
        return ERR_OK;
    }
    if (!passing(err))
        return refuse(agent, err, AGENT_REASON_SPACE);
    if (agent->record.work_failures == 0) /* say once why nothing happens */
        agent_tell(agent, PHASE_DOWNLOADING, AGENT_REASON_BUSY, out);
    agent_back_off(agent, event->now, 0);
    return ERR_AGAIN;
}

/* ---- chunk list ---- */

static void fetch(struct agent *agent, struct agent_orders *out)
{
    const struct record_work *work = &agent->record.work;
    struct chunks chunks = wanted_chunks(agent);
    struct agent_order order = {.kind = AGENT_DO_FETCH};

    if (agent->record.state == AGENT_LISTING) {
        order.fetch.stream = AGENT_LIST;
        order.fetch.sha256 = work->chunks_sha256;
        order.fetch.from = agent->at;
        order.fetch.length = chunks_list_size(&chunks);
    } else {
        order.fetch.stream = AGENT_IMAGE;
        order.fetch.sha256 = work->image.sha256;
        order.fetch.from = agent->kept + agent->chunk_filled;
        order.fetch.length = work->image.length;
    }
    CHECK(order.fetch.from < order.fetch.length);
    agent_give(out, order);
}

static bool image_complete(const struct agent *agent)
{
    CHECK(agent->kept <= agent->record.work.image.length);
    return agent->record.state == AGENT_FETCHING && agent->kept == agent->record.work.image.length;
}

void enter_listing(struct agent *agent, struct instant now, struct agent_orders *out)
{
    agent->at = 0;
    sha256_init(&agent->sha);
    if (!agent_waits_first(agent, now))
        fetch(agent, out);
}

/* For the list and for the image: ask for the rest, from where we are. */
enum err fetch_again(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event;
    if (image_complete(agent))
        return ERR_OK;
    fetch(agent, out);
    return ERR_AGAIN;
}

enum err fetch_failed(struct agent *agent, const struct agent_event *event,
                      struct agent_orders *out)
{
    (void)out;
    if (!passing(event->failed.err))
        return agent_finish(agent, PHASE_FAILED, event->failed.err, AGENT_REASON_NONE);
    agent_back_off(agent, event->now, event->failed.retry_s);
    return ERR_AGAIN;
}

/* Bytes arrived that are not what was signed: a few more tries, then it is over. */
static enum err spoiled(struct agent *agent, const struct agent_event *event,
                        enum agent_reason reason, struct agent_orders *out)
{
    agent->record.attempts++;
    agent->dirty = true;
    agent_give(out, (struct agent_order){.kind = AGENT_DO_STOP});
    if (agent->record.attempts >= agent->world.config->attempts_max)
        return agent_finish(agent, PHASE_FAILED, ERR_CORRUPT, reason);
    agent_back_off(agent, event->now, 0);
    return ERR_AGAIN;
}

enum err take_list(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    struct span list = chunk_list(agent), piece = event->bytes.piece;
    uint8_t digest[DIGEST_SIZE];

    CHECK(list.size <= agent->world.room.list_size);
    if (event->bytes.stream != AGENT_LIST || event->bytes.at != agent->at)
        return ERR_AGAIN;
    if (piece.size > list.size - agent->at)
        piece.size = (size_t)(list.size - agent->at);
    memcpy(agent->world.room.list + agent->at, piece.at, piece.size);
    sha256_update(&agent->sha, piece);
    agent->at += piece.size;
    if (agent->at < list.size)
        return ERR_AGAIN;

    sha256_done(&agent->sha, digest);
    if (memcmp(digest, agent->record.work.chunks_sha256, DIGEST_SIZE) == 0)
        return ERR_OK;
    agent->at = 0;
    sha256_init(&agent->sha);
    return spoiled(agent, event, AGENT_REASON_LIST, out);
}

/* ---- what is in the bank already ---- */

void enter_scanning(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    agent->kept = 0;
    agent->work_due = now;
}

/* Chunks that match the list stay, whoever wrote them: a download that was cut short goes on
 * from there, and needs no note of how far it came. Keep to erase blocks, since what follows is
 * erased. */
static void keep_whole_blocks(struct agent *agent)
{
    uint32_t erase = agent_spare(agent)->erase_size, chunk = agent->record.work.chunk_size;
    uint64_t both = erase > chunk ? erase : chunk; /* both are powers of two */

    if (agent->kept < agent->record.work.image.length)
        agent->kept -= agent->kept % both;
}

enum err scan_chunk(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct bank *bank = agent_spare(agent);
    struct chunks chunks = wanted_chunks(agent);
    uint32_t index = (uint32_t)(agent->kept / chunks.size);
    uint32_t size = chunks_size_of(&chunks, index);
    struct span bytes = {agent->world.room.chunk, size};

    (void)out;
    /* Cells that power loss has left between two states may not even be readable. */
    if (bank->ops->read(bank->self, agent->kept, agent->world.room.chunk, size) == ERR_OK &&
        chunks_match(&chunks, chunk_list(agent), index, bytes)) {
        agent->kept += size;
        agent->work_due = event->now;
        if (agent->kept < chunks.length)
            return ERR_AGAIN;
    }
    keep_whole_blocks(agent);
    agent_image(agent, false)->known = false; /* saved before the first block is erased */
    agent->dirty = true;
    return ERR_OK;
}

/* ---- erasing ---- */

void enter_erasing(struct agent *agent, struct instant now, struct agent_orders *out)
{
    bool whole = agent->kept == agent->record.work.image.length;

    (void)out;
    agent->at = whole ? agent_spare(agent)->size : agent->kept;
    agent->work_due = now;
}

enum err erase_slice(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct bank *bank = agent_spare(agent);
    uint64_t left = bank->size - agent->at;
    uint64_t size = agent->world.config->slice_size & ~(uint64_t)(bank->erase_size - 1);

    (void)out;
    if (size > left)
        size = left;
    CHECK(agent->at % bank->erase_size == 0);
    if (size > 0 && bank->ops->erase(bank->self, agent->at, size) != ERR_OK)
        return agent_finish(agent, PHASE_FAILED, ERR_STORAGE, AGENT_REASON_STORAGE);
    agent->at += size;
    agent->work_due = event->now;
    return agent->at < bank->size ? ERR_AGAIN : ERR_OK;
}

/* ---- the image ---- */

void enter_fetching(struct agent *agent, struct instant now, struct agent_orders *out)
{
    agent->chunk_filled = 0;
    if (image_complete(agent)) {
        agent->work_due = now;
        return;
    }
    fetch(agent, out);
    agent_tell(agent, PHASE_DOWNLOADING, AGENT_REASON_NONE, out);
}

/* Write the chunk in the room, which has just been checked, filled up to whole write units. */
static enum err write_chunk(struct agent *agent)
{
    const struct bank *bank = agent_spare(agent);
    uint8_t *chunk = agent->world.room.chunk;
    uint32_t size = agent->chunk_filled, rest = size % bank->write_size;

    if (rest != 0) {
        memset(chunk + size, 0xFF, bank->write_size - rest);
        size += bank->write_size - rest;
    }
    CHECK(size <= agent->world.room.chunk_size);
    TRY(bank->ops->write(bank->self, agent->kept, chunk, size));
    agent->kept += agent->chunk_filled;
    agent->chunk_filled = 0;
    return ERR_OK;
}

/* A whole chunk is in the room. */
static enum err take_chunk(struct agent *agent, const struct agent_event *event,
                           struct agent_orders *out)
{
    struct chunks chunks = wanted_chunks(agent);
    uint32_t index = (uint32_t)(agent->kept / chunks.size);
    struct span bytes = {agent->world.room.chunk, agent->chunk_filled};

    if (!chunks_match(&chunks, chunk_list(agent), index, bytes)) {
        agent->chunk_filled = 0;
        return spoiled(agent, event, AGENT_REASON_CHUNK, out);
    }
    if (write_chunk(agent) != ERR_OK)
        return agent_finish(agent, PHASE_FAILED, ERR_STORAGE, AGENT_REASON_STORAGE);
    agent_progress(agent);
    return image_complete(agent) ? ERR_OK : ERR_AGAIN;
}

/* Tell every tenth of the way, and never while the transfer has just been stopped. */
static void tell_tenths(struct agent *agent, struct agent_orders *out)
{
    uint64_t length = agent->record.work.image.length;
    uint32_t tenths = (uint32_t)(agent->kept / (length / 10 + 1));

    if (tenths * 10 <= agent->percent_told)
        return;
    agent->percent_told = tenths * 10;
    agent_tell(agent, PHASE_DOWNLOADING, AGENT_REASON_NONE, out);
}

enum err take_chunk_bytes(struct agent *agent, const struct agent_event *event,
                          struct agent_orders *out)
{
    struct chunks chunks = wanted_chunks(agent);
    struct span piece = event->bytes.piece;

    if (event->bytes.stream != AGENT_IMAGE ||
        event->bytes.at != agent->kept + agent->chunk_filled || image_complete(agent))
        return ERR_AGAIN;
    while (piece.size > 0) {
        uint32_t size = chunks_size_of(&chunks, (uint32_t)(agent->kept / chunks.size));
        uint32_t room = size - agent->chunk_filled;
        uint32_t part = piece.size < room ? (uint32_t)piece.size : room;
        uint64_t before = agent->kept;
        enum err err;

        memcpy(agent->world.room.chunk + agent->chunk_filled, piece.at, part);
        agent->chunk_filled += part;
        piece.at += part;
        piece.size -= part;
        if (part < room)
            break;
        err = take_chunk(agent, event, out);
        if (err != ERR_AGAIN || agent->kept == before)
            return err;
    }
    tell_tenths(agent, out);
    return ERR_AGAIN;
}

/* ---- the whole bank ---- */

enum err read_back(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct record_image *wanted = &agent->record.work.image;
    struct record_image *other = agent_image(agent, false);
    uint8_t digest[DIGEST_SIZE];
    enum err err = agent_read_slice(agent, agent_spare(agent), wanted->length);

    (void)out;
    agent->work_due = event->now;
    if (err == ERR_AGAIN)
        return ERR_AGAIN;
    other->known = false;
    agent->dirty = true;
    if (err != ERR_OK)
        return agent_finish(agent, PHASE_FAILED, ERR_STORAGE, AGENT_REASON_STORAGE);
    sha256_done(&agent->sha, digest);
    if (memcmp(digest, wanted->sha256, DIGEST_SIZE) != 0)
        return agent_finish(agent, PHASE_FAILED, ERR_CORRUPT, AGENT_REASON_BANK);
    *other = *wanted;
    return ERR_OK;
}

/* ---- any time before the flip ---- */

enum err recall(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event;
    if (agent->record.state == AGENT_LISTING || agent->record.state == AGENT_FETCHING)
        agent_give(out, (struct agent_order){.kind = AGENT_DO_STOP});
    return agent_finish(agent, PHASE_RECALLED, ERR_OK, AGENT_REASON_RECALLED);
}

/* The server takes back what power loss has made us forget, or what never arrived. It still wants
 * to hear that nothing will come of it. */
enum err recall_forgotten(struct agent *agent, const struct agent_event *event,
                          struct agent_orders *out)
{
    (void)out;
    if (event->kind != AGENT_EV_ANSWER || event->answer->assignment == 0)
        return ERR_AGAIN;
    agent->record.work = (struct record_work){.assignment = event->answer->assignment};
    return agent_finish(agent, PHASE_RECALLED, ERR_OK, AGENT_REASON_RECALLED);
}

enum err leave_it(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)agent, (void)event, (void)out;
    return ERR_OK;
}

/* ---- after power loss ---- */

enum err go_on(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event, (void)out;
    calm_boot(agent);
    return ERR_OK;
}

/* Nothing was changed yet for this assignment: the server will offer it again. */
enum err forget_work(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    (void)event, (void)out;
    calm_boot(agent);
    agent->record.work = (struct record_work){0};
    agent->dirty = true;
    return ERR_OK;
}
