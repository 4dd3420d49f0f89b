#!/usr/bin/env python3
"""Check that every #include in src/ follows tools/layers.txt.  usage: layers.py ROOT"""
import pathlib
import re
import sys

PURE = {"base", "codec", "crypto", "format", "agent", "fleet", "wire"}
PURE_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "stdarg.h"}
HOST_SUFFIXES = ("_test.c", "_fuzz.c", "_host.c", "_host.h", "_openssl.c", "_make.c")  # host-only files in pure folders
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def rules(path):
    for line in path.read_text().splitlines():
        line = line.split("#")[0]
        if ":" in line:
            folder, allowed = line.split(":")
            yield folder.strip(), set(allowed.split()) | {folder.strip()}


def main():
    root = pathlib.Path(sys.argv[1])
    allowed = dict(rules(root / "tools/layers.txt"))
    errors = 0
    for path in sorted((root / "src").rglob("*.[ch]")):
        folder = path.relative_to(root / "src").parts[0]
        test = path.name.endswith(("_test.c", "_fuzz.c"))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, header = found.groups()
            target = header.split("/")[0]
            if kind == '"' and target not in allowed[folder] and not test:
                print(f"{path}:{number}: {folder} may not include {header}")
                errors += 1
            if (kind == "<" and folder in PURE and header not in PURE_HEADERS
                    and not path.name.endswith(HOST_SUFFIXES)):
                print(f"{path}:{number}: {folder} is pure and may not include <{header}>")
                errors += 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
