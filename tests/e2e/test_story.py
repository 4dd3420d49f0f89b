"""The main job: a signed release reaches a fleet in stages, and a bad one stops itself."""
import json
import subprocess

import pytest

from world import PROGRAMS, image, wait_until

STAGES = ("--stages", "2,50%,100%", "--soak", "1s", "--failure-percent", "20", "--min-sample", "2")
DEVICES = 8


@pytest.fixture
def story(world):
    """Eight devices that run 1.0, a good release 2.0 and a bad one 3.0."""
    world.server.options["confirm_above"] = DEVICES - 1
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    world.release("3.0", b"BROKEN" + image("3.0"))
    world.fleet(DEVICES, image("1.0"),
                health_command="'! head -c 6 \"$SLIPWAY_BANK\" | grep -q BROKEN'")
    world.wait_ready()
    return world


def watch(world, name, *options):
    """`slipway rollout watch` to its end: exit code and lines."""
    done = subprocess.run(
        [PROGRAMS["slipway"], "rollout", "watch", name, "--server", world.server.url, "--ca",
         world.server.ca, "--token-file", world.server.data / "admin.token", *options],
        capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def nothing_was_changed(world):
    assert world.slipway_json("rollout", "list")["items"] == []


def dry_run_and_confirmation(world):
    create = ("rollout", "create", "good", "--release", "gateway@2.0", "--selector", "all", *STAGES)
    _, out, err = world.slipway(*create, "--dry-run")
    assert sorted(out.split()) == [device.name for device in world.devices]
    assert f"{DEVICES} devices" in err and "2 4 8" in err
    assert world.slipway_json(*create, "--dry-run")["count"] == DEVICES
    nothing_was_changed(world)
    for count in ((), ("--confirm-count", DEVICES - 1)):
        code, _, err = world.slipway(*create, *count, ok=False)
        assert code == 2 and str(DEVICES) in err, (code, err)
        nothing_was_changed(world)
    world.slipway(*create, "--confirm-count", DEVICES)


def stages_followed_each_other(world):
    """By the audit log: a stage opens after every device of the one before has confirmed."""
    stage_of = {row["id"]: row["stage"] for row in world.assignments("good").values()}
    assert sorted(stage_of.values()) == [0, 0, 1, 1, 2, 2, 2, 2]
    opened, succeeded = 0, 0
    for entry in world.audit():
        if entry["action"] == "rollout.stage" and entry["object"] == "rollout:good":
            opened += 1
            assert succeeded == (2, 4)[opened - 1]
        elif entry["action"] in ("assignment.leave", "assignment.succeeded"):
            assert stage_of[int(entry["object"].split(":")[1])] == opened
            succeeded += entry["action"] == "assignment.succeeded"
    assert (opened, succeeded) == (2, DEVICES)


def good_release_reaches_everybody(world):
    dry_run_and_confirmation(world)
    world.slipway("rollout", "start", "good")
    code, lines = watch(world, "good")
    assert code == 0
    assert " done stage 3/3: 8 good, 0 bad, 0 under way, 8 selected" in lines[-1]
    assert any(" running stage 1/3: " in line for line in lines)
    for device in world.devices:
        assert device.seen()["running"]["release"] == "gateway@2.0"
        assert device.running_image(300_000) == image("2.0")
        told = list(dict.fromkeys(device.reported()))
        assert told == [("good", phase) for phase in
                        ("downloading", "staged", "trial", "succeeded")]
        assert "runs 2.0" in world.explain(device)["sentence"]
    stages_followed_each_other(world)


def bad_release_halts(world):
    world.slipway("rollout", "create", "bad", "--release", "gateway@3.0", "--selector", "all",
                  *STAGES, "--confirm-count", DEVICES, "--start")
    code, lines = watch(world, "bad", "-o", "json")
    last = json.loads(lines[-1])
    assert (code, last["state"], last["cause"], last["stage"]) == (5, "halted", "gate", 0)
    wait_until(lambda: len(world.in_state("bad", "reverted")) == 2, what="both fell back")
    world.wait_ready("gateway@2.0")


def failures_are_told(world):
    report = world.slipway_json("rollout", "report", "bad")
    assert report["rollout"]["state"] == "halted"
    assert [stage["admitted"] for stage in report["stages"]] == [2, 0, 0]
    (failure,) = report["failures"]
    assert (failure["state"], failure["count"]) == ("reverted", 2)
    assert set(failure["sample"]) == world.in_state("bad", "reverted")
    for name, row in world.assignments("bad").items():
        assert "health check" in row["detail"], row
        assert name in world.slipway("rollout", "report", "bad")[1]


def every_device_can_be_asked_why(world):
    tried = world.in_state("bad", "reverted")
    for device in world.devices:
        _, sentence, _ = world.slipway("device", "explain", device.name)
        history = world.slipway("device", "history", device.name)[1]
        assert device.running_image(300_000) == image("2.0")
        assert "reported succeeded in rollout good" in history
        if device.name in tried:
            assert "fell back" in sentence and "reported reverted in rollout bad" in history
        else:
            assert "halted" in sentence and "rollout bad" not in history


def audit_finds_every_change(world):
    world.audit()
    path, key = world.path / "audit.jsonl", world.server.data / "pki/audit.pub"
    lines = path.read_text().splitlines(keepends=True)
    at = len(lines) // 2
    altered = [line.replace("device:dev-00", "device:dev-01") for line in lines]
    for changed in (altered, lines[:at] + lines[at + 1:], lines[:-2] + lines[-1:], lines[:-1],
                    lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2:]):
        assert changed != lines
        path.write_text("".join(changed))
        code, _, err = world.slipway("audit", "verify", path, "--key", key, ok=False)
        assert code == 1 and err.startswith("slipway: "), (code, err)


def test_release_in_stages_then_bad_one_halts(story):
    good_release_reaches_everybody(story)
    bad_release_halts(story)
    failures_are_told(story)
    every_device_can_be_asked_why(story)
    audit_finds_every_change(story)


def test_who_has_the_release_is_not_waited_for(running):
    """A rollout of what most devices run already is for the others, and comes to its end."""
    world = running
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    world.fleet(2, image("2.0"), "2.0")
    late = world.device("late", image("1.0")).start()
    world.wait_ready("gateway@2.0", world.devices[:2])
    world.wait_ready("gateway@1.0", [late])
    world.rollout("rest", "2.0", "--stages", "100%", "--soak", "0s")
    assert world.counts("rest")["selected"] == 1
    world.wait_rollout("rest", "done")
    assert late.running_image(300_000) == image("2.0")
    code, _, err = world.slipway("rollout", "create", "again", "--release", "gateway@2.0",
                                 "--selector", "all", "--stages", "100%", "--start", ok=False)
    assert code == 4 and "needs the release" in err, (code, err)
