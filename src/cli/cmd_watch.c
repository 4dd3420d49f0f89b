/* rollout watch: live events where they can be had, polling where not. Whatever an event says,
 * the state itself is read again, so that nothing is missed between two connections. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/sse.h"
#include "cli/table.h"
#include "os/clock.h"

#define STREAM_S      3600u /* seconds of one connection for events */
#define STREAM_MS_MIN 5000  /* a stream that ended before was no use */
#define LOOK_MS_MIN   250   /* between two looks at the state while events come in */
#define LOOK_MS_MAX   5000  /* and without any */
#define LOST_TRIES    30u   /* polls that may fail in a row before we give up */
#define UNTRIED_AGAIN 15u   /* polls between two attempts at live events */

struct watch {
    struct cli *cli;
    struct progress progress;
    char rollout[128];
    char state[32], reason[512]; /* as last printed */
    int64_t stage, good, bad;
    bool printed; /* anything at all */
};

/* -1 while it goes on. */
static int code_of_state(const char *state)
{
    if (strcmp(state, "done") == 0)
        return CODE_OK;
    if (strcmp(state, "halted") == 0)
        return CODE_HALTED;
    if (strcmp(state, "aborted") == 0 || strcmp(state, "rolled-back") == 0)
        return CODE_PARTIAL;
    return -1;
}

static int64_t sum(const json_t *counts, const char *const *names, size_t count)
{
    int64_t all = 0;

    for (size_t i = 0; i < count; i++)
        all += field_int(counts, names[i]);
    return all;
}

static void print_change(struct watch *watch, const json_t *rollout)
{
    static const char *const bad_names[] = {"failed", "reverted", "silent", "refused"};
    static const char *const open_names[] = {"downloading", "staged", "switching", "trial"};
    const json_t *counts = json_object_get(rollout, "counts");
    FILE *out = watch->cli->out;
    char now[UTC_TEXT_SIZE];
    const char *reason = field_text(rollout, "reason");

    utc_format(clock_utc(), now);
    progress_clear(&watch->progress);
    (void)fprintf(out,
                  "%s %s stage %" PRId64 "/%zu: %" PRId64 " good, %" PRId64 " bad, %" PRId64
                  " under way, %" PRId64 " selected",
                  now, field_text(rollout, "state"), field_int(rollout, "stage") + 1,
                  json_array_size(json_object_get(rollout, "stages")),
                  field_int(counts, "succeeded"), sum(counts, bad_names, COUNT_OF(bad_names)),
                  sum(counts, open_names, COUNT_OF(open_names)), field_int(counts, "selected"));
    if (*reason) {
        (void)fputs(" (", out);
        print_safe(out, reason);
        (void)fputc(')', out);
    }
    (void)fputc('\n', out);
    (void)fflush(out);
}

/* Print what is new and draw the bar. */
static void show(struct watch *watch, const json_t *rollout)
{
    static const char *const settled[] = {"succeeded", "failed",  "reverted",
                                          "silent",    "refused", "recalled"};
    const json_t *counts = json_object_get(rollout, "counts");
    const char *state = field_text(rollout, "state"), *reason = field_text(rollout, "reason");
    int64_t good = field_int(counts, "succeeded");
    int64_t done = sum(counts, settled, COUNT_OF(settled));
    bool changed = !watch->printed || strcmp(state, watch->state) != 0 ||
                   strcmp(reason, watch->reason) != 0 ||
                   watch->stage != field_int(rollout, "stage") || watch->good != good ||
                   watch->bad != done - good;

    if (changed && watch->cli->json) {
        (void)json_dumpf(rollout, watch->cli->out, JSON_COMPACT);
        (void)fputc('\n', watch->cli->out);
        (void)fflush(watch->cli->out);
    } else if (changed) {
        print_change(watch, rollout);
    }
    watch->printed = true;
    watch->stage = field_int(rollout, "stage");
    watch->good = good;
    watch->bad = done - good;
    (void)snprintf(watch->state, sizeof watch->state, "%s", state);
    (void)snprintf(watch->reason, sizeof watch->reason, "%s", reason);
    progress_count(&watch->progress, (uint64_t)done, (uint64_t)field_int(counts, "selected"),
                   state);
}

/* Read the state and show it. Quiet about a lost connection: `*lost`. */
static int look(struct watch *watch, bool *lost)
{
    struct api_path path = api_path("/rollouts/{}", watch->rollout);
    unsigned status = 0;
    json_t *rollout = NULL;
    struct why why;
    enum err err;
    int code;

    why_clear(&why);
    err = api_probe(watch->cli, path.text, &status, &rollout, &why);
    *lost = err != ERR_OK || status >= 429;
    if (*lost || status != 200 || !rollout) {
        json_decref(rollout);
        return -1;
    }
    show(watch, rollout);
    code = code_of_state(field_text(rollout, "state"));
    json_decref(rollout);
    return code;
}

/* ---- live ---- */

struct live {
    struct watch *watch;
    struct sse sse;
    bool dirty; /* something happened: read the state again */
    struct instant looked;
    int code; /* of the end, -1 while it goes on */
};

static enum err on_event(void *self, const char *name, const char *data)
{
    struct live *live = self;

    (void)data;
    if (strcmp(name, "rollout") == 0 || strcmp(name, "device") == 0 || strcmp(name, "lost") == 0)
        live->dirty = true;
    return ERR_OK;
}

/* Look when something happened, though not for each of a thousand events; and now and then
 * without, for what happened before the stream was open. */
static bool look_when_due(void *self)
{
    struct live *live = self;
    struct instant now = clock_instant();
    bool lost;

    if (!instant_reached(now, instant_after(live->looked, live->dirty ? LOOK_MS_MIN : LOOK_MS_MAX)))
        return live->code < 0;
    live->dirty = false;
    live->looked = now;
    live->code = look(live->watch, &lost);
    return live->code < 0;
}

static enum err on_bytes(void *self, struct span bytes)
{
    struct live *live = self;

    TRY(sse_feed(&live->sse, bytes));
    return look_when_due(live) ? ERR_OK : ERR_AGAIN;
}

/* Follow the events until the end or until the stream breaks. False: there are none to be had. */
static bool follow_live(struct watch *watch, int *code)
{
    struct api_path path = api_path("/rollouts/{}/events", watch->rollout);
    struct live *live = calloc(1, sizeof *live);
    struct instant began = clock_instant();
    struct api_stream stream = {on_bytes, look_when_due, live, STREAM_S};
    unsigned status = 0;
    enum err err;

    CHECK(live != NULL);
    live->watch = watch;
    live->looked = began;
    live->code = -1;
    sse_init(&live->sse, on_event, live);
    err = api_stream(watch->cli, &path, &stream, &status);
    *code = live->code;
    free(live);
    return *code >= 0 || ((err == ERR_OK || err == ERR_AGAIN || err == ERR_LINK) &&
                          clock_instant().ms - began.ms > STREAM_MS_MIN);
}

static void sleep_s(int64_t seconds)
{
    (void)nanosleep(&(struct timespec){.tv_sec = seconds}, NULL);
}

static int follow(struct watch *watch)
{
    int64_t interval_s = options_duration_s(&watch->cli->options, "interval");
    unsigned lost_count = 0, polls_left = 0;

    if (options_flag(&watch->cli->options, "poll"))
        polls_left = UINT32_MAX;
    for (;;) {
        bool lost;
        int code = look(watch, &lost);

        if (code >= 0)
            return code;
        lost_count = lost ? lost_count + 1 : 0;
        if (lost_count == LOST_TRIES) {
            progress_clear(&watch->progress);
            return complain(watch->cli, CODE_UNREACHABLE, "the server is not answering any more");
        }
        if (polls_left == 0 && !lost && follow_live(watch, &code)) {
            if (code >= 0)
                return code;
            continue;
        }
        if (polls_left == 0)
            polls_left = UNTRIED_AGAIN;
        else if (polls_left != UINT32_MAX)
            polls_left--;
        sleep_s(interval_s);
    }
}

int cmd_rollout_watch(struct cli *cli)
{
    struct api_path path = api_path("/rollouts/{}", cli->args[0]);
    struct watch watch = {.cli = cli};
    json_t *rollout = NULL;
    int code = api_get(cli, &path, &rollout); /* complains when there is no such rollout */

    if (code != CODE_OK)
        return code;
    (void)snprintf(watch.rollout, sizeof watch.rollout, "%" PRId64, field_int(rollout, "id"));
    watch.progress =
        progress_begin(cli->err, cli->err_tty, field_text(rollout, "name"), clock_instant());
    code = follow(&watch);
    progress_clear(&watch.progress);
    json_decref(rollout);
    return code;
}
