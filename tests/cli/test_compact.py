"""Manifests and trust stores for devices without JSON: drawn up, signed on other machines, listed."""
import hashlib
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "format"))


@pytest.fixture
def repo(alone):
    """Root 1 of 1, targets 2 of 2 with both keys at hand, one release."""
    for name in ("root", "root2", "a", "b", "stranger", "snapshot", "timestamp", "assignment"):
        kind = ["--kind", "ecdsa-p256"] if name == "b" else []
        assert alone("key", "new", "--no-passphrase", name, *kind).code == 0
    done = alone("repo", "init", "--root-key", "root", "--targets-key", "a,b",
                 "--targets-threshold", "2", "--snapshot-key", "snapshot.pub",
                 "--timestamp-key", "timestamp.pub", "--assignment-key", "assignment.pub")
    assert done.code == 0, done.err
    (alone.directory / "fw.bin").write_bytes(b"x" * 5000)
    done = alone("release", "add", "fw.bin", "--product", "pump", "--version", "1.0", "--hardware",
                 "rev-b", "--security-version", "3", "--release-counter", "7")
    assert done.code == 0, done.err
    return alone


def targets_of(slipway):
    """What the list says, once it is signed."""
    done = slipway("release", "sign", "--key", "a", "--key", "b")
    assert done.code == 0, done.err
    return json.loads((slipway.directory / "repo/targets.json").read_text())["signed"]["targets"]


def blob_of(slipway, target):
    blob = (slipway.directory / "repo/blobs" / target["hashes"]["sha256"]).read_bytes()
    assert hashlib.sha256(blob).hexdigest() == target["hashes"]["sha256"]
    assert len(blob) == target["length"]
    return blob


def test_all_keys_at_hand(repo):
    done = repo("compact", "manifest", "pump@1.0", "--key", "a", "--key", "b")
    assert done.code == 0, done.err
    assert "manifest with 2 of 2 signatures, complete" in done.out
    assert "Listed as pump/1.0/fw.bin.manifest." in done.err
    targets = targets_of(repo)
    blob = blob_of(repo, targets["pump/1.0/fw.bin.manifest"])
    assert len(blob) <= 1024
    (repo.directory / "got").write_bytes(blob)
    shown = repo("compact", "show", "got").out
    assert "pump 1.0" in shown and hashlib.sha256(b"x" * 5000).hexdigest() in shown
    assert shown.count("signed by:") == 2


def test_signers_apart(repo):
    done = repo("compact", "manifest", "pump@1.0", "--out", "m", "-o", "json")
    assert json.loads(done.out) == {"kind": "manifest", "file": "m", "signatures": 0,
                                    "threshold": 2, "complete": False}
    assert repo("compact", "add", "m").code == 6
    assert repo("compact", "sign", "m").code == 2  # no key
    assert repo("compact", "sign", "m", "--key", "a").code == 2  # nobody can be asked
    assert repo("compact", "sign", "m", "--key", "a.pub", "--yes").code == 2
    done = repo("compact", "sign", "m", "--key", "a", "--yes", "--out", "m.a")
    assert done.code == 0 and "pump 1.0" in done.err, done.err
    assert repo("compact", "sign", "m.a", "--key", "stranger", "--yes").code == 0
    assert repo("compact", "add", "m.a").code == 6
    assert repo("compact", "sign", "m.a", "--key", "b", "--yes").code == 0
    done = repo("compact", "add", "m.a")
    assert done.code == 0, done.err
    assert "pump/1.0/fw.bin.manifest" in targets_of(repo)


def test_what_cannot_be_listed(repo):
    assert repo("compact", "manifest", "pump@9").code == 4
    assert repo("compact", "manifest", "pump").code == 2
    (repo.directory / "junk").write_bytes(b"junk")
    for verb in (["show", "junk"], ["add", "junk"], ["sign", "junk", "--key", "a", "--yes"]):
        assert repo("compact", *verb).code == 1
    assert repo("compact", "show", "absent").code == 4
    (repo.directory / "junk").write_bytes(b"x" * 5000)
    assert repo("compact", "show", "junk").code in (1, 2)
    # Signed, and then the release is taken out of the list.
    repo("compact", "manifest", "pump@1.0", "--out", "m")
    assert repo("compact", "sign", "m", "--key", "a", "--key", "b", "--yes").code == 0
    assert repo("release", "remove", "pump@1.0").code == 0
    assert repo("compact", "add", "m").code == 4


def test_removing_a_release_takes_its_manifest(repo):
    assert repo("compact", "manifest", "pump@1.0", "--key", "a", "--key", "b").code == 0
    assert repo("release", "remove", "pump@1.0").code == 0
    assert not [name for name in targets_of(repo) if name.startswith("pump/")]


def test_a_whole_bank(repo):
    done = repo("compact", "manifest", "pump@1.0", "--slot-length", "8K", "--slot-fill", "0",
                "--out", "m")
    assert done.code == 0, done.err
    bank = hashlib.sha256(b"x" * 5000 + bytes(8192 - 5000)).hexdigest()
    assert bank in repo("compact", "show", "m").out
    assert repo("compact", "manifest", "pump@1.0", "--slot-length", "4K").code == 2


def test_trust_stores_rotate(repo):
    assert targets_of(repo)
    done = repo("compact", "trust", "--product", "pump=2", "--product", "*", "--key", "root")
    assert done.code == 0, done.err
    assert "Listed as trust-store/1." in done.err
    first = blob_of(repo, targets_of(repo)["trust-store/1"])
    (repo.directory / "first").write_bytes(first)
    shown = repo("compact", "show", "first").out
    assert "pump, security floor 2" in shown and "2 of:" in shown
    # Other root keys: the next store needs the old and the new one.
    done = repo("repo", "rotate", "--role", "root", "--key", "root2")
    assert done.code == 0, done.err
    assert repo("root", "sign", "--key", "root", "--key", "root2").code == 0
    assert repo("compact", "trust", "--product", "pump=2", "--out", "t", "--key", "root2").code == 0
    assert repo("compact", "add", "t").code == 6
    assert repo("compact", "sign", "t", "--key", "root", "--yes").code == 0
    assert repo("compact", "add", "t").code == 0
    assert "trust-store/2" in targets_of(repo)
    # A floor does not sink.
    assert repo("compact", "trust", "--product", "pump=1", "--key", "root2").code == 7


@pytest.mark.parametrize("product", ["=1", "pump=", "pump=x", "pump=-1", "pump=4294967296",
                                     "a/b", "x" * 65])
def test_bad_products(repo, product):
    assert targets_of(repo)
    assert repo("compact", "trust", "--product", product).code == 2
    assert not list((repo.directory / "repo/staged").glob("trust-store*"))


def test_too_many_products(repo):
    assert targets_of(repo)
    names = [word for i in range(5) for word in ("--product", f"p{i}")]
    assert repo("compact", "trust", *names).code == 2


def test_second_opinion(repo):
    """The signatures by python's cryptography, over bytes put together anew."""
    pytest.importorskip("cryptography", reason="python's cryptography is not installed")
    import cose_oracle as oracle
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    assert repo("compact", "manifest", "pump@1.0", "--out", "m").code == 0
    payload = (repo.directory / "m").read_bytes()  # a draft is the payload
    assert repo("compact", "sign", "m", "--key", "a", "--key", "b", "--yes").code == 0
    message = (repo.directory / "m").read_bytes()
    assert payload in message
    rest = message[message.index(payload) + len(payload):]
    assert rest[0] == 0x82
    for name in ("a", "b"):
        key = serialization.load_pem_public_key((repo.directory / f"{name}.pub").read_bytes())
        is_ec = isinstance(key, ec.EllipticCurvePublicKey)
        encoding, form = ((serialization.Encoding.X962,
                           serialization.PublicFormat.UncompressedPoint) if is_ec else
                          (serialization.Encoding.Raw, serialization.PublicFormat.Raw))
        kid = hashlib.sha256(key.public_bytes(encoding, form)).digest()[:8]
        header = oracle.blank(oracle.ES256 if is_ec else oracle.EDDSA, kid)
        at = rest.index(header) + len(header)
        assert rest[at:at + 3] == b"\xa0\x58\x40"
        signature = rest[at + 3:at + 67]
        tbs = oracle.plain(["Signature", b"", header, b"slipway manifest 1", payload])
        if is_ec:
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(utils.encode_dss_signature(r, s), tbs, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, tbs)
