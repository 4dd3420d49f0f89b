#include "device/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "os/file.h"
#include "os/say.h"

static enum err open_newer(struct ring *ring, struct why *why)
{
    struct stat status;

    ring->fd = open(ring->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (ring->fd < 0 || fstat(ring->fd, &status) != 0)
        return say(why, ERR_STORAGE, NULL, "cannot write %s: %s", ring->path, strerror(errno));
    ring->size = (uint64_t)status.st_size;
    return ERR_OK;
}

enum err ring_open(struct ring *ring, const char *directory, uint64_t size_max,
                   enum log_level level, struct why *why)
{
    CHECK(size_max >= 2 * LOG_LINE_SIZE_MAX);
    *ring = (struct ring){.fd = -1, .half_max = size_max / 2, .level = level};
    TRY(file_join(directory, "agent.log", ring->path, sizeof ring->path));
    TRY(file_join(directory, "agent.log.1", ring->older, sizeof ring->older));
    return open_newer(ring, why);
}

void ring_close(struct ring *ring)
{
    if (ring->fd >= 0)
        (void)close(ring->fd);
    ring->fd = -1;
}

static void make_room(struct ring *ring)
{
    if (ring->size + LOG_LINE_SIZE_MAX <= ring->half_max)
        return;
    ring_close(ring);
    (void)rename(ring->path, ring->older); /* if it fails we go on appending to a full half... */
    (void)open_newer(ring, NULL);          /* ...and are refused below until there is room */
}

void ring_note(struct ring *ring, enum log_level level, const char *event, const char *format, ...)
{
    const struct log terminal = {.fd = STDERR_FILENO, .level = ring->level};
    char text[LOG_LINE_SIZE_MAX];
    struct stat status;
    struct log file;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line(&terminal, level, "agent", event, "%s", text);
    if (level > ring->level)
        return;
    make_room(ring);
    if (ring->fd < 0 || ring->size + LOG_LINE_SIZE_MAX > ring->half_max)
        return;
    file = (struct log){.fd = ring->fd, .level = ring->level};
    log_line(&file, level, "agent", event, "%s", text);
    if (fstat(ring->fd, &status) == 0)
        ring->size = (uint64_t)status.st_size;
}

/* The end of a text from its first whole line on, `size` bytes or less. */
static struct span whole_lines(struct span text, size_t size)
{
    size_t from;

    if (text.size <= size)
        return text;
    from = text.size - size;
    while (from < text.size && text.at[from - 1] != '\n')
        from++;
    return (struct span){text.at + from, text.size - from};
}

enum err ring_read(const struct ring *ring, struct buf *out, struct why *why)
{
    struct file_bytes newer = {0}, older = {0};
    size_t room = out->room - out->size;
    struct span late, early;

    TRY(file_read(ring->path, (size_t)ring->half_max, &newer, why));
    if (file_read(ring->older, (size_t)ring->half_max, &older, NULL) != ERR_OK)
        older = (struct file_bytes){0}; /* there need not be one */
    late = whole_lines((struct span){newer.at, newer.size}, room);
    early = whole_lines((struct span){older.at, older.size}, room - late.size);
    buf_span(out, early);
    buf_span(out, late);
    file_bytes_free(&newer);
    file_bytes_free(&older);
    CHECK(!out->overflow);
    return ERR_OK;
}
