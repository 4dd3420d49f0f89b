/* Idle, an offer and whether to take it, a recall, and the boots in between. */
#include "agent/acts.h"
#include "base/check.h"

/* ---- idle, measuring ---- */

void enter_idle(struct agent *agent, struct instant now, struct agent_orders *out)
{
    (void)out;
    CHECK(agent->record.work.assignment == 0);
    agent_poll_soon(agent, now);
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
    agent_raise_floor(agent);
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
    agent->sealer_begun = false;
    agent->record.work_failures = 0;
    agent->record.attempts = 0;
    agent->kept = 0;
    agent->percent_told = 0;
    agent->asked = agent->held = false;
    agent->ask_due = event->now;
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

enum err resolve_failed(struct agent *agent, const struct agent_event *event,
                        struct agent_orders *out)
{
    (void)out;
    if (!agent_passing(event->failed.err))
        return agent_finish(agent, PHASE_REFUSED, event->failed.err, AGENT_REASON_METADATA);
    agent_back_off(agent, event->now, event->failed.retry_s);
    return ERR_OK;
}

static enum err refuse(struct agent *agent, enum err err, enum agent_reason reason)
{
    return agent_finish(agent, PHASE_REFUSED, err, reason);
}

static bool fits_storage(const struct agent *agent, const struct release_facts *facts)
{
    const struct agent_room *room = &agent->world.room;
    const struct bank *bank = agent_spare(agent);
    struct chunks chunks = {.length = facts->length, .size = facts->chunk_size};
    uint32_t tag = facts->sealed.used ? AEAD_TAG_SIZE : 0;

    return facts->length <= bank->size && facts->chunk_size + tag <= room->chunk_size &&
           facts->chunk_size % bank->write_size == 0 &&
           chunks_list_size(&chunks) <= room->list_size;
}

static void keep_facts(struct record_work *work, const struct release_facts *facts)
{
    work->image = (struct record_image){
        .known = true,
        .length = facts->length,
        .security_version = facts->security_version,
        .release_counter = facts->release_counter,
    };
    memcpy(work->image.sha256, facts->sha256, DIGEST_SIZE);
    memcpy(work->image.version, facts->version, sizeof work->image.version);
    work->chunk_size = facts->chunk_size;
    memcpy(work->chunks_sha256, facts->chunks_sha256, DIGEST_SIZE);
    work->security_floor = facts->security_floor;
}

/* What it takes to fetch and open it, across power loss. False: the wrapped content key cannot be
 * one. */
static bool keep_sealed(struct agent *agent, const struct accept_evidence *evidence)
{
    const struct release_sealed *facts = &evidence->facts->sealed;
    struct record_sealed *sealed = &agent->record.work.sealed;
    struct span wrap = evidence->mandate.content_key;

    if (!facts->used)
        return true;
    if (wrap.size == 0 || wrap.size > sizeof sealed->wrap)
        return false;
    *sealed =
        (struct record_sealed){.used = true, .alg = facts->alg, .wrap_size = (uint32_t)wrap.size};
    memcpy(sealed->sha256, facts->sha256, DIGEST_SIZE);
    memcpy(sealed->wrap, wrap.at, wrap.size);
    return true;
}

static bool other_holds(const struct agent *agent, const struct release_facts *facts)
{
    const struct record_image *other = &agent->record.banks[1 - agent->boot.running];

    return other->known && memcmp(other->sha256, facts->sha256, DIGEST_SIZE) == 0;
}

/* What stands in the way of a download, as far as it can be known before asking the host. */
static enum agent_reason hindrance(const struct agent *agent,
                                   const struct accept_evidence *evidence)
{
    const struct release_facts *facts = evidence->facts;

    if (!facts || release_facts_check(facts, NULL) != ERR_OK ||
        agent->record.work.download_barred || other_holds(agent, facts))
        return AGENT_REASON_NONE; /* not asked, or refused for more than that */
    return fits_storage(agent, facts) ? AGENT_REASON_NONE : AGENT_REASON_SIZE;
}

/* The accept rule, in the words of the record. */
static enum agent_reason judge(const struct agent *agent, const struct accept_evidence *evidence)
{
    const struct agent_config *config = agent->world.config;
    const struct record *record = &agent->record;
    struct accept_question question = {
        .evidence = evidence,
        .offer = {.assignment = record->work.assignment,
                  .target = span_of(agent->target),
                  .sha256 = agent->expected,
                  .download_barred = record->work.download_barred},
        .device = {.name = config->name,
                   .product = config->product,
                   .hardware = config->hardware,
                   .running = &record->banks[agent->boot.running],
                   .last = &record->last,
                   .security_floor = record->security_floor},
        .hindrance = hindrance(agent, evidence),
    };

    return accept_judge(&question);
}

/* From here on only this mandate, or a newer one, is obeyed. */
static void keep_mandate(struct agent *agent, const struct accept_evidence *evidence)
{
    struct record_mandate *last = &agent->record.last;

    *last = (struct record_mandate){
        .sequence = evidence->mandate.sequence, .assignment = evidence->mandate.id, .open = true};
    memcpy(last->key_id, evidence->key_id, sizeof last->key_id);
    agent->dirty = true;
}

/* That the content key is for a sealing key we no longer have says nothing of the release: it
 * passes, when the server has been told the present one. */
static enum err open_seal(struct agent *agent, const struct accept_evidence *evidence)
{
    enum err err = keep_sealed(agent, evidence) ? agent_begin_sealer(agent) : ERR_AGAIN;

    if (err == ERR_OK)
        return ERR_OK;
    return refuse(agent, err == ERR_UNSUITABLE ? err : ERR_AGAIN, AGENT_REASON_CONTENT_KEY);
}

enum err judge_facts(struct agent *agent, const struct agent_event *event, struct agent_orders *out)
{
    const struct accept_evidence *evidence = event->evidence;
    enum agent_reason reason = judge(agent, evidence);

    (void)out;
    agent_progress(agent);
    if (reason != AGENT_REASON_NONE)
        return refuse(agent, accept_err(reason), reason);
    keep_mandate(agent, evidence);
    keep_facts(&agent->record.work, evidence->facts);
    if (agent_runs_wanted(agent))
        return agent_finish(agent, PHASE_SUCCEEDED, ERR_OK, AGENT_REASON_ALREADY);
    if (other_holds(agent, evidence->facts))
        return ERR_AGAIN; /* no download needed; it is read back all the same */
    if (agent->record.work.download_barred)
        return refuse(agent, ERR_NOT_FOUND, AGENT_REASON_OTHER_BANK);
    return open_seal(agent, evidence);
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
    if (!agent_passing(err))
        return refuse(agent, err, agent_hindrance(event, AGENT_REASON_SPACE));
    if (agent->record.work_failures == 0) /* say once why nothing happens */
        agent_tell(agent, PHASE_DOWNLOADING, agent_hindrance(event, AGENT_REASON_BUSY), out);
    agent_back_off(agent, event->now, 0);
    return ERR_AGAIN;
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
