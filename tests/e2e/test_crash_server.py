"""kill -9 of the server at random moments of a rollout: what it has answered it still knows."""
import collections
import os
import random
import sqlite3
import time

from world import image

DEVICES = 12
ROUNDS = 4
KILLS = 5
STANDINGS = ("waiting", "exposed", "good", "failed", "silent")  # of enum standing, from 1


def read_only(world):
    return sqlite3.connect(f"file:{world.server.data / 'slipway.db'}?mode=ro", uri=True)


def kill_at_random_moments(world, chance, name):
    """Kill and restart while the rollout runs; how often it was killed."""
    for kill in range(KILLS):
        time.sleep(chance.uniform(0.0, 1.2))
        if world.rollout_state(name) == "done":
            return kill
        world.server.kill()
        time.sleep(chance.uniform(0.0, 0.5))
        world.server.start()
    return KILLS


def answered(device):
    """Reports that the device was answered to, as (assignment, phase)."""
    return collections.Counter((int(line["assignment"]), line["phase"])
                               for line in device.said("reported"))


def check_reports(world):
    """No report that was answered is lost, and each report is there once. The log of a device is
    written after the answer has come, so the server may know more, never less."""
    names = ("downloading", "staged", "switching", "trial", "succeeded", "failed", "reverted",
             "refused", "recalled")
    with read_only(world) as db:
        rows = db.execute("SELECT d.name, r.assignment, r.phase, r.id FROM report r JOIN device d"
                          " ON d.tenant = r.tenant AND d.id = r.device").fetchall()
    assert len(rows) == len({(name, number) for name, _, _, number in rows})
    for device in world.devices:
        known = collections.Counter((assignment, names[phase])
                                    for name, assignment, phase, _ in rows if name == device.name)
        assert answered(device), "the log tells what was answered"
        lost = answered(device) - known
        assert not lost, f"{device.name}: {lost} of {known}"
        for (assignment, phase), count in known.items():
            if phase == "succeeded":
                assert count == 1, f"{device.name} succeeded {count} times in {assignment}"


def check_tallies(world):
    """The tally of each stage is what a recount of its assignments says."""
    with read_only(world) as db:
        tallies = db.execute("SELECT rollout, stage, waiting, exposed, good, failed, silent"
                             " FROM rollout_stage").fetchall()
        counted = collections.Counter(db.execute(
            "SELECT rollout, stage, standing FROM assignment").fetchall())
        twice = db.execute("SELECT device FROM assignment GROUP BY device, rollout"
                           " HAVING count(*) > 1").fetchall()
    assert twice == []
    for rollout, stage, *tally in tallies:
        recount = [counted[rollout, stage, standing] for standing in range(1, 6)]
        assert tally == recount, f"rollout {rollout} stage {stage}: {STANDINGS} {tally} {recount}"


def test_kill_9_at_random_moments(running):
    seed = int(os.environ.get("SLIPWAY_SEED", random.randrange(1 << 32)))
    print("seed", seed)  # SLIPWAY_SEED repeats it, as far as the machine does
    chance = random.Random(seed)
    world = running
    images = {f"{number}.0": image(f"{number}.0", 150_000) for number in range(1, ROUNDS + 2)}
    for version, content in images.items():
        world.release(version, content, "--chunk-size", "16K")
    world.fleet(DEVICES, images["1.0"], bandwidth_limit=200_000)
    world.wait_ready()
    kills = 0
    for number in range(2, ROUNDS + 2):
        name, version = f"to-{number}", f"{number}.0"
        world.rollout(name, version, "--stages", "3,60%,100%", "--soak", "0s", "--deadline", "10m")
        kills += kill_at_random_moments(world, chance, name)
        world.wait_rollout(name, "done", 60)
        world.wait_ready(f"gateway@{version}")
        assert world.counts(name)["succeeded"] == DEVICES
        check_reports(world)
        check_tallies(world)
    for device in world.devices:
        assert device.running_image(150_000) == images[f"{ROUNDS + 1}.0"]
    assert kills > ROUNDS, "a test without crashes tests nothing"
    world.audit()
