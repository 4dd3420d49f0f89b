"""Signing keys of every kind a TUF repository may use, and canonical JSON."""
import hashlib
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

CURVES = {256: (ec.SECP256R1, hashes.SHA256), 384: (ec.SECP384R1, hashes.SHA384),
          521: (ec.SECP521R1, hashes.SHA512)}
DIGESTS = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}


def canonical(value):
    """OLPC canonical JSON as bytes."""
    def put(item):
        if isinstance(item, str):
            return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(item, dict):
            return "{" + ",".join(f"{put(k)}:{put(item[k])}" for k in sorted(item)) + "}"
        if isinstance(item, list):
            return "[" + ",".join(put(one) for one in item) + "]"
        if item is None or isinstance(item, (bool, int)):
            return json.dumps(item)
        raise TypeError(f"canonical JSON has no {type(item)}")

    return put(value).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Key:
    """A private key with the object that metadata has for its public half. The kinds:

    ed25519; ecdsa256, ecdsa384, ecdsa521 with "-old" (keytype is the scheme) or "-point" (the
    same, the key a point in hex); rsa-pss-256, -384, -512; rsa-pkcs1v15-256, ...
    """

    def __init__(self, kind):
        self.kind = kind
        make = {"ed": self._ed, "ec": self._ecdsa, "rs": self._rsa}[kind[:2]]
        keytype, scheme, public = make()
        self.object = {"keytype": keytype, "scheme": scheme, "keyval": {"public": public}}

    def _ed(self):
        self.private = ed25519.Ed25519PrivateKey.generate()
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw,
                                                     serialization.PublicFormat.Raw)
        return "ed25519", "ed25519", raw.hex()

    def _pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    def _ecdsa(self):
        bits = int(self.kind[5:8])
        curve, self.digest = CURVES[bits]
        self.private = ec.generate_private_key(curve())
        scheme = f"ecdsa-sha2-nistp{bits}"
        if self.kind.endswith("-point"):
            return scheme, scheme, self.private.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint).hex()
        return scheme if self.kind.endswith("-old") else "ecdsa", scheme, self._pem()

    def _rsa(self):
        _, pad, bits = self.kind.split("-")
        self.private = rsa.generate_private_key(65537, 2048)
        self.digest = DIGESTS[bits]
        self.padding = pad
        return "rsa", f"{'rsassa' if pad == 'pss' else 'rsa'}-{pad}-sha{bits}", self._pem()

    @property
    def id(self):
        return sha256(canonical(self.object))

    def sign(self, message):
        if self.kind == "ed25519":
            return self.private.sign(message).hex()
        if self.kind.startswith("ecdsa"):
            return self.private.sign(message, ec.ECDSA(self.digest())).hex()
        pad = padding.PKCS1v15()
        if self.padding == "pss":
            pad = padding.PSS(padding.MGF1(self.digest()), self.digest().digest_size)
        return self.private.sign(message, pad, self.digest()).hex()


_pool = {}


def key_number(index, kind="ed25519"):
    """The same key for the same arguments: making keys takes longer than most tests."""
    pool = _pool.setdefault(kind, [])
    while len(pool) <= index:
        pool.append(Key(kind))
    return pool[index]
