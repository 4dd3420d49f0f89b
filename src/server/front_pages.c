/* Replies that come in pages: collected in a file without a name, so that nothing is left behind
 * whatever happens, and sent with their length. A slow reader holds up nobody: when the first byte
 * goes out, the engine is done with it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"
#include "server/front_inside.h"

#define SPOOLS_MAX 4u /* at one time on one front: each may be as long as the audit log */

static enum err open_spool(struct front *front, struct exchange_pages *pages)
{
    if (front->spools == SPOOLS_MAX)
        return ERR_AGAIN;
    pages->fd = open(front->config.blobs.upload_directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (pages->fd < 0)
        return ERR_STORAGE;
    pages->spooled = true;
    front->spools++;
    return ERR_OK;
}

/* The descriptor, which is the caller's from now on. */
static int give_spool(struct front *front, struct exchange_pages *pages)
{
    CHECK(pages->spooled && front->spools > 0);
    pages->spooled = false;
    front->spools--;
    return pages->fd;
}

static void drop_spool(struct front *front, struct exchange_pages *pages)
{
    if (pages->spooled)
        (void)close(give_spool(front, pages));
}

static enum err keep_page(struct front *front, struct exchange *exchange)
{
    struct exchange_pages *pages = &exchange->pages;

    if (!pages->spooled)
        TRY(open_spool(front, pages));
    if (!front_has_space(front, exchange->reply.body_size))
        return ERR_STORAGE;
    TRY(file_write_all(pages->fd, exchange->reply.body, exchange->reply.body_size));
    pages->size += exchange->reply.body_size;
    return ERR_OK;
}

static void give_up(struct front *front, struct http_call *call, struct exchange *exchange,
                    enum err err)
{
    const struct http_head *head = http_call_head(call);

    drop_spool(front, &exchange->pages);
    exchange_close(exchange);
    if (err == ERR_AGAIN)
        front_overloaded(front, call, head, "the server is busy; try again later");
    else
        front_problem(call, head, 507, ERR_STORAGE, "there is not enough space for the reply");
}

static void send_file(struct front *front, struct http_call *call, struct exchange *exchange)
{
    static const struct http_field fields[] = {{"Cache-Control", "no-store"},
                                               {"X-Content-Type-Options", "nosniff"}};
    struct http_reply reply = {
        .status = exchange->reply.status,
        .content_type = exchange->reply.content_type,
        .fields = fields,
        .fields_count = COUNT_OF(fields),
        .has_file = true,
        .file = give_spool(front, &exchange->pages),
        .size = exchange->pages.size,
    };

    exchange_close(exchange);
    http_call_reply(call, &reply);
}

void front_take_page(struct front *front, struct http_call *call, struct exchange *exchange)
{
    bool wanted = exchange->reply.status < 400 && http_call_head(call);
    enum err err = wanted ? keep_page(front, exchange) : ERR_OK;

    if (!wanted) { /* refused half-way, or nobody waits any more */
        drop_spool(front, &exchange->pages);
        front_send_reply(call, exchange);
    } else if (err != ERR_OK) {
        give_up(front, call, exchange, err);
    } else if (!exchange->pages.more) {
        send_file(front, call, exchange);
    } else {
        exchange_turn_page(exchange);
        if (!engine_submit(front->engine, exchange))
            give_up(front, call, exchange, ERR_AGAIN);
    }
}
