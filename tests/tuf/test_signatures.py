"""Who has signed, by which kinds of keys, and how many of them are enough."""
import copy
import json

import pytest
from tuf_keys import Key, key_number
from tuf_repository import TOP, Repository

KINDS = ["ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "ecdsa256-old", "ecdsa384-old",
         "ecdsa256-point", "rsa-pss-256", "rsa-pss-384", "rsa-pss-512", "rsa-pkcs1v15-256",
         "rsa-pkcs1v15-384", "rsa-pkcs1v15-512"]


@pytest.mark.parametrize("kind", KINDS)
def test_kind(start, kind):
    repo = Repository(kind=kind)
    client = start(repo)
    assert client.refresh() == 0
    repo.publish("root")
    repo.publish("targets")
    assert client.refresh() == 0
    assert client.versions() == {role: 2 for role in TOP}


def with_signature(data, change):
    document = json.loads(data)
    for signature in document["signatures"]:
        signature["sig"] = change(signature["sig"])
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [
    lambda sig: sig[:20] + ("1" if sig[20] == "0" else "0") + sig[21:],
    lambda sig: sig[:-2], lambda sig: sig + "00", lambda sig: "", lambda sig: "no hex",
    lambda sig: "00" * (len(sig) // 2),
])
def test_bad_signature(start, kind, change):
    repo = Repository(kind=kind)
    client = start(repo)
    repo.put("timestamp", with_signature(repo.data("timestamp"), change))
    assert client.refresh() == 1
    assert client.versions() == {"root": 1}


@pytest.mark.parametrize("kind", KINDS[:9])
def test_signature_by_another_key_of_that_kind(start, kind):
    repo = Repository(kind=kind)
    client = start(repo)
    other, (_, keyid) = repo.new_key(), repo.signers["timestamp"][0]
    repo.write("timestamp", signers=[(other, keyid)])
    assert client.refresh() == 1


@pytest.mark.parametrize("missing,code", [(0, 0), (1, 1)])
def test_kinds_mixed(start, missing, code):
    repo = Repository()
    for kind in KINDS:
        repo.add_key("snapshot", key_number(9, kind))
    repo.body["root"]["roles"]["snapshot"]["threshold"] = len(repo.signers["snapshot"]) + missing
    repo.rewrite("root", "snapshot", "timestamp")
    assert start(repo).refresh() == code


@pytest.mark.parametrize("scheme", ["unheard-of", "sigstore-oidc"])
def test_keys_of_unknown_kind_do_no_harm(repo, start, scheme):
    """They are kept, signed over, and have never signed."""
    repo.body["root"]["keys"]["00" * 32] = {"keytype": scheme, "scheme": scheme,
                                            "keyval": {"identity": "somebody"}}
    repo.body["root"]["roles"]["snapshot"]["keyids"].append("00" * 32)
    repo.rewrite("root")
    client = start(repo)
    assert client.refresh() == 0
    repo.body["root"]["roles"]["snapshot"]["threshold"] = 2
    repo.publish("root")
    repo.body["snapshot"]["expires"] = repo.body["root"]["expires"]
    repo.publish("snapshot")
    assert client.refresh() == 1


@pytest.mark.parametrize("spoil", [
    lambda key: key["keyval"].update(public=""),
    lambda key: key["keyval"].update(public="zz" * 32),
    lambda key: key["keyval"].update(public="-----BEGIN PUBLIC KEY-----\n"),
    lambda key: key.update(scheme="ecdsa-sha2-nistp256"),
    lambda key: key.update(keytype="ecdsa"),
])
def test_key_that_cannot_be_read(repo, start, spoil):
    """Under its own id; it has not signed, and the others count."""
    key = copy.deepcopy(Key("ed25519"))
    spoil(key.object)
    repo.add_key("snapshot", key)
    repo.rewrite("root", "snapshot", "timestamp")
    client = start(repo)
    assert client.refresh() == 0
    repo.body["root"]["roles"]["snapshot"]["threshold"] = 2
    repo.publish("root")
    repo.publish("snapshot")
    assert client.refresh() == 1
    assert client.version("snapshot") == 1


def test_key_under_another_id(repo, start):
    repo.drop_keys("snapshot")
    repo.add_key("snapshot", keyid="ab" * 32)
    repo.rewrite("root", "snapshot", "timestamp")
    client = start(repo)
    assert client.refresh() == 1
    assert client.version("snapshot") is None


def test_curve_other_than_the_scheme_says(repo, start):
    key = copy.deepcopy(Key("ecdsa384"))
    key.object["scheme"] = "ecdsa-sha2-nistp256"
    repo.drop_keys("snapshot")
    repo.add_key("snapshot", key)
    repo.rewrite("root", "snapshot", "timestamp")
    assert start(repo).refresh() == 1


# ---- thresholds

def signers(repo, role, count):
    repo.drop_keys(role)
    for _ in range(count):
        repo.add_key(role)


@pytest.mark.parametrize("keys,threshold,signed,code", [
    (1, 1, 1, 0), (3, 1, 1, 0), (3, 2, 2, 0), (3, 2, 1, 1), (3, 3, 3, 0), (3, 3, 2, 1),
    (3, 4, 3, 1), (1, 2, 1, 1), (0, 1, 0, 1), (9, 5, 5, 0), (9, 5, 4, 1),
])
def test_threshold(repo, client, keys, threshold, signed, code):
    assert client.refresh() == 0
    signers(repo, "snapshot", keys)
    repo.body["root"]["roles"]["snapshot"]["threshold"] = threshold
    repo.publish("root")
    repo.signers["snapshot"] = repo.signers["snapshot"][:signed]
    repo.publish("snapshot")
    assert client.refresh() == code
    assert client.version("snapshot") == 2 - code


def test_one_key_under_many_ids(repo, client):
    """Differing in a field nobody reads, each with its right id: still one key."""
    assert client.refresh() == 0
    repo.drop_keys("snapshot")
    key = Key("ed25519")
    for number in range(9):
        copied = copy.copy(key)
        copied.object = {**key.object, "x-number": number}
        repo.add_key("snapshot", copied)
    repo.body["root"]["roles"]["snapshot"]["threshold"] = 2
    repo.publish("root")
    repo.publish("snapshot")
    assert client.refresh() == 1
    assert client.version("snapshot") == 1


def test_one_key_listed_twice(repo, client):
    assert client.refresh() == 0
    entry = repo.body["root"]["roles"]["snapshot"]
    entry["keyids"] *= 2
    entry["threshold"] = 2
    repo.publish("root")
    repo.publish("snapshot")
    assert client.refresh() == 1
    assert client.version("snapshot") == 1


@pytest.mark.parametrize("role", TOP)
def test_two_signatures_under_one_id(repo, client, role):
    """Even if each of them is good and one would be enough."""
    assert client.refresh() == 0
    before = client.version(role)
    repo.publish(role)
    document = json.loads(repo.data(role))
    document["signatures"] *= 2
    repo.put(role, json.dumps(document).encode())
    assert client.refresh() == 1
    assert client.version(role) == before


def test_two_signatures_by_one_key_count_once(repo, client):
    assert client.refresh() == 0
    signers(repo, "snapshot", 2)
    repo.body["root"]["roles"]["snapshot"]["threshold"] = 2
    (key, one), (_, two) = repo.signers["snapshot"]
    repo.signers["snapshot"] = [(key, one), (key, two)]
    repo.publish("root")
    repo.publish("snapshot")
    assert client.refresh() == 1


@pytest.mark.parametrize("extra", [
    {"keyid": "ab" * 32, "sig": ""}, {"keyid": "ab" * 32, "sig": "zz"}, {"keyid": "x", "sig": "00"},
    {"keyid": "", "sig": "00" * 64}, {"keyid": "ab" * 32, "sig": "00" * 5000, "x": {"y": 1}},
])
@pytest.mark.parametrize("role", TOP)
def test_bad_signature_beside_good_ones(repo, client, role, extra):
    assert client.refresh() == 0
    repo.publish(role)
    document = json.loads(repo.data(role))
    document["signatures"].insert(0, extra)
    repo.put(role, json.dumps(document).encode())
    assert client.refresh() == 0
    assert client.version(role) == 2


def test_empty_signature_of_a_key_that_is_not_needed(repo, client):
    assert client.refresh() == 0
    signers(repo, "snapshot", 2)
    repo.publish("root")
    repo.publish("snapshot")
    document = json.loads(repo.data("snapshot"))
    document["signatures"][0]["sig"] = ""
    repo.put("snapshot", json.dumps(document).encode())
    assert client.refresh() == 0


@pytest.mark.parametrize("signature", [{"keyid": "ab" * 32}, {"sig": "00"}, {"keyid": 1, "sig": ""},
                                       "text", None])
def test_signature_that_is_none(repo, client, signature):
    document = json.loads(repo.data("timestamp"))
    document["signatures"].append(signature)
    repo.put("timestamp", json.dumps(document).encode())
    assert client.refresh() == 1


@pytest.mark.parametrize("threshold", [0, -1, "1", None, True, 1.0, 1 << 40])
def test_threshold_that_is_none(repo, client, threshold):
    repo.body["root"]["roles"]["snapshot"]["threshold"] = threshold
    document = json.loads(repo.files["1.root.json"])
    if threshold != 1.0 or isinstance(threshold, bool):
        repo.publish("root")
    else:
        document["signed"]["roles"]["snapshot"]["threshold"] = threshold
        repo.files["2.root.json"] = json.dumps(document).encode()
    assert client.refresh() == 1
    assert client.versions() == {"root": 1}
