"""Releases that must not get in, sent to the server by somebody who holds a good token.

Each attempt is refused with a sentence, stands in the audit log, and changes neither the list of
releases nor what devices are served. What a server in the wrong hands can do is in
test_lying_server.py.
"""
import copy
import json

import pytest

import forge
from fake import CHUNK, sha256
from world import World, image, wait_until

GOOD = image("2.0")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A server with one release, whose targets need two signatures; no test changes it."""
    world = World(tmp_path_factory.mktemp("shop"))
    world.start().make_repository(targets_keys=2, threshold=2)
    world.release("1.0", image("1.0"))
    world.stranger = forge.new_key(world.path / "stranger")
    yield world
    world.close()


def chunks_of(content, size=CHUNK):
    return b"".join(bytes.fromhex(sha256(content[at:at + size]))
                    for at in range(0, len(content), size))


class Attempt:
    """The next targets.json with one more release; parts can be made wrong before send()."""

    def __init__(self, shop):
        self.shop = shop
        self.keys = [shop.keys / "targets0", shop.keys / "targets1"]
        self.body = forge.body_of((shop.repo / "targets.json").read_bytes())
        self.body["version"] += 1
        self.image, self.chunks = GOOD, chunks_of(GOOD)
        self.name = "gateway/2.0/image"
        self.facts = copy.deepcopy(next(target["custom"]["slipway"] for target in
                                        self.body["targets"].values()
                                        if "slipway" in target.get("custom", {})))
        self.facts["version"] = "2.0"
        self.finish()

    def finish(self):
        """Describe image and chunk list as they are now."""
        self.facts["plain"] = {"length": len(self.image), "sha256": sha256(self.image)}
        self.facts["chunks"] = {"size": CHUNK, "sha256": sha256(self.chunks)}
        self.target = {**forge.listed(self.image), "custom": {"slipway": self.facts}}
        self.list = forge.listed(self.chunks)
        self.body["targets"][self.name] = self.target
        self.body["targets"][self.name + ".chunks"] = self.list

    def put_blobs(self):
        for content in (self.image, self.chunks):
            put(self.shop, sha256(content), content, (201, 204))

    def bytes(self):
        return forge.sign(self.body, *self.keys)


def put(shop, digest, content, statuses):
    status, _, answer = shop.server.raw("PUT", f"/api/v1/blobs/{digest}", content,
                                        token=shop.server.token)
    assert status in statuses, answer
    return status, json.loads(answer) if answer else None


def standing(shop):
    """All that must stay as it is."""
    server = shop.server
    tuf = server.raw("GET", "/tuf/timestamp.json", token=server.token)
    assert tuf[0] == 200
    return (server.items("/releases"), server.api("GET", "/trust"), tuf[2])


def assert_refused(shop, path, content, status, words, method="POST"):
    """Refused with these words, audited, and nothing has changed."""
    server, before = shop.server, standing(shop)
    seq = server.api("GET", "/audit?limit=1")["items"][0]["seq"]
    got, headers, answer = server.raw(method, f"/api/v1{path}", content,
                                      {"Content-Type": "application/json"}, server.token)
    assert got == status, answer
    assert headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer)
    assert words in problem["detail"], problem
    entries = [entry for entry in server.api("GET", "/audit?limit=20")["items"]
               if entry["seq"] > seq]
    assert len(entries) == 1, entries
    assert entries[0]["actor"] == "token:admin" and entries[0]["outcome"] != "done"
    assert words in entries[0]["detail"], entries
    assert standing(shop) == before
    return problem


# ---- signatures and metadata ----

def by_stranger(it):
    it.keys[1] = it.shop.stranger


def by_root_key(it):
    it.keys[1] = it.shop.keys / "root"


def below_threshold(it):
    del it.keys[1]


def twice_by_the_same(it):
    it.keys[1] = it.keys[0]


def without_signature(it):
    it.keys.clear()


def expired(it):
    it.body["expires"] = "2026-01-01T00:00:00Z"


def rolled_back(it):
    it.body["version"] -= 2


def same_version(it):
    it.body["version"] -= 1


def of_another_role(it):
    it.body["_type"] = "snapshot"


def of_tuf_2(it):
    it.body["spec_version"] = "2.0.0"


# ---- releases ----

def of_another_product(it):
    it.facts["product"] = "toaster"


def of_another_version(it):
    it.facts["version"] = "3.0"


def length_of_another(it):
    it.target["length"] += 1
    it.facts["plain"]["length"] += 1


def list_length_of_another(it):
    it.list["length"] += 32


def facts_contradict_target(it):
    it.facts["plain"]["sha256"] = sha256(b"other")


def list_of_another_image(it):
    it.chunks = chunks_of(image("other"))
    it.finish()


def last_chunk_of_another_image(it):
    it.chunks = it.chunks[:-32] + bytes(32)
    it.finish()


def list_too_short(it):
    it.chunks = it.chunks[:-32]
    it.finish()


def list_nobody_named(it):
    it.facts["chunks"]["sha256"] = sha256(b"other")


def list_missing(it):
    del it.body["targets"][it.name + ".chunks"]


def no_hardware(it):
    it.facts["hardware"] = []


def floor_above_itself(it):
    it.facts["security_floor"] = it.facts["security_version"] + 1


def known_version_new_image(it):
    del it.body["targets"][it.name], it.body["targets"][it.name + ".chunks"]
    it.name, it.facts["version"] = "gateway/1.0/gateway-1.0.img", "1.0"
    it.finish()


def empty_image(it):
    it.image = it.chunks = b""
    it.finish()


UNTRUSTED, MALFORMED, CONFLICT = 422, 400, 409

BAD = [
    (by_stranger, UNTRUSTED, "1 of 2 valid signatures"),
    (by_root_key, UNTRUSTED, "1 of 2 valid signatures"),
    (below_threshold, UNTRUSTED, "1 of 2 valid signatures"),
    (twice_by_the_same, MALFORMED, "one keyid and sig per key"),
    (without_signature, UNTRUSTED, "0 of 2 valid signatures"),
    (expired, UNTRUSTED, "expired at 2026-01-01"),
    (rolled_back, CONFLICT, "is not newer than"), (same_version, CONFLICT, "is not newer than"),
    (of_another_role, MALFORMED, "_type is"), (of_tuf_2, MALFORMED, "is not of TUF 1.0"),
    (of_another_product, MALFORMED, "does not begin with toaster/2.0/"),
    (of_another_version, MALFORMED, "does not begin with gateway/3.0/"),
    (length_of_another, MALFORMED, "the blob has 300000 bytes, the target says 300001"),
    (list_length_of_another, MALFORMED, "is not the chunk list its image names"),
    (facts_contradict_target, MALFORMED, "is not the image its facts describe"),
    (list_of_another_image, MALFORMED, "chunk 0 is not what its list says"),
    (last_chunk_of_another_image, MALFORMED, "chunk 4 is not what its list says"),
    (list_too_short, MALFORMED, "is not the chunk list its image names"),
    (list_nobody_named, MALFORMED, "is not the chunk list its image names"),
    (list_missing, UNTRUSTED, "do not list gateway/2.0/image.chunks"),
    (no_hardware, MALFORMED, "is not a list with names in it"),
    (floor_above_itself, MALFORMED, "is not what a release may state"),
    (known_version_new_image, CONFLICT, "was published with another \"hashes\""),
    (empty_image, MALFORMED, "length"),
]


@pytest.mark.parametrize(("spoil", "status", "words"), BAD, ids=[bad[0].__name__ for bad in BAD])
def test_targets(shop, spoil, status, words):
    attempt = Attempt(shop)
    spoil(attempt)
    attempt.put_blobs()
    assert_refused(shop, "/trust/targets", attempt.bytes(), status, words)


def test_the_same_attempt_unspoilt_is_taken(tmp_path):
    """What shows that the cases above are refused for what is wrong with them."""
    world = World(tmp_path)
    try:
        world.start().make_repository(targets_keys=2, threshold=2)
        world.release("1.0", image("1.0"))
        attempt = Attempt(world)
        attempt.put_blobs()
        status, _, answer = world.server.raw("POST", "/api/v1/trust/targets", attempt.bytes(),
                                             {"Content-Type": "application/json"},
                                             world.server.token)
        assert status == 201, answer
        assert sorted(json.loads(answer)["releases"]) == ["gateway@1.0", "gateway@2.0"]
    finally:
        world.close()


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_truncated_targets(shop, cut):
    attempt = Attempt(shop)
    attempt.put_blobs()
    assert_refused(shop, "/trust/targets", attempt.bytes()[:cut], MALFORMED,
                   "JSON")


def test_bit_flipped_targets(shop):
    attempt = Attempt(shop)
    attempt.put_blobs()
    good = attempt.bytes()
    at = good.index(b'"hardware": ["board"]') + 14
    assert_refused(shop, "/trust/targets", good[:at] + bytes([good[at] ^ 1]) + good[at + 1:],
                   UNTRUSTED, "0 of 2 valid signatures")


def test_oversized_targets(shop):
    before = standing(shop)
    status, _, answer = shop.server.raw(
        "POST", "/api/v1/trust/targets", b" " * 5_000_001, {"Content-Type": "application/json"},
        shop.server.token)
    assert status == 413, answer
    assert "larger than allowed" in json.loads(answer)["detail"]
    assert standing(shop) == before


# ---- roots ----

def next_root(shop):
    body = forge.body_of((shop.repo / "root.json").read_bytes())
    body["version"] += 1
    return body


def test_root_of_somebody_else(shop):
    """The next version, but by a key that only it itself knows."""
    body = next_root(shop)
    body["keys"][forge.key_id(shop.stranger)] = forge.key_object(shop.stranger)
    for role in body["roles"].values():
        role.update({"keyids": [forge.key_id(shop.stranger)], "threshold": 1})
    assert_refused(shop, "/trust/root", forge.sign(body, shop.stranger), UNTRUSTED,
                   "by the rule of root version 1: root version 2 has 0 of 1 valid signatures")


def test_root_that_skips_a_version(shop):
    body = next_root(shop)
    body["version"] += 1
    assert_refused(shop, "/trust/root", forge.sign(body, shop.keys / "root"), CONFLICT,
                   "root version 3 cannot follow 1")


def test_root_that_has_expired(shop):
    body = next_root(shop)
    body["expires"] = "2026-01-01T00:00:00Z"
    assert_refused(shop, "/trust/root", forge.sign(body, shop.keys / "root"), UNTRUSTED,
                   "root version 2 expired at")


# ---- images ----

def flipped(content):
    return content[:1000] + bytes([content[1000] ^ 4]) + content[1001:]


@pytest.mark.parametrize("spoilt", [flipped(GOOD), GOOD[:-1], GOOD + b"\0", b""],
                         ids=["bit flipped", "truncated", "oversized", "empty"])
def test_image_with_another_digest(shop, spoilt):
    digest = sha256(image("never seen"))
    assert_refused(shop, f"/blobs/{digest}", spoilt, MALFORMED,
                   f"the {len(spoilt)} bytes that arrived have another digest", method="PUT")
    assert shop.server.raw("GET", f"/api/v1/blobs/{digest}", token=shop.server.token)[0] == 404


def test_release_whose_image_never_came(shop):
    attempt = Attempt(shop)
    attempt.image = image("not uploaded")
    attempt.chunks = chunks_of(attempt.image)
    attempt.finish()
    assert_refused(shop, "/trust/targets", attempt.bytes(), UNTRUSTED,
                   "has not been uploaded")


# ---- the command line says so before anything is sent ----

def test_unfinished_signing_is_not_published(shop):
    shop.add_release("9.0", image("9.0"))
    before = standing(shop)
    try:
        shop.slipway("release", "sign", "--dir", shop.repo, "--key", shop.keys / "targets0")
        code, _, err = shop.slipway("release", "publish", "--dir", shop.repo, ok=False)
        assert code == 6, "a pipeline must notice"
        assert "is staged with 1 of 2 signatures and is not published" in err, err
        code, _, err = shop.slipway("release", "sign", "--dir", shop.repo, "--key", shop.stranger,
                                    ok=False)
        assert code != 0 and "has no say in targets" in err, err
    finally:
        (shop.repo / "staged/targets.json").unlink()
    assert standing(shop) == before


# ---- rollouts of releases that are not for a device ----

def test_releases_reach_only_whom_they_are_for(running):
    """Wrong product, wrong hardware, below the floor: not admitted, and it is said why."""
    world = running
    world.release("5.0", image("5.0"), "--security-version", "5", "--security-floor", "5")
    world.release("4.0", image("4.0"), "--security-version", "4")
    world.release("6.0", image("6.0"), "--security-version", "6", hardware="other")
    world.release("7.0", image("7.0"), "--security-version", "7", product="toaster")
    device = world.device("dev-1", image("5.0"), "5.0", security_floor=5).start()
    other = world.device("dev-2", image("5.0"), "5.0", hardware="other").start()
    toaster = world.device("dev-3", image("5.0"), "5.0", product="toaster").start()
    wait_until(lambda: [seen["running"]["version"] for seen in world.server.items("/devices")] ==
               3 * ["5.0"], what="all poll")

    floor = ("--release", "gateway@4.0", "--selector", 'name = "dev-1"', "--stages", "100%")
    _, _, told = world.slipway("rollout", "create", "floor", *floor, "--dry-run")
    assert "floor" in told and "dev-1" in told, told
    world.slipway("rollout", "create", "floor", *floor)
    code, _, err = world.slipway("rollout", "start", "floor", ok=False)
    assert code == 4 and "matches no device that needs the release" in err, err
    assert world.explain(device)["reason"] == "below-security-floor"
    world.server.api("DELETE", "/rollouts/floor")
    for name, version, product, words in (
            ("hardware", "6.0", "gateway", "is not made for its hardware, board"),
            ("product", "7.0", "toaster", "for product toaster, and this device is gateway")):
        world.rollout(name, version, "--stages", "100%", product=product)
        explained = world.server.api("GET", "/devices/dev-1/explain")
        assert words in explained["sentence"], explained
        world.wait_rollout(name, "done")
    assert ("hardware", "succeeded") in other.reported()
    assert ("product", "succeeded") in toaster.reported()
    assert device.reported() == []
    assert device.running_image(300_000) == image("5.0")
    assert (device.path / "bank_b").read_bytes() == b""
