"""What an operator does to a rollout, and what devices do about it."""
import datetime
import fcntl
import time

import pytest

from wire import Wire
from world import Problem, image, wait_until

SIZE = 300_000
ALL = ("--stages", "100%", "--soak", "0s", "--deadline", "10m")
SLOW = 40_000  # bytes a second: an image takes seven seconds, one range request less than two


@pytest.fixture
def wired(running):
    """A world with releases 1.0 and 2.0; `world.wire(rate)` gives a relay to its server."""
    running.release("1.0", image("1.0"))
    running.release("2.0", image("2.0"), "--chunk-size", "16K")
    wires = []

    def make(rate=None):
        wires.append(Wire(running.server.port, rate))
        return wires[-1]

    running.wire = make
    yield running
    for wire in wires:
        wire.close()


def utc(seconds_from_now):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds_from_now)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(status, call, *arguments):
    with pytest.raises(Problem) as problem:
        call(*arguments)
    assert problem.value.status == status, problem.value.body
    return problem.value.body["detail"]


# ---- pause, resume, abort, advance ----


def test_pause_holds_what_has_not_flipped_and_resume_goes_on(wired):
    devices = wired.fleet(3, image("1.0"), bandwidth_limit=SLOW * 4)
    wired.wait_ready()
    wired.rollout("new", "2.0", *ALL)
    wait_until(lambda: wired.in_state("new", "downloading"), what="somebody downloads")
    assert wired.steer("new", "pause")["state"] == "paused"
    wait_until(lambda: len(wired.in_state("new", "staged")) == 3, what="downloads go on")
    time.sleep(2.5)
    assert len(wired.in_state("new", "staged")) == 3, "nobody flips"
    for device in devices:
        said = wired.explain(device)
        assert said["reason"] == "rollout-paused" and "paused" in said["sentence"], said
        assert device.boots()["bank"] == "a"
    refused(409, wired.steer, "new", "pause")
    wired.steer("new", "resume")
    wired.wait_rollout("new", "done", 20)
    assert {device.boots()["bank"] for device in devices} == {"b"}


def test_abort_recalls_and_is_final(wired):
    devices = wired.fleet(2, image("1.0"), bandwidth_limit=SLOW)
    wired.wait_ready()
    wired.rollout("new", "2.0", *ALL)
    wait_until(lambda: len(wired.in_state("new", "downloading")) == 2, what="both download")
    after = wired.steer("new", "abort")
    assert after["state"] == "aborted"
    assert after["counts"]["recalled"] == 2 and after["counts"]["downloading"] == 0
    for device in devices:
        wait_until(lambda: device.phases("new")[-1:] == ["recalled"], what="it says so")
        wait_until(lambda: device.states()[-3:] == ["fetching", "reporting", "idle"],
                   what="it has dropped it")
        assert device.boots()["bank"] == "a"
    for verb in ("resume", "pause", "start", "advance"):
        refused(409, wired.steer, "new", verb)


def test_stages_by_count_and_percent_soak_and_can_be_advanced(wired):
    devices = wired.fleet(4, image("1.0"))
    wired.wait_ready()
    stages = [{"count": 1, "soak_s": 3}, {"percent": 50, "soak_s": 3600}, {"percent": 100}]
    wired.server.api("POST", "/rollouts", {
        "name": "new", "release": "gateway@2.0", "selector": "all", "stages": stages})
    wired.steer("new", "start")
    wait_until(lambda: wired.counts("new")["succeeded"] == 1, what="the first")
    first = time.monotonic()
    assert wired.explain(devices[0])  # whoever it is, there is a sentence
    wait_until(lambda: wired.counts("new")["succeeded"] == 2, what="the second")
    assert time.monotonic() - first > 2.5, "the first stage has soaked"
    waiting = [device for device in devices if not device.phases("new")]
    wait_until(lambda: {wired.explain(device)["reason"] for device in waiting} == {"stage-soaks"},
               what="the others wait for the soak")
    assert wired.explain(waiting[0])["next_at"] > utc(3000)
    time.sleep(1.5)
    assert wired.counts("new")["admitted"] == 2
    wired.steer("new", "advance")
    wired.wait_rollout("new", "done", 20)
    refused(409, wired.steer, "new", "advance")
    assert {device.boots()["bank"] for device in devices} == {"b"}


# ---- the calendar ----


def test_scheduled_start_and_end(wired):
    quick = wired.device("quick", image("1.0")).start()
    slow = wired.device("slow", image("1.0"), bandwidth_limit=12_000).start()
    wired.wait_ready()
    wired.rollout("new", "2.0", *ALL, "--start-at", utc(3), "--end-at", utc(9))
    assert wired.rollout_state("new") == "approved"
    said = wired.explain(quick)
    assert said["reason"] == "rollout-scheduled" and said["next_at"] is not None, said
    wait_until(lambda: quick.phases("new")[-1:] == ["succeeded"], what="it starts by itself")
    assert wired.rollout_state("new") == "running"
    wired.wait_rollout("new", "aborted", 15)
    assert wired.server.api("GET", "/rollouts/new")["cause"] == "schedule"
    assert wired.in_state("new", "recalled") == {"slow"}
    wait_until(lambda: slow.phases("new")[-1:] == ["recalled"], what="the slow one drops it")
    assert slow.boots()["bank"] == "a" and quick.boots()["bank"] == "b"


def test_the_window_is_in_the_time_zone_of_the_device(wired):
    """Now it is six hours before the window in the west, and within it in the east."""
    west, east = wired.fleet(2, image("1.0"))
    wired.wait_ready()
    hour = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)).hour
    wired.server.api("PATCH", f"/devices/{east.name}", {"utc_offset_min": 360})
    wired.rollout("new", "2.0", *ALL, "--window", f"mon-sun {hour:02}:00+1h")
    wait_until(lambda: east.phases("new")[-1:] == ["succeeded"], what="the east flips")
    wait_until(lambda: west.states()[-1] == "staged", what="the west has it on its spare bank")
    time.sleep(2)
    assert west.states()[-1] == "staged" and west.boots()["bank"] == "a"
    assert wired.in_state("new", "staged") == {west.name}
    said = wired.explain(west)
    assert said["reason"] == "waits-for-window", said
    assert f"T{hour:02}:00:00Z" in said["next_at"] and "window" in said["sentence"], said
    wired.server.api("PATCH", f"/devices/{west.name}", {"utc_offset_min": 360})
    wired.wait_rollout("new", "done", 15)
    assert west.boots()["bank"] == "b"


# ---- people ----


def test_approval_needs_a_second_person(wired):
    wired.fleet(1, image("1.0"))
    wired.wait_ready()
    wired.rollout("new", "2.0", *ALL, "--needs-approval", start=False)
    detail = refused(403, wired.steer, "new", "start")
    assert "approval" in detail
    assert "somebody else" in refused(403, wired.steer, "new", "approve")
    other = {role: wired.slipway_json("token", "new", role, "--role", role)["token"]
             for role in ("viewer", "release_manager")}
    refused(403, wired.steer, "new", "approve", other["viewer"])
    assert wired.steer("new", "approve", other["release_manager"])["state"] == "approved"
    wired.steer("new", "start")
    wired.wait_rollout("new", "done")
    approvals = [(entry["actor"], entry["outcome"]) for entry in wired.audit()
                 if entry["action"] == "rollout.approve"]
    assert ("token:release_manager", "done") in approvals


def test_a_held_device_is_left_alone(wired):
    held, free = wired.fleet(2, image("1.0"))
    wired.wait_ready()
    wired.slipway("device", "hold", held.name)
    wired.rollout("new", "2.0", *ALL)
    wired.wait_rollout("new", "done", 30)
    assert wired.explain(held)["reason"] == "device-held"
    assert held.phases("new") == [] and free.boots()["bank"] == "b"
    wired.slipway("device", "hold", held.name, "--off")
    wait_until(lambda: held.phases("new")[-1:] == ["succeeded"], what="let go, it follows")
    assert wired.rollout_state("new") == "done"


# ---- going back ----


def test_rolling_back_needs_no_download(wired):
    wire = wired.wire()
    devices = wired.fleet(3, image("1.0"), server=wire.url)
    wired.wait_ready()
    assert "no device" in refused_before_any_flip(wired)
    wired.rollout("new", "2.0", *ALL)
    wired.wait_rollout("new", "done")
    fetched, before = wire.down, {device.name: len(device.states()) for device in devices}
    assert fetched > 3 * SIZE
    wired.slipway("rollout", "rollback", "new", "--reason", "a complaint", "--yes")
    wired.wait_rollout("new", "rolled-back", 30)
    wired.wait_ready("gateway@1.0")
    assert wire.down - fetched < SIZE / 3, "polls, metadata and reports of three devices only"
    for device in devices:
        assert device.boots()["bank"] == "a" and device.running_image(SIZE) == image("1.0")
        since = device.states()[before[device.name]:]
        assert "switching" in since and not {"listing", "erasing", "fetching"} & set(since)
        assert wired.explain(device)["reason"] == "rolled-back"
    assert wired.counts("new")["rolled-back"] == 3


def refused_before_any_flip(world):
    world.rollout("idle", "2.0", *ALL, "--start-at", utc(3600))
    world.steer("idle", "abort")
    return refused(409, world.steer, "idle", "rollback")


def test_a_halt_recalls_everything_that_has_not_flipped(wired):
    """Two fail at once and halt the rollout, while two still download."""
    slow = wired.fleet(2, image("1.0"), bandwidth_limit=12_000)
    bad = [wired.device(f"bad-{i}", image("1.0"), health_command="'sleep 2; false'").start()
           for i in range(2)]
    wired.wait_ready()
    wired.rollout("new", "2.0", *ALL, "--failure-count", "2")
    wait_until(lambda: wired.rollout_state("new") == "halted", what="it halts")
    counts = wired.counts("new")
    assert (counts["reverted"], counts["recalled"], counts["downloading"]) == (2, 2, 0), counts
    for device in slow:
        wait_until(lambda: device.phases("new")[-1:] == ["recalled"], what="it reports so")
        wait_until(lambda: device.states()[-3:] == ["fetching", "reporting", "idle"],
                   what="it has dropped it")
        assert device.boots()["bank"] == "a"
        assert wired.explain(device)["reason"] == "rollout-halted"
    for device in bad:
        assert device.boots()["bank"] == "a" and device.running_image(SIZE) == image("1.0")


# ---- retries, a busy device, logs ----


def test_a_failed_download_is_tried_again_up_to_the_limit(wired):
    (device,) = wired.fleet(1, image("1.0"))
    wired.wait_ready()
    digest = wired.server.api("GET", "/releases/gateway@2.0")["sha256"]
    blob = wired.server.data / "blobs" / digest[:2] / digest
    content = blob.read_bytes()
    blob.write_bytes(content[:100_000] + bytes(100) + content[100_100:])
    wired.rollout("new", "2.0", *ALL, "--retry", "1", "--min-sample", "1")
    wired.wait_rollout("new", "halted", 60)
    (row,) = wired.assignments("new").values()
    assert (row["state"], row["attempt"], row["error"]) == ("failed", 2, "corrupt"), row
    assert device.phases("new").count("failed") == 2
    assert device.boots()["bank"] == "a" and "staged" not in device.states()
    blob.write_bytes(content)


def test_a_busy_device_is_not_disturbed(wired):
    lock = wired.path / "busy"
    with open(lock, "w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        (device,) = wired.fleet(1, image("1.0"), lock_file=lock)
        wired.wait_ready()
        wired.rollout("new", "2.0", *ALL)
        wait_until(lambda: device.states()[-1:] == ["checking"], what="it has the offer")
        wait_until(lambda: "busy" in str(wired.assignments("new")[device.name]["detail"]),
                   what="the server knows why nothing happens")
        time.sleep(2)
        assert device.states()[-1] == "checking"
        assert (device.path / "bank_b").read_bytes() == b""
    wired.wait_rollout("new", "done", 20)
    assert device.boots()["bank"] == "b"


def test_the_log_comes_on_failure_and_on_request(wired):
    good = wired.device("good", image("1.0")).start()
    bad = wired.device("bad", image("1.0"), health_command="'echo lights are off; false'").start()
    wired.wait_ready()

    def logs(device):
        return wired.server.items(f"/devices/{device.name}/logs")

    wired.slipway("device", "request-log", "good")
    wait_until(lambda: len(logs(good)) == 1, what="the log asked for")
    assert "enrolled" in wired.slipway("device", "logs", "good", "last")[1]
    wired.rollout("new", "2.0", *ALL)
    wait_until(lambda: len(logs(bad)) == 1, what="the log of the failure")
    text = wired.slipway("device", "logs", "bad", "last")[1]
    assert "unhealthy" in text and "from=trial to=reverting" in text
    time.sleep(1.5)
    assert len(logs(good)) == 1 and len(logs(bad)) == 1, "each is sent once"


# ---- going on with a download ----


@pytest.mark.parametrize("victim", ["agent", "server"])
def test_a_download_goes_on_where_it_was_cut(wired, victim):
    size, chunk = 2 * SIZE, 16 << 10
    wired.release("2.1", image("2.1", size), "--chunk-size", "16K")
    wire = wired.wire(rate=120_000)
    (device,) = wired.fleet(1, image("1.0"), server=wire.url)
    wired.wait_ready()
    before = wire.down
    wired.rollout("new", "2.1", *ALL)
    wait_until(lambda: wire.down - before > size / 2, 30, what="half of it")
    assert device.states()[-1] == "fetching"
    if victim == "agent":
        device.kill()
        device.start()
    else:
        wired.server.kill()
        time.sleep(0.5)
        wired.server.start()
    wired.wait_rollout("new", "done", 40)
    assert device.running_image(size) == image("2.1", size)
    extra = wire.down - before - size
    assert extra < chunk + 0.04 * size, f"{extra} bytes more than the image"
