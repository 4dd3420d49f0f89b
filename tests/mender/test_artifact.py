"""Mender Artifacts: ours read by Mender's tool, its read by ours, and every rule broken once."""
import base64
import gzip
import hashlib
import json
import os
import subprocess
import tarfile

import pytest
from artifacts import Artifact, tar


@pytest.fixture
def payload(tmp_path):
    paths = []
    for name, content in {"dest_dir": b"/opt", "hello.txt": b"hi\n" * 1000,
                          "big.bin": os.urandom(300000)}.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(content)
    return paths


def files_of(facts):
    return {file["name"]: file["sha256"] for file in facts["payloads"][0]["files"]}


def digests(paths):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def options(flag, values):
    return [word for value in values for word in (flag, value)]


# ---- theirs, read by us ----

@pytest.mark.parametrize("compression", ["none", "gzip", "lzma"])
def test_theirs(oracle, show, payload, tmp_path, compression):
    out = tmp_path / "theirs.mender"
    script = tmp_path / "ArtifactInstall_Enter_10_check"
    script.write_text("#!/bin/sh\n")
    meta = tmp_path / "meta.json"
    meta.write_text('{"a": [1, 2]}')
    oracle("write", "module-image", "-T", "single-file", "-n", "release-2", "-t", "sandbox", "-t",
           "other", *options("-f", payload), "-o", out, "--compression", compression, "-p", "x:y",
           "-d", "x:2", "-g", "grp", "-G", "old", "-N", "release-1", "-s", script,
           "-m", meta)
    facts = show(out)
    assert facts["name"] == "release-2" and facts["device_types"] == ["sandbox", "other"]
    assert facts["provides"] == {"artifact_name": "release-2", "artifact_group": "grp", "x": "y",
                                 "rootfs-image.single-file.version": "release-2"}
    assert facts["depends"] == {"device_type": ["sandbox", "other"], "artifact_name": ["release-1"],
                                "artifact_group": ["old"], "x": ["2"]}
    assert facts["clears"] == ["rootfs-image.single-file.*"]
    assert facts["scripts"] == [script.name] and not facts["signed"]
    assert facts["payloads"][0]["meta_data"] == {"a": [1, 2]}
    assert files_of(facts) == digests(payload)


@pytest.mark.parametrize("version", [2, 3])
def test_their_rootfs_image(oracle, show, payload, tmp_path, version):
    out = tmp_path / "theirs.mender"
    oracle("write", "rootfs-image", "-v", version, "-n", "r", "-t", "s", "-f", payload[2], "-o", out)
    facts = show(out)
    assert facts["format_version"] == version
    assert facts["payloads"][0]["type"] == "rootfs-image"
    assert files_of(facts) == digests(payload[2:])
    if version == 3:
        assert facts["provides"]["rootfs-image.checksum"] == files_of(facts)["big.bin"]


# ---- ours, read by them ----

@pytest.mark.parametrize("compression", ["none", "gzip", "xz"])
def test_ours(oracle, slipway, show, payload, tmp_path, compression):
    out = tmp_path / "ours.mender"
    done = slipway("artifact", "write", "module-image", "--out", out, "-n", "release-3", "-t",
                   "sandbox", "-T", "single-file", *options("-f", payload), "--compression",
                   compression, "--provides", "x:y:z", "--depends", "k:1", "--depends", "k:2",
                   "--software-version", "9")
    assert done.returncode == 0, done.stderr
    oracle("validate", out)
    text = oracle("read", out).stdout
    for expected in ("Name: release-3", "'[sandbox]'", "single-file.version: 9", "x: y:z",
                     "k: [1 2]", *digests(payload).values()):
        assert expected in text
    assert files_of(show(out)) == digests(payload)


def test_our_rootfs_image(oracle, slipway, payload, tmp_path):
    out = tmp_path / "ours.mender"
    assert slipway("artifact", "write", "rootfs-image", "--out", out, "-n", "r4", "-t", "s", "-f",
                   payload[2]).returncode == 0
    text = oracle("read", out).stdout
    assert f"rootfs-image.checksum: {digests(payload)['big.bin']}" in text
    assert 'Clears Provides: ["artifact_group", "rootfs_image_checksum", "rootfs-image.*"]' in text


def test_ours_in_zstd_is_read_by_us(slipway, show, payload, tmp_path):
    out = tmp_path / "ours.mender"
    assert slipway("artifact", "write", "rootfs-image", "--out", out, "-n", "r4", "-t", "s", "-f",
                   payload[2], "--compression", "zstd").returncode == 0
    assert files_of(show(out)) == digests(payload[2:])


def test_writer_refuses(slipway, payload, tmp_path):
    out = tmp_path / "ours.mender"
    base = ("artifact", "write", "module-image", "--out", out, "-n", "r", "-t", "s")
    bad = tmp_path / "no good name"
    bad.write_text("x")
    assert slipway(*base, "-f", payload[0]).returncode == 2  # no type
    assert slipway(*base, "-T", "t", "-f", bad).returncode == 2
    assert slipway(*base, "-T", "t", "-s", payload[0]).returncode == 2
    assert slipway(*base, "-T", "t", "-f", tmp_path / "missing").returncode == 4
    assert not out.exists()
    out.write_text("mine")
    assert slipway(*base, "-T", "t", "-f", payload[0]).returncode != 0
    assert out.read_text() == "mine"


# ---- signatures ----

def openssl(*words, **kwargs):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **kwargs)


@pytest.fixture
def keys(tmp_path):
    """kind -> (private, public); RSA and EC in the old forms, which mender-artifact 3.9 wants."""
    out = {}
    for kind, arguments in {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
                            "ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
                            "ed25519": ["ED25519"], "other": ["ED25519"]}.items():
        private, public = tmp_path / f"{kind}.pem", tmp_path / f"{kind}.pub"
        openssl("genpkey", "-algorithm", *arguments, "-out", private)
        openssl("pkey", "-in", private, "-pubout", "-out", public)
        if kind in ("rsa", "ec"):
            private.write_bytes(openssl("pkey", "-in", private, "-traditional").stdout)
        out[kind] = private, public
    return out


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_their_signature(oracle, show, keys, payload, tmp_path, kind):
    out = tmp_path / "signed.mender"
    oracle("write", "module-image", "-T", "single-file", "-n", "r", "-t", "s", "-f", payload[0],
           "-k", keys[kind][0], "-o", out)
    assert show(out)["signed"]
    assert show(out, "--key", keys[kind][1])["signed"]
    assert show(out, "--key", keys["other"][1], "--key", keys[kind][1])["signed"]
    assert "not signed by any of 1 keys" in show(out, "--key", keys["other"][1])


def test_our_signature(oracle, slipway, show, payload, tmp_path):
    private, out = tmp_path / "mine", tmp_path / "signed.mender"
    assert slipway("key", "new", "--kind", "ecdsa-p256", "--no-passphrase", private).returncode == 0
    done = slipway("artifact", "write", "module-image", "--out", out, "-n", "r", "-t", "s", "-T",
                   "t", "-f", payload[0], "--key", private)
    assert done.returncode == 0, done.stderr
    public = tmp_path / "mine.pem"
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    assert show(out, "--key", public)["signed"]
    oracle("validate", "-k", public, out)


def test_other_forms_of_signature(show, keys):
    artifact = Artifact()
    manifest = artifact.manifest()
    for kind, arguments in {"ed25519": ["pkeyutl", "-sign", "-rawin"],
                            "ec": ["dgst", "-sha256"]}.items():  # the latter as DER
        private, public = keys[kind]
        path = private.with_suffix(".in")
        path.write_bytes(manifest)
        if kind == "ec":
            signature = openssl(*arguments, "-sign", private, path).stdout
        else:
            signature = openssl(*arguments, "-inkey", private, "-in", path).stdout
        artifact.signature = base64.b64encode(signature)
        assert show(artifact.build(), "--key", public)["signed"]


def test_bad_signatures(show, keys):
    public = keys["ed25519"][1]
    artifact = Artifact()
    assert "is not signed" in show(artifact.build(), "--key", public)
    for signature in (b"", b"%%%%", b"AAAA", base64.b64encode(bytes(64)),
                      base64.b64encode(os.urandom(64)) + b"\n"):
        artifact.signature = signature
        assert isinstance(show(artifact.build(), "--key", public), str)


# ---- every rule, broken ----

def test_good_one(show):
    for suffix in ("", ".gz", ".xz"):
        assert show(Artifact(suffix).build())["name"] == "release-2"


def edit(**members):
    artifact = Artifact(members.pop("suffix", ".gz"))
    for name, value in members.items():
        setattr(artifact, name, value)
    return artifact


def info(**members):
    value = Artifact().info
    value.update(members)
    return edit(info=value)


def type_info(**members):
    value = Artifact().type_info
    value.update(members)
    return edit(type_info=value)


def lines(change):
    artifact = Artifact()
    artifact.lines = artifact.manifest_lines()
    change(artifact.lines)
    return artifact


BROKEN = {
    "order": edit(order=["manifest", "version", "header", "data"]),
    "no manifest": edit(order=["version", "header", "data"]),
    "no header": edit(order=["version", "manifest", "data"]),
    "no payload": edit(order=["version", "manifest", "header"]),
    "payload first": edit(order=["version", "manifest", "data", "header"]),
    "twice": edit(order=["version", "manifest", "header", "data", "data"]),
    "version 1": edit(version=b'{"format":"mender","version":1}'),
    "version 4": edit(version=b'{"format":"mender","version":4}'),
    "other format": edit(version=b'{"format":"swu","version":3}'),
    "version is no JSON": edit(version=b"3"),
    "version with more": edit(version=b'{"format":"mender","version":3,"x":1}'),
    "version twice": edit(version=b'{"format":"mender","version":2,"version":3}'),
    "a file changed": lines(lambda x: x.update({"data/0000/hello.txt": "0" * 64})),
    "the header changed": lines(lambda x: x.update({"header.tar.gz": "0" * 64})),
    "the version changed": lines(lambda x: x.update({"version": "0" * 64})),
    "a line too many": lines(lambda x: x.update({"data/0000/more": "0" * 64})),
    "a line missing": lines(lambda x: x.pop("data/0000/hello.txt")),
    "upper case": lines(lambda x: x.update({"version": x["version"].upper()})),
    "short digest": lines(lambda x: x.update({"version": x["version"][1:]})),
    "unknown member": info(more=1),
    "no payloads": info(payloads=[]),
    "payload without type": info(payloads=[{}]),
    "too many payloads": info(payloads=[{"type": "t"}] * 9),
    "no name": info(artifact_provides={}),
    "empty name": info(artifact_provides={"artifact_name": ""}),
    "long name": info(artifact_provides={"artifact_name": "n" * 257}),
    "control character in name": info(artifact_provides={"artifact_name": "a\nb"}),
    "no device type": info(artifact_depends={}),
    "empty device type": info(artifact_depends={"device_type": []}),
    "device type is a number": info(artifact_depends={"device_type": [1]}),
    "type-info of another type": type_info(type="deb"),
    "type-info with more": type_info(more=1),
    "provides twice": type_info(artifact_provides={"artifact_name": "x"}),
    "depends twice": type_info(artifact_depends={"device_type": "x"}),
    "provides a number": type_info(artifact_provides={"a": 1}),
    "depends on a number": type_info(artifact_depends={"a": [1]}),
    "clears a text": type_info(clears_artifact_provides="*"),
    "meta-data is a list": edit(meta_data=b"[]"),
    "meta-data is too deep": edit(meta_data=b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"),
    "meta-data is too long": edit(meta_data=b'{"a":"' + b"x" * 70000 + b'"}'),
    "script of another name": edit(scripts=[("scripts/Download_Enter_00", b"")]),
    "script in a directory": edit(scripts=[("scripts/ArtifactInstall_Enter_00_a/b", b"")]),
    "header out of order": edit(header_members=[
        ("headers/0000/type-info", b"{}"), ("header-info", b"{}")]),
    "header ends early": edit(header_members=[("header-info", json.dumps(Artifact().info).encode())]),
    "unknown in header": edit(header_members=[
        ("header-info", json.dumps(Artifact().info).encode()), ("else", b"")]),
    "path in payload": edit(files=[("../evil", b"x")]),
    "blank in payload": edit(files=[("a b", b"x")]),
    "link in payload": edit(files=[("hello.txt", b"", tarfile.SYMTYPE)]),
    "directory in payload": edit(files=[("dir", b"", tarfile.DIRTYPE)]),
    "device in payload": edit(files=[("null", b"", tarfile.CHRTYPE)]),
    "bytes behind the stream": edit(packed_data=gzip.compress(tar(Artifact().files)) + b"x"),
    "two streams": edit(packed_data=gzip.compress(tar(Artifact().files)) * 2),
    "cut stream": edit(packed_data=gzip.compress(tar(Artifact().files))[:-4]),
    "no stream": edit(packed_data=b"plain"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken(show, what):
    said = show(BROKEN[what].build())
    assert isinstance(said, str) and said.startswith("slipway: "), said


def test_cut_anywhere(show):
    whole = Artifact().build()
    end = len(whole.rstrip(b"\0"))
    for size in range(0, end, 397):
        assert isinstance(show(whole[:size]), str)


def test_any_byte_of_the_payload_counts(show):
    whole = Artifact("").build()
    at = whole.index(b"hi\n")
    assert "invalid checksum" in show(whole[:at] + b"h1" + whole[at + 2:])


def test_augmented_and_unknown_members_are_refused(show):
    artifact = Artifact()
    members = artifact.members()
    assert isinstance(show(tar(members[:2] + [("manifest-augment", b"")] + members[2:])), str)
    assert isinstance(show(tar(members + [("more", b"")])), str)


def test_a_bomb_is_refused_before_it_is_unpacked(show):
    artifact = Artifact()
    artifact.files = [("zeros", bytes(200 << 20))]
    assert "out of all proportion" in show(artifact.build())
    artifact = Artifact()
    artifact.scripts = [("scripts/ArtifactInstall_Enter_00", bytes(20 << 20))]
    assert "header unpacks to more" in show(artifact.build())
