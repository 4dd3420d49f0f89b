"""Sealed releases in a repository: what is written, what is not, and what a product does by itself."""
import hashlib
import json

import pytest

IMAGE = b"nobody may read this\n" * 5000


@pytest.fixture
def repository(alone):
    for name in ("root", "targets", "snapshot", "timestamp"):
        assert alone("key", "new", "--no-passphrase", name).code == 0
    done = alone("repo", "init", "--root-key", "root", "--targets-key", "targets", "--snapshot-key",
                 "snapshot.pub", "--timestamp-key", "timestamp.pub")
    assert done.code == 0, done.err
    return alone


def add(slipway, version, *more, product="router", content=IMAGE):
    image = slipway.directory / f"{product}-{version}"
    image.write_bytes(content)
    return slipway("release", "add", image, "--product", product, "--version", version,
                   "--hardware", "a", "-o", "json", *more)


def listed(slipway):
    targets = json.loads((slipway.directory / "repo/staged/targets.json").read_text())
    return targets["signed"]["targets"]


def facts_of(slipway, name):
    return listed(slipway)[name]["custom"]["slipway"]


def blob(slipway, digest):
    return (slipway.directory / "repo/blobs" / digest).read_bytes()


@pytest.mark.parametrize("cipher", ["chacha20-poly1305", "aes-256-gcm"])
def test_what_is_written(repository, cipher):
    done = add(repository, "1.0", "--seal", "--cipher", cipher)
    assert done.code == 0 and json.loads(done.out)["sealed"] is True, done.err
    facts, target = facts_of(repository, "router/1.0/router-1.0"), listed(repository)["router/1.0/router-1.0"]
    sealed = facts["sealed"]
    assert sealed["alg"] == cipher
    assert facts["plain"] == {"length": len(IMAGE), "sha256": hashlib.sha256(IMAGE).hexdigest()}
    assert sealed["length"] == target["length"] == len(IMAGE) + 2 * 16
    assert sealed["sha256"] == target["hashes"]["sha256"]
    content = blob(repository, sealed["sha256"])
    assert hashlib.sha256(content).hexdigest() == sealed["sha256"]
    chunks = [content[:65552], content[65552:]]
    assert blob(repository, facts["chunks"]["sha256"]) == b"".join(
        hashlib.sha256(chunk).digest() for chunk in chunks)

    # No image in the clear anywhere, and the key for nobody else.
    for path in (repository.directory / "repo").rglob("*"):
        assert not path.is_file() or IMAGE[:21] not in path.read_bytes(), path
    folder = repository.directory / "repo/content-keys"
    key = folder / facts["plain"]["sha256"]
    assert folder.stat().st_mode & 0o777 == 0o700 and key.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(key.read_text())) == 32
    assert key.read_text().strip() not in done.out + done.err


def test_what_a_product_does_by_itself(repository):
    assert json.loads(add(repository, "1.0").out)["sealed"] is False
    assert json.loads(add(repository, "1.1", "--seal").out)["sealed"] is True
    assert json.loads(add(repository, "1.2").out)["sealed"] is True
    assert json.loads(add(repository, "1.3", "--clear").out)["sealed"] is False
    assert json.loads(add(repository, "1.0", product="camera").out)["sealed"] is False
    assert "sealed" not in facts_of(repository, "router/1.3/router-1.3")
    done = repository("release", "sign", "--key", "targets")
    assert done.code == 0, done.err
    assert json.loads(add(repository, "1.4").out)["sealed"] is True  # by the signed list, now


def test_each_image_has_a_key_of_its_own(repository):
    add(repository, "1.0", "--seal")
    add(repository, "1.1", "--seal", content=IMAGE + b"!")
    keys = {path.read_text() for path in (repository.directory / "repo/content-keys").iterdir()}
    assert len(keys) == 2


def test_refused(repository):
    assert add(repository, "1.0", "--seal", "--clear").code == 2
    assert add(repository, "1.0", "--seal", "--cipher", "rot13").code == 2
    assert add(repository, "1.0", "--seal", content=b"").code != 0
    folder = repository.directory / "repo/content-keys"
    folder.mkdir(exist_ok=True)
    (folder / hashlib.sha256(IMAGE).hexdigest()).write_text("not a key")
    done = add(repository, "1.0", "--seal")
    assert done.code != 0 and "is not a content key" in done.err
    assert not (repository.directory / "repo/staged/targets.json").exists()
