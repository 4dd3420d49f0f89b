/* Answers of hawkBit's device API. Links are absolute and short, ids small, "sleep" HH:MM:SS: what
 * the strictest of the clients needs (docs/wire/hawkbit.md). */
#include "base/crc32.h"
#include "wire/hawkbit.h"

#define LINK_SIZE   1536u /* origin, tenant and device as sent (three bytes each), the rest */
#define SLEEP_MAX_S (24u * 3600u - 1u) /* clients cannot read more */

/* ---- links ---- */

static struct buf link_begin(const struct hawkbit_place *place, uint8_t room[LINK_SIZE])
{
    struct buf buf = buf_over(room, LINK_SIZE);

    buf_text(&buf, place->origin);
    buf_byte(&buf, '/');
    buf_span(&buf, place->tenant_segment);
    buf_text(&buf, "/controller/v1/");
    buf_span(&buf, place->device_segment);
    return buf;
}

static void put_link(struct tree_out *out, const char *name, const struct buf *href)
{
    tree_out_map(out, name);
    tree_out_text(out, "href", buf_written(href));
    tree_out_map_end(out);
}

static void put_numbered(struct tree_out *out, const struct hawkbit_place *place, const char *name,
                         uint32_t id, const char *query)
{
    uint8_t room[LINK_SIZE];
    struct buf href = link_begin(place, room);

    buf_byte(&href, '/');
    buf_text(&href, name);
    buf_byte(&href, '/');
    buf_uint(&href, id);
    buf_text(&href, query);
    put_link(out, name, &href);
}

/* What tells a client that a deployment has changed; ours never do. */
static void put_deployment_link(struct tree_out *out, const struct hawkbit_place *place,
                                uint32_t id)
{
    char query[24];
    struct buf buf = buf_over(query, sizeof query);

    buf_text(&buf, "?c=");
    buf_int(&buf, (int32_t)crc32(0, &id, sizeof id));
    put_numbered(out, place, "deploymentBase", id, buf_finish_text(&buf));
}

/* ---- base ---- */

static void put_two(struct buf *buf, uint32_t value)
{
    buf_byte(buf, (uint8_t)('0' + value / 10));
    buf_byte(buf, (uint8_t)('0' + value % 10));
}

static void put_polling(struct tree_out *out, uint32_t sleep_s)
{
    uint32_t bounded = sleep_s == 0 ? 1 : sleep_s > SLEEP_MAX_S ? SLEEP_MAX_S : sleep_s;
    uint8_t room[8];
    struct buf buf = buf_over(room, sizeof room);

    put_two(&buf, bounded / 3600);
    buf_byte(&buf, ':');
    put_two(&buf, bounded / 60 % 60);
    buf_byte(&buf, ':');
    put_two(&buf, bounded % 60);
    tree_out_map(out, "config");
    tree_out_map(out, "polling");
    tree_out_text(out, "sleep", buf_written(&buf));
    tree_out_map_end(out);
    tree_out_map_end(out);
}

void hawkbit_write_base(const struct hawkbit_place *place, const struct hawkbit_base *base,
                        struct tree_out *out)
{
    uint8_t room[LINK_SIZE];
    struct buf href;

    tree_out_map(out, NULL);
    put_polling(out, base->sleep_s);
    tree_out_map(out, "_links");
    if (base->cancel != 0) /* one or the other, never both */
        put_numbered(out, place, "cancelAction", base->cancel, "");
    else if (base->deployment != 0)
        put_deployment_link(out, place, base->deployment);
    if (base->installed != 0)
        put_numbered(out, place, "installedBase", base->installed, "");
    if (base->config) {
        href = link_begin(place, room);
        buf_text(&href, "/configData");
        put_link(out, "configData", &href);
    }
    tree_out_map_end(out);
    tree_out_map_end(out);
}

/* ---- deployments ---- */

static void put_hex(struct tree_out *out, const char *name, const uint8_t *digest, size_t size)
{
    char hex[2 * DIGEST_SIZE];
    struct buf buf = buf_over(hex, sizeof hex);

    buf_hex(&buf, (struct span){digest, size});
    tree_out_text(out, name, buf_written(&buf));
}

static void put_file_link(struct tree_out *out, const struct hawkbit_place *place, uint32_t id,
                          const struct hawkbit_artifact *artifact, bool md5sum, const char *name)
{
    uint8_t room[LINK_SIZE];
    struct buf href = link_begin(place, room);

    buf_text(&href, "/softwaremodules/");
    buf_uint(&href, id);
    buf_text(&href, "/artifacts/");
    buf_span(&href, artifact->file);
    buf_text(&href, md5sum ? ".MD5SUM" : "");
    put_link(out, name, &href);
}

/* The names with "-http" also over HTTPS: that is what hawkBit does and Zephyr looks for. */
static void put_artifact(struct tree_out *out, const struct hawkbit_place *place, uint32_t id,
                         const struct hawkbit_artifact *artifact)
{
    tree_out_map(out, NULL);
    tree_out_text(out, "filename", artifact->file);
    tree_out_map(out, "hashes");
    put_hex(out, "sha1", artifact->sha1, 20);
    put_hex(out, "md5", artifact->md5, 16);
    put_hex(out, "sha256", artifact->sha256, 32);
    tree_out_map_end(out);
    tree_out_int(out, "size", (int64_t)artifact->length);
    tree_out_map(out, "_links");
    put_file_link(out, place, id, artifact, false, "download");
    put_file_link(out, place, id, artifact, true, "md5sum");
    put_file_link(out, place, id, artifact, false, "download-http");
    put_file_link(out, place, id, artifact, true, "md5sum-http");
    tree_out_map_end(out);
    tree_out_map_end(out);
}

/* As hawkBit's devices have always called them. */
static struct span part_of(const struct hawkbit_artifact *artifact)
{
    if (artifact->part.size == 0)
        return SPAN_LITERAL("os");
    if (span_is(artifact->part, "application"))
        return SPAN_LITERAL("bApp");
    if (span_is(artifact->part, "runtime"))
        return SPAN_LITERAL("jvm");
    return artifact->part;
}

static bool is_first_of_its_part(const struct hawkbit_deployment *deployment, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (span_equal(part_of(&deployment->artifacts[i]), part_of(&deployment->artifacts[index])))
            return false;
    }
    return true;
}

static void put_chunk(struct tree_out *out, const struct hawkbit_place *place,
                      const struct hawkbit_deployment *deployment, struct span part)
{
    tree_out_map(out, NULL);
    tree_out_text(out, "part", part);
    tree_out_text(out, "version", deployment->version);
    tree_out_text(out, "name", deployment->name);
    tree_out_list(out, "artifacts");
    for (uint32_t i = 0; i < deployment->artifact_count; i++) {
        if (span_equal(part_of(&deployment->artifacts[i]), part))
            put_artifact(out, place, deployment->id, &deployment->artifacts[i]);
    }
    tree_out_list_end(out);
    tree_out_map_end(out);
}

static void put_history(struct tree_out *out, const struct hawkbit_deployment *deployment)
{
    if (!deployment->history_status)
        return;
    tree_out_map(out, "actionHistory");
    tree_out_text(out, "status", span_of(deployment->history_status));
    tree_out_list(out, "messages");
    for (uint32_t i = 0; i < deployment->history_count; i++)
        tree_out_text(out, NULL, deployment->history[i]);
    tree_out_list_end(out);
    tree_out_map_end(out);
}

static void put_id(struct tree_out *out, const char *name, uint32_t id)
{
    uint8_t room[10];
    struct buf buf = buf_over(room, sizeof room);

    buf_uint(&buf, id);
    tree_out_text(out, name, buf_written(&buf));
}

void hawkbit_write_deployment(const struct hawkbit_place *place,
                              const struct hawkbit_deployment *deployment, struct tree_out *out)
{
    tree_out_map(out, NULL);
    put_id(out, "id", deployment->id);
    tree_out_map(out, "deployment");
    tree_out_text(out, "download", SPAN_LITERAL("forced"));
    tree_out_text(out, "update", SPAN_LITERAL("forced")); /* never "skip": swupdate calls it done */
    tree_out_list(out, "chunks");
    for (uint32_t i = 0; i < deployment->artifact_count; i++) {
        if (is_first_of_its_part(deployment, i))
            put_chunk(out, place, deployment, part_of(&deployment->artifacts[i]));
    }
    tree_out_list_end(out);
    tree_out_map_end(out);
    put_history(out, deployment);
    tree_out_map_end(out);
}

void hawkbit_write_artifacts(const struct hawkbit_place *place,
                             const struct hawkbit_deployment *deployment, struct tree_out *out)
{
    tree_out_list(out, NULL);
    for (uint32_t i = 0; i < deployment->artifact_count; i++)
        put_artifact(out, place, deployment->id, &deployment->artifacts[i]);
    tree_out_list_end(out);
}

void hawkbit_write_cancel(uint32_t id, struct tree_out *out)
{
    tree_out_map(out, NULL);
    put_id(out, "id", id);
    tree_out_map(out, "cancelAction");
    put_id(out, "stopId", id);
    tree_out_map_end(out);
    tree_out_map_end(out);
}

void hawkbit_write_md5sum(const struct hawkbit_artifact *artifact, struct buf *out)
{
    buf_hex(out, (struct span){artifact->md5, 16});
    buf_text(out, "  ");
    buf_span(out, artifact->file);
    buf_byte(out, '\n');
}

void hawkbit_write_error(const struct hawkbit_error *error, struct tree_out *out)
{
    uint8_t room[128];
    struct buf code = buf_over(room, sizeof room);

    buf_text(&code, "hawkbit.server.error.");
    buf_text(&code, error->code);
    tree_out_map(out, NULL);
    tree_out_text(out, "exceptionClass", span_of(error->class));
    tree_out_text(out, "errorCode", buf_written(&code));
    tree_out_text(out, "message", span_of(error->message));
    tree_out_map_end(out);
}
