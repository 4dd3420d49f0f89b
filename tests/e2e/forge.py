"""Metadata that the release authority would not sign, signed with its keys or with others."""
import json

from fake import canonical, openssl, sha256


def new_key(path):
    """A private key that no root knows."""
    openssl("genpkey", "-algorithm", "ED25519", "-out", path)
    return path


def key_object(path):
    public = openssl("pkey", "-in", path, "-pubout", "-outform", "DER")[-32:]
    return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}


def key_id(path):
    return sha256(canonical(key_object(path)))


def sign(body, *keys, keyid=None):
    """The file: `body` with one signature by each key (a path); `keyid` claims another name."""
    message = keys[0].parent / "message" if keys else None
    signatures = []
    for key in keys:
        message.write_bytes(canonical(body))
        value = openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", message)
        signatures.append({"keyid": keyid or key_id(key), "sig": value.hex()})
    return json.dumps({"signatures": signatures, "signed": body}).encode()


def body_of(metadata):
    """What is signed, free to be changed."""
    return json.loads(metadata)["signed"]


def listed(content):
    """length and hashes of a file as metadata lists them."""
    return {"length": len(content), "hashes": {"sha256": sha256(content)}}
