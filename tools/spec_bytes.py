#!/usr/bin/env python3
"""Bytes in the specifications are the golden files.  usage: spec_bytes.py [--write] ROOT

A fence "```hex PATH" in docs/spec/*.md holds the text of PATH. With --write it is put there.
"""
import pathlib
import re
import sys

FENCE = re.compile(r"^```hex (\S+)\n(.*?)^```$", re.S | re.M)


def main():
    write = "--write" in sys.argv
    root = pathlib.Path(sys.argv[-1])
    errors = 0
    for path in sorted((root / "docs/spec").glob("*.md")):
        text = path.read_text()
        right = FENCE.sub(
            lambda m: f"```hex {m.group(1)}\n{(root / m.group(1)).read_text()}```", text)
        if right != text and write:
            path.write_text(right)
        elif right != text:
            print(f"{path}: bytes differ from their golden files; run {sys.argv[0]} --write")
            errors += 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
