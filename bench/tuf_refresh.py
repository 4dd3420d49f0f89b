"""slipway-tuf: time and memory of a first and a repeated refresh, and the size of the verifier.

    tuf_refresh.py [PYTHON]     (SLIPWAY_BUILD is the build directory)

PYTHON is an interpreter that has python-tuf, as the peer; see tests/tuf/differential.py.
"""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/tuf"))

from tuf_client import BUILD, PROGRAM, Client  # noqa: E402
from tuf_repository import Repository  # noqa: E402
from tuf_server import Server  # noqa: E402

ROUNDS = 15
VERIFIER = ["client", "client_search", "client_step", "delegation", "json_canon", "metadata",
            "metadata_targets", "metadata_verify", "path_pattern", "tuf_bytes", "tuf_file",
            "tuf_public_key"]


PEER = """
import sys
from tuf.ngclient import Updater
directory, address = sys.argv[1:]
with open(directory + "/root.json", "rb") as file:
    Updater(directory, address + "metadata/", bootstrap=file.read()).refresh()
"""


def command(client):
    if client.peer:
        return [client.peer, "-c", PEER, client.metadata, client.address]
    return [PROGRAM, "--metadata-dir", client.metadata, "--metadata-url",
            client.address + "metadata/", "refresh"]


def measure(client):
    """Wall time and processor time of one refresh in ms."""
    begin = time.monotonic()
    process = subprocess.Popen(command(client))
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def memory(client):
    """The most memory a refresh has in KiB, from the kernel's own high-water mark, read until the
    end (what wait4() says has this interpreter in it)."""
    most = 0
    words = [str(word) for word in command(client)]
    process = subprocess.Popen(words)
    proc = pathlib.Path(f"/proc/{process.pid}")
    while process.poll() is None:
        try:
            running = (proc / "cmdline").read_text().startswith(words[0])
            status = (proc / "status").read_text()
        except OSError:
            break
        if running and "VmHWM:" in status:
            most = max(most, int(status.split("VmHWM:")[1].split()[0]))
    process.wait()
    return most


def show(name, rounds, peaks):
    wall, cpu = (statistics.median(column) for column in zip(*rounds))
    print(f"  {name:<10} {wall:7.1f} ms, of which processor {cpu:6.1f} ms, "
          f"memory {max(peaks) / 1024:5.1f} MiB")


def run(server, what, repo, peer=None):
    address = server.add(repo)
    size = sum(map(len, repo.files.values()))
    print(f"{what} ({size / 1000:.0f} kB of metadata){', python-tuf' if peer else ''}")
    first, again, peaks = [], [], ([], [])
    for number in range(ROUNDS + 5):
        with tempfile.TemporaryDirectory() as directory:
            client = Client(pathlib.Path(directory), address)
            client.peer = peer
            assert client.init(repo.files["1.root.json"]) == 0
            if number < ROUNDS:
                first.append(measure(client))
                again.append(measure(client))
            else:
                peaks[0].append(memory(client))
                peaks[1].append(memory(client))
    show("first", first, peaks[0])
    show("repeated", again, peaks[1])


def with_targets(repo, count):
    for number in range(count):
        repo.add_target(f"product/{number}/image.bin", b"%d" % number)
    repo.publish("targets")
    return repo


def with_roots(repo, count):
    for _ in range(count):
        repo.publish("root")
    return repo


def sizes():
    lines = text = 0
    for name in VERIFIER:
        source = (ROOT / f"src/trust/{name}.c").read_text().splitlines()
        lines += sum(1 for line in source if line.strip())
        found = next(BUILD.glob(f"src/trust/libtrust.a.p/{name}.c.o"))
        text += int(subprocess.check_output(["size", found], text=True).splitlines()[1].split()[0])
    print(f"verifier: {lines} lines in {len(VERIFIER)} files that are not empty, {text} bytes of .text")


def main():
    server = Server()
    print("slipway-tuf refresh, medians of", ROUNDS)
    for peer in [None, *sys.argv[1:]]:
        run(server, "small repository, Ed25519", with_targets(Repository(), 1), peer)
        run(server, "small repository, ECDSA P-256", with_targets(Repository("ecdsa256"), 1), peer)
        run(server, "100 roots behind, ECDSA P-256", with_roots(Repository("ecdsa256"), 100), peer)
        run(server, "20,000 targets, near the limit",
            with_targets(Repository(hashes=True), 20000), peer)
    server.stop()
    sizes()


if __name__ == "__main__":
    main()
