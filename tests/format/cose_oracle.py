#!/usr/bin/env python3
"""The golden files of COSE messages, made a second time.  usage: cose_oracle.py [--write]

Written from the specifications (docs/spec/cose.md, manifest.md, trust_store.md) with an encoder
of its own and python's cryptography; what it makes must be the golden files, byte for byte, and
its verifier must accept the ECDSA message, which is different each time it is signed.
Exits with 77 (skipped) where cryptography is not installed.
"""
import hashlib
import pathlib
import sys

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
except ImportError:
    print("skipped: python's cryptography is not installed")
    sys.exit(77)

HERE = pathlib.Path(__file__).parent
EDDSA, ES256 = -8, -7


class Out:
    """Bytes, and lines that explain them."""

    def __init__(self):
        self.data, self.lines = b"", []

    def put(self, depth, data, note):
        self.data += data
        for at in range(0, len(data), 16):
            text = "  " * depth + " ".join(f"{byte:02x}" for byte in data[at:at + 16])
            self.lines.append(f"{text:<50}  # {note}" if note else text)
            note = ""

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines) + "\n"


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(value)


class Inner:
    """A byte string that holds items of its own."""

    def __init__(self, item, names):
        self.item, self.names = item, names


class Tag:
    def __init__(self, number, item):
        self.number, self.item = number, item


def put(out, depth, item, name=""):
    """One item; `name` is what it is: a text, or (text, names of what is in it)."""
    name, inside = name if isinstance(name, tuple) else (name, None)
    label = f"{name}: " if name else ""
    if isinstance(item, Tag):
        out.put(depth, head(6, item.number), f"tag {item.number}: {name}")
        put(out, depth, item.item, ("", inside))
    elif isinstance(item, Inner):
        data = plain(item.item, item.names)
        out.put(depth, head(2, len(data)), f"{label}{len(data)} bytes, which are")
        put(out, depth + 1, item.item, item.names)
    elif isinstance(item, bool):
        raise ValueError("no booleans here")
    elif isinstance(item, int):
        data = head(0, item) if item >= 0 else head(1, -1 - item)
        out.put(depth, data, f"{label}{item}")
    elif isinstance(item, bytes):
        out.put(depth, head(2, len(item)), f"{label}{len(item)} bytes")
        out.put(depth + 1, item, "")
    elif isinstance(item, str):
        data = item.encode()
        out.put(depth, head(3, len(data)) + data, f'{label}"{item}"')
    elif isinstance(item, list):
        out.put(depth, head(4, len(item)), f"{label}list of {len(item)}")
        for index, each in enumerate(item):
            names = inside[index] if isinstance(inside, list) else inside or ""
            put(out, depth + 1, each, names)
    elif isinstance(item, dict):
        out.put(depth, head(5, len(item)), f"{label}map of {len(item)}")
        for key in sorted(item):
            out.put(depth + 1, head(0, key), f"key {key}")
            put(out, depth + 2, item[key], inside[key])


def plain(item, names=""):
    out = Out()
    put(out, 0, item, names)
    return out.data


class Key:
    """Test key `number`: its seed is the SHA-256 of that one byte."""

    def __init__(self, number):
        seed = hashlib.sha256(bytes([number])).digest()
        self.private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.kid = hashlib.sha256(self.public).digest()[:8]


HEADER_NAMES = ("", {1: "algorithm", 4: "key id"})


def protected(alg, kid):
    return Inner({1: alg, 4: kid}, HEADER_NAMES)


def blank(alg, kid):
    return plain({1: alg, 4: kid}, HEADER_NAMES)


def sign1(key, domain, payload):
    body = plain(*payload)
    tbs = plain(["Signature1", blank(EDDSA, key.kid), domain.encode(), body])
    item = [protected(EDDSA, key.kid), {}, Inner(*payload), key.private.sign(tbs)]
    names = ["protected header", "unprotected header", "payload", "signature"]
    out = Out()
    put(out, 0, Tag(18, item), ("COSE_Sign1", names))
    return out


def sign(keys, domain, payload):
    body = plain(*payload)
    each = []
    for key in sorted(keys, key=lambda key: key.kid):
        tbs = plain(["Signature", b"", blank(EDDSA, key.kid), domain.encode(), body])
        each.append([protected(EDDSA, key.kid), {}, key.private.sign(tbs)])
    item = [b"", {}, Inner(*payload), each]
    inside = ["protected header", "unprotected header", "signature"]
    names = ["protected header", "unprotected header", "payload",
             ("signatures", ("", inside))]
    out = Out()
    put(out, 0, Tag(98, item), ("COSE_Sign", names))
    return out


def digest(first):
    return bytes((first + i) % 256 for i in range(32))


MANIFEST_NAMES = ("", {
    1: "magic", 2: "target", 3: "product", 4: "version", 5: ("hardware", ""),
    6: "security version", 7: "security floor", 8: "release counter", 9: "issued",
    10: "kind (security)", 11: "length", 12: "SHA-256", 13: "chunk size",
    14: "SHA-256 of the chunk list", 15: ("bases", ["version", "digest"]),
    16: ("sealed", ["cipher (AES-256-GCM)", "length", "SHA-256", "key check"]),
    17: ("slot", ["length", "fill", "SHA-256"])})

MANIFEST = {1: "SWM1", 2: "thermo/2.1.0/thermo.bin", 3: "thermo", 4: "2.1.0",
            5: ["rev-b", "rev-c"], 6: 3, 7: 2, 8: 17, 9: 1750000000, 10: 1, 11: 300000,
            12: digest(0), 13: 4096, 14: digest(0x40)}

MANIFEST_FULL = {**MANIFEST, 15: ["2.0.0", digest(0x80)],
                 16: [1, 300000 + 74 * 16, digest(0xA0), digest(0xC0)],
                 17: [393216, 255, digest(0xE0)]}

STORE_NAMES = ("", {
    1: "magic", 2: "version", 3: "root version", 4: "issued", 5: "expires",
    6: ("keys", ("", ["algorithm", "public key"])), 7: ("root", ["threshold", "keys"]),
    8: ("releases", ("", ["product", "security floor", "threshold", "keys"])),
    9: "assignment keys", 10: "grace in seconds", 11: "blocked images"})


def store(version, root, threshold):
    keys = sorted([Key(n) for n in [*root, 20, 21]], key=lambda key: key.kid)
    bits = {key.public: 1 << at for at, key in enumerate(keys)}
    root_bits = sum(bits[Key(n).public] for n in root)
    return {1: "SWT1", 2: version, 3: version, 4: 1750000000 + version,
            6: [[EDDSA, key.public] for key in keys], 7: [threshold, root_bits],
            8: [["thermo", 0, 1, bits[Key(20).public]]], 9: bits[Key(21).public]}


def store_rich():
    made = store(7, [1, 2, 3], 2)
    thermo = made[8][0]
    return {**made, 5: 1800000000, 10: 86400, 11: bytes([1, 2, 3]) + bytes(61),
            8: [["*", 1, *made[7]], ["thermo", 2, *thermo[2:]]]}


def es256():
    """A message and its key; None for one that is there already and good."""
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    public = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    kid = hashlib.sha256(public).digest()[:8]
    body = plain({1: "test"}, ("", {1: ""}))
    tbs = plain(["Signature1", blank(ES256, kid), b"slipway test 1", body])
    r, s = utils.decode_dss_signature(private.sign(tbs, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    out, key = Out(), Out()
    put(out, 0, Tag(18, [protected(ES256, kid), {}, Inner({1: "test"}, ("", {1: ""})), signature]),
        ("COSE_Sign1", ["protected header", "unprotected header", "payload", "r and s"]))
    key.put(0, public, "4, x, y")
    return out, key


def load(name):
    lines = (HERE / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex("".join(line.split("#")[0] for line in lines))


def check_es256():
    """The golden message by a verifier that knows nothing of ours but where the parts are."""
    message, public = load("cose-sign1-es256"), load("cose-key-es256")
    header, payload, signature = message[3:16], message[18:25], message[27:]
    assert header == blank(ES256, hashlib.sha256(public).digest()[:8])
    tbs = plain(["Signature1", header, b"slipway test 1", payload])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(utils.encode_dss_signature(r, s), tbs, ec.ECDSA(hashes.SHA256()))


def main():
    test = ({1: "test"}, ("", {1: ""}))
    manifest, trust = "slipway manifest 1", "slipway trust store 1"
    golden = {
        "cose-sign1": sign1(Key(1), "slipway test 1", test),
        "cose-sign": sign([Key(1), Key(2)], "slipway test 1", test),
        "manifest": sign([Key(1)], manifest, (MANIFEST, MANIFEST_NAMES)),
        "manifest-full": sign([Key(1), Key(2)], manifest, (MANIFEST_FULL, MANIFEST_NAMES)),
        "trust-store": sign([Key(1)], trust, (store(1, [1], 1), STORE_NAMES)),
        "trust-store-rich": sign([Key(1), Key(3)], trust, (store_rich(), STORE_NAMES)),
    }
    if "--write" in sys.argv:
        for name, out in golden.items():
            (HERE / f"{name}.hex").write_text(out.text())
        if not (HERE / "cose-sign1-es256.hex").exists():
            out, key = es256()
            (HERE / "cose-sign1-es256.hex").write_text(out.text())
            (HERE / "cose-key-es256.hex").write_text(key.text())
    for name, out in golden.items():
        if load(name) != out.data:
            sys.exit(f"{name}.hex is not what the specification says")
    check_es256()


if __name__ == "__main__":
    main()
