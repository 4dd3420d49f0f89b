#!/usr/bin/env python3
"""Turn schema/NNN_name.sql into a C table of struct migration.  usage: embed_sql.py OUT SQL..."""
import pathlib
import sys


def literal(text):
    for line in text.splitlines():
        escaped = line.replace("\\", "\\\\").replace('"', '\\"')
        yield f'     "{escaped}\\n"'


def main():
    out, *files = map(pathlib.Path, sys.argv[1:])
    lines = ['#include "store/migrate.h"', "", "static const struct migration list[] = {"]
    for expected, path in enumerate(sorted(files), 1):
        number, name = path.stem.split("_", 1)
        if int(number) != expected:
            sys.exit(f"{path}: expected number {expected}")
        lines += [f"    {{{expected}, \"{name}\",", *literal(path.read_text()), "    },"]
    lines += ["};", "", "const struct migration *migrations(size_t *count)", "{",
              "    *count = COUNT_OF(list);", "    return list;", "}", ""]
    out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
