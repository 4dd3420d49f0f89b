"""Quiet polls and durable reports per second, beside nginx with a static answer of the same size.

The server runs on CPU 0 with one front thread, the load on CPU 1. Rounds alternate between the
programs, and what counts is the ratio within a round.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests/e2e"))
from nginx import Nginx  # noqa: E402
from world import BUILD, World, free_port, image, wait_until  # noqa: E402

CONNECTIONS, SECONDS, ROUNDS = 64, 4, 5
LAB = BUILD / "src/lab/slipway-lab"
ON_SERVER_CPU, ON_LOAD_CPU = ("taskset", "-c", "0"), ("taskset", "-c", "1")


def load(world, port, kind, *more):
    done = subprocess.run([*ON_LOAD_CPU, str(LAB), "load", "--server", f"https://127.0.0.1:{port}",
                           "--ca-file", str(world.server.ca), "--kind", kind, "--identities",
                           str(world.path / "identities"), "--connections", str(CONNECTIONS),
                           *map(str, more)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    return {key: value for key, value in
            (word.split("=") for word in done.stdout.split() if "=" in word)}


def compare(what, ours, theirs):
    """Print medians over the rounds, and the median of the ratios within a round."""
    rounds = [(ours(), theirs()) for _ in range(ROUNDS)]
    for name, index in (("slipwayd", 0), ("nginx", 1)):
        rates = [int(r[index]["per_second"]) for r in rounds]
        p99 = [int(r[index]["p99_us"]) for r in rounds]
        print(f"{what:16} {name:9} {statistics.median(rates):9.0f} per second "
              f"({min(rates)}..{max(rates)}), p99 {statistics.median(p99) / 1000:.1f} ms, "
              f"{rounds[-1][index]['answer_bytes']} bytes an answer")
    ratio = statistics.median(int(a["per_second"]) / int(b["per_second"]) for a, b in rounds)
    print(f"{what:16} ratio     {ratio:9.2f}", flush=True)


def main():
    with tempfile.TemporaryDirectory() as directory:
        world = World(directory, poll_interval_s=60, threads=1)
        try:
            world.server.start(wrapper=ON_SERVER_CPU)
            world.make_repository()
            claims = world.path / "claims"
            claims.write_text("\n".join(world.claim() for _ in range(CONNECTIONS)))
            load(world, world.server.port, "poll", "--enroll", claims, "--seconds", 1)
            peer = Nginx(world.path / "nginx", free_port(), world.server.data)
            peer.put("poll", b"x" * 12)   # the body of a quiet answer
            peer.put("report", b"x" * 3)  # the body of a verdict
            peer.start(ON_SERVER_CPU)
            try:
                compare("quiet polls",
                        lambda: load(world, world.server.port, "poll", "--seconds", SECONDS),
                        lambda: load(world, peer.port, "get", "--path", "/poll",
                                     "--seconds", SECONDS))
                world.release("2.0", image("2.0"), product="load", hardware="load")
                world.rollout("load", "2.0", "--stages", "100%", "--soak", "1s",
                              product="load", selector='product = "load"')
                wait_until(lambda: world.server.api("GET", "/rollouts/load")["counts"]["admitted"]
                           == CONNECTIONS, what="everybody admitted")
                compare("durable reports",
                        lambda: load(world, world.server.port, "report", "--seconds", SECONDS),
                        lambda: load(world, peer.port, "get", "--path", "/report",
                                     "--seconds", SECONDS))
            finally:
                peer.stop()
        finally:
            world.close()


if __name__ == "__main__":
    main()
