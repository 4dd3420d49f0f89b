"""The command line as other programs drive it."""
import pytest
from tuf_client import PROGRAM
from tuf_repository import Repository


@pytest.fixture
def words(start):
    repo = Repository()
    repo.add_target("file")
    repo.publish("targets")
    client = start(repo)
    return client, {
        "--metadata-dir": client.metadata, "--metadata-url": client.address + "metadata/",
        "--target-name": "file", "--target-dir": client.targets,
        "--target-base-url": client.address + "targets/",
    }


def flat(options):
    return [word for option in options.items() for word in option]


@pytest.mark.parametrize("turn", range(5))
def test_any_order_of_options(words, turn):
    client, options = words
    items = list(options.items())
    assert client.run(*flat(dict(items[turn:] + items[:turn])), "download") == 0
    assert client.artifacts() == [b"content"]


def test_other_forms(words):
    client, options = words
    assert client.run(*[f"{name}={value}" for name, value in options.items()], "download") == 0
    assert client.run("download", *flat(options)) == 0


def test_addresses_without_a_slash(words):
    client, options = words
    for name in ("--metadata-url", "--target-base-url"):
        options[name] = options[name].rstrip("/")
    assert client.run(*flat(options), "download") == 0


def test_refresh_may_be_given_what_it_does_not_need(words):
    client, options = words
    assert client.run(*flat(options), "refresh") == 0
    assert client.artifacts() == []


@pytest.mark.parametrize("missing", ["--metadata-dir", "--metadata-url", "--target-name",
                                     "--target-dir", "--target-base-url"])
def test_missing_option(words, missing):
    client, options = words
    del options[missing]
    assert client.run(*flat(options), "download") == 1


@pytest.mark.parametrize("arguments", [
    [], ["init"], ["refresh"], ["unheard-of"], ["--unheard-of"], ["--metadata-dir"],
    ["--metadata-dir", "x", "init"], ["--metadata-dir", "x", "init", "/nowhere"],
    ["--metadata-dir", "x", "init", "/"], ["init", "a", "b"], ["refresh", "download"],
    ["--metadata-dir", "x", "--metadata-dir", "x", "init", "y"],
])
def test_wrong_usage(words, arguments):
    client, _ = words
    assert client.run(*arguments) == 1


def test_init_makes_folders_and_starts_over(words):
    client, _ = words
    assert client.run("--metadata-dir", client.directory / "a/b/c", "init",
                      client.metadata / "root.json") == 0
    assert (client.directory / "a/b/c/root.json").read_bytes() == client.stored("root")
    other = client.directory / "other"
    other.write_bytes(b"{}")
    assert client.run("--metadata-dir", client.metadata, "init", other) == 0
    assert client.stored("root") == b"{}"


@pytest.mark.parametrize("option", ["--help", "--version", "--man"])
def test_built_in_options(words, option, capfd):
    client, _ = words
    assert client.run(option) == 0


def test_program_is_there():
    assert PROGRAM.is_file()
