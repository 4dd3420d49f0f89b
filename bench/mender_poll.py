"""What a poll of Mender's device API costs beside a quiet poll of our own agents, in the same run:
processor time of the server for each, and how long the slowest hundredth waits.

As in ddi_poll.py: the poll goes through the engine and is durable before it is answered. Sessions
are paced, so there are many of them, all with one key as Mender's own load generator has it.
"""
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from ddi_poll import SECONDS, measure, native, wrk  # noqa: E402
from requests_rate import CONNECTIONS, ON_SERVER_CPU, load  # noqa: E402
from test_mender_manage import Client, Key, Tool  # noqa: E402
from world import World  # noqa: E402

ROUNDS = 3
SESSIONS = 1000

SCRIPT = """
local tokens = {%s}
local at = 0
request = function()
  at = at %% #tokens + 1
  return wrk.format("POST", "/api/devices/v2/deployments/device/deployments/next", {
    ["Authorization"] = "Bearer " .. tokens[at], ["Content-Type"] = "application/json"},
    '{"device_provides":{"artifact_name":"release-1","device_type":"board"}}')
end
"""


def sessions(world):
    key, tool, tokens = Key(world.path / "device.pem"), Tool(world), []
    for i in range(SESSIONS):
        order = {"identity_data": {"serial": f"m{i}"}, "pubkey": key.pem}
        assert tool.ask("POST", "v2/devauth/devices", order)[0] == 201
        status, token = Client(world, f"m{i}", key).authenticate()
        assert status == 200
        tokens.append(f'"{token}"')
    return ",".join(tokens)


def main():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory, poll_interval_s=60, threads=1)
        try:
            world.server.start(wrapper=ON_SERVER_CPU)
            claims = world.path / "claims"
            claims.write_text("\n".join(world.claim() for _ in range(CONNECTIONS)))
            load(world, world.server.port, "poll", "--enroll", claims, "--seconds", 1)
            script = world.path / "mender.lua"
            script.write_text(SCRIPT % sessions(world))
            kinds = {"quiet poll, own agent": lambda: native(world),
                     "Mender poll": lambda: wrk(world, script)}
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
