/* From the chunk list to a whole verified image in the spare bank. */
#include "agent/acts.h"
#include "base/check.h"

static struct chunks wanted_chunks(const struct agent *agent)
{
    return agent_chunks(&agent->record.work);
}

static uint32_t chunk_index(const struct agent *agent)
{
    return (uint32_t)(agent->kept / agent->record.work.chunk_size);
}

/* Where the bytes that are wanted next are, in what is sent. */
static uint64_t next_byte(const struct agent *agent)
{
    struct chunks chunks = wanted_chunks(agent);

    return chunks_sent_at(&chunks, chunk_index(agent)) + agent->chunk_filled;
}

static struct span chunk_list(const struct agent *agent)
{
    struct chunks chunks = wanted_chunks(agent);

    return (struct span){agent->world.room.list, chunks_list_size(&chunks)};
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
        order.fetch.sha256 = work->sealed.used ? work->sealed.sha256 : work->image.sha256;
        order.fetch.from = next_byte(agent);
        order.fetch.length = chunks_sent_length(&chunks);
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
    if (!agent_passing(event->failed.err))
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

/* Whether the chunk is in the bank. The list has digests of what is sent, so a chunk of a sealed
 * image is sealed again to be compared: it comes out the same. */
static bool chunk_there(struct agent *agent, uint32_t index, uint32_t size)
{
    const struct sealer *sealer = agent->world.sealer;
    const struct bank *bank = agent_spare(agent);
    struct chunks chunks = wanted_chunks(agent);
    uint8_t *chunk = agent->world.room.chunk;

    /* Cells that power loss has left between two states may not even be readable. */
    if (bank->ops->read(bank->self, agent->kept, chunk, size) != ERR_OK)
        return false;
    if (chunks.tag > 0)
        sealer->ops->seal(sealer->self, index, chunks_last(&chunks, index), chunk, size);
    return chunks_match(&chunks, chunk_list(agent), index, (struct span){chunk, size + chunks.tag});
}

enum err scan_chunk(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    struct chunks chunks = wanted_chunks(agent);
    uint32_t index = chunk_index(agent);
    uint32_t size = chunks_size_of(&chunks, index);

    (void)out;
    if (agent_begin_sealer(agent) != ERR_OK) /* it could once, before power was lost */
        return agent_finish(agent, PHASE_FAILED, ERR_UNSUITABLE, AGENT_REASON_CONTENT_KEY);
    if (chunk_there(agent, index, size)) {
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

/* Decrypt the chunk in the room, which is what was signed. */
static bool open_chunk(struct agent *agent, const struct chunks *chunks, uint32_t index)
{
    const struct sealer *sealer = agent->world.sealer;

    if (chunks->tag == 0)
        return true;
    agent->chunk_filled -= chunks->tag;
    return sealer->ops->unseal(sealer->self, index, chunks_last(chunks, index),
                               agent->world.room.chunk, agent->chunk_filled);
}

/* A whole chunk is in the room. */
static enum err take_chunk(struct agent *agent, const struct agent_event *event,
                           struct agent_orders *out)
{
    struct chunks chunks = wanted_chunks(agent);
    uint32_t index = chunk_index(agent);
    struct span bytes = {agent->world.room.chunk, agent->chunk_filled};

    if (!chunks_match(&chunks, chunk_list(agent), index, bytes)) {
        agent->chunk_filled = 0;
        return spoiled(agent, event, AGENT_REASON_CHUNK, out);
    }
    if (!open_chunk(agent, &chunks, index)) /* another try would bring the same bytes */
        return agent_finish(agent, PHASE_FAILED, ERR_UNTRUSTED, AGENT_REASON_CONTENT_KEY);
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

    if (event->bytes.stream != AGENT_IMAGE || image_complete(agent) ||
        event->bytes.at != next_byte(agent))
        return ERR_AGAIN;
    while (piece.size > 0) {
        uint32_t size = chunks_sent_size_of(&chunks, chunk_index(agent));
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
