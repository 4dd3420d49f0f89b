"""The story of an update on one device, good and bad, as the server sees it."""
import fcntl
import hashlib
import time

import pytest
from device import image, wait_until
from fake import CANCEL, HOLD, PHASES, PROCEED, ROLLBACK, cbor_encode

NEW = image("new", 500_000)


def digest(data):
    return hashlib.sha256(data).digest()


def running(fake):
    """The digest reported as running in the last poll."""
    return fake.polls[-1][1].get(1) if fake.polls else None


def detail(report):
    return report.get(6, "")


def test_an_update_ends_with_the_new_digest_running(fake, device):
    fake.assign(7, NEW)
    boots = device.live(until=lambda: fake.final(7))
    assert boots == 2
    assert fake.phases(7) == ["downloading", "staged", "trial", "succeeded"]
    assert fake.final(7)[0][5] == digest(NEW)
    assert device.banks[1].read_bytes() == NEW
    assert device.banks[0].read_bytes() == device.factory
    # What is reported as running is what the bank holds, before and after.
    assert next(poll[1] for _, poll in fake.polls if 1 in poll) == digest(device.factory)
    device.live(until=lambda: running(fake) == digest(NEW))
    assert fake.polls[-1][1][2] == "2.0"
    assert fake.polls[-1][1][7] == digest(device.factory)


def test_a_second_update_goes_back_to_the_first_bank(fake, device):
    fake.assign(1, NEW)
    device.live(until=lambda: fake.final(1))
    newer = image("newer", 700_000)
    fake.assign(2, newer, version="3.0")
    device.live(until=lambda: fake.final(2))
    assert fake.phases(2)[-1] == "succeeded"
    assert device.banks[0].read_bytes() == newer
    assert device.banks[1].read_bytes() == NEW


def test_chunks_that_are_in_the_bank_are_not_fetched_again(fake, device):
    old = bytearray(NEW)
    old[-70_000] ^= 1  # the last chunk but one differs
    device.banks[1].write_bytes(old)
    fake.assign(1, NEW)
    device.live(until=lambda: fake.final(1))
    assert fake.phases(1)[-1] == "succeeded"
    assert fake.sent < 3 * 65536


def test_an_unhealthy_image_falls_back_and_says_why(fake, make_device):
    device = make_device(health_command='echo "no sensor at $SLIPWAY_BANK"; '
                                        'test "$SLIPWAY_VERSION" != 2.0')
    fake.assign(3, NEW)
    boots = device.live(until=lambda: fake.final(3) and fake.logs)
    assert boots == 3
    assert fake.phases(3)[-2:] == ["trial", "reverted"]
    [report] = fake.final(3)
    assert report[5] == digest(device.factory)
    assert "no sensor at" in detail(report)
    assert str(device.banks[1]) in detail(report)
    path, log = fake.logs[0]
    assert path.endswith("?assignment=3")
    assert "unhealthy" in log
    # It is still alive and takes the next release.
    fake.assign(4, image("repaired", 400_000), version="2.1")
    device.live(until=lambda: fake.final(4))
    assert fake.phases(4)[-1] == "succeeded"


def test_a_health_check_that_hangs_is_a_failed_one(fake, make_device):
    device = make_device(health_command="sleep 60", health_timeout_s=1)
    fake.assign(3, NEW)
    device.live(until=lambda: fake.final(3))
    assert fake.phases(3)[-1] == "reverted"
    assert "longer than 1 s" in detail(fake.final(3)[0])


def test_a_trial_that_cannot_reach_the_server_falls_back(fake, make_device):
    device = make_device(trial_timeout_s=2, health_timeout_s=1)
    fake.assign(3, NEW)
    device.boot()
    assert device.start().wait(30) == 10
    fake.stop()
    assert device.run() == 10  # the trial, in vain
    fake.start()
    device.live(until=lambda: fake.final(3))
    assert fake.phases(3)[-1] == "reverted"
    assert running(fake) == digest(device.factory)


def test_an_image_that_never_starts_falls_back_by_itself(fake, device):
    fake.assign(3, NEW)
    assert device.run() == 10
    device.boot()  # the new image boots and dies before the agent starts
    said = device.boot()
    assert said["verdict"] == "reverted"
    device.live(until=lambda: fake.final(3))
    assert fake.phases(3)[-1] == "reverted"


def test_an_interrupted_download_goes_on_where_it_was(fake, device):
    big = image("big", 3_000_000)
    fake.assign(5, big)
    fake.cut_after = 400_000
    device.live(until=lambda: fake.final(5))
    assert fake.phases(5)[-1] == "succeeded"
    assert device.banks[1].read_bytes() == big
    assert fake.sent < len(big) * 1.3


@pytest.mark.parametrize("fault", ["flipped", "zeroes", "another chunk"])
def test_wrong_bytes_are_never_staged(fake, device, fault):
    name = fake.assign(5, NEW)
    whole = fake.authority.targets[name]["hashes"]["sha256"]

    def spoil(blob, at, part):
        if blob != whole:
            return part
        if fault == "flipped":
            return part[:1000] + bytes([part[1000] ^ 1]) + part[1001:]
        return bytes(len(part)) if fault == "zeroes" else part[65536:] + part[:65536]

    fake.spoil = spoil
    device.live(until=lambda: fake.final(5))
    assert fake.phases(5)[-1] == "failed"
    assert "staged" not in fake.phases(5)
    assert fake.final(5)[0][4] == "corrupt"
    assert device.boot()["bank"] == "a"


def test_a_wrong_chunk_list_is_refused(fake, device):
    name = fake.assign(5, NEW)
    chunk_list = fake.authority.targets[name + ".chunks"]["hashes"]["sha256"]
    fake.spoil = lambda blob, at, part: bytes(len(part)) if blob == chunk_list else part
    device.live(until=lambda: fake.final(5))
    assert fake.phases(5)[-1] == "failed"
    assert not any(part and whole in path for _, path, part in fake.requests
                   for whole in [fake.authority.targets[name]["hashes"]["sha256"]])


@pytest.mark.parametrize("facts, words", [
    ({"product": "lamp"}, "another product"),
    ({"hardware": ["rev-b"]}, "other hardware"),
    ({"security_version": 2}, "security floor"),
    ({"from": ["1.9"]}, "cannot be applied"),
])
def test_a_release_for_others_is_refused_and_nothing_erased(fake, make_device, facts, words):
    device = make_device(security_floor=3 if "security_version" in facts else 0)
    before = image("spare", 100_000)
    device.banks[1].write_bytes(before)
    fake.assign(6, NEW, **facts)
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "refused"
    assert words in detail(fake.final(6)[0])
    assert device.banks[1].read_bytes() == before


def test_an_image_larger_than_the_bank_is_refused(fake, make_device):
    device = make_device(bank_size="400K")
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "refused"


def test_no_room_is_said_before_anything_is_erased(fake, device):
    before = image("spare", 100_000)
    device.banks[1].write_bytes(before)
    fake.assign(6, NEW)
    device.live("--fail-space", until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "refused"
    assert "room" in detail(fake.final(6)[0])
    assert device.banks[1].read_bytes() == before


def test_a_busy_device_waits(fake, make_device, tmp_path):
    lock = tmp_path / "update.lock"
    device = make_device(lock_file=lock)
    before = device.banks[1].exists() and device.banks[1].read_bytes()
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fake.assign(6, NEW)
        device.boot()
        device.start()
        wait_until(lambda: "busy" in device.said(), what="it says that it is busy")
        time.sleep(1.5)
        assert not fake.final(6)
        assert not device.banks[1].exists() or device.banks[1].read_bytes() == (before or b"")
    assert device.process.wait(30) == 10
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"


def test_without_leave_there_is_no_flip(fake, device):
    fake.assign(6, NEW)
    fake.verdict = HOLD
    device.boot()
    device.start()
    wait_until(lambda: "staged" in fake.phases(6), what="staged")
    time.sleep(2.5)
    assert device.process.poll() is None
    fake.verdict = PROCEED
    assert device.process.wait(20) == 10
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"


def test_before_the_maintenance_window_there_is_no_flip(fake, device):
    fake.assign(6, NEW)
    fake.not_before_s = 3600
    fake.verdict = HOLD
    device.boot()
    device.start()
    wait_until(lambda: "staged" in fake.phases(6), what="staged")
    time.sleep(2.5)
    # The server knows who waits; it is not asked again before the window opens.
    assert [report[3] for report in fake.reports].count(PHASES.index("staged")) == 1
    assert device.process.poll() is None
    fake.not_before_s = 0
    fake.verdict = PROCEED
    assert device.process.wait(20) == 10


def test_a_recall_is_obeyed_before_the_flip(fake, make_device):
    device = make_device(bandwidth_limit="200K")
    fake.assign(6, image("slow", 4_000_000))
    device.boot()
    device.start()
    wait_until(lambda: fake.sent > 100_000, what="downloading")
    number, _, name, whole = fake.assignment
    fake.assignment = (number, CANCEL, name, whole)
    wait_until(lambda: fake.final(6), 30, "recalled")
    assert fake.phases(6)[-1] == "recalled"
    assert device.process.poll() is None


def test_bandwidth_is_capped(fake, make_device):
    device = make_device(bandwidth_limit="200K")
    fake.assign(6, image("slow", 800_000))
    begin = time.monotonic()
    assert device.run() == 10
    assert time.monotonic() - begin > 2.5


def test_rolling_back_needs_no_download(fake, device):
    fake.assign(1, NEW)
    device.live(until=lambda: fake.final(1))
    fake.sent = 0
    fake.assign(2, device.factory, kind=ROLLBACK, version="1.0")
    device.live(until=lambda: fake.final(2))
    assert fake.phases(2)[-1] == "succeeded"
    assert fake.final(2)[0][5] == digest(device.factory)
    assert fake.sent == 0


def test_another_agent_in_the_same_directory_does_not_start(fake, device):
    device.boot()
    first = device.start()
    wait_until(lambda: fake.polls, what="a poll")
    assert device.start().wait(10) == 1
    assert "another agent is running" in device.said()
    first.terminate()
    assert first.wait(10) == 0


def test_sigterm_during_a_download_ends_it_at_once(fake, make_device):
    device = make_device(bandwidth_limit="100K")
    fake.assign(6, image("slow", 4_000_000))
    device.boot()
    device.start()
    wait_until(lambda: fake.sent > 100_000, what="downloading")
    begin = time.monotonic()
    assert device.stop() == 0
    assert time.monotonic() - begin < 3


def test_inventory_and_log_are_sent_when_asked_for(fake, make_device):
    device = make_device(attributes=["site=oslo", "rack=4"])
    fake.flags = 1 | 2
    device.boot()
    device.start()
    wait_until(lambda: fake.inventories and fake.logs, what="inventory and log")
    body, attributes = fake.inventories[0]
    assert attributes["site"] == "oslo" and attributes["product"] == "cam"
    assert attributes["hw"] == "rev-a"
    assert list(attributes) == sorted(attributes, key=lambda name: (len(name), name))
    assert fake.polls[-1][1][5] == hashlib.sha256(body).digest()[:8]
    assert cbor_encode({1: 0})[:1] == body[:1]
