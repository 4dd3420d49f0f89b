"""Devices of other people's clients, and files for them in releases."""
import hashlib
import json
import pathlib

import pytest

MENDER = pathlib.Path(__file__).parents[1] / "corpus/mender-artifact/gzip.mender"


@pytest.fixture
def repository(alone):
    for name in ("root", "a", "snapshot", "timestamp"):
        done = alone("key", "new", "--no-passphrase", name)
        assert done.code == 0, done.err
    done = alone("repo", "init", "--root-key", "root", "--targets-key", "a", "--snapshot-key",
                 "snapshot.pub", "--timestamp-key", "timestamp.pub")
    assert done.code == 0, done.err
    return alone


def add(slipway, file, content, fmt, *more, version="2.0"):
    path = slipway.directory / file
    path.write_bytes(content)
    return slipway("release", "add", path, "--product", "box", "--version", version,
                   "--format", fmt, *more)


def targets(slipway):
    staged = next((slipway.directory / "tuf" if (slipway.directory / "tuf").exists()
                   else slipway.directory).rglob("staged/targets.json"))
    return json.loads(staged.read_text())["signed"]["targets"]


def test_a_release_of_artifacts_only(repository):
    done = add(repository, "box.swu", b"swu" * 1000, "swu", "-H", "rev-a,rev-b", "--part", "os",
               "-o", "json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["target"] == "box/2.0/box.swu" and made["format"] == "swu"
    assert made["sha256"] == hashlib.sha256(b"swu" * 1000).hexdigest() and made["length"] == 3000
    stated = targets(repository)["box/2.0/box.swu"]
    assert stated["length"] == 3000
    assert stated["custom"] == {"slipway-artifact": {
        "format": "swu", "product": "box", "version": "2.0", "hardware": ["rev-a", "rev-b"],
        "security_version": 0, "kind": "feature", "part": "os"}}
    assert "box/2.0/box.swu.chunks" not in targets(repository)


def test_image_and_artifacts_stand_side_by_side(repository):
    assert add(repository, "box.swu", b"swu", "swu").code == 0
    done = add(repository, "box.img", b"image", "image", "-H", "rev-a")
    assert done.code == 0, done.err
    done = add(repository, "box.mender", MENDER.read_bytes(), "mender")
    assert done.code == 0, done.err
    assert sorted(targets(repository)) == ["authority/assignment"] * ("authority/assignment" in targets(repository)) + [
        "box/2.0/box.img", "box/2.0/box.img.chunks", "box/2.0/box.mender", "box/2.0/box.swu"]
    assert repository("release", "remove", "box@2.0").code == 0
    assert not [name for name in targets(repository) if name.startswith("box/")]


def test_a_mender_artifact_says_what_it_is(repository):
    """Its name is what a device reports, so nobody may say it wrong."""
    assert add(repository, "box.mender", b"nonsense", "mender").code == 1
    assert "\"r1\"" in add(repository, "box.mender", MENDER.read_bytes(), "mender", "--runs-as",
                           "other").err
    assert add(repository, "box.mender", MENDER.read_bytes(), "mender").code == 0
    stated = targets(repository)["box/2.0/box.mender"]["custom"]["slipway-artifact"]
    assert stated["runs_as"] == "r1" and stated["hardware"] == ["sandbox"]
    key = repository.directory / "key.pub"
    assert repository("key", "new", "--no-passphrase", "signer").code == 0
    key.write_bytes((repository.directory / "signer.pub").read_bytes())
    done = add(repository, "box.mender", MENDER.read_bytes(), "mender", "--artifact-key", key,
               version="3.0")
    assert done.code != 0 and "is not signed" in done.err


def test_a_version_never_changes(repository):
    assert add(repository, "box.swu", b"one", "swu").code == 0
    assert add(repository, "box.swu", b"one", "swu").code == 0  # the same again
    assert add(repository, "box.swu", b"two", "swu").code == 7
    assert add(repository, "box.swu", b"one", "swu", "-H", "rev-a").code == 7


@pytest.mark.parametrize("more", [
    ("zip",), ("mender",), ("swu", "--part", "a b"), ("swu", "-H", "a b"), ("swu", "--runs-as", ""),
    ("swu", "--name", "../x")])
def test_what_cannot_be_stated(repository, more):
    done = add(repository, "box.bin", b"x", *more)
    assert done.code in (1, 2), done.err
    assert done.err


def test_an_empty_or_absent_file(repository):
    assert add(repository, "box.swu", b"", "swu").code in (1, 2)
    assert repository("release", "add", "absent", "-p", "b", "-V", "1", "-f", "swu").code in (1, 4)


def test_a_token_is_printed_once(slipway, api):
    api.set("POST", "/api/v1/devices", (201, {"name": "cam", "protocol": "hawkbit", "token": "f0" * 16}))
    done = slipway("device", "add", "cam", "--protocol", "hawkbit", "--product", "box")
    assert (done.code, done.out) == (0, "f0" * 16 + "\n"), done.err
    assert json.loads(api.made("POST")[-1][3]) == {"name": "cam", "protocol": "hawkbit", "product": "box"}
    api.set("POST", "/api/v1/devices", (201, {"name": "box", "protocol": "mender", "token": None}))
    done = slipway("device", "add", "box", "--protocol", "mender")
    assert (done.code, done.out) == (0, "") and "registered" in done.err
    assert slipway("device", "add", "gw").code == 2
    api.set("POST", "/api/v1/devices/cam/foreign-token", (201, {"name": "cam", "protocol": "hawkbit", "token": "ab" * 16}))
    assert slipway("device", "token", "cam").out == "ab" * 16 + "\n"


def test_gateway_tokens(slipway, api):
    api.set("POST", "/api/v1/gateway-tokens", (201, {"id": 1, "name": "oslo", "token": "aa" * 16}))
    assert slipway("gateway", "new", "oslo", "--selector", "site = oslo").out == "aa" * 16 + "\n"
    assert json.loads(api.made("POST")[-1][3]) == {"name": "oslo", "selector": "site = oslo"}
    api.set("GET", "/api/v1/gateway-tokens", {"items": [
        {"id": 1, "name": "oslo", "protocol": "hawkbit", "selector": None, "created_by": "ada",
         "created_at": "2026-11-25T10:00:00Z"}], "next": None})
    assert "all" in slipway("gateway", "list").out
    api.set("DELETE", "/api/v1/gateway-tokens/1", (204, b""))
    assert slipway("gateway", "revoke", "1").code == 0
