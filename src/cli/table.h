/* Aligned columns for people. Cells are copied; control characters in them are shown as '?', so
 * that nothing a device says can move the cursor of a terminal. */
#pragma once

#include <stdio.h>

#include "base/types.h"

#define TABLE_COLUMNS_MAX 12u

struct table;

/* `columns` are the headings, `count` of them; the array is borrowed until table_close(). */
struct table *table_open(const char *const *columns, size_t count);
void table_close(struct table *table); /* NULL-safe */

/* One cell after the other, left to right; NULL and "" show as "-". */
void table_cell(struct table *table, const char *text);
void table_cell_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Headings and rows, columns two spaces apart, nothing behind the last cell of a line. */
void table_print(const struct table *table, FILE *to);

/* Text with control characters shown as '?', for a single line outside of tables. */
void print_safe(FILE *to, const char *text);
