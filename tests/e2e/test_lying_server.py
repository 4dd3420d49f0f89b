"""A server in the wrong hands: whatever it says, a device goes on running what it runs.

The liar stands before a real slipwayd, so rollouts, reports and history are the real ones. It may
have the server's own keys (TLS, snapshot, timestamp); it never has those of root and targets.
"""
import pytest

import forge
from fake import sha256
from liar import Liar
from world import World, image, wait_until

OLD, NEW = image("1.0"), image("2.0")


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("town"))
    world.start().make_repository(targets_keys=2, threshold=2)
    world.stranger = forge.new_key(world.path / "stranger")
    world.release("0.9", image("0.9"))
    world.release("1.0", OLD, "--security-version", "1")
    world.release("2.0", NEW, "--security-version", "2", "--security-floor", "2")
    world.release("2.1", image("2.1"), "--security-version", "2")
    world.release("3.0", image("3.0"), "--security-version", "3", hardware="other")
    world.release("4.0", image("4.0"), "--security-version", "4", product="toaster")
    world.release("5.0", image("5.0"), "--security-version", "5", "--from", "4.9")
    world.liar = Liar(world)
    yield world
    world.liar.close()
    world.close()


# ---- lies about metadata; each gets the town and the forgery, whose versions are the next ----

def signed_by_a_stranger(town, it):
    it.targets_keys[0] = town.stranger


def below_the_threshold(town, it):
    del it.targets_keys[0]


def signed_by_online_keys(town, it):
    """All that the server itself can sign with."""
    it.targets_keys = [town.server.data / "tuf/snapshot.key", town.server.data / "tuf/timestamp.key"]


def a_bit_flipped(town, it):
    good = forge.sign(it.targets, *it.targets_keys)
    at = good.index(b'"security_floor": 2') + len(b'"security_floor": ')
    it.targets_bytes = good[:at] + b"0" + good[at + 1:]


def cut_short(town, it):
    it.targets_bytes = forge.sign(it.targets, *it.targets_keys)[:-20]


def targets_expired(town, it):
    it.targets["expires"] = "2026-01-01T00:00:00Z"


def snapshot_expired(town, it):
    it.snapshot["expires"] = "2026-01-01T00:00:00Z"


def timestamp_expired(town, it):
    it.timestamp["expires"] = "2026-01-01T00:00:00Z"


def targets_rolled_back(town, it):
    it.targets["version"] -= 2


def snapshot_rolled_back(town, it):
    it.snapshot["version"] -= 1000000  # versions are seconds


def timestamp_rolled_back(town, it):
    it.timestamp["version"] -= 1000000


def timestamp_by_a_stranger(town, it):
    files = it.files()
    files["timestamp.json"] = forge.sign(forge.body_of(files["timestamp.json"]), town.stranger)
    it.files = lambda: files


def targets_of_another_length(town, it):
    files = it.files()
    name = next(name for name in files if "targets" in name)
    files[name] += b"\n"
    it.files = lambda: files


def targets_without_end(town, it):
    """The snapshot names no length, so the role's limit must hold."""
    files = it.files()
    name = next(name for name in files if "targets" in name)
    files[name] = b'{"signed":' + b" " * 5_100_000
    it.files = lambda: files


def root_of_a_stranger(town, it):
    body = forge.body_of((town.repo / "root.json").read_bytes())
    body["version"] += 1
    body["keys"] = {forge.key_id(town.stranger): forge.key_object(town.stranger)}
    for role in body["roles"].values():
        role.update({"keyids": [forge.key_id(town.stranger)], "threshold": 1})
    files = {"2.root.json": forge.sign(body, town.stranger)}
    it.files = lambda: files


METADATA = [
    (signed_by_a_stranger, "untrusted", "has 1 of 2 valid signatures"),
    (below_the_threshold, "untrusted", "has 1 of 2 valid signatures"),
    (signed_by_online_keys, "untrusted", "has 0 of 2 valid signatures"),
    (a_bit_flipped, "untrusted", "has 0 of 2 valid signatures"),
    (cut_short, "corrupt", "targets metadata: line 1"),
    (timestamp_by_a_stranger, "untrusted", "has 0 of 1 valid signatures"),
    (targets_of_another_length, "too-big", "the answer is larger than"),
    (targets_without_end, "too-big", "the answer is larger than"),
    (root_of_a_stranger, "untrusted",
     "by the rule of root version 1: root version 2 has 0 of 1 valid signatures"),
]
EXPIRED = [targets_expired, snapshot_expired, timestamp_expired]
ROLLED_BACK = [
    (timestamp_rolled_back, "conflict", "timestamp.json: version"),
    (snapshot_rolled_back, "conflict", "snapshot"),
    (targets_rolled_back, "conflict", "targets"),
]


class Case:
    """One device behind the liar."""

    def __init__(self, town, name, **options):
        self.town, self.name = town, name.replace("_", "-")
        town.liar.tell_the_truth()
        self.device = town.device(self.name, OLD, server=town.liar.url, retry_max_s=1,
                                  **{"security_floor": 1, **options}).start()
        wait_until(self.enrolled, what="enrolled")

    def enrolled(self):
        return (self.device.state / "device.crt").exists()

    def roll_out(self, version="2.0"):
        self.town.rollout(self.name, version, "--stages", "100%", "--retry", "0",
                          selector=f'name = "{self.name}"')

    def assert_ends(self, phase, err, words, rollout=None):
        """The device's last report in its rollout is this one."""
        number = self.town.server.api("GET", f"/rollouts/{rollout or self.name}")["id"]

        def last():
            reports = [entry for entry in self.device.history()
                       if entry["kind"] == "report" and entry["rollout"] == number]
            return reports and reports[0]["phase"] in ("refused", "failed", "reverted",
                                                       "succeeded") and reports[0]

        found = wait_until(last, what=f"{self.name} ends, see {self.device.log}")
        assert (found["phase"], found["error"]) == (phase, err), found
        assert words in (found["detail"] or ""), found

    def assert_runs_on(self, running=OLD, bank="a", erased=False):
        """It runs what it ran, and has not even tried anything else since."""
        device = self.device
        last = [phase for rollout, phase in device.reported() if rollout == self.name]
        assert not {"staged", "switching", "trial", "succeeded"} & set(last), last
        assert device.seen()["running"]["sha256"] == sha256(running)
        assert device.process.poll() is None, "it did not even restart"
        device.stop()
        assert device.boots()["bank"] == bank and device.running_image(len(running)) == running
        if not erased:
            spare = device.path / ("bank_b" if bank == "a" else "bank_a")
            assert spare.read_bytes() == (b"" if bank == "a" else OLD)


def forge_next(town, lie):
    forgery = forge.Forgery(town)
    forgery.next()
    lie(town, forgery)
    for name, content in forgery.files().items():
        town.liar.lies[f"/tuf/{name}"] = lambda _, __, ___, it=content: (200, it)


def ids(cases):
    return [case[0].__name__ for case in cases]


@pytest.mark.parametrize(("lie", "err", "words"), METADATA, ids=ids(METADATA))
def test_metadata(town, lie, err, words):
    case = Case(town, lie.__name__)
    forge_next(town, lie)
    case.roll_out()
    case.assert_ends("refused", err, "the release cannot be verified: ")
    case.assert_ends("refused", err, words)
    case.assert_runs_on()


@pytest.mark.parametrize("lie", EXPIRED, ids=[lie.__name__ for lie in EXPIRED])
def test_expired_metadata(town, lie):
    case = Case(town, lie.__name__)
    forge_next(town, lie)
    case.roll_out()
    case.assert_ends("refused", "untrusted", "the metadata has expired")
    case.assert_runs_on()


def test_forgeries_that_are_none(town):
    """The next versions, well signed: what shows that the lies above are refused as lies."""
    case = Case(town, "honest")
    forge_next(town, lambda _, __: None)
    case.roll_out()
    case.assert_ends("succeeded", None, "")


@pytest.mark.parametrize(("lie", "err", "words"), ROLLED_BACK, ids=ids(ROLLED_BACK))
def test_older_metadata_than_the_device_has(town, lie, err, words):
    case = Case(town, lie.__name__)
    first = f"first-{case.name}"
    town.rollout(first, "2.0", "--stages", "100%", selector=f'name = "{case.name}"')
    case.assert_ends("succeeded", None, "", first)
    forge_next(town, lie)
    case.roll_out("2.1")
    case.assert_ends("refused", err, words)
    case.assert_runs_on(NEW, "b")


# ---- lies about the image ----

def digest_of_list(content):
    return sha256(b"".join(bytes.fromhex(sha256(content[at:at + 65536]))
                           for at in range(0, len(content), 65536)))


def flip(_, status, content):
    return status, content[:10] + bytes([content[10] ^ 1]) + content[11:] if content else content


def other_image(headers, status, content):
    first, last = headers["Range"].removeprefix("bytes=").split("-")
    return status, image("other")[int(first):int(last) + 1]


def half(headers, status, content):
    """The file has only half its length: what lies behind is not there."""
    first = int(headers["Range"].removeprefix("bytes=").split("-")[0])
    return (416, b"") if first >= len(NEW) // 2 else (status, content[:len(NEW) // 2 - first])


def too_long(_, status, content):
    return status, content + bytes(100)


def endless(_, status, content):
    return status, content + bytes(20_000_000)


def gone(_, status, content):
    return 404, b""


def whole(_, status, content):
    return 200, NEW


BLOBS = [
    ("image", flip, "corrupt", "chunk"), ("image", other_image, "corrupt", "chunk"),
    ("image", half, "invalid", "416"),
    ("image", too_long, "corrupt", "the server sends more than the part that was asked for"),
    ("image", endless, "corrupt", "the server sends more than the part that was asked for"),
    ("image", whole, "corrupt", "the server does not send the part that was asked for"),
    ("image", gone, "not-found", "404"),
    ("list", flip, "corrupt", "list"), ("list", too_long, "corrupt", "asked for"),
    ("list", gone, "not-found", "404"),
]


@pytest.mark.parametrize(("what", "lie", "err", "words"), BLOBS,
                         ids=[f"{blob[0]}-{blob[1].__name__}" for blob in BLOBS])
def test_blobs(town, what, lie, err, words):
    case = Case(town, f"{what}-{lie.__name__}")
    town.liar.lies[sha256(NEW) if what == "image" else digest_of_list(NEW)] = lie
    case.roll_out()
    case.assert_ends("failed", err, words)
    case.assert_runs_on(erased=what == "image")


# ---- lies about what to install ----

def offer(target, content, **more):
    """Another image, in the answer and in an assignment that is signed anew."""
    def lie(liar, answer):
        members = {"target": target, "sha256": bytes.fromhex(sha256(content)), **more}
        return {**answer, 4: target, 8: members["sha256"], 9: liar.assign(answer[9], **members)}
    return lie


def assignment(**changes):
    """The right image by an assignment that is not right."""
    return lambda liar, answer: {**answer, 9: liar.assign(answer[9], **changes)}


def answer_only(**changes):
    """Another answer with the assignment as slipwayd signed it."""
    return lambda liar, answer: {**answer, **{int(key[1:]): value
                                              for key, value in changes.items()}}


def unsigned(liar, answer):
    return {key: value for key, value in answer.items() if key != 9}


def by_a_stranger(liar, answer):
    return {**answer, 9: liar.assign(answer[9], key=liar.world.stranger)}


def a_bit_of_the_signature(liar, answer):
    return {**answer, 9: answer[9][:-1] + bytes([answer[9][-1] ^ 1])}


OFFERS = {
    "other-hardware": (offer("gateway/3.0/gateway-3.0.img", image("3.0")), "unsuitable",
                       "hardware"),
    "other-product": (offer("toaster/4.0/toaster-4.0.img", image("4.0")), "unsuitable", "product"),
    "other-base": (offer("gateway/5.0/gateway-5.0.img", image("5.0")), "unsuitable",
                   "cannot be applied on the image that is running"),
    "below-the-floor": (offer("gateway/0.9/gateway-0.9.img", image("0.9"), action=2),
                        "unsuitable", "below the security floor"),
    "unknown": (offer("gateway/9.9/image", NEW), "not-found", "lists gateway/9.9/image"),
    "other-digest": (offer("gateway/2.0/gateway-2.0.img", OLD), "untrusted",
                     "for another image than the one released"),
    "a-chunk-list": (offer("gateway/2.0/gateway-2.0.img.chunks", NEW), "corrupt",
                     "has no release facts"),
    "answer-of-other-image": (answer_only(k4="gateway/3.0/gateway-3.0.img"), "unsuitable",
                              "hardware"),
    "answer-of-other-kind": (answer_only(k1=3), "untrusted",
                             "does not allow what the server asks for"),
    "unsigned": (unsigned, "untrusted", ""),
    "signed-by-a-stranger": (by_a_stranger, "untrusted", "the key that signed the assignment"),
    "signature-flipped": (a_bit_of_the_signature, "untrusted", "signature"),
    "for-another-device": (assignment(device="somebody"), "untrusted", "for another device"),
    "of-another-poll": (assignment(nonce=bytes(16)), "untrusted",
                        "does not answer this device's question"),
}


@pytest.mark.parametrize("name", OFFERS)
def test_offers(town, name):
    lie, err, words = OFFERS[name]
    case = Case(town, f"offer-{name}", security_floor=2)
    town.liar.poll_lie = lambda answer: lie(town.liar, answer) if answer[1] == 1 else answer
    case.roll_out()
    case.assert_ends("refused", err, words)
    case.assert_runs_on()


def test_babble_is_survived(town):
    """Answers that are no CBOR, no poll answer or no answer at all; then the truth again."""
    case = Case(town, "babble")
    babble = [b"", b"\xff" * 100, b"\xa1\x01", b"\xa1\x01\x18\x63", b"<html>", bytes(9000)]
    for content in babble:
        town.liar.lies["/device/v1/poll"] = lambda _, __, ___, it=content: (200, it)
        before = case.device.log.read_text().count("poll-failed")
        wait_until(lambda: case.device.log.read_text().count("poll-failed") > before,
                   what="the poll fails")
    case.roll_out()
    town.liar.tell_the_truth()
    case.assert_ends("succeeded", None, "")


# ---- storage that somebody has been at, with no liar in between ----

def test_blob_that_rots_on_the_server(town):
    """A bit of the stored file has turned: the device sees it, and a good copy cures it."""
    content = image("2.2")
    town.release("2.2", content, "--security-version", "2")
    town.liar.tell_the_truth()
    device = town.device("rot", OLD, retry_max_s=1).start()
    path = next(path for path in (town.server.data / "blobs").rglob("*")
                if path.name in (sha256(content), sha256(content)[2:], sha256(content)[4:]))
    path.chmod(0o600)
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    wait_until(lambda: (device.state / "device.crt").exists(), what="enrolled")
    town.rollout("rot", "2.2", "--stages", "100%", "--retry", "0", selector='name = "rot"')
    wait_until(lambda: ("rot", "failed") in device.reported(), what="it fails")
    assert device.history()[0]["error"] == "corrupt"
    assert device.seen()["running"]["sha256"] == sha256(OLD)

    path.write_bytes(content)
    town.rollout("cured", "2.2", "--stages", "100%", selector='name = "rot"')
    town.wait_rollout("cured", "done")
    assert device.running_image(len(content)) == content
