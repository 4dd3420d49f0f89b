#include "app/label.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "os/say.h"

static enum err audit(struct app *app, int64_t tenant, struct span device, const char *actor,
                      const char *action, const char *detail, struct utc now)
{
    char object[ACTOR_SIZE_MAX];
    const struct deed deed = {
        .tenant = tenant, .actor = actor, .action = action, .object = object, .detail = detail};

    (void)snprintf(object, sizeof object, "device:%.*s", (int)device.size, (const char *)device.at);
    return app_audit(app, now, &deed);
}

static void describe(const struct label_change *change, struct buf *out)
{
    if (change->has_tags) {
        buf_text(out, "tags:");
        for (uint32_t i = 0; i < change->tag_count; i++) {
            buf_text(out, " ");
            buf_text(out, change->tags[i]);
        }
        buf_text(out, "; ");
    }
    if (change->has_hold)
        buf_text(out, change->hold ? "hold on; " : "hold off; ");
    if (change->has_utc_offset) {
        buf_text(out, "utc offset ");
        buf_int(out, change->utc_offset_min);
        buf_text(out, " min; ");
    }
    if (change->has_note)
        buf_text(out, "note; ");
}

enum err label_change(struct app *app, struct device_facts *facts,
                      const struct label_change *change, const char *actor, struct utc now,
                      struct why *why)
{
    struct device_row *row = &facts->row;
    char detail[TAGS_MAX * (NAME_SIZE_MAX + 1) + 128];
    struct buf text = buf_over(detail, sizeof detail);

    if (change->has_note && !span_to_text(change->note, row->note, sizeof row->note))
        return say(why, ERR_INVALID, "note", "may have at most %u bytes", NOTE_SIZE_MAX);
    if (change->has_hold)
        row->hold = change->hold;
    if (change->has_utc_offset)
        row->utc_offset_min = change->utc_offset_min;
    TRY(store_device_save(app->db, row));
    if (change->has_tags) {
        CHECK(change->tag_count <= TAGS_MAX);
        memcpy(facts->tags, change->tags, sizeof facts->tags);
        facts->tag_count = change->tag_count;
        TRY(store_tags_set(app->db, row->tenant, row->id, change->tags, change->tag_count));
    }
    app_touch(app, row->tenant, row->id);
    describe(change, &text);
    return audit(app, row->tenant, span_of(row->name), actor, "device.edit", buf_finish_text(&text),
                 now);
}

static enum err find(struct app *app, int64_t tenant, struct span device, struct device_row *row,
                     struct why *why)
{
    enum err err = store_device_find(app->db, tenant, device, row);

    if (err == ERR_NOT_FOUND)
        return say(why, err, NULL, "there is no device %.*s", (int)device.size,
                   (const char *)device.at);
    return app_db_failed(app, err, why);
}

enum err label_join(struct app *app, int64_t tenant, struct span device, struct span group,
                    const char *actor, struct utc now, struct why *why)
{
    struct device_row row;
    char name[NAME_SIZE_MAX + 1];
    enum err err;

    if (!span_to_text(group, name, sizeof name))
        return ERR_INVALID;
    TRY(find(app, tenant, device, &row, why));
    err = store_group_join(app->db, tenant, row.id, group);
    if (err == ERR_TOO_BIG)
        return say(why, err, NULL, "%s is in %u groups already", row.name, GROUPS_MAX);
    TRY(err);
    return audit(app, tenant, device, actor, "group.join", name, now);
}

enum err label_leave(struct app *app, int64_t tenant, struct span device, struct span group,
                     const char *actor, struct utc now, struct why *why)
{
    struct device_row row;
    char name[NAME_SIZE_MAX + 1];

    if (!span_to_text(group, name, sizeof name))
        return ERR_INVALID;
    TRY(find(app, tenant, device, &row, why));
    TRY(store_group_leave(app->db, tenant, row.id, group));
    return audit(app, tenant, device, actor, "group.leave", name, now);
}
