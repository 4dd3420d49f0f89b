"""Memory of slipwayd with 100,000 registered devices, and how long it takes to start with them."""
import hashlib
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from world import World  # noqa: E402

DEVICES = 100_000


def register(path, count):
    """Write rows as enrolment leaves them; enrolling one by one would take minutes of key making."""
    now = int(time.time() * 1000)
    database = sqlite3.connect(path)
    digest = [hashlib.sha256(str(i).encode()).digest() for i in range(count)]
    columns = [row[1:3] for row in database.execute("PRAGMA table_info(device)")]
    known = {"tenant": lambda i: 1, "id": lambda i: i + 1, "name": lambda i: f"device-{i:06}",
             "status": lambda i: 1, "key_sha256": lambda i: digest[i],
             "product": lambda i: "gateway", "hardware": lambda i: "board",
             "created_ms": lambda i: now, "status_ms": lambda i: now}
    zero = {"INTEGER": 0, "TEXT": "", "BLOB": b""}

    def fill(table, values):
        names = [row[1:3] for row in database.execute(f"PRAGMA table_info({table})")]
        marks = ",".join("?" * len(names))
        database.executemany(
            f"INSERT INTO {table} VALUES ({marks})",
            ([values[name](i) if name in values else zero[kind] for name, kind in names]
             for i in range(count)))

    assert columns, "the schema has a table device"
    fill("device", known)
    fill("device_state", {"tenant": lambda i: 1, "device": lambda i: i + 1,
                          "running": lambda i: digest[i % 10], "last_seen_ms": lambda i: now,
                          "inventory": lambda i: digest[i][:8], "other": lambda i: bytes(32)})
    fill("certificate", {"tenant": lambda i: 1, "device": lambda i: i + 1,
                         "fingerprint": lambda i: digest[i], "issued_ms": lambda i: now,
                         "not_after_ms": lambda i: now + 10**10})
    for name, value in (("product", "gateway"), ("hw", "board")):
        fill("attribute", {"tenant": lambda i: 1, "device": lambda i: i + 1,
                           "name": lambda i, name=name: name,
                           "value": lambda i, value=value: value})
    database.commit()
    database.close()


def resident_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines()
            if line.startswith(("VmRSS", "VmHWM"))}


def main():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        try:
            world.server.start()
            empty = resident_kb(world.server.process.pid)
            world.server.stop()
            register(world.server.data / "slipway.db", DEVICES)
            begin = time.monotonic()
            world.server.start()
            took = time.monotonic() - begin
            full = resident_kb(world.server.process.pid)
            counted = world.server.api("POST", "/selectors/check", {"selector": 'hw = "board"'})
            after = resident_kb(world.server.process.pid)
            assert counted["count"] == DEVICES
            print(f"memory           empty     {empty['VmRSS'] / 1024:9.1f} MiB resident")
            print(f"memory           {DEVICES} devices {full['VmRSS'] / 1024:.1f} MiB resident "
                  f"({(full['VmRSS'] - empty['VmRSS']) * 1024 / DEVICES:.0f} bytes a device), "
                  f"{after['VmHWM'] / 1024:.1f} MiB at most after selecting all of them; "
                  f"started in {took:.1f} s")
        finally:
            world.close()


if __name__ == "__main__":
    main()
