/* What commands print: JSON as it came, tables made of it, and the same thing done to many. */
#pragma once

#include <jansson.h>

#include "cli/command.h"

/* Indented JSON and a line feed; the reference is taken. Returns CODE_OK. */
int output_json(struct cli *cli, json_t *json);

/* {"items": [...], "next": null} of a whole list; takes `items`. */
int output_list_json(struct cli *cli, json_t *items);

/* "name:   text" lines for one thing; nothing for an empty text. */
void output_pair(struct cli *cli, const char *name, const char *text);

/* Seconds since 1970, for ages. */
int64_t output_now_s(void);

/* Do `one` for args[from...]; CODE_PARTIAL when some of them failed, else the first code. */
typedef int for_one(struct cli *cli, const char *name);
int output_for_each(struct cli *cli, size_t from, for_one *one);
