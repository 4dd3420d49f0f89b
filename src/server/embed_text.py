#!/usr/bin/env python3
"""Turn a file into a C function that returns its bytes.  usage: embed_text.py OUT HEADER FUNCTION FILE"""
import pathlib
import sys


def main():
    out, header, function, file = sys.argv[1:]
    data = pathlib.Path(file).read_bytes()
    lines = [f'#include "{header}"', "", "static const uint8_t bytes[] = {"]
    lines += ["    " + "".join(f"{byte}," for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    lines += ["};", "", f"struct span {function}(void)", "{",
              "    return (struct span){bytes, sizeof bytes};", "}", ""]
    pathlib.Path(out).write_text("\n".join(lines))


if __name__ == "__main__":
    main()
