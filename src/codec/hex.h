/* Hexadecimal text: digests, key ids and signatures where they are written for people and in
 * JSON. Written in lower case always; read in either case. */
#pragma once

#include "base/span.h"

/* `text` is exactly 2 * `size` hex digits; their value goes to `out`. False for anything else,
 * `out` is then untouched. */
bool hex_parse(struct span text, void *out, size_t size) MUST_USE;

/* The bytes as lower-case digits and a NUL: `to` holds 2 * bytes.size + 1 characters. */
void hex_print(struct span bytes, char *to);
