/* Devices of other protocols in tests: what they do is told in lines, so that a test is a trace. */
#pragma once

#include "app/foreign.h"
#include "app/stage.h"

#define TRACE_SIZE 4096u
#define SECRET     "0123456789abcdef0123456789abcdef"

struct tale {
    struct stage stage;
    struct foreign_call call;
    struct foreign_offer offer;
    char text[TRACE_SIZE];
    struct buf buf;
    int64_t rollout;
};

/* What a story is told with. */
struct tale_order {
    struct tale *tale;
    enum protocol protocol;
    const char *name;   /* of the device */
    const char *secret; /* NULL: the session of its credential, or a proxy when there is none */
    const char *runs, *file, *message;
    const struct foreign_attribute *attributes;
    uint32_t id, count;
    enum foreign_phase phase;
    enum foreign_verdict verdict;
    enum foreign_mode mode;
    bool begins, gateway;
};

struct tale_artifact {
    int64_t release;
    const char *version;
    enum artifact_format format;
    const char *file;
};

/* Setup and teardown of a test; *state is a struct tale. */
int tale_open(void **state);
int tale_close(void **state);

/* A line of the trace, and all lines since against what was expected. */
void tale_say(struct tale *tale, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tale_told(struct tale *tale, const char *expected);

/* "trial exposed claimed" of the device's newest assignment. */
const char *tale_standing(struct tale *tale, const char *name);

/* Stories for stage_run(), and what they are told with: by token, or as a proxy for Mender. */
struct tale_order tale_order(struct tale *tale, enum protocol protocol, const char *name);
enum err tale_poll_story(struct stage *stage, void *self);
enum err tale_artifact_story(struct stage *stage, void *self);
enum err tale_attributes_story(struct stage *stage, void *self);
enum err tale_add_artifact(struct stage *stage, void *self);

/* What devices do, each told in a line. */
void tale_poll(struct tale *tale, enum protocol protocol, const char *name, const char *runs);
void tale_fetch(struct tale *tale, enum protocol protocol, const char *name, uint32_t id);
void tale_leave(struct tale *tale, const char *name, uint32_t id);
void tale_report(struct tale *tale, enum protocol protocol, const char *name, uint32_t id,
                 enum foreign_phase phase);
void tale_wait(struct tale *tale, int64_t seconds, const char *name);

/* A device of product "box" and hardware "a"; a release with an image and a file for each protocol;
 * and a device that runs 1.0 with a rollout that brings 2.0 and is running. */
void tale_device(struct tale *tale, enum protocol protocol, const char *name);
int64_t tale_release(struct tale *tale, const char *version);
void tale_furnish(struct tale *tale, enum protocol protocol, const char *name);
