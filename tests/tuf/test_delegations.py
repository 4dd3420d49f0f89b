"""Which roles are asked for a target, in which order, and whose word counts."""
import hashlib

import pytest
from tuf_client import has_faketime
from tuf_repository import DAY, TOP, Repository, date, stored_name


def build(edges, **options):
    """A repository with these delegations: (delegator, role, paths or more options)."""
    repo = Repository(**options)
    for delegator, role, *more in edges:
        repo.delegate(role, delegator, **(more[0] if more else {}))
    publish(repo)
    return repo


def delegated(repo):
    return [role for role in repo.body if role not in TOP]


def publish(repo):
    repo.publish("targets", *delegated(repo))
    repo.requests.clear()


def asked(repo):
    """Delegated roles in the order in which they were fetched."""
    roles = [name.split(".", 1)[1][:-5] for name in repo.requests if name[0].isdigit()]
    return [role for role in roles if role not in TOP]


END = {"terminating": True}
NO = {"paths": ["no/match"]}

# Edges, and the roles a search for a target that nobody lists asks.
WALKS = {
    "none": ([], ""),
    "one": ([("targets", "A")], "A"),
    "in order": ([("targets", r) for r in "ACB"], "ACB"),
    "depth before breadth": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("C", "D"),
                              ("B", "E")], "ACDBE"),
    "terminating": ([("targets", "A", END), ("targets", "B")], "A"),
    "terminating in the middle": ([("targets", "A"), ("targets", "B", END), ("targets", "C")],
                                  "AB"),
    "terminating goes down": ([("targets", "A", END), ("targets", "B"), ("A", "C"), ("A", "D")],
                              "ACD"),
    "terminating further down": ([("targets", "A"), ("targets", "B"), ("A", "C", END), ("A", "D")],
                                 "AC"),
    "terminating after others of its kind": ([("targets", "A"), ("targets", "B", END), ("A", "C"),
                                              ("B", "D"), ("targets", "E")], "ACBD"),
    "terminating for other paths": ([("targets", "A", {**NO, **END}), ("targets", "B")], "B"),
    "cycle": ([("targets", "A"), ("A", "B"), ("B", "A"), ("targets", "C")], "ABC"),
    "cycle of three": ([("targets", "A"), ("A", "B"), ("B", "C"), ("C", "A"), ("C", "D")], "ABCD"),
    "to itself": ([("targets", "A"), ("A", "A"), ("targets", "B")], "AB"),
    "diamond": ([("targets", "A"), ("targets", "B"), ("A", "C"), ("B", "C"), ("C", "D")], "ACDB"),
    "diamond, terminating": ([("targets", "A"), ("targets", "B"), ("A", "C", END), ("B", "C"),
                              ("C", "D")], "ACD"),
    "terminating to who was asked": ([("targets", "A"), ("targets", "B"), ("A", "C"),
                                      ("B", "C", END), ("targets", "D")], "ACB"),
    "paths that do not fit": ([("targets", "A", NO), ("targets", "B"), ("A", "C")], "B"),
    "paths that do not fit below": ([("targets", "A"), ("A", "B", NO), ("B", "C"), ("A", "D")],
                                    "AD"),
    "a chain": ([("targets", "A")] + [(a, b) for a, b in zip("ABCDEFGH", "BCDEFGHI")],
                "ABCDEFGHI"),
}


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("name", WALKS)
def test_walk(start, name, hashes):
    edges, expected = WALKS[name]
    repo = build(edges, hashes=hashes)
    client = start(repo)
    assert client.download("path") == 1
    assert asked(repo) == list(expected)
    assert set(client.files()) == set(TOP) | set(expected)
    repo.requests.clear()
    assert client.download("path") == 1  # now they are at hand
    assert repo.requests == ["2.root.json", "timestamp.json"]


@pytest.mark.parametrize("width,expected", [(31, 31), (32, 32), (33, 32), (60, 32)])
def test_at_most_32_roles(start, width, expected):
    repo = build([("targets", f"R{n}") for n in range(width)])
    repo.add_target("path", role=f"R{width - 1}")
    publish(repo)
    client = start(repo)
    assert client.download("path") == (0 if width == expected else 1)
    assert asked(repo) == [f"R{n}" for n in range(expected)]


def test_long_chain(start):
    edges = [("targets", "R0")] + [(f"R{n}", f"R{n + 1}") for n in range(40)]
    repo = build(edges)
    client = start(repo)
    assert client.download("path") == 1
    assert asked(repo) == [f"R{n}" for n in range(32)]


# Edges, who lists "dir/file", who is asked, whose file it is (None: nobody's).
SEARCHES = {
    "listed by the top": ([("targets", "A")], ["targets", "A"], "", "targets"),
    "listed below": ([("targets", "A")], ["A"], "A", "A"),
    "the first wins": ([("targets", "A"), ("targets", "B")], ["A", "B"], "A", "A"),
    "depth wins": ([("targets", "A"), ("targets", "B"), ("A", "C")], ["B", "C"], "AC", "C"),
    "over its delegate": ([("targets", "A"), ("A", "B")], ["A", "B"], "A", "A"),
    "not in the paths of its lister": ([("targets", "A", NO), ("targets", "B")], ["A", "B"], "B",
                                       "B"),
    "not in the paths on the way": ([("targets", "A", NO), ("A", "B")], ["B"], "", None),
    "behind a terminating one": ([("targets", "A", END), ("targets", "B")], ["B"], "A", None),
    "below a terminating one": ([("targets", "A", END), ("A", "B")], ["B"], "AB", "B"),
    "wildcard in the folder": ([("targets", "A", {"paths": ["*/file"]})], ["A"], "A", "A"),
    "wildcard in the name": ([("targets", "A", {"paths": ["dir/f?l*"]})], ["A"], "A", "A"),
    "wildcard over a slash": ([("targets", "A", {"paths": ["*"]})], ["A"], "", None),
    "other letter case": ([("targets", "A", {"paths": ["DIR/FILE"]})], ["A"], "", None),
    "one of two paths": ([("targets", "A", {"paths": ["x", "dir/file"]})], ["A"], "A", "A"),
    "no paths": ([("targets", "A", {"paths": []})], ["A"], "", None),
    "set of characters": ([("targets", "A", {"paths": ["dir/[a-g]ile"]})], ["A"], "A", "A"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_search(start, name):
    edges, listers, expected, owner = SEARCHES[name]
    both = {"paths": ["dir/file"]}
    repo = build([(d, r, {**both, **(more[0] if more else {})}) for d, r, *more in edges])
    for role in listers:
        repo.add_target("dir/file", f"by {role}".encode(), role=role)
    publish(repo)
    if owner:
        repo.contents["dir/file"] = f"by {owner}".encode()
    client = start(repo)
    assert client.download("dir/file") == (0 if owner else 1)
    assert asked(repo) == list(expected)
    assert client.artifacts() == ([f"by {owner}".encode()] if owner else [])


def prefix(path, size):
    return hashlib.sha256(path.encode()).hexdigest()[:size]


@pytest.mark.parametrize("prefixes,fits", [
    ([prefix("file", 1)], True), ([prefix("file", 4)], True), ([prefix("file", 64)], True),
    ([prefix("other", 4)], False), ([prefix("other", 4), prefix("file", 4)], True), ([], False),
    ([""], True), ([prefix("file", 64) + "0"], False),
])
def test_path_hash_prefixes(start, prefixes, fits):
    repo = build([("targets", "A", {"prefixes": prefixes})])
    repo.add_target("file", role="A")
    publish(repo)
    client = start(repo)
    assert client.download("file") == (0 if fits else 1)
    assert asked(repo) == (["A"] if fits else [])


@pytest.mark.parametrize("bits", [1, 4, 5, 8, 16])
def test_succinct_roles(start, bits):
    repo = Repository()
    paths = [f"path/{n}" for n in range(6)]
    repo.body["targets"]["delegations"] = {
        "keys": {}, "succinct_roles": {"keyids": [], "threshold": 1, "bit_length": bits,
                                       "name_prefix": "bin"}}
    key = repo.new_key()
    digits = len(f"{2 ** bits - 1:x}")
    for path in paths:
        number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> 32 - bits
        name = f"bin-{number:0{digits}x}"
        if name not in repo.body:
            repo.new_role(name)
            if not repo.names_of(name, "targets")[1]["keyids"]:
                repo.add_key(name, key, "targets")
            repo.signers[name] = [(key, key.id)]
        repo.add_target(path, path.encode(), role=name)
    publish(repo)
    client = start(repo)
    assert client.download(*paths) == 0
    assert client.artifacts() == [path.encode() for path in paths]
    assert client.download("elsewhere") == 1


# ---- whose keys

def test_role_unsigned(start):
    repo = build([("targets", "A"), ("targets", "B")])
    repo.add_target("path", role="B")
    publish(repo)
    repo.write("A", signers=[])
    client = start(repo)
    assert client.download("path") == 1  # who has to be asked first cannot be
    assert asked(repo) == ["A"]
    assert set(client.files()) == set(TOP)


@pytest.mark.parametrize("threshold,signed,code", [(1, 1, 0), (2, 2, 0), (2, 1, 1), (3, 2, 1)])
def test_threshold(start, threshold, signed, code):
    repo = build([("targets", "A", {"threshold": threshold})])
    repo.add_key("A", delegator="targets")
    repo.add_target("path", role="A")
    repo.signers["A"] = repo.signers["A"][:signed]
    publish(repo)
    assert start(repo).download("path") == code


def test_key_of_the_root_s_targets_is_not_enough(start):
    repo = build([("targets", "A")])
    repo.signers["A"] = repo.signers["targets"]
    publish(repo)
    assert start(repo).download("path") == 1


@pytest.mark.parametrize("change", ["revoked", "expired", "version", "type"])
def test_bad_role(start, change):
    repo = build([("targets", "A")])
    repo.add_target("path", role="A")
    publish(repo)
    client = start(repo)
    assert client.download("path") == 0
    before = client.stored("A")
    if change == "revoked":
        old = repo.signers["A"]
        repo.replace_keys("A", "targets")
        repo.signers["A"] = old
    elif change == "expired":
        repo.body["A"]["expires"] = date(-1)
    elif change == "type":
        repo.body["A"]["_type"] = "snapshot"
    publish(repo)
    if change == "version":
        repo.body["A"]["version"] += 1
        data = repo.write("A")
        repo.files[f"{repo.body['A']['version'] - 1}.A.json"] = data
    client.targets.rename(client.directory / "earlier")
    assert client.download("path") == 1
    assert client.stored("A") == before
    assert client.artifacts() == []


def test_keys_of_the_delegator_at_hand(start):
    """Whoever delegates says whose keys: what one has verified is no word for another."""
    repo = build([("targets", "A", {"paths": ["a/?"]}), ("targets", "B", {"paths": ["b/?"]})])
    good = repo.delegate("shared", "A", paths=["a/?", "b/?"])
    repo.delegate("shared", "B", paths=["a/?", "b/?"])
    repo.signers["shared"] = [(good, good.id)]
    repo.add_target("a/1", role="shared")
    repo.add_target("b/1", role="shared")
    publish(repo)
    client = start(repo)
    assert client.download("a/1") == 0
    assert client.version("shared") is not None
    assert client.download("b/1") == 1        # by another run, with the role stored
    assert client.download("a/1", "b/1") == 1  # in the same run
    assert client.download("b/1", "a/1") == 1
    assert len(client.artifacts()) == 1
    other = repo.new_key()
    repo.names_of("shared", "B")[0][other.id] = other.object
    repo.names_of("shared", "B")[1]["keyids"] = [good.id, other.id]
    repo.body["B"]["delegations"]["keys"][good.id] = good.object
    publish(repo)
    assert client.download("a/1", "b/1") == 0


def test_delegators_of_one_role_with_keys_of_their_own(start):
    repo = build([("targets", "A", {"paths": ["a"]}), ("targets", "B", {"paths": ["b"]})])
    for delegator in ("A", "B"):
        repo.delegate("shared", delegator, paths=["a", "b"])
    repo.add_target("a", role="shared")
    repo.add_target("b", role="shared")
    publish(repo)  # signed by both keys
    client = start(repo)
    assert client.download("a", "b") == 0
    assert asked(repo) == ["A", "shared", "B"]


def test_role_that_the_snapshot_does_not_list(start):
    repo = build([("targets", "A"), ("targets", "B")])
    repo.add_target("path", role="B")
    publish(repo)
    repo.body["snapshot"]["meta"].pop("A.json")
    repo.publish("snapshot")
    client = start(repo)
    assert client.download("path") == 1
    assert asked(repo) == []
    assert set(client.files()) == set(TOP)


def test_stored_role_that_the_snapshot_does_not_list(start):
    """What lies in the folder is not asked either."""
    repo = build([("targets", "A")])
    repo.add_target("path", role="A")
    publish(repo)
    client = start(repo)
    assert client.download("path") == 0
    for role in ("timestamp", "snapshot"):
        repo.replace_keys(role)
    repo.body["snapshot"]["meta"].pop("A.json")
    repo.publish("root")
    repo.publish("snapshot")
    assert client.download("path") == 1


@pytest.mark.parametrize("hashes", [False, True])
def test_role_that_moves_on(start, hashes):
    repo = build([("targets", "A"), ("A", "B")], hashes=hashes)
    client = start(repo)
    for number in range(1, 4):
        content = f"{number}".encode()
        repo.add_target("path", content, role="B")
        repo.publish("B")
        repo.requests.clear()
        assert client.download("path") == 0
        assert asked(repo) == (["A", "B"] if number == 1 else ["B"])
        assert client.artifacts() == [content]


def test_hash_of_a_role(start):
    repo = build([("targets", "A")], hashes=True)
    repo.files[repo.names("A")[0]] += b" "
    client = start(repo)
    assert client.download("path") == 1
    assert set(client.files()) == set(TOP)


def test_roles_without_versions_in_names(start):
    repo = build([("targets", "A")], consistent=False)
    repo.add_target("path", role="A")
    publish(repo)
    client = start(repo)
    assert client.download("path") == 0
    assert repo.requests[-1] == "A.json"
    assert repo.fetched == ["path"]


@pytest.mark.skipif(not has_faketime(), reason="faketime is not installed")
def test_stored_role_expires(start):
    repo = build([("targets", "A")])
    repo.body["A"]["expires"] = date(5 * DAY)
    repo.add_target("path", role="A")
    publish(repo)
    client = start(repo)
    assert client.download("path") == 0
    assert client.download("path", now="+6d") == 1


# ---- names

@pytest.mark.parametrize("role", ["?", "#", "/delegatedrole", "../delegatedrole", "a/../../b", ".",
                                  "..", "%2e%2e", "a b", "\u00e9\u4e16", "a.b", "1.a", "a\\b",
                                  "A" * 200, "\u0001", "\"", "root.json"])
def test_unusual_role_name(start, role):
    repo = build([("targets", role)])
    repo.add_target("path", role=role)
    publish(repo)
    client = start(repo)
    before = set(client.directory.parent.rglob("*"))
    assert client.download("path") == 0
    assert asked(repo) == [role]
    assert set(client.files()) == set(TOP) | {role}
    assert (client.metadata / stored_name(role)).is_file()
    assert {p for p in client.directory.parent.rglob("*")} - before == {
        client.targets, client.targets / "path", *client.metadata.iterdir()} - {
        client.metadata / "root.json"}
    assert client.download("path") == 0
    assert asked(repo) == [role]  # was found where it was stored


@pytest.mark.parametrize("role", ["", "root", "timestamp", "snapshot", "targets", "A" * 241])
def test_role_names_that_are_none(start, role):
    repo = Repository()
    client = start(repo)
    key = repo.new_key()
    repo.body["targets"]["delegations"] = {
        "keys": {key.id: key.object}, "roles": [{"name": role, "keyids": [key.id], "threshold": 1,
                                                 "terminating": False, "paths": ["*"]}]}
    repo.publish("targets")
    assert client.refresh() == 1
    assert client.version("targets") is None


def test_role_name_too_long_for_a_file(start):
    """240 bytes at most, and quoted, 255 with ".json"."""
    repo = build([("targets", "\u00e9" * 100)])
    client = start(repo)
    assert client.refresh() == 0
    assert client.download("path") == 1
    assert asked(repo) == []


@pytest.mark.parametrize("spoil", [
    lambda d: d.pop("keys"), lambda d: d.pop("roles"), lambda d: d.update(roles={}),
    lambda d: d["roles"].append(d["roles"][0]), lambda d: d["roles"][0].pop("name"),
    lambda d: d["roles"][0].pop("paths"), lambda d: d["roles"][0].pop("terminating"),
    lambda d: d["roles"][0].update(threshold=0), lambda d: d["roles"][0].update(paths=[1]),
    lambda d: d["roles"][0].update(path_hash_prefixes=["0"]), lambda d: d["roles"][0].pop("keyids"),
    lambda d: d["roles"][0]["keyids"].append(d["roles"][0]["keyids"][0]),
    lambda d: d.update(succinct_roles={"keyids": [], "threshold": 1, "bit_length": 8,
                                       "name_prefix": "x"}),
])
def test_malformed_delegations(start, spoil):
    repo = Repository()
    client = start(repo)
    repo.delegate("A")
    spoil(repo.body["targets"]["delegations"])
    repo.publish("targets")
    assert client.refresh() == 1
    assert set(client.files()) == set(TOP[:3])
