"""A device without JSON: everything it gets comes from the real server, and slipway-lab judges it
with the code that runs on a microcontroller."""
import hashlib
import json
import os
import subprocess

import pytest

from raw import Raw
from world import BUILD, image, wait_until

LAB = BUILD / "src/lab/slipway-lab"
NONCE = bytes(range(16))


def compact(world, *words):
    return world.slipway("compact", *words, "--dir", world.repo)


def sign_and_publish(world):
    world.slipway("release", "sign", "--dir", world.repo, "--key", world.keys / "targets0")
    world.slipway("release", "publish", "--dir", world.repo)


def listed(world):
    return json.loads((world.repo / "targets.json").read_text())["signed"]["targets"]


class Core(Raw):
    """A device that keeps files and asks slipway-lab what they are worth."""

    def fetch(self, target):
        """A target by the digest that the list names, into a file."""
        answer = self.ask("GET", f"/device/v1/blobs/{target['hashes']['sha256']}")
        assert answer.status == 200, answer.body
        path = self.path / target["hashes"]["sha256"][:16]
        path.write_bytes(answer.body)
        return path

    def judge(self, trust, manifest, assignment, **changes):
        """(exit code, word)"""
        options = {"name": self.name, "product": "gateway", "hardware": "board", "running": "1.0",
                   "nonce": NONCE.hex(), **changes}
        words = [f"--{name}={value}" for name, value in options.items()]
        done = subprocess.run([LAB, "judge", *(f"--trust={path}" for path in trust),
                               f"--manifest={manifest}", f"--assignment={assignment}", *words],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip()


@pytest.fixture
def town(running, tmp_path):
    """Release 1.0, which a device runs, and 2.0 with manifest and trust store, on its way."""
    world = running
    world.release("1.0", image("1.0"))
    world.add_release("2.0", image("2.0"), "--security-version", "2")
    compact(world, "trust", "--product", "gateway=1", "--key", world.keys / "root")
    compact(world, "manifest", "gateway@2.0", "--key", world.keys / "targets0")
    sign_and_publish(world)
    device = Core(world.server, tmp_path / "core", "core-1")
    assert device.enroll(world.claim(), product="gateway", hardware="board").status == 201
    device.running = hashlib.sha256(image("1.0")).digest()
    yield world, device
    device.close()


def offered(world, device):
    """Poll until there is work; the answer."""
    def ask():
        answer = device.poll(device.running, _8=NONCE)
        assert answer.status == 200, answer.body
        if answer.message.get(5, 0) & 1:
            device.post("inventory", {1: {"product": "gateway", "hardware": "board"}})
        return answer.message if answer.message[1] == 1 else None
    return wait_until(ask, what="an offer")


def test_what_a_microcontroller_gets(town):
    world, device = town
    offered_nothing = device.poll(device.running, _8=NONCE)
    assert offered_nothing.message[1] == 0
    if offered_nothing.message.get(5, 0) & 1:
        device.post("inventory", {1: {"product": "gateway", "hardware": "board"}})
    world.rollout("two", "2.0", "--stages", "100%", "--min-sample", "1")
    answer = offered(world, device)
    targets = listed(world)
    trust = device.fetch(targets["trust-store/1"])
    manifest = device.fetch(targets[answer[4] + ".manifest"])
    assignment = device.path / "assignment"
    assignment.write_bytes(answer[9])
    assert device.judge([trust], manifest, assignment) == (0, "accepted")

    # One thing different, and it would not.
    for changes, reason in (({"name": "core-2"}, "not_addressed"),
                            ({"product": "fan"}, "metadata"),
                            ({"hardware": "other"}, "hardware"),
                            ({"nonce": bytes(16).hex()}, "nonce"),
                            ({"running": "3.0"}, "not_newer"),
                            ({"floor": "3"}, "floor")):
        assert device.judge([trust], manifest, assignment, **changes) == (1, reason)
    spoilt = device.path / "spoilt"
    spoilt.write_bytes(answer[9][:-1] + bytes([answer[9][-1] ^ 1]))
    assert device.judge([trust], manifest, spoilt) == (1, "assignment_signature")
    spoilt.write_bytes(manifest.read_bytes()[:-1])
    assert device.judge([trust], spoilt, assignment) == (1, "metadata")
    assert device.judge([manifest], manifest, assignment)[0] == 1

    # The image is blocked: the next trust store says so.
    world.slipway("policy", "block", "gateway@2.0", "--dir", world.repo)
    compact(world, "trust", "--product", "gateway=1", "--key", world.keys / "root")
    sign_and_publish(world)
    second = device.fetch(listed(world)["trust-store/2"])
    assert device.judge([trust, second], manifest, assignment) == (1, "blocked")
    assert device.judge([second, trust], manifest, assignment)[0] == 1


def test_listed_files_stay(town):
    """A file that a list names is no orphan, and nobody else's business."""
    world, device = town
    digest = listed(world)["trust-store/1"]["hashes"]["sha256"]
    assert device.ask("GET", f"/device/v1/blobs/{digest}").status == 200
    assert device.ask("GET", f"/device/v1/blobs/{'0' * 64}").status == 404
    stray = os.urandom(100)
    name = hashlib.sha256(stray).hexdigest()
    status, _, _ = world.server.raw("PUT", f"/api/v1/blobs/{name}", stray,
                                    {"Content-Type": "application/octet-stream"},
                                    world.server.token)
    assert status in (200, 201)
    assert device.ask("GET", f"/device/v1/blobs/{name}").status == 404
