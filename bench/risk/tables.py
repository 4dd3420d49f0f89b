#!/usr/bin/env python3
"""Put the tables of a study into the document, between <!-- NAME --> and <!-- end -->.

    bench/risk/tables.py OUT_DIR DOCUMENT"""
import pathlib
import re
import sys


def table(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0])] + lines[1:])


def main():
    out, document = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = document.read_text()
    for path in sorted(out.glob("*.tsv")):
        text = re.sub(rf"(<!-- {path.stem} -->\n).*?(<!-- end -->)", lambda m: m.group(1) + "\n" + table(path) + "\n\n" + m.group(2),
                      text, flags=re.S)
    document.write_text(text)


if __name__ == "__main__":
    main()
