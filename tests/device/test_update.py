"""The story of an update on one device, good and bad, as the server sees it."""
import hashlib

from device import image
from fake import CANCEL, HOLD, PROCEED, ROLLBACK, cbor_encode, sha256

NEW = image("new", 500_000)


def digest(data):
    return hashlib.sha256(data).digest()


def test_an_update_ends_with_the_new_digest_running(fake, device):
    fake.assign(7, NEW)
    boots = device.live(until=lambda: fake.final(7))
    assert boots == 2
    assert fake.phases(7) == ["downloading", "staged", "switching", "trial", "succeeded"]
    assert fake.final(7)[0][5] == digest(NEW)
    assert device.banks[1].read_bytes() == NEW
    assert device.banks[0].read_bytes() == device.factory
    # What is reported as running is what the bank holds, before and after.
    running = [poll[1] for _, poll in fake.polls if 1 in poll]
    assert running[0] == digest(device.factory)
    device.live(until=lambda: fake.polls[-1][1].get(1) == digest(NEW))
    assert fake.polls[-1][1][2] == "2.0"
    assert fake.polls[-1][1][7] == digest(device.factory)
