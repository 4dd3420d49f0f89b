"""The accept rule at work: what an owned server, an old one or a wrong clock can not do."""
import contextlib
import hashlib
import time

import pytest
from device import image, wait_until
from fake import INSTALL, ROLLBACK, Key, sha256

NEW = image("new", 300_000)
DAY = 86400


def digest(data):
    return hashlib.sha256(data).digest()


def refusal(fake, device, number=7, *words):
    """Let the device end assignment `number`; the reason it gives for refusing it."""
    device.live(*words, until=lambda: fake.final(number))
    assert fake.phases(number)[-1] == "refused"
    [report] = fake.final(number)
    assert not device.banks[1].exists() or device.banks[1].read_bytes() == b""
    return report[9]


@contextlib.contextmanager
def stated(fake, name, custom):
    """Signers state something for a while."""
    fake.authority.state(name, custom)
    fake.authority.publish()
    yield
    del fake.authority.targets[name]
    fake.authority.publish()


@contextlib.contextmanager
def online_expired(fake, ago_s):
    """What the server should have renewed expired so long ago."""
    fake.authority.online_expires = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                                  time.gmtime(time.time() - ago_s))
    yield
    fake.authority.online_expires = None
    fake.authority.publish()


# ---- the signed assignment ----

@pytest.mark.parametrize("orders, reason", [
    ({2: "cam-2"}, "not_addressed"),
    ({4: bytes(16)}, "nonce"),
    ({4: None}, "nonce"),
    ({4: None, 11: int(time.time()) + DAY, 14: DAY}, "nonce"),  # no policy allows it
    ({6: 8}, "action"),
    ({7: 0}, "action"),
    ({8: bytes(32)}, "digest"),
    ({9: "cam/1.0/image"}, "digest"),
    ({13: 2}, "root_version"),
    ({10: int(time.time()) + 2 * DAY}, "early"),
    ({11: int(time.time()) - 2 * DAY}, "late"),
    ({3: 0}, "assignment_signature"),  # signed, but no assignment
    ({15: 1}, "assignment_signature"),  # a condition that nobody understands
], ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value)))
def test_an_assignment_that_does_not_hold(fake, device, orders, reason):
    fake.orders = orders
    fake.assign(7, NEW)
    assert refusal(fake, device) == reason


def test_another_key_may_not_assign(fake, device, tmp_path):
    fake.sign_with = Key(tmp_path / "other.pem")
    fake.assign(7, NEW)
    assert refusal(fake, device) == "assignment_key"


def test_without_named_keys_nobody_may_assign(fake, device):
    right = fake.authority.targets["authority/assignment"]
    with stated(fake, "authority/assignment", {"slipway-authority": {"assignment_keys": []}}):
        fake.assign(7, NEW)
        assert refusal(fake, device) == "assignment_key"
    fake.authority.targets["authority/assignment"] = right
    fake.authority.publish()


@pytest.mark.parametrize("message", [b"?", b"\xd2\x84", bytes(1024)])
def test_no_signed_assignment(fake, device, message):
    fake.played_back = message
    fake.assign(7, NEW)
    assert refusal(fake, device) == "assignment_signature"


def test_a_spoiled_signature(fake, device):
    fake.assign(7, NEW)
    fake.played_back = fake.order({8: bytes(16)})[:-1] + b"?"
    assert refusal(fake, device) == "assignment_signature"


def test_an_older_assignment_is_not_obeyed_again(fake, device):
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"
    newer = image("newer", 200_000)
    fake.assign(7, newer, version="3.0")
    fake.sequence[7] = fake.sequence[6]  # a number that is used up
    device.live(until=lambda: fake.final(7))
    assert fake.final(7)[0][9] == "replayed"
    fake.assign(8, newer, version="3.0")
    device.live(until=lambda: fake.final(8))
    assert fake.phases(8)[-1] == "succeeded"


def test_power_lost_while_checking_costs_no_sequence_number(fake, make_device):
    """The same assignment with the same number is offered again, and taken."""
    device = make_device()
    fake.assign(7, NEW)
    boots = device.live("--crash-at", 4, until=lambda: fake.final(7))
    assert boots > 2
    assert fake.phases(7)[-1] == "succeeded"
    assert len(fake.sequence) == 1


def test_an_assignment_outlasts_answers_that_do_not_mention_it(fake, device):
    """The rollout is paused while the metadata is out of reach: no reason to refuse anything."""
    fake.metadata_down = True
    fake.assign(7, NEW)
    polls = None

    def paused_for_two_polls():
        nonlocal polls
        if polls is None and any("/tuf/" in path for _, path, _ in fake.requests):
            fake.quiet, polls = True, len(fake.polls)
        if polls is not None and len(fake.polls) > polls + 1:
            fake.metadata_down = False
        return fake.final(7)

    device.live(until=paused_for_two_polls)
    assert fake.phases(7)[-1] == "succeeded"


# ---- what is released ----

def test_a_blocked_image_is_refused(fake, device):
    with stated(fake, "policy/block", {"slipway-policy": {"blocked": [sha256(NEW)]}}):
        fake.assign(7, NEW)
        assert refusal(fake, device) == "blocked"


def test_signers_of_another_product_cannot_sign_for_this_one(fake, device):
    """Their list may be believed about their own product only, whatever its facts say."""
    name = fake.authority.release(NEW, product="tap")
    fake.authority.targets[name]["custom"]["slipway"]["product"] = "cam"
    fake.authority.publish()
    fake.assignment = (7, INSTALL, name, digest(NEW))
    assert refusal(fake, device) == "product"


def test_an_older_release_is_no_update(fake, device):
    fake.assign(7, NEW, version="0.9")
    assert refusal(fake, device) == "not_newer"


def test_rolling_back_may_download_and_holds_the_floor(fake, make_device):
    device = make_device(security_floor=2)
    old = image("old", 200_000)
    fake.assign(6, old, version="0.9", security_version=2, **{"from": ["0.8"]})
    fake.orders = {7: 2}
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"
    assert device.banks[1].read_bytes() == old

    fake.assign(7, image("older", 200_000), version="0.7", security_version=1)
    device.live(until=lambda: fake.final(7))
    assert fake.final(7)[0][9] == "floor"


def test_signers_of_the_product_have_a_role_of_their_own(fake, device):
    """Its name may be as long as file systems allow."""
    fake.authority.delegated = {"product-cam-" + 200 * "x": "cam/*/*"}
    try:
        fake.assign(7, NEW)
        device.live(until=lambda: fake.final(7))
        assert fake.phases(7)[-1] == "succeeded"
    finally:
        fake.authority.delegated = {}


# ---- the floor ----

def inventory_floor(fake):
    return fake.inventories[-1][1]["security_floor"]


def test_the_floor_rises_in_two_steps_and_is_told(fake, make_device):
    device = make_device(security_floor=1)
    fake.assign(5, NEW, security_version=3, security_floor=3)
    device.live(until=lambda: fake.final(5))
    fake.flags = 1
    device.live(until=lambda: fake.inventories)
    assert inventory_floor(fake) == "1"  # the image of the factory could still be booted
    before = fake.polls[-1][1][5]

    fake.assign(6, image("newer", 200_000), version="3.0", security_version=3)
    device.live(until=lambda: fake.final(6))
    device.live(until=lambda: fake.polls[-1][1][5] != before)
    fake.flags = 1
    device.live(until=lambda: inventory_floor(fake) == "3")
    fake.assign(7, image("hole", 200_000), version="4.0", security_version=2)
    device.live(until=lambda: fake.final(7))
    assert fake.final(7)[0][9] == "floor"


def test_a_lost_record_does_not_lower_the_floor(fake, make_device, tmp_path):
    device = make_device(boot_file=tmp_path / "boot", security_floor=1)
    for number, version in ((5, "2.0"), (6, "3.0")):
        fake.assign(number, image(version, 200_000), version=version, security_version=3,
                    security_floor=3)
        device.live(until=lambda: fake.final(number))
    epoch = fake.final(6)[0][10]
    for slot in device.state.glob("record.*"):
        slot.unlink()
    fake.assign(7, image("hole", 200_000), version="4.0", security_version=2)
    device.live(until=lambda: fake.final(7))
    [report] = fake.final(7)
    assert report[9] == "floor"
    assert report[10] != epoch

    # Without the second place, what runs proves it: its facts are on the device.
    for path in (*device.state.glob("record.*"), tmp_path / "boot.floor"):
        path.unlink()
    fake.assign(8, image("hole", 200_000), version="4.0", security_version=2)
    device.live(until=lambda: fake.final(8))
    assert fake.final(8)[0][9] == "floor"
    assert (tmp_path / "boot.floor").read_text() == "3\n"

    # With the state directory gone, too, only the second place is left.
    for path in (*device.state.glob("record.*"), *device.state.glob("tuf/*")):
        path.unlink()
    fake.assign(9, image("hole", 200_000), version="4.0", security_version=2)
    device.live(until=lambda: fake.final(9))
    assert fake.final(9)[0][9] == "floor"


def test_signers_of_another_product_do_not_raise_the_floor(fake, make_device):
    """Not even when they list the very image that runs, and the record is lost."""
    device = make_device()
    name = fake.authority.release(NEW, "9.0", product="tap", security_version=9, security_floor=9)
    fake.authority.targets["tap/9.1/image"] = fake.authority.targets[name]
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"
    for slot in device.state.glob("record.*"):
        slot.unlink()
    fake.flags = 1
    told = len(fake.inventories)
    device.live(until=lambda: len(fake.inventories) > told)
    assert inventory_floor(fake) == "0"


# ---- time ----

def test_what_the_server_let_expire_stops_updates(fake, device):
    with online_expired(fake, DAY):
        fake.assign(7, NEW)
        assert refusal(fake, device) == "stale"


def test_signed_grace_lets_it_pass(fake, device):
    with stated(fake, "policy/grace", {"slipway-policy": {"allow_stale_s": 10 * DAY}}), \
            online_expired(fake, 9 * DAY):
        fake.assign(7, NEW)
        device.live(until=lambda: fake.final(7))
        assert fake.phases(7)[-1] == "succeeded"


def test_signed_grace_has_an_end(fake, device):
    with stated(fake, "policy/grace", {"slipway-policy": {"allow_stale_s": 10 * DAY}}), \
            online_expired(fake, 11 * DAY):
        fake.assign(7, NEW)
        assert refusal(fake, device) == "stale"


def test_grace_is_for_going_forward(fake, device):
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    with stated(fake, "policy/grace", {"slipway-policy": {"allow_stale_s": 10 * DAY}}), \
            online_expired(fake, DAY):
        name = fake.authority.release(device.factory, "1.0")
        fake.assignment = (7, ROLLBACK, name, digest(device.factory))
        device.live(until=lambda: fake.final(7))
    assert fake.final(7)[0][9] == "stale"


def test_an_assignment_made_in_advance_needs_signed_grace(fake, device):
    fake.orders = {4: None, 5: int(time.time()) - DAY, 11: int(time.time()) + DAY, 14: 5 * DAY}
    with stated(fake, "policy/grace", {"slipway-policy": {"allow_stale_s": 10 * DAY}}):
        fake.assign(7, NEW)
        device.live(until=lambda: fake.final(7))
    assert fake.phases(7)[-1] == "succeeded"


def test_a_signed_time_raises_the_floor_and_an_online_one_does_not(fake, device):
    future = int(time.time()) + 400 * DAY
    fake.server_time = future  # an owned server
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    assert fake.phases(6)[-1] == "succeeded"
    assert int((device.state / "time_floor").read_text()) <= time.time() + 60  # the build's

    fake.server_time = None
    fake.assign(7, image("newer", 200_000), version="3.0", issued_s=int(time.time()) + 40 * DAY)
    device.live(until=lambda: fake.final(7))
    assert fake.phases(7)[-1] == "succeeded"
    floor = int((device.state / "time_floor").read_text())
    assert 39 * DAY < floor - time.time() < 41 * DAY
    # From now on neither server nor clock can make the device believe in an earlier time.
    with online_expired(fake, -30 * DAY):
        fake.assign(8, image("newest", 200_000), version="4.0")
        device.live("--clock", 5, until=lambda: fake.final(8))
    assert fake.final(8)[0][9] == "stale"


def test_signers_of_another_product_do_not_move_the_clock(fake, device):
    fake.assign(7, NEW, product="tap", issued_s=int(time.time()) + 40 * DAY)
    assert refusal(fake, device) == "product"
    assert not (device.state / "time_floor").exists()


def test_a_nonsensical_signed_time_proves_nothing(fake, device):
    """Signed as later than its own end: the signer's clock was wrong."""
    fake.assign(7, NEW, issued_s=2240611200)  # 2041; the targets expire in 2036
    device.live(until=lambda: fake.final(7))
    assert fake.phases(7)[-1] == "succeeded"
    assert not (device.state / "time_floor").exists()


@pytest.mark.parametrize("clock", [5, int(time.time()) + 3650 * DAY, int(time.time()) - 365 * DAY],
                         ids=["1970", "ten years ahead", "dark for a year"])
def test_a_wrong_clock_and_a_server_that_says_no_time(fake, device, clock):
    fake.server_time = 0
    fake.orders = {5: int(time.time())}
    fake.assign(7, NEW)
    device.live("--clock", clock, until=lambda: fake.final(7))
    assert fake.phases(7)[-1] == "succeeded"


def test_expiry_does_not_touch_what_runs(fake, device):
    """Everything has expired, and the device goes on, falls back, and reports."""
    good = fake.authority.expires
    fake.assign(6, NEW)
    device.live(until=lambda: fake.final(6))
    fake.authority.expires = "2026-01-01T00:00:00Z"
    try:
        fake.authority.publish()
        polls = len(fake.polls)
        device.live(until=lambda: len(fake.polls) > polls + 1)
        assert fake.polls[-1][1][1] == digest(NEW)
    finally:
        fake.authority.expires = good
        fake.authority.publish()


# ---- preconditions ----

def test_without_power_nothing_begins(fake, make_device, tmp_path):
    power = tmp_path / "power"
    device = make_device(power_command=f"test -e {power}")
    fake.assign(7, NEW, INSTALL)
    device.boot()
    device.start()
    wait_until(lambda: any(report.get(9) == "power" for report in fake.reports), what="no power")
    assert not device.banks[1].exists() or device.banks[1].read_bytes() == b""
    device.kill()
    power.touch()
    device.live(until=lambda: fake.final(7))
    assert fake.phases(7)[-1] == "succeeded"
