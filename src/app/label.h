/* What people say about devices: tags, groups, notes, holds, their time zone. */
#pragma once

#include "app/app.h"

struct label_change {
    bool has_tags, has_note, has_hold, has_utc_offset;
    char tags[TAGS_MAX][NAME_SIZE_MAX + 1];
    uint32_t tag_count;
    struct span note;
    bool hold;
    int32_t utc_offset_min;
};

/* `facts` is the device as read; it is changed in place. */
enum err label_change(struct app *app, struct device_facts *facts,
                      const struct label_change *change, const char *actor, struct utc now,
                      struct why *why) MUST_USE;

/* ERR_NOT_FOUND: no such device; ERR_TOO_BIG: it is in GROUPS_MAX groups already. Joining twice
 * and leaving what it is not in change nothing. */
enum err label_join(struct app *app, int64_t tenant, struct span device, struct span group,
                    const char *actor, struct utc now, struct why *why) MUST_USE;
enum err label_leave(struct app *app, int64_t tenant, struct span device, struct span group,
                     const char *actor, struct utc now, struct why *why) MUST_USE;
