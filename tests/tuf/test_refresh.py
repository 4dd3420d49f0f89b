"""The way from the root to the targets when nothing is wrong, and when one file is."""
import json

import pytest
from tuf_client import has_faketime
from tuf_keys import canonical, sha256
from tuf_repository import DAY, TOP, Repository, date

FIRST = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
ALL = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


def test_requests_of_a_refresh(repo, client):
    assert client.refresh() == 0
    assert repo.requests == FIRST
    repo.requests.clear()
    assert client.refresh() == 0  # nothing new
    assert repo.requests == ["2.root.json", "timestamp.json"]
    repo.requests.clear()
    repo.publish("root")
    repo.publish("timestamp")
    assert client.refresh() == 0
    assert repo.requests == ["2.root.json", "3.root.json", "timestamp.json"]
    repo.requests.clear()
    repo.publish("snapshot")
    assert client.refresh() == 0
    assert repo.requests == ["3.root.json", "timestamp.json", "2.snapshot.json"]
    repo.requests.clear()
    repo.publish("targets")
    assert client.refresh() == 0
    assert repo.requests == ["3.root.json", "timestamp.json", "3.snapshot.json", "2.targets.json"]


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("consistent", [False, True])
def test_stored_files_are_those_received(start, consistent, hashes):
    repo = Repository(consistent=consistent, hashes=hashes)
    client = start(repo)
    for _ in range(3):
        assert client.refresh() == 0
        assert set(client.files()) == set(TOP)
        for role in TOP:
            assert client.stored(role) == repo.data(role)
        repo.publish("targets")


def test_names_without_versions(start):
    repo = Repository(consistent=False)
    client = start(repo)
    assert client.refresh() == 0
    assert repo.requests == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]


def test_consistent_snapshot_may_be_missing(start):
    repo = Repository()
    del repo.body["root"]["consistent_snapshot"]
    repo.rewrite("root", "targets", "snapshot", "timestamp")
    client = start(repo)
    assert client.refresh() == 0
    assert repo.requests == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]


def test_download_refreshes_first(repo, client):
    repo.add_target("a")
    repo.publish("targets")
    assert client.download("a") == 0
    assert repo.requests == ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]
    assert client.versions() == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}


@pytest.mark.parametrize("root", [b"", b"{}", b"no JSON", b"\xff", b"[1", b'{"signed": {}}'])
def test_bad_initial_root(repo, start, root):
    client = start(repo, init=False)
    assert client.init(root) == 0  # it copies and judges nothing
    assert client.refresh() == 1
    assert repo.requests == []


def test_unsigned_initial_root(repo, start):
    client = start(repo, init=False)
    repo.write("root", signers=[])
    client.init(repo.data("root"))
    assert client.refresh() == 1
    assert repo.requests == []


def test_initial_root_of_another_role(repo, start):
    client = start(repo, init=False)
    client.init(repo.data("targets"))
    assert client.refresh() == 1
    assert repo.requests == []


def test_no_initial_root(repo, start):
    client = start(repo, init=False)
    assert client.refresh() == 1
    assert repo.requests == []


def publish_spoiled(repo, role, spoil):
    """Next versions of everything up to `role`, whose bytes `spoil` makes worse."""
    if role == "root":
        repo.publish("root")
    else:
        repo.publish("targets" if role == "targets" else role)
    repo.put(role, spoil(repo.data(role)))


LEFT = {  # what a client holds after a first refresh and one that fails at this role
    "root": ALL,
    "timestamp": ALL,
    "snapshot": {**ALL, "timestamp": 2},
    "targets": {**ALL, "timestamp": 2, "snapshot": 2},
}


def without_signatures(data):
    return json.dumps({**json.loads(data), "signatures": []}).encode()


@pytest.mark.parametrize("role", TOP)
def test_unsigned(repo, client, role):
    assert client.refresh() == 0
    publish_spoiled(repo, role, without_signatures)
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


@pytest.mark.parametrize("role", TOP)
def test_unsigned_at_first(repo, client, role):
    repo.write(role, signers=[])
    if role == "root":
        repo.body["root"]["version"] += 1
        repo.write("root", signers=[])
    assert client.refresh() == 1
    assert client.versions() == {r: 1 for r in TOP[:max(1, TOP.index(role))]}


@pytest.mark.parametrize("role", TOP)
@pytest.mark.parametrize("how", ["garbage", "cut", "empty", "twice", "float"])
def test_malformed(repo, client, role, how):
    spoil = {"garbage": lambda data: b"\x00\x01 no JSON", "cut": lambda data: data[:-2],
             "empty": lambda data: b"", "twice": lambda data: data + data,
             "float": lambda data: data.replace(b'"version": ', b'"version": 0.')}[how]
    assert client.refresh() == 0
    publish_spoiled(repo, role, spoil)
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


@pytest.mark.parametrize("role", ["root", "snapshot", "targets"])
def test_version_other_than_in_the_name(repo, client, role):
    assert client.refresh() == 0
    if role == "root":
        repo.body["root"]["version"] = 3
        repo.files["2.root.json"] = repo.write("root")
        repo.files.pop("3.root.json")
    else:
        repo.publish(role)
        name = repo.names(role)[0]
        repo.body[role]["version"] = 3
        repo.files[name] = repo.write(role)
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


def test_root_versions_are_consecutive(repo, client):
    for _ in range(3):
        repo.publish("root")
    repo.files["3.root.json"] = repo.files["4.root.json"]
    assert client.refresh() == 1
    assert client.versions() == {"root": 2}


def test_timestamp_that_changes_under_its_version(repo, client):
    assert client.refresh() == 0
    stored = client.stored("timestamp")
    repo.body["timestamp"]["expires"] = date(60 * DAY)
    repo.body["timestamp"]["meta"]["snapshot.json"]["version"] = 7
    repo.write("timestamp")
    assert client.refresh() == 0
    assert client.stored("timestamp") == stored
    repo.write("timestamp", signers=[])  # it still has to be signed
    assert client.refresh() == 1


def test_hashes_and_lengths(start):
    repo = Repository(hashes=True)
    client = start(repo)
    assert client.refresh() == 0
    repo.publish("targets")
    assert client.refresh() == 0
    assert client.version("targets") == 2


@pytest.mark.parametrize("spoil", [
    lambda entry: entry["hashes"].update(sha256="0" * 64),
    lambda entry: entry["hashes"].update(sha256="no hash"),
    lambda entry: entry["hashes"].update(sha512="0" * 128),
    lambda entry: entry.update(hashes={"unheard-of": "00"}),
    lambda entry: entry.update(length=entry["length"] + 1),
    lambda entry: entry.update(length=entry["length"] - 1),
    lambda entry: entry.update(length=0),
])
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_hash_or_length_mismatch(start, role, spoil):
    repo = Repository(hashes=True)
    client = start(repo)
    assert client.refresh() == 0
    repo.publish(role)
    lister = {"snapshot": "timestamp", "targets": "snapshot"}[role]
    spoil(repo.body[lister]["meta"][f"{role}.json"])
    repo.rewrite(*(["snapshot"] if role == "targets" else []), "timestamp")
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


def test_hashes_are_checked_before_signatures(start):
    """A file that is not the listed one is not even parsed; its signatures would be good."""
    repo = Repository(hashes=True)
    client = start(repo)
    repo.files["1.snapshot.json"] += b" "
    assert client.refresh() == 1
    assert client.versions() == {"root": 1, "timestamp": 1}


@pytest.mark.parametrize("role", TOP)
def test_received_bytes_are_stored(repo, client, role):
    assert client.refresh() == 0
    publish_spoiled(repo, role, lambda data: b"\n\t" + data + b"  \n ")
    assert client.refresh() == 0
    assert client.stored(role) == repo.data(role)


def test_unknown_fields_are_signed(start):
    repo = Repository()
    for role in TOP:
        repo.body[role]["x-more"] = {"a": [1, None, True, {"b": "\u00e9\"\\\u0001"}]}
    key = repo.replace_keys("snapshot")
    keys, entry = repo.names_of("snapshot")
    named = keys.pop(key.id)
    named["x-owner"] = "somebody"
    named["keyval"]["x-private"] = "no"
    key_id = sha256(canonical(named))
    keys[key_id] = named
    entry["keyids"] = [key_id]
    entry["x-note"] = "a role may say more, too"
    repo.signers["snapshot"] = [(key, key_id)]
    repo.body["snapshot"]["meta"]["targets.json"]["x"] = 1
    repo.rewrite("root", "targets", "snapshot", "timestamp")
    client = start(repo)
    assert client.refresh() == 0
    repo.publish("targets")
    document = json.loads(repo.data("targets"))
    document["signed"]["x-more"] = {"a": []}
    repo.put("targets", json.dumps(document).encode())
    assert client.refresh() == 1


def test_obsolete_keyid_hash_algorithms(start):
    """Says how key ids were made; whatever it says, it is a field like another."""
    for after in (False, True):
        repo = Repository()
        key = repo.replace_keys("snapshot")
        keys, entry = repo.names_of("snapshot")
        named = {**keys.pop(key.id), "keyid_hash_algorithms": ["md5"]}
        key_id = key.id if after else sha256(canonical(named))
        keys[key_id] = named
        entry["keyids"] = [key_id]
        repo.signers["snapshot"] = [(key, key_id)]
        repo.rewrite("root", "targets", "snapshot", "timestamp")
        client = start(repo, name=f"client-{after}")
        assert client.refresh() == 0


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("status", [404, 403, 500])
def test_missing_file(repo, client, role, status):
    assert client.refresh() == 0
    repo.publish("targets")
    repo.status[repo.names(role)[0]] = status
    assert client.refresh() == 1
    assert client.versions() == {**LEFT[role], "root": 1}
    repo.status.clear()
    assert client.refresh() == 0
    assert client.version("targets") == 2


@pytest.mark.parametrize("status,code", [(404, 0), (403, 0), (500, 1), (503, 1)])
def test_missing_root(repo, client, status, code):
    repo.status["2.root.json"] = status
    assert client.refresh() == code
    assert repo.requests.count("2.root.json") == 1


def test_nobody_there(repo, client):
    assert client.refresh() == 0
    client.address = "http://127.0.0.1:1/"
    assert client.refresh() == 1
    assert client.versions() == ALL


@pytest.mark.parametrize("role", TOP)
def test_type_of_another_role(repo, client, role):
    assert client.refresh() == 0
    repo.body[role]["_type"] = "snapshot" if role == "targets" else "targets"
    publish_spoiled(repo, role, lambda data: data)
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_of_another_role(repo, client, role):
    """Good metadata, well signed, in the place of another role's."""
    assert client.refresh() == 0
    publish_spoiled(repo, role, lambda data: repo.data("root"))
    assert client.refresh() == 1
    assert client.versions() == LEFT[role]


@pytest.mark.parametrize("spec,code", [("1.0", 0), ("1.0.0", 0), ("1.9.9", 0), ("2.0.0", 1),
                                       ("0.9", 1), ("", 1), (1, 1)])
def test_spec_version(repo, client, spec, code):
    repo.body["timestamp"]["spec_version"] = spec
    repo.write("timestamp")
    assert client.refresh() == code


# ---- limits

@pytest.mark.parametrize("role,limit", [("root", 512000), ("timestamp", 16384),
                                        ("snapshot", 2000000), ("targets", 5000000)])
@pytest.mark.parametrize("more,code", [(0, 0), (1, 1)])
def test_file_at_its_limit(repo, client, role, limit, more, code):
    assert client.refresh() == 0
    publish_spoiled(repo, role, lambda data: data + b" " * (limit + more - len(data)))
    assert client.refresh() == code
    assert client.versions() == ({**LEFT[role], role: 2} if code == 0 else LEFT[role])


def test_stored_file_that_is_too_long(repo, client):
    assert client.refresh() == 0
    path = client.metadata / "timestamp.json"
    path.write_bytes(path.read_bytes() + b" " * 20000)
    assert client.refresh() == 0
    assert client.stored("timestamp") == repo.data("timestamp")


def test_many_roots(repo, client):
    for _ in range(300):
        repo.publish("root")
    assert client.refresh() == 0
    assert client.version("root") == 257  # 256 rotations a refresh
    assert client.refresh() == 0
    assert client.version("root") == 301


# ---- expiry

@pytest.mark.parametrize("role", TOP)
def test_expired(repo, client, role):
    assert client.refresh() == 0
    repo.body[role]["expires"] = date(-1)
    repo.publish(role)
    assert client.refresh() == 1
    assert "expired" in client.said
    assert client.versions() == ({**ALL, "root": 2} if role == "root" else LEFT[role])


def test_expired_root_in_the_middle(repo, client):
    repo.body["root"]["expires"] = date(-DAY)
    repo.publish("root")
    repo.body["root"]["expires"] = date(DAY)
    repo.publish("root")
    assert client.refresh() == 0
    assert client.version("root") == 3


def test_expired_local_root(start):
    repo = Repository()
    repo.body["root"]["expires"] = date(-DAY)
    repo.write("root")
    client = start(repo)
    assert client.refresh() == 1
    repo.body["root"]["expires"] = date(DAY)
    repo.publish("root")
    assert client.refresh() == 0


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired_local_file(repo, client, role):
    """It served to move forward, even so: its version counts."""
    repo.body[role]["expires"] = date(5 * DAY)
    repo.publish(role)
    assert client.refresh() == 0
    if not has_faketime():
        pytest.skip("faketime is not installed")
    assert client.refresh(now="+10d") == 1
    repo.body[role]["expires"] = date(20 * DAY)
    repo.publish(role)
    assert client.refresh(now="+10d") == 0
    assert client.version(role) == 3


@pytest.mark.skipif(not has_faketime(), reason="faketime is not installed")
def test_expired_local_timestamp_protects_from_rollback(repo, client):
    repo.body["timestamp"].update(expires=date(-5), version=5)
    repo.write("timestamp")
    assert client.refresh(now="-1d") == 0
    repo.body["timestamp"].update(expires=date(DAY), version=4)
    repo.write("timestamp")
    assert client.refresh() == 1
    assert client.version("timestamp") == 5


@pytest.mark.skipif(not has_faketime(), reason="faketime is not installed")
@pytest.mark.parametrize("now,code", [("+0d", 0), ("+29d", 0), ("+31d", 1), ("-365d", 0),
                                      ("2000-01-01 00:00:00", 0), ("2037-01-01 00:00:00", 1),
                                      ("@2037-01-01 00:00:00", 1)])
def test_clock_is_the_c_library_s(repo, client, now, code):
    assert client.refresh(now=now) == code
