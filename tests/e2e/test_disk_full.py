"""Disks that are full, of the server and of devices, on small file systems of their own."""
import json
import os
import sqlite3
import subprocess
import time

import pytest

from fake import sha256
from raw import Raw
from test_uploads import BLOCK, begin, files, finish
from world import Problem, World, image, wait_until

MIB = 1 << 20
PHASE_DOWNLOADING, PHASE_FAILED = 0, 5


@pytest.fixture
def small_disk(tmp_path):
    """Makes file systems of a few MiB, which end with the test."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = []

    def mount(path, size):
        path.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def world(small_disk, tmp_path):
    """A world whose server has 100 MiB, 64 of which are kept from uploads."""
    made = World(tmp_path)
    small_disk(made.server.data, "100M")
    yield made
    made.close()


class Filling:
    """Takes all the room there is; `with` gives it back at the end."""

    def __init__(self, folder):
        self.path = folder / "filling"

    def __enter__(self):
        with open(self.path, "wb") as out:
            try:
                while True:
                    out.write(BLOCK)
                    out.flush()
            except OSError:
                pass
        return self

    def top_up(self):
        """What files grew into has been freed by others meanwhile."""
        with open(self.path, "ab", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(4096))
            except OSError:
                pass

    def __exit__(self, *_):
        self.path.unlink()


def free_bytes(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


# ---- the server's ----

def test_an_upload_that_does_not_fit_is_refused_before_it_comes(running):
    world = running
    before = files(world)
    status, problem = finish(begin(world, "ab" * 32, 50 * MIB))
    assert status == 507 and "not enough space" in problem["detail"], problem
    assert files(world) == before
    world.release("1.0", image("1.0"))  # what fits is taken all the same


def test_an_upload_that_fills_the_disk(running):
    """Its length is not told, so the disk itself says no, in the middle."""
    world = running
    world.release("1.0", image("1.0"))
    before = files(world)
    connection = begin(world, "ab" * 32)
    status, problem = None, None
    try:
        for _ in range(200):
            connection.send(b"%x\r\n%s\r\n" % (MIB, BLOCK))
    except OSError:
        pass
    try:
        status, problem = finish(connection)
    except OSError:
        connection.close()
    assert status in (507, None), problem
    wait_until(lambda: files(world) == before, what="what was written is taken away")
    assert free_bytes(world.server.data) > 80 * MIB
    world.release("2.0", image("2.0"))
    assert len(world.server.items("/releases")) == 2


def report_until_refused(device, assignment):
    """Reports that were acknowledged, and the first answer that was not; the WAL has room of its
    own, so the disk is felt only after a while."""
    taken = []
    for percent in range(100_000):
        answer = device.report(assignment, PHASE_DOWNLOADING, _6="x" * 150, _7=percent % 100)
        if answer.status != 200:
            return taken, answer
        taken.append(device.report_id)
    raise AssertionError("the disk is never full")


def test_reports_meet_a_full_disk(running):
    """What was acknowledged is there, what was not is not, and the same report goes on later."""
    world = running
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    device = Raw(world.server, world.path / "raw", "dev-1")
    assert device.enroll(world.claim(), hardware="board", product="gateway").status == 201
    device.connect()
    assert device.poll().status == 200
    world.rollout("full", "2.0", "--stages", "100%")
    assignment = wait_until(lambda: device.poll().message.get(3), what="an assignment")
    with Filling(world.server.data) as filling:
        taken, refused = report_until_refused(device, assignment)
        assert refused.status == 503, (refused.status, refused.body)
        assert refused.refusal[0] in ("storage", "again") and int(refused.headers["Retry-After"])
        lost = device.report_id
        with pytest.raises(Problem) as info:
            world.server.api("PATCH", "/devices/dev-1", {"note": "n" * 200})
        assert info.value.status == 503, info.value
        assert "nothing has changed" in info.value.body["detail"], info.value
        assert world.server.api("GET", "/devices/dev-1")["note"] == ""
        status, _, health = world.server.raw("GET", "/healthz")
        disk = next(check for check in json.loads(health)["checks"] if check["name"] == "disk")
        assert status == 503 and disk["status"] == "failed", health
        assert world.server.process.poll() is None
        filling.top_up()
    device.report_id = lost - 1
    answer = wait_until(lambda: (device.report(assignment, PHASE_DOWNLOADING).status == 200) or
                        setattr(device, "report_id", lost - 1), 15, what="the report is taken")
    assert answer
    device.close()
    stored = stored_reports(world)
    assert stored == [*taken, lost], "every acknowledged one, once, and nothing else"
    assert world.server.raw("GET", "/healthz")[0] == 200
    assert_audit_whole(world)


def stored_reports(world):
    world.server.stop()
    with sqlite3.connect(world.server.data / "slipway.db") as db:
        found = [row[0] for row in db.execute("SELECT id FROM report ORDER BY id")]
    db.close()
    world.server.start()
    return found


def assert_audit_whole(world):
    export = world.path / "audit.jsonl"
    world.slipway("audit", "export", "--out", export)
    world.slipway("audit", "verify", export, "--key", world.server.data / "pki/audit.pub")


def test_a_rollout_goes_on_when_there_is_room_again(running):
    world = running
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    devices = world.fleet(4, image("1.0"))
    wait_until(lambda: len([seen for seen in world.server.items("/devices")
                            if seen["running"]["version"]]) == 4, what="all poll")
    world.rollout("full", "2.0", "--stages", "25%,100%")
    wait_until(lambda: any(("full", "downloading") in device.reported() for device in devices),
               what="it begins")
    with Filling(world.server.data) as filling:
        for _ in range(10):
            filling.top_up()
            time.sleep(0.3)
        assert world.server.process.poll() is None
    world.wait_rollout("full", "done")
    for device in devices:
        assert device.reported().count(("full", "succeeded")) == 1
        assert device.running_image(300_000) == image("2.0")
    assert_audit_whole(world)


def test_a_server_does_not_start_on_a_full_disk_and_then_does(running):
    """What it says is why; nothing is damaged by the try."""
    world = running
    world.release("1.0", image("1.0"))
    world.server.stop()
    with Filling(world.server.data) as filling:
        filling.top_up()
        try:
            world.server.start()
            world.server.stop()  # it needed no room; that is as good
        except AssertionError:
            said = world.server.log.read_text().splitlines()[-1]
            assert said.startswith("slipwayd: ") and "No space left on device" in said, said
    world.server.start()
    assert world.server.items("/releases")[0]["release"] == "gateway@1.0"
    assert_audit_whole(world)


# ---- a device's ----

def test_an_image_that_finds_no_room_on_the_device(small_disk, tmp_path):
    """Refused before anything is erased; asked again later, when there may be room."""
    world = World(tmp_path)
    try:
        world.start().make_repository()
        world.release("1.0", image("1.0"))
        world.release("2.0", image("2.0"))
        disk = small_disk(tmp_path / "disk", "1M")
        spare = disk / "bank_b"
        spare.write_bytes(image("0.9", 100_000))
        device = world.device("dev-1", image("1.0"), bank_b=spare, space_reserve="64K").start()
        with Filling(disk):
            wait_until(lambda: world.server.items("/devices") and
                       device.seen()["running"]["version"], what="it polls")
            world.rollout("tight", "2.0", "--stages", "100%")
            wait_until(lambda: ("tight", "refused") in device.reported(), what="it refuses")
            report = device.history()[0]
            assert report["error"] == "too-big" and "are free" in report["detail"], report
            assert spare.read_bytes() == image("0.9", 100_000), "nothing was erased"
            assert device.seen()["running"]["sha256"] == sha256(image("1.0"))
            explained = world.server.api("GET", "/devices/dev-1/explain")
            assert "is asked again after" in explained["sentence"], explained
        world.server.stop()
        with sqlite3.connect(world.server.data / "slipway.db") as db:  # it is an hour later
            db.execute("UPDATE assignment SET retry_ms = retry_ms - 3600000,"
                       " look_ms = CASE look_ms WHEN 0 THEN 0 ELSE look_ms - 3600000 END")
            db.execute("UPDATE rollout SET admit_after_ms = 0")
        db.close()
        world.server.start()
        world.wait_rollout("tight", "done")
        assert device.reported()[-1] == ("tight", "succeeded")
        assert spare.read_bytes()[:300_000] == image("2.0")
    finally:
        world.close()


def test_a_devices_own_folder_is_full(small_disk, tmp_path):
    """Its record and metadata cannot be saved: it does not go on without, and does not brick."""
    world = World(tmp_path)
    try:
        world.start().make_repository()
        world.release("1.0", image("1.0"))
        world.release("2.0", image("2.0"))
        state = small_disk(tmp_path / "state", "1M")
        device = world.device("dev-1", image("1.0"), state_dir=state).start()
        wait_until(lambda: world.server.items("/devices") and device.seen()["running"]["version"],
                   what="it polls")
        with Filling(state) as filling:
            filling.top_up()
            world.rollout("tight", "2.0", "--stages", "100%")
            time.sleep(4)
            assert device.seen()["running"]["sha256"] == sha256(image("1.0"))
            assert (device.path / "bank_a").read_bytes() == image("1.0")
        if device.process.poll() is not None:  # as a service manager would
            device.start()
        wait_until(lambda: any(phase in ("succeeded", "refused", "failed")
                               for rollout, phase in device.reported()), 40, what="an outcome")
        assert device.boots()["bank"] in "ab"
        assert device.seen()["running"]["release"] in ("gateway@1.0", "gateway@2.0")
    finally:
        world.close()
