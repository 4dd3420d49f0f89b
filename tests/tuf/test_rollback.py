"""Nothing goes back, until a key is changed."""
import pytest
from tuf_repository import Repository


@pytest.fixture
def grown(repo, client):
    """Everything but the root is at version 3."""
    repo.publish("targets")
    repo.publish("targets")
    assert client.refresh() == 0
    return client


@pytest.mark.parametrize("version", [1, 2])
def test_timestamp(repo, grown, version):
    repo.body["timestamp"]["version"] = version
    repo.write("timestamp")
    assert grown.refresh() == 1
    assert grown.version("timestamp") == 3


@pytest.mark.parametrize("version", [1, 2])
def test_snapshot_that_a_timestamp_names(repo, grown, version):
    repo.body["timestamp"]["meta"]["snapshot.json"]["version"] = version
    repo.next("timestamp")
    assert grown.refresh() == 1
    assert grown.versions() == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 3}


@pytest.mark.parametrize("stored_matches", [True, False])
@pytest.mark.parametrize("hashes", [True, False])
def test_targets_that_a_snapshot_names(start, hashes, stored_matches):
    """The stored snapshot counts even if it is no longer the one that the timestamp names."""
    repo = Repository(hashes=hashes)
    client = start(repo)
    repo.publish("targets")
    repo.publish("targets")
    assert client.refresh() == 0
    if not stored_matches:
        (client.metadata / "snapshot.json").write_bytes(repo.data("snapshot") + b" ")
    repo.body["snapshot"]["meta"]["targets.json"]["version"] = 2
    repo.publish("snapshot")
    assert client.refresh() == 1
    assert client.versions() == {"root": 1, "timestamp": 4, "snapshot": 3, "targets": 3}


def test_targets_not_listed_any_more(repo, grown):
    repo.body["snapshot"]["meta"].pop("targets.json")
    repo.publish("snapshot")
    assert grown.refresh() == 1
    assert grown.versions() == {"root": 1, "timestamp": 4, "snapshot": 3, "targets": 3}


@pytest.mark.parametrize("change", [
    lambda meta: meta.pop("other.json"),
    lambda meta: meta["other.json"].update(version=6),
])
def test_any_role_that_a_snapshot_lists(repo, grown, change):
    """Also one that this client has never asked for."""
    repo.body["snapshot"]["meta"]["other.json"] = {"version": 7}
    repo.publish("snapshot")
    assert grown.refresh() == 0
    change(repo.body["snapshot"]["meta"])
    repo.publish("snapshot")
    assert grown.refresh() == 1
    assert grown.version("snapshot") == 4
    repo.body["snapshot"]["meta"]["other.json"] = {"version": 8}
    repo.publish("snapshot")
    assert grown.refresh() == 0


def test_root(repo, grown):
    repo.publish("root")
    assert grown.refresh() == 0
    repo.files["3.root.json"] = repo.files["1.root.json"]
    assert grown.refresh() == 1
    assert grown.version("root") == 2


def run_ahead(repo, role):
    """The keys of the role were stolen and used to make its version enormous."""
    if role == "targets":
        repo.body["snapshot"]["meta"]["targets.json"]["version"] = repo.body["targets"]["version"] = 99999
        repo.rewrite("targets")
        repo.publish("snapshot")
    elif role == "snapshot":
        repo.body["snapshot"]["version"] = 99998
        repo.publish("snapshot")
    else:
        repo.body["timestamp"]["version"] = 99998
        repo.publish("timestamp")


@pytest.mark.parametrize("role,keys", [("timestamp", ["timestamp"]),
                                       ("snapshot", ["timestamp", "snapshot"]),
                                       ("snapshot", ["timestamp"]),
                                       ("targets", ["snapshot"]),
                                       ("targets", ["timestamp", "snapshot", "targets"])])
def test_recovery_from_fast_forward(repo, client, role, keys):
    assert client.refresh() == 0
    run_ahead(repo, role)
    assert client.refresh() == 0
    assert client.version(role) == 99999
    # Back to where it was: refused, until the keys that vouched for it are others.
    repo.body[role]["version"] = 2
    if role == "targets":
        repo.rewrite("targets")
        repo.publish("snapshot")
    elif role == "snapshot":
        repo.rewrite("snapshot")
        repo.publish("timestamp")
    else:
        repo.write("timestamp")
    assert client.refresh() == 1
    for one in keys:
        repo.replace_keys(one)
    repo.publish("root")
    repo.rewrite("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.version(role) == 2


def test_key_change_without_reason(repo, grown):
    """The same versions under new keys are fetched and stored anew."""
    for role in ("timestamp", "snapshot"):
        repo.replace_keys(role)
    repo.publish("root")
    repo.rewrite("snapshot", "timestamp")
    repo.requests.clear()
    assert grown.refresh() == 0
    assert repo.requests == ["2.root.json", "3.root.json", "timestamp.json", "3.snapshot.json"]
