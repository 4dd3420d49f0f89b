"""Targets: found, fetched whole, verified, put in place, not fetched twice."""
import os

import pytest
from tuf_keys import sha256
from tuf_repository import Repository, digests


@pytest.mark.parametrize("consistent", [False, True])
@pytest.mark.parametrize("path", ["file", "dir/file", "a/b/c/d.tar.gz", "no-suffix", ".hidden",
                                  "a b+c,d;e=f&g@h!$'()*~", "100%", "\u00e9\u4e16", "x" * 300])
def test_download(start, consistent, path):
    repo = Repository(consistent=consistent)
    repo.add_target(path, b"what is in it")
    repo.publish("targets")
    client = start(repo)
    assert client.download(path) == 0
    folder, slash, name = path.rpartition("/")
    hashed = f"{folder}{slash}{sha256(b'what is in it')}.{name}"
    assert repo.fetched == [hashed if consistent else path]
    assert client.artifacts() == [b"what is in it"]


@pytest.mark.parametrize("path", ["..", ".", "../x", "/etc/passwd", "a/../../b", "./x", "//x",
                                  ".tmp-0", "-x"])
def test_names_that_lead_elsewhere(start, path):
    repo = Repository(consistent=False)
    repo.add_target(path, b"inside")
    repo.publish("targets")
    client = start(repo)
    assert client.download(path) == 0
    assert repo.fetched == [path]
    assert client.artifacts() == [b"inside"]
    assert all(p.parent == client.targets for p in client.targets.rglob("*"))
    assert client.download(path) == 0  # still there
    assert repo.fetched == [path]


@pytest.mark.parametrize("path", ["a?b", "a#b", "a?b/c#d"])
def test_names_with_marks_of_urls(start, path):
    repo = Repository()
    repo.add_target(path)
    repo.publish("targets")
    assert start(repo).download(path) == 0


def test_name_that_is_quoted(start):
    """Names are pieces of URLs: what is quoted in one stays so."""
    repo = Repository(consistent=False)
    repo.add_target("a%20b")
    repo.contents["a b"] = repo.contents["a%20b"]
    repo.publish("targets")
    assert start(repo).download("a%20b") == 0
    assert repo.fetched == ["a b"]


@pytest.mark.parametrize("content", [b"", b"1", b"\0" * 100000, bytes(range(256)) * 20000])
def test_sizes(start, content):
    repo = Repository()
    repo.add_target("file", content)
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 0
    assert client.artifacts() == [content]


@pytest.mark.parametrize("kinds", [("sha256",), ("sha512",), ("sha256", "sha512"),
                                   ("sha512", "sha256"), ("sha256", "blake2s")])
def test_hash_algorithms(start, kinds):
    repo = Repository()
    repo.add_target("file", kinds=kinds)
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 0
    assert len(client.artifacts()) == 1


@pytest.mark.parametrize("hashes", [{"unheard-of": "00" * 32}, {"md5": "00" * 16}, {"sha256": "00"},
                                    {"sha256": ""}, {"SHA256": "00" * 32}])
def test_unknown_hash_algorithm(start, hashes):
    repo = Repository()
    repo.add_target("file")
    repo.body["targets"]["targets"]["file"]["hashes"] = hashes
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 1
    assert client.artifacts() == []
    assert client.version("targets") == 2


@pytest.mark.parametrize("kind", ["sha256", "sha512"])
def test_one_of_two_hashes_is_wrong(start, kind):
    repo = Repository()
    repo.add_target("file", kinds=("sha256", "sha512"))
    repo.body["targets"]["targets"]["file"]["hashes"][kind] = digests(b"other", (kind,))[kind]
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 1
    assert client.artifacts() == []


@pytest.mark.parametrize("served", [b"Content", b"conten", b"content ", b"", b"x" * 10000000])
def test_substituted(start, served):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    repo.contents["file"] = served
    client = start(repo)
    assert client.download("file") == 1
    assert list(client.targets.iterdir()) == []


def test_substituted_after_a_good_one(start):
    """The file that was good stays, until there is another that is."""
    repo = Repository()
    repo.add_target("file", b"first")
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 0
    repo.add_target("file", b"second")
    repo.publish("targets")
    repo.contents["file"] = b"evil"
    assert client.download("file") == 1
    assert client.artifacts() == [b"first"]
    repo.contents["file"] = b"second"
    assert client.download("file") == 0
    assert client.artifacts() == [b"second"]


def test_many_changes(start):
    repo = Repository(hashes=True)
    client = start(repo)
    for number in range(11):
        content = f"content {number}".encode()
        repo.add_target("file", content)
        repo.publish("targets")
        assert client.download("file") == 0
        assert client.artifacts() == [content]


def test_there_already(start):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 0
    assert client.download("file") == 0
    assert client.download("file", "file") == 0
    assert len(repo.fetched) == 1


@pytest.mark.parametrize("spoil", [b"", b"Content", b"content and more"])
def test_there_but_not_right(start, spoil):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    assert client.download("file") == 0
    (client.targets / "file").write_bytes(spoil)
    assert client.download("file") == 0
    assert client.artifacts() == [b"content"]
    assert len(repo.fetched) == 2


def test_link_in_its_place(start):
    """A link is no target of ours, and what it points to is left alone."""
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    other = client.directory / "other"
    other.write_bytes(b"content")
    client.targets.mkdir()
    (client.targets / "file").symlink_to(other)
    assert client.download("file") == 0
    assert not (client.targets / "file").is_symlink()
    assert other.read_bytes() == b"content"


def test_several_in_order(start):
    repo = Repository()
    for name in ("c", "a", "b"):
        repo.add_target(name, name.encode())
    repo.publish("targets")
    client = start(repo)
    assert client.download("c", "a", "b") == 0
    assert client.artifacts() == [b"c", b"a", b"b"]


def test_the_first_failure_ends_it(start):
    repo = Repository()
    for name in ("a", "b", "c"):
        repo.add_target(name, name.encode())
    repo.publish("targets")
    repo.contents["b"] = b"x"
    client = start(repo)
    assert client.download("a", "b", "c") == 1
    assert client.artifacts() == [b"a"]
    assert len(repo.fetched) == 2


def test_names_with_commas(start):
    repo = Repository()
    repo.add_target("a,b")
    repo.publish("targets")
    assert start(repo).download("a,b") == 0


def test_not_listed(repo, client):
    assert client.download("file") == 1
    assert repo.fetched == []


def test_missing_on_the_server(start):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    del repo.contents["file"]
    client = start(repo)
    assert client.download("file") == 1
    assert list(client.targets.iterdir()) == []


def test_no_download_after_a_failed_refresh(start):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    repo.write("timestamp", signers=[])
    assert client.download("file") == 1
    assert repo.fetched == []


def test_left_over_temporary_files(start):
    """What a crash left behind in either folder goes at the next run."""
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    client.targets.mkdir()
    for folder in (client.metadata, client.targets):
        (folder / ".tmp-0123456789abcdef").write_bytes(b"half")
    assert client.download("file") == 0
    assert [p.name for p in client.targets.iterdir()] == ["file"]
    assert set(client.files()) == {"root", "timestamp", "snapshot", "targets"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(start):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    client.targets.mkdir(mode=0o500)
    assert client.download("file") == 1


@pytest.mark.parametrize("custom", [None, 1, "text", {"slipway": 1}, {"any": {"thing": []}}])
def test_custom_is_somebody_else_s(start, custom):
    repo = Repository()
    repo.add_target("file", custom=custom)
    repo.publish("targets")
    assert start(repo).download("file") == 0
