"""Keys and thresholds that change: each root answers to the one before it and to itself."""
import pytest
from tuf_repository import TOP, Repository

# Each step is a root: which keys it names, its threshold, which keys sign it. Keys are numbers.
# The number after the steps is how many of them a client follows.
CASES = {
    "the same key": ([([1], 1, [1])] * 3, 3),
    "another key signed by both": ([([1], 1, [1]), ([2], 1, [1, 2])], 2),
    "another key signed by the old one only": ([([1], 1, [1]), ([2], 1, [1])], 1),
    "another key signed by the new one only": ([([1], 1, [1]), ([2], 1, [2])], 1),
    "a key more": ([([1], 1, [1]), ([1, 2], 1, [1])], 2),
    "a key more signed by that one": ([([1], 1, [1]), ([1, 2], 1, [2])], 1),
    "a key less": ([([1, 2], 1, [1]), ([2], 1, [2])], 2),
    "a key less signed by it only": ([([1, 2], 1, [1]), ([2], 1, [1])], 1),
    "a higher threshold": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])], 2),
    "a higher threshold that is missed": ([([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1])], 1),
    "a lower threshold": ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1, 2])], 2),
    "a lower threshold that is used at once": ([([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])], 1),
    "a lower threshold and its use": (
        [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [2, 3]), ([1, 2, 3], 1, [3])], 3),
    "all keys change, both thresholds are met": (
        [([1, 2, 3], 2, [1, 2]), ([4, 5, 6], 2, [1, 3, 4, 5])], 2),
    "all keys change, the old threshold is missed": (
        [([1, 2, 3], 2, [1, 2]), ([4, 5, 6], 2, [1, 4, 5, 6])], 1),
    "all keys change, the new threshold is missed": (
        [([1, 2, 3], 2, [1, 2]), ([4, 5, 6], 2, [1, 2, 3, 4])], 1),
    "a key that serves both": ([([1, 2], 2, [1, 2]), ([2, 3], 2, [1, 2, 3])], 2),
    "a key that serves both, alone": ([([1, 2], 2, [1, 2]), ([2, 3], 2, [2, 3])], 1),
    "a way and back": ([([1], 1, [1]), ([2], 1, [1, 2]), ([1], 1, [1, 2])], 3),
    "a gap in the middle": (
        [([1], 1, [1]), ([2], 1, [1, 2]), ([3], 1, [1, 3]), ([4], 1, [3, 4])], 2),
    "nobody": ([([1], 1, [1]), ([1], 1, [])], 1),
    "more signatures than needed": ([([1], 1, [1]), ([2], 1, [1, 2, 3, 4])], 2),
}


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa256"])
@pytest.mark.parametrize("name", CASES)
def test_root(start, name, kind):
    steps, followed = CASES[name]
    repo = Repository(kind=kind)
    keys = {number: repo.new_key() for number in range(1, 9)}
    for version, (named, threshold, signing) in enumerate(steps, 1):
        repo.drop_keys("root")
        repo.body["root"]["roles"]["root"]["threshold"] = threshold
        for number in named:
            repo.add_key("root", keys[number])
        repo.body["root"]["version"] = version
        repo.write("root", signers=[(keys[n], keys[n].id) for n in signing])
    client = start(repo)
    assert client.refresh() == (0 if followed == len(steps) else 1)
    assert client.version("root") == followed


@pytest.mark.parametrize("name", CASES)
def test_root_that_is_trusted_first(start, name):
    """Each step of a way that may be followed is a good first root, too."""
    steps, followed = CASES[name]
    repo = Repository()
    keys = {number: repo.new_key() for number in range(1, 9)}
    named, threshold, signing = steps[followed - 1]
    repo.drop_keys("root")
    for number in named:
        repo.add_key("root", keys[number])
    repo.body["root"]["roles"]["root"]["threshold"] = threshold
    repo.write("root", signers=[(keys[n], keys[n].id) for n in signing])
    assert start(repo).refresh() == 0


# (keys named, threshold, keys that sign): before, and after a new root; whether that is enough.
ROLE_CASES = [
    (([1], 1, [1]), ([1], 1, [1]), True),
    (([1], 1, [1]), ([2], 1, [2]), True),
    (([1], 1, [1]), ([2], 1, [1]), False),
    (([1], 1, [1]), ([1, 2], 1, [2]), True),
    (([1, 2], 1, [1]), ([2], 1, [1]), False),
    (([1, 2], 1, [1]), ([2], 1, [2]), True),
    (([1, 2], 1, [1]), ([1, 2], 2, [1]), False),
    (([1, 2], 1, [1]), ([1, 2], 2, [1, 2]), True),
    (([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [3]), True),
    (([1, 2, 3], 3, [1, 2, 3]), ([4, 5, 6], 2, [1, 2, 3, 4]), False),
    (([1, 2, 3], 3, [1, 2, 3]), ([4, 5, 6], 2, [4, 6]), True),
]


def set_role(repo, role, keys, case):
    named, threshold, signing = case
    repo.drop_keys(role)
    repo.body["root"]["roles"][role]["threshold"] = threshold
    for number in named:
        repo.add_key(role, keys[number])
    repo.signers[role] = [(keys[n], keys[n].id) for n in signing]


@pytest.mark.parametrize("role", TOP[1:])
@pytest.mark.parametrize("before,after,good", ROLE_CASES)
def test_other_roles(start, role, before, after, good):
    repo = Repository()
    keys = {number: repo.new_key() for number in range(1, 9)}
    set_role(repo, role, keys, before)
    repo.rewrite("root", "targets", "snapshot", "timestamp")
    client = start(repo)
    assert client.refresh() == 0
    set_role(repo, role, keys, after)
    repo.publish("root")
    repo.publish("targets")
    assert client.refresh() == (0 if good else 1)
    assert client.version(role) == (2 if good else 1)


@pytest.mark.parametrize("role", TOP[1:])
def test_stored_file_by_a_key_that_was_revoked(start, role):
    """It no longer counts, although its version and expiry would do."""
    repo = Repository()
    client = start(repo)
    assert client.refresh() == 0
    repo.replace_keys(role)
    repo.publish("root")
    assert client.refresh() == 1  # the repository still offers the old one
    repo.rewrite(role) if role != "timestamp" else repo.write(role)
    if role != "timestamp":
        repo.rewrite("targets", "snapshot")
        repo.publish("timestamp")
    assert client.refresh() == 0


def test_role_whose_key_is_the_root_s(start):
    """Sharing a key between roles is unwise, not wrong."""
    repo = Repository()
    shared = repo.signers["root"][0][0]
    for role in TOP[1:]:
        repo.drop_keys(role)
        repo.add_key(role, shared)
    repo.rewrite("root", "targets", "snapshot", "timestamp")
    assert start(repo).refresh() == 0
