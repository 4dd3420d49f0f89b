#!/usr/bin/env python3
"""Turn schema/NNN_name.sql into a C table of struct migration.  usage: embed_sql.py OUT SQL..."""
import pathlib
import sys


def main():
    out, *files = map(pathlib.Path, sys.argv[1:])
    texts, table = [], []
    for expected, path in enumerate(sorted(files), 1):
        number, name = path.stem.split("_", 1)
        if int(number) != expected:
            sys.exit(f"{path}: expected number {expected}")
        # Bytes rather than a literal: ISO C promises no longer literals than 4095 characters.
        numbers = ", ".join(map(str, path.read_bytes()))
        texts.append(f"static const char sql_{expected}[] = {{{numbers}, 0}};")
        table.append(f'    {{{expected}, "{name}", sql_{expected}}},')
    out.write_text("\n".join([
        '#include "store/migrate.h"', "", *texts, "",
        "static const struct migration list[] = {", *table, "};", "",
        "const struct migration *migrations(size_t *count)", "{",
        "    *count = COUNT_OF(list);", "    return list;", "}", ""]))


if __name__ == "__main__":
    main()
