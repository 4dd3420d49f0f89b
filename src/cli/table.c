#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define CELL_SIZE_MAX 512u /* bytes of a formatted cell; longer ones are cut */

struct table {
    const char *const *columns;
    size_t count;
    char **cells;
    size_t cell_count;
};

struct table *table_open(const char *const *columns, size_t count)
{
    struct table *table = calloc(1, sizeof *table);

    CHECK(table != NULL && count > 0 && count <= TABLE_COLUMNS_MAX);
    table->columns = columns;
    table->count = count;
    return table;
}

void table_close(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

/* C0, DEL, and C1 as UTF-8 writes it (C2 80 to C2 9F). */
static size_t unsafe_size(const char *at)
{
    unsigned char c = (unsigned char)at[0], next = c ? (unsigned char)at[1] : 0;

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && next >= 0x80 && next <= 0x9f ? 2 : 0;
}

static char *safe_copy(const char *text)
{
    char *copy = malloc(strlen(text) + 1), *to = copy;

    CHECK(copy != NULL);
    while (*text != '\0') {
        size_t size = unsafe_size(text);

        *to++ = size ? '?' : *text;
        text += size ? size : 1;
    }
    *to = '\0';
    return copy;
}

void print_safe(FILE *to, const char *text)
{
    char *copy = safe_copy(text);

    (void)fputs(copy, to);
    free(copy);
}

void table_cell(struct table *table, const char *text)
{
    /* Grow by doubling: room is always the next power of two. */
    if ((table->cell_count & (table->cell_count - 1)) == 0) {
        size_t room = table->cell_count ? 2 * table->cell_count : 1;
        char **cells = realloc(table->cells, room * sizeof *cells);

        CHECK(cells != NULL);
        table->cells = cells;
    }
    table->cells[table->cell_count++] = safe_copy(text && *text ? text : "-");
}

void table_cell_format(struct table *table, const char *format, ...)
{
    char text[CELL_SIZE_MAX];
    va_list list;

    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    table_cell(table, text);
}

/* Columns on a screen: characters of UTF-8, taken as one column each. */
static size_t width(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void print_line(const char *const *cells, size_t count, const size_t *widths, FILE *to)
{
    for (size_t i = 0; i < count; i++) {
        size_t pad = i + 1 < count ? widths[i] - width(cells[i]) + 2 : 0;

        (void)fprintf(to, "%s%*s", cells[i], (int)pad, "");
    }
    (void)fputc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
    size_t widths[TABLE_COLUMNS_MAX];

    CHECK(table->cell_count % table->count == 0);
    for (size_t i = 0; i < table->count; i++)
        widths[i] = width(table->columns[i]);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t size = width(table->cells[i]), column = i % table->count;

        widths[column] = size > widths[column] ? size : widths[column];
    }
    print_line(table->columns, table->count, widths, to);
    for (size_t i = 0; i < table->cell_count; i += table->count)
        print_line((const char *const *)&table->cells[i], table->count, widths, to);
}
