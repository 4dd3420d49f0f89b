#!/usr/bin/env python3
"""Deepest stack of the device core, from gcc's call graph.  usage: m4_stack.py BUILD_DIR

Indirect calls inside the core are the acts and enter functions of the agent's table, the
conditions of the accept rule, the portable signature checks, and the fields of the caller's own
structs: for those the port's stack comes on top.
"""
import pathlib
import re
import sys

NODE = re.compile(r'node: { title: "([^"]+)" label: "([^"]*)"')
EDGE = re.compile(r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)"')
FRAME = re.compile(r"(\d+) bytes \((\w+)")
ENTRIES = ["agent_start", "agent_step", "agent_poll", "agent_report", "native_poll_encode",
           "native_answer_decode", "native_report_encode", "native_verdict_decode"]
DOOR = ["manifest_door_open", "trust_slots_load", "trust_store_follow"]  # checks signatures
TABLE_FILES = ("agent/offer.c", "agent/install.c", "agent/flip.c")
# The functions that call through a table or a port, and the files of what they call.
DISPATCHERS = {"take_row": TABLE_FILES, "enter": TABLE_FILES, "accept_judge": ("agent/accept.c",),
               "verify_good": ("crypto/verify_portable.c",)}


def load(build):
    frames, calls, table, dynamic = {}, {}, {}, []
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
            table.setdefault(unit, set()).add(title)
        for source, target in EDGE.findall(text):
            calls.setdefault(source, set()).add(target)
    return frames, calls, table, dynamic


def behind(name, table):
    """What may be called through a pointer in `name`. Of the agent's files that is what they
    export, of the others what they do not."""
    files = DISPATCHERS.get(name, ())
    return sorted(title for unit, titles in table.items() for title in titles
                  if files and unit.endswith(files) and (":" in title) == (files != TABLE_FILES))


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
            targets = behind(short, table)
        for each in targets:
            below = deepest(each, frames, calls, table, path + [name])
            best = max(best, below, key=lambda pair: pair[0])
    return frames.get(name, 0) + best[0], [short] + best[1]


def main():
    frames, calls, table, dynamic = load(sys.argv[1])
    if dynamic:
        sys.exit(f"stack of unknown size: {', '.join(dynamic)}")
    for what, entries in (("core", ENTRIES), ("signatures", DOOR)):
        size, chain = max((deepest(entry, frames, calls, table, []) for entry in entries),
                          key=lambda pair: pair[0])
        print(f"  stack        {size:5} bytes at most ({what}), without the port's own functions:")
        print(f"               {' > '.join(chain)}")


if __name__ == "__main__":
    main()
