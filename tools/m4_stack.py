#!/usr/bin/env python3
"""Deepest stack of the device core, from gcc's call graph.  usage: m4_stack.py BUILD_DIR

Indirect calls inside the core are the acts and enter functions of the agent's table, and the
fields of the caller's own structs: for those the port's stack comes on top.
"""
import pathlib
import re
import sys

NODE = re.compile(r'node: { title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)"')
FRAME = re.compile(r"(\d+) bytes \((\w+)")
ENTRIES = ["agent_start", "agent_step", "agent_poll", "agent_report", "native_poll_encode",
           "native_answer_decode", "native_report_encode", "native_verdict_decode"]
DISPATCHERS = {"take_row", "enter"}  # the functions that call through the table
TABLE_FILES = ("agent/offer.c", "agent/install.c", "agent/flip.c")


def load(build):
    frames, calls, table, dynamic = {}, {}, set(), []
    for path in sorted(pathlib.Path(build).rglob("*.ci")):
        text = path.read_text()
        unit = re.search(r'graph: { title: "([^"]+)"', text).group(1)
        for title, label in NODE.findall(text):
            frame = FRAME.search(label)
            if not frame:
                continue
            frames[title] = int(frame.group(1))
            if frame.group(2) != "static":
                dynamic.append(title)
            if unit.endswith(TABLE_FILES) and ":" not in title:
                table.add(title)
        for source, target in EDGE.findall(text):
            calls.setdefault(source, set()).add(target)
    return frames, calls, table, dynamic


def deepest(name, frames, calls, table, path):
    """(bytes, chain) of the deepest stack from `name` on."""
    if name in path:
        sys.exit(f"recursion: {' -> '.join(path + [name])}")
    best = (0, [])
    short = name.split(":")[-1]
    for target in sorted(calls.get(name, ())):
        if target != "__indirect_call":
            targets = [target]
        else:
            targets = sorted(table) if short in DISPATCHERS else []
        for each in targets:
            below = deepest(each, frames, calls, table, path + [name])
            best = max(best, below, key=lambda pair: pair[0])
    return frames.get(name, 0) + best[0], [short] + best[1]


def main():
    frames, calls, table, dynamic = load(sys.argv[1])
    if dynamic:
        sys.exit(f"stack of unknown size: {', '.join(dynamic)}")
    size, chain = max((deepest(entry, frames, calls, table, []) for entry in ENTRIES),
                      key=lambda pair: pair[0])
    print(f"  stack        {size:5} bytes at most, without the port's own functions:")
    print(f"               {' > '.join(chain)}")


if __name__ == "__main__":
    main()
