"""What a poll of hawkBit's device API costs beside a quiet poll of our own agents, in the same run:
processor time of the server for each, and how long the slowest hundredth waits.

The server runs on CPU 0 with one front thread, the load on CPU 1. A quiet poll is answered by the
front from memory; a DDI poll goes through the engine and is durable before it is answered, for
it is the proof that a device has come back.
"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from requests_rate import CONNECTIONS, ON_LOAD_CPU, ON_SERVER_CPU, load  # noqa: E402
from swupdate import register_target  # noqa: E402
from world import World  # noqa: E402

SECONDS, ROUNDS = 4, 5
TICKS = os.sysconf("SC_CLK_TCK")

SCRIPT = """
local tokens = {%s}
local at = 0
request = function()
  at = at %% #tokens + 1
  return wrk.format("GET", "/DEFAULT/controller/v1/ddi-" .. at, {
    ["Authorization"] = "TargetToken " .. tokens[at], ["Accept"] = "application/json"%s})
end
"""


def cpu_s(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wrk(world, script):
    done = subprocess.run([*ON_LOAD_CPU, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s",
                           "--latency", "-s", str(script), world.server.url],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "Non-2xx" not in done.stdout, done.stdout + done.stderr
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    return {"count": int(re.search(r"(\d+) requests in", done.stdout).group(1)),
            "p99_ms": float(p99.group(1)) * {"us": 0.001, "ms": 1, "s": 1000}[p99.group(2)]}


def native(world):
    said = load(world, world.server.port, "poll", "--seconds", SECONDS)
    return {"count": int(said["per_second"]) * SECONDS, "p99_ms": int(said["p99_us"]) / 1000}


def measure(world, run):
    before = cpu_s(world.server.process)
    said = run()
    said["cpu_us"] = (cpu_s(world.server.process) - before) * 1e6 / said["count"]
    return said


def main():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory, poll_interval_s=60, threads=1)
        try:
            world.server.start(wrapper=ON_SERVER_CPU)
            claims = world.path / "claims"
            claims.write_text("\n".join(world.claim() for _ in range(CONNECTIONS)))
            load(world, world.server.port, "poll", "--enroll", claims, "--seconds", 1)
            tokens = ",".join(f'"{register_target(world, f"ddi-{i}")}"'
                              for i in range(1, CONNECTIONS + 1))
            plain, known = world.path / "plain.lua", world.path / "known.lua"
            plain.write_text(SCRIPT % (tokens, ""))
            known.write_text(SCRIPT % (tokens, ', ["If-None-Match"] = "*"'))
            kinds = {"quiet poll, own agent": lambda: native(world),
                     "DDI poll": lambda: wrk(world, plain),
                     "DDI poll, 304": lambda: wrk(world, known)}
            rounds = [{name: measure(world, run) for name, run in kinds.items()}
                      for _ in range(ROUNDS)]
            for name in kinds:
                each = [one[name] for one in rounds]
                print(f"{name:22} {statistics.median(e['cpu_us'] for e in each):7.1f} us of processor "
                      f"({min(e['cpu_us'] for e in each):.1f}..{max(e['cpu_us'] for e in each):.1f}), "
                      f"{statistics.median(e['count'] for e in each) / SECONDS:8.0f} per second, "
                      f"p99 {statistics.median(e['p99_ms'] for e in each):.1f} ms", flush=True)
        finally:
            world.close()


if __name__ == "__main__":
    main()
