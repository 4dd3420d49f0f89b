"""Upload and download of 1 GB: seconds, and memory of slipwayd; nginx serves the same file."""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from fleet_memory import resident_kb  # noqa: E402
from nginx import Nginx  # noqa: E402
from world import World, free_port  # noqa: E402

SIZE = 1 << 30
ROUNDS = 3


def curl(ca, *arguments):
    begin = time.monotonic()
    subprocess.run(["curl", "-sS", "--fail", "--cacert", str(ca), *map(str, arguments)], check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def main():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory, upload_max="2G")
        try:
            world.server.start()
            blob = world.path / "blob"
            digest = hashlib.sha256()
            with open(blob, "wb") as file:
                for i in range(SIZE >> 20):
                    part = hashlib.shake_128(i.to_bytes(4, "big")).digest(1 << 20)
                    digest.update(part)
                    file.write(part)
            auth = ("-H", f"Authorization: Bearer {world.server.token}")
            url = f"{world.server.url}/api/v1/blobs/{digest.hexdigest()}"
            pid = world.server.process.pid
            before = resident_kb(pid)["VmRSS"]
            took = curl(world.server.ca, *auth, "-H", "Content-Type: application/octet-stream",
                        "-T", blob, url)
            print(f"upload of 1 GiB  slipwayd  {took:9.2f} s ({SIZE / took / 1e6:.0f} MB/s), "
                  f"durable and hashed; memory {before / 1024:.1f} MiB before, "
                  f"{resident_kb(pid)['VmHWM'] / 1024:.1f} MiB at most")
            peer = Nginx(world.path / "nginx", free_port(), world.server.data)
            (peer.path / "root/blob").symlink_to(blob)
            peer.start()
            try:
                rounds = [(curl(world.server.ca, *auth, "-o", "/dev/null", url),
                           curl(world.server.ca, "-o", "/dev/null",
                                f"https://127.0.0.1:{peer.port}/blob")) for _ in range(ROUNDS)]
            finally:
                peer.stop()
            for name, index in (("slipwayd", 0), ("nginx", 1)):
                best = min(r[index] for r in rounds)
                print(f"download of 1 GiB {name:8} {best:9.2f} s ({SIZE / best / 1e6:.0f} MB/s)")
            print(f"memory of slipwayd at most {resident_kb(pid)['VmHWM'] / 1024:.1f} MiB")
        finally:
            world.close()


if __name__ == "__main__":
    main()
