"""What sealed releases cost: ciphers and wraps by themselves, then a whole update beside a plain one."""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from world import BUILD, World, wait_until  # noqa: E402

SIZE = 32 << 20
ROUNDS = 3


def image(number):
    return b"".join(hashlib.shake_128(bytes([number, i])).digest(1 << 20) for i in range(SIZE >> 20))


def update(world, device, version):
    world.rollout(f"to-{version}", version, "--stages", "100%", "--soak", "0s")
    wait_until(lambda: device.seen()["running"]["release"] == f"gateway@{version}", 120)


def cpu_s(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def whole_updates():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory)
        try:
            world.start().make_repository()
            world.release("1.0", image(0))
            device = world.fleet(1, image(0))[0]
            world.wait_ready()
            took = {"in the clear": [], "sealed": []}
            for i in range(1, 2 * ROUNDS + 1):
                kind = "sealed" if i % 2 == 0 else "in the clear"
                begin = time.monotonic()
                world.release(f"{i + 1}.0", image(i), "--seal" if i % 2 == 0 else "--clear")
                published = time.monotonic() - begin
                before = cpu_s(device.process)
                begin = time.monotonic()
                update(world, device, f"{i + 1}.0")
                took[kind].append((published, time.monotonic() - begin,
                                   cpu_s(device.process) - before))
            for kind, rounds in took.items():
                best = [min(column) for column in zip(*rounds)]
                print(f"32 MiB {kind:13} add, sign, publish {best[0]:5.2f} s   "
                      f"update {best[1]:5.2f} s   processor time of the agent {best[2]:5.2f} s")
        finally:
            world.close()


def main():
    subprocess.run([BUILD / "src/lab/slipway-lab", "seal"], check=True)
    whole_updates()


if __name__ == "__main__":
    main()
