"""Power cuts, an unfriendly server, wrong clocks: what an agent must live through."""
import fcntl
import hashlib
import random
import time

import pytest
from device import EXIT_CRASH, image, wait_until
from fake import Authority, Pki, Refusal

NEW = image("new", 300_000)
GOOD_PHASES = {"downloading", "staged", "switching", "trial", "succeeded"}


def digest(data):
    return hashlib.sha256(data).digest()


def record_sequences(device):
    """Numbers of the records a whole update saves, from the first to the last."""
    newest = 0
    for slot in device.state.glob("record.*"):
        newest = max(newest, int.from_bytes(slot.read_bytes()[4:8], "little"))
    return range(1, newest + 1)


def update(fake, device, *words):
    fake.assign(9, NEW)
    device.live(*words, until=lambda: fake.final(9))
    assert len(fake.final(9)) == 1
    assert fake.phases(9)[-1] in ("succeeded", "reverted")
    bank = device.boot()["bank"]
    content = device.banks["ab".index(bank)].read_bytes()
    assert content == (NEW if fake.phases(9)[-1] == "succeeded" else device.factory)


@pytest.mark.parametrize("cut", ["--crash-before", "--crash-torn", "--crash-at"])
def test_power_may_fail_at_every_saved_transition(fake, make_device, cut):
    whole = make_device()
    update(fake, whole)
    numbers = record_sequences(whole)
    assert len(numbers) > 8
    for number in numbers:
        fake.forget()
        device = make_device()
        update(fake, device, cut, number)
        assert set(fake.phases(9)) <= GOOD_PHASES | {"reverted"}, number


def test_kill_at_random_moments(fake, make_device):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    device = make_device(bandwidth_limit="2M")
    fake.assign(9, image("large", 2_000_000))
    deaths = 0
    while not fake.final(9):
        device.boot() if device.process is None or device.process.returncode == 10 else None
        device.start()
        end = time.monotonic() + chance.uniform(0.0, 0.6) + deaths * 0.05
        while device.process.poll() is None and time.monotonic() < end and not fake.final(9):
            time.sleep(0.01)
        if device.process.poll() is None:
            device.kill()
            deaths += 1
        assert deaths < 200
    assert len(fake.final(9)) == 1
    assert fake.phases(9)[-1] in ("succeeded", "reverted")


def test_the_server_may_ask_for_patience(fake, make_device):
    device = make_device(retry_min_s=1, retry_max_s=1)
    fake.refuse = Refusal(503, "again", Retry_After="4")
    device.boot()
    device.start()
    wait_until(lambda: fake.requests, what="a request")
    fake.requests.clear()
    fake.refuse = None
    time.sleep(2.5)
    assert not fake.requests
    wait_until(lambda: fake.polls, 10, "a poll after the wait")


def test_back_off_grows_and_survives_a_restart(fake, make_device):
    device = make_device(retry_min_s=1, retry_max_s=3600)
    fake.refuse = Refusal(500, "storage")
    for _ in range(6):
        device.boot()
        device.start()
        time.sleep(0.5)
        device.kill()
    asked = len(fake.requests)
    assert 1 <= asked <= 6
    device.boot()
    device.start("--once")
    assert device.process.wait(100) == 3


def test_polls_come_as_the_server_says(fake, device):
    fake.next_poll_s = 3
    device.boot()
    device.start()
    wait_until(lambda: len(fake.polls) >= 2, 15, "two polls")
    first, second = (when for when, _ in fake.polls[:2])
    assert 2.0 <= second - first <= 4.5


def test_a_device_waits_for_an_operator(fake, device):
    fake.pending_s = 1
    device.boot()
    device.start()
    wait_until(lambda: len(fake.enrolments) >= 2, what="asks again")
    assert not fake.polls
    assert fake.enrolments[0][1] == "cam-1"
    assert fake.enrolments[0][4]["product"] == "cam"
    assert len({enrolment[3] == fake.enrolments[0][3] for enrolment in fake.enrolments}) >= 1
    fake.pending_s = 0
    wait_until(lambda: fake.polls, what="a poll")
    key = device.state / "device.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_claim_token_is_sent_and_needed(fake, make_device, tmp_path):
    token = tmp_path / "claim"
    token.write_text("sesame\n")
    fake.claim = "sesame"
    stranger = make_device(claim_token_file=None)
    stranger.boot()
    assert stranger.start("--once").wait(20) == 3
    device = make_device(claim_token_file=token)
    device.boot()
    assert device.start("--once").wait(20) == 0
    assert fake.enrolments[-1][2] == "sesame"


def test_a_certificate_is_renewed_when_asked_for(fake, device):
    device.boot()
    assert device.start("--once").wait(20) == 0
    before = (device.state / "device.crt").read_bytes()
    fake.flags = 4
    device.start()
    wait_until(lambda: fake.renewals == 1 and len(fake.polls) >= 3, what="renewed and polling")
    assert (device.state / "device.crt").read_bytes() != before


def test_a_certificate_is_renewed_after_two_thirds_of_its_life(fake, device):
    fake.certificate_days = 3
    device.boot()
    assert device.start("--once").wait(20) == 0
    assert fake.renewals == 0
    assert device.start("--once", "--clock", int(time.time() + 2.1 * 86400)).wait(20) == 0
    assert fake.renewals == 1


def test_another_ca_is_not_trusted(fake, make_device, tmp_path):
    device = make_device(ca_file=Pki(tmp_path / "other").ca)
    device.boot()
    assert device.start("--once").wait(20) == 3
    assert "untrusted" in device.said()
    assert not fake.requests


def test_another_authority_is_not_trusted(fake, make_device, tmp_path):
    other = tmp_path / "root.json"
    other.write_bytes(Authority(tmp_path / "tuf").root)
    device = make_device(root_file=other)
    fake.assign(9, NEW)
    device.live(until=lambda: fake.final(9))
    assert fake.phases(9)[-1] == "refused"
    assert fake.final(9)[0][4] == "untrusted"


@pytest.mark.parametrize("clock", [5, 10 * 365 * 86400], ids=["1970", "ten years ahead"])
def test_a_wrong_clock_does_not_stop_updates(fake, device, clock):
    clock = clock if clock < 1000 else int(time.time()) + clock
    fake.assign(9, NEW)
    device.live("--clock", clock, until=lambda: fake.final(9))
    assert fake.phases(9)[-1] == "succeeded"


@pytest.mark.parametrize("clock", [0, 5], ids=["right clock", "clock at 1970"])
def test_expired_metadata_is_refused(fake, device, clock):
    good = fake.authority.expires
    fake.authority.expires = "2026-01-01T00:00:00Z"
    try:
        fake.assign(9, NEW)
        device.live("--clock", clock, until=lambda: fake.final(9))
    finally:
        fake.authority.expires = good
        fake.authority.publish()
    assert fake.phases(9)[-1] == "refused"
    assert "expired" in fake.final(9)[0][6]


def test_a_blob_that_is_missing_ends_the_work(fake, device):
    name = fake.assign(9, NEW)
    fake.missing = {fake.authority.targets[name]["hashes"]["sha256"]}
    device.live(until=lambda: fake.final(9))
    assert fake.phases(9)[-1] == "failed"


def test_a_disk_that_is_full_does_not_brick(fake, make_device, tmp_path):
    """The bank cannot grow: a file system of its own would need root, a limit of the process
    does the same to write(2)."""
    device = make_device()
    fake.assign(9, NEW)
    device.boot()
    process = device.start_limited(file_size_max=150_000)
    wait_until(lambda: fake.final(9) or process.poll() is not None, 30, "it says so")
    assert fake.phases(9)[-1] in ("failed", "refused")
    device.kill()
    assert device.boot()["bank"] == "a"
    assert EXIT_CRASH == 137


def test_an_expired_certificate_is_renewed_without_a_clock(fake, device):
    device.boot()
    assert device.start("--once").wait(20) == 0
    fake.expired = True
    device.start("--clock", 5)
    wait_until(lambda: fake.renewals, what="a renewal")
    wait_until(lambda: len(fake.polls) >= 2, what="a poll with the new certificate")


def test_a_download_goes_on_after_a_restart_only_when_nobody_is_busy(fake, make_device, tmp_path):
    lock = tmp_path / "update.lock"
    device = make_device(lock_file=lock, bandwidth_limit="500K")
    fake.assign(9, image("large", 1_500_000))
    device.boot()
    device.start()
    wait_until(lambda: fake.sent > 200_000, what="downloading")
    device.kill()
    with open(lock, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        polls, sent = len(fake.polls), fake.sent
        device.boot()
        device.start()
        wait_until(lambda: len(fake.polls) >= polls + 2, what="it still asks")
        assert fake.sent == sent
        device.kill()
    device.live(until=lambda: fake.final(9))
    assert fake.phases(9)[-1] == "succeeded"


def test_one_storage_under_two_names_is_refused(device):
    """An update would overwrite what runs."""
    bank_a, bank_b = device.banks
    bank_b.unlink(missing_ok=True)
    bank_b.symlink_to(bank_a)
    assert device.run("--once") == 1
    assert "same storage" in device.said()
    assert bank_a.read_bytes() == device.factory
