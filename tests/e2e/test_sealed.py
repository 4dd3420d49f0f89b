"""Sealed releases over real programs: docs/spec/sealed.md, from the image to the bank."""
import hashlib
import json
import pathlib
import re
import sqlite3
import sys

import pytest

from world import Problem, image, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "format"))

PLAIN = image("2.0", 700_001)  # some chunks and a bit
AT_ONCE = ("--stages", "100%", "--soak", "0s")
SECRET = b"not for everybody" * 8
IMAGE = SECRET + PLAIN


@pytest.fixture
def fleet(world):
    """Two devices on 1.0, which is in the clear; 2.0 is sealed."""
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.release("2.0", IMAGE, "--seal")
    world.fleet(2, image("1.0"))
    world.wait_ready()
    return world


def facts_of(world, version):
    targets = json.loads((world.repo / "targets.json").read_text())["signed"]["targets"]
    for target in targets.values():
        facts = target.get("custom", {}).get("slipway")
        if facts and facts["version"] == version:
            return facts
    raise AssertionError(f"{version} is not listed")


def content_key(world, version):
    return (world.repo / "content-keys" / facts_of(world, version)["plain"]["sha256"]).read_text().strip()


def files_below(path):
    return [file for file in pathlib.Path(path).rglob("*") if file.is_file()]


def holders(path, data):
    """Files that have `data` in them."""
    return [file for file in files_below(path) if data in file.read_bytes()]


def device_certificate(device):
    return str(device.state / "device.crt"), str(device.state / "device.key")


def test_sealed_beside_plain(fleet):
    """One rollout of each kind; the server never has the image, and its cache needs no key."""
    facts, server = facts_of(fleet, "2.0"), fleet.server
    sealed = facts["sealed"]
    fleet.rollout("sealed", "2.0", *AT_ONCE)
    fleet.wait_rollout("sealed", "done")
    for device in fleet.devices:
        assert device.running_image(len(IMAGE)) == IMAGE
        assert (device.state / "sealing.key").stat().st_mode & 0o777 == 0o600

    # On the way and at rest there is ciphertext only, and no content key outside the repository.
    assert holders(server.data, SECRET[:32]) == []
    assert holders(fleet.repo, SECRET[:32]) == []
    key = content_key(fleet, "2.0")
    assert holders(server.data, key.encode()) == [] and holders(server.data, bytes.fromhex(key)) == []

    # A cache checks each piece by the signed list.
    cert = device_certificate(fleet.devices[0])
    status, _, blob = server.raw("GET", f"/device/v1/blobs/{sealed['sha256']}", cert=cert)
    assert status == 200 and hashlib.sha256(blob).hexdigest() == sealed["sha256"]
    assert len(blob) == sealed["length"]
    _, _, listed = server.raw("GET", f"/device/v1/blobs/{facts['chunks']['sha256']}", cert=cert)
    assert hashlib.sha256(listed).hexdigest() == facts["chunks"]["sha256"]
    size = facts["chunks"]["size"] + 16
    digests = [hashlib.sha256(blob[at:at + size]).digest() for at in range(0, len(blob), size)]
    assert b"".join(digests) == listed
    status, _, _ = server.raw("GET", f"/device/v1/blobs/{facts['plain']['sha256']}", cert=cert)
    assert status == 404

    # In the clear again, on purpose, beside it.
    fleet.release("3.0", image("3.0"), "--clear")
    fleet.rollout("plain", "3.0", *AT_ONCE)
    fleet.wait_rollout("plain", "done")
    assert fleet.devices[0].running_image(300_000) == image("3.0")
    assert "sealed" not in facts_of(fleet, "3.0")


def test_a_second_opinion_on_the_ciphertext(fleet):
    oracle = pytest.importorskip("sealed_oracle", reason="python's cryptography is not installed",
                                 exc_type=(ImportError, SystemExit))
    facts = facts_of(fleet, "2.0")
    key, size = bytes.fromhex(content_key(fleet, "2.0")), facts["chunks"]["size"]
    chunks = oracle.seal(key, IMAGE, facts["sealed"]["alg"], size)
    blob = (fleet.repo / "blobs" / facts["sealed"]["sha256"]).read_bytes()
    assert b"".join(chunks) == blob
    assert oracle.key_check(key, IMAGE, facts["sealed"]["alg"], size).hex() == facts["sealed"]["key_check"]


def test_content_keys_on_the_server(world):
    """Wrong ones are refused, the right one is taken once, and nothing starts without."""
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.fleet(1, image("1.0"))
    world.wait_ready()
    world.add_release("2.0", IMAGE, "--seal", "--cipher", "aes-256-gcm")
    kept = world.repo / "content-keys" / facts_of_staged(world, "2.0")["plain"]["sha256"]
    key = kept.read_text()
    kept.unlink()
    world.slipway("release", "sign", "--dir", world.repo, "--key", world.keys / "targets0")
    code, _, err = world.slipway("release", "publish", "--dir", world.repo, ok=False)
    assert code != 0 and "neither here nor on the server" in err
    release = world.server.api("GET", "/releases/gateway@2.0")
    assert release["sealed"] and not release["content_key_present"]
    assert "content key missing" in world.slipway("release", "list")[1]

    world.rollout("early", "2.0", *AT_ONCE, start=False)
    code, _, err = world.slipway("rollout", "start", "early", ok=False)
    assert code != 0 and "its content key is not on the server" in err
    assert world.rollout_state("early") == "draft"

    path = "/releases/gateway@2.0/content-key"
    for wrong, status in (("00" * 32, 422), ("zz" * 32, 400), ("00", 400), (None, 400)):
        with pytest.raises(Problem) as refused:
            world.server.api("POST", path, {"content_key": wrong} if wrong else {})
        assert refused.value.status == status, wrong
    with pytest.raises(Problem) as refused:
        world.server.api("POST", "/releases/gateway@1.0/content-key", {"content_key": key.strip()})
    assert refused.value.status == 409
    with pytest.raises(Problem) as refused:
        world.server.api("POST", "/releases/gateway@9.9/content-key", {"content_key": key.strip()})
    assert refused.value.status == 404
    operator = world.server.api("POST", "/tokens", {"name": "op", "role": "operator"})["token"]
    with pytest.raises(Problem) as refused:
        world.server.api("POST", path, {"content_key": key.strip()}, operator)
    assert refused.value.status == 403

    kept.write_text(key)
    world.slipway("release", "publish", "--dir", world.repo)
    world.slipway("release", "publish", "--dir", world.repo)
    world.server.api("POST", path, {"content_key": key.strip()})
    assert world.server.api("GET", "/releases/gateway@2.0")["content_key_present"]
    entries = [entry for entry in world.audit() if entry["action"] == "release.content-key"]
    assert len([entry for entry in entries if not refusal(entry)]) == 1
    assert len([entry for entry in entries if refusal(entry)]) >= 3
    assert key.strip() not in json.dumps(entries)
    world.slipway("rollout", "start", "early")


def facts_of_staged(world, version):
    staged = json.loads((world.repo / "staged/targets.json").read_text())["signed"]["targets"]
    return next(target["custom"]["slipway"] for target in staged.values()
                if target.get("custom", {}).get("slipway", {}).get("version") == version)


def refusal(entry):
    return "refused" in json.dumps(entry)


def test_a_database_alone_opens_nothing(fleet):
    """What is in the database is the content key under pki/content.key, and under nothing else."""
    with sqlite3.connect(f"file:{fleet.server.data}/slipway.db?mode=ro", uri=True) as db:
        (stored,) = db.execute("SELECT content_key FROM release WHERE seal > 0").fetchone()
    assert len(stored) == 12 + 32 + 16
    storage = fleet.server.data / "pki/content.key"
    assert storage.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", storage.read_text())


def test_a_lost_sealing_key(fleet):
    """The key is swapped under the device's feet: it refuses, erases nothing, tells the server its
    key by a renewal, and then takes the update."""
    first, second = fleet.devices
    second.stop()
    first.stop()
    other = (second.state / "sealing.key").read_bytes()
    (first.state / "sealing.key").write_bytes(other)
    (first.state / "sealing.pub").write_bytes((second.state / "sealing.pub").read_bytes())
    before = (first.path / "bank_b").read_bytes()
    fleet.rollout("sealed", "2.0", *AT_ONCE)
    first.start()
    wait_until(lambda: "content key" in str(fleet.assignments("sealed").get(first.name)), 30,
               what=lambda: f"{first.name} refuses: {fleet.assignments('sealed')}")
    assert (first.path / "bank_b").read_bytes() == before
    assert fleet.in_state("sealed", "refused") == {first.name}
    second.start()
    wait_until(lambda: (first.state / "sealing.pub").exists(), 30, what="it is told again")
    fleet.steer("sealed", "abort")
    fleet.rollout("again", "2.0", *AT_ONCE)
    for device in fleet.devices:
        wait_until(lambda: device.seen()["running"]["release"] == "gateway@2.0", 90,
                   what=lambda: f"{device.name}: {fleet.assignments('again')}")
    renewed = [entry for entry in fleet.audit() if entry["action"] == "device.sealing-key"]
    assert [entry["actor"] for entry in renewed] == [f"device:{first.name}"]


def test_a_device_that_lost_the_file(fleet):
    """At its next start it has a new key, and the server knows it before anything is offered."""
    device = fleet.devices[0]
    device.stop()
    (device.state / "sealing.key").unlink()
    device.start()
    wait_until(lambda: any(entry["action"] == "device.sealing-key" for entry in fleet.audit()), 30,
               what="the new key is told")
    fleet.rollout("sealed", "2.0", *AT_ONCE)
    fleet.wait_rollout("sealed", "done")
    assert device.running_image(len(IMAGE)) == IMAGE


def test_tampered_ciphertext(fleet):
    """The server's disk lies: no device writes a byte of it, let alone opens it."""
    facts = facts_of(fleet, "2.0")
    blob = next(file for file in files_below(fleet.server.data / "blobs")
                if facts["sealed"]["sha256"] in str(file).replace("/", "") or
                file.name == facts["sealed"]["sha256"])
    data = bytearray(blob.read_bytes())
    data[70_000] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    fleet.rollout("sealed", "2.0", *AT_ONCE, "--retry", "0")
    wait_until(lambda: fleet.in_state("sealed", "failed"), 60,
               what=lambda: f"one fails: {fleet.assignments('sealed')}")
    for device in fleet.devices:
        assert device.seen()["running"]["release"] == "gateway@1.0"
    assert "chunk" in str(fleet.assignments("sealed"))
