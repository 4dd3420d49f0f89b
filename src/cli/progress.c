#include "cli/progress.h"

#include <string.h>

#include "os/quantity.h"

#define BAR_SIZE  20u
#define REDRAW_MS 100

struct progress progress_begin(FILE *to, bool terminal, const char *label, struct instant now)
{
    return (struct progress){
        .to = terminal ? to : NULL, .label = label, .began = now, .drawn = {now.ms - REDRAW_MS}};
}

static void draw(struct progress *progress, uint64_t done, uint64_t total, const char *text)
{
    char bar[BAR_SIZE + 1];
    uint64_t filled = total ? (uint64_t)((double)done / (double)total * BAR_SIZE) : 0;
    unsigned percent = total ? (unsigned)((double)done / (double)total * 100) : 0;

    memset(bar, '-', BAR_SIZE);
    memset(bar, '#', filled < BAR_SIZE ? (size_t)filled : BAR_SIZE);
    bar[BAR_SIZE] = '\0';
    (void)fprintf(progress->to, "\r\033[K%.40s  [%s] %3u%%  %s", progress->label, bar,
                  percent < 100 ? percent : 100, text);
    (void)fflush(progress->to);
    progress->shown = true;
}

void progress_bytes(struct progress *progress, uint64_t done, uint64_t total, struct instant now)
{
    char size[QUANTITY_TEXT_SIZE], text[QUANTITY_TEXT_SIZE + 4];
    int64_t ms = now.ms - progress->began.ms;

    if (!progress->to || now.ms - progress->drawn.ms < REDRAW_MS)
        return;
    progress->drawn = now;
    (void)snprintf(text, sizeof text, "%s/s",
                   quantity_print_size(ms > 0 ? done * 1000 / (uint64_t)ms : 0, size));
    draw(progress, done, total, text);
}

void progress_count(struct progress *progress, uint64_t done, uint64_t total, const char *text)
{
    if (progress->to)
        draw(progress, done, total, text);
}

void progress_clear(struct progress *progress)
{
    if (!progress->shown)
        return;
    (void)fputs("\r\033[K", progress->to);
    (void)fflush(progress->to);
    progress->shown = false;
}
