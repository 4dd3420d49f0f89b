#!/usr/bin/env python3
"""A second opinion on docs/spec/sealed.md: the golden files by python's `cryptography`.

usage: sealed_oracle.py [--write] [FOLDER]    exit 77: skipped, there is no such library

Seals the example image with its own code, and opens both wraps with the library's HPKE.
"""
import hashlib
import pathlib
import sys

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, x25519
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    print(f"skipped: python's cryptography (48 or newer, with HPKE) is not installed: {missing}")
    sys.exit(77)

CHUNK_SIZE = 16  # for the sake of a short example; releases have at least 1024
CONTENT_KEY = bytes(range(32))
IMAGE = b"firmware of pump-17, release 2.1.0\n"
DEVICE = b"pump-17"
ALGORITHMS = ["chacha20-poly1305", "aes-256-gcm"]
X25519_SECRET = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
P256_SECRET = int("a4d1c55836aa30f9b3fbb6ac98d338c877c2867dd3a77396d13f68d3ab150d3b", 16)


def derive(content_key, image, purpose, algorithm, chunk_size):
    info = purpose + bytes([ALGORITHMS.index(algorithm)]) + chunk_size.to_bytes(4, "big")
    salt = hashlib.sha256(image).digest()
    return HKDF(hashes.SHA256(), 32, salt, info).derive(content_key)


def key_check(content_key, image, algorithm, chunk_size):
    return derive(content_key, image, b"slipway sealed check 1", algorithm, chunk_size)


def chunks_of(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def cipher_of(content_key, image, algorithm, chunk_size):
    key = derive(content_key, image, b"slipway sealed payload 1", algorithm, chunk_size)
    return {"chacha20-poly1305": ChaCha20Poly1305, "aes-256-gcm": AESGCM}[algorithm](key)


def seal(content_key, image, algorithm, chunk_size):
    """The sealed chunks of an image."""
    cipher = cipher_of(content_key, image, algorithm, chunk_size)
    plain = chunks_of(image, chunk_size)
    return [cipher.encrypt(i.to_bytes(11, "big") + bytes([i == len(plain) - 1]), chunk, b"")
            for i, chunk in enumerate(plain)]


def info_of(device, image):
    return b"slipway content key 1\0" + device + b"\0" + hashlib.sha256(image).digest()


def recipients():
    """kind, key, suite"""
    return [
        (1, x25519.X25519PrivateKey.from_private_bytes(X25519_SECRET), KEM.X25519),
        (2, ec.derive_private_key(P256_SECRET, ec.SECP256R1()), KEM.P256),
    ]


def unwrap(wrap, device, image):
    for kind, key, kem in recipients():
        if wrap[0] == kind:
            suite = Suite(kem, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
            return suite.decrypt(wrap[1:], key, info=info_of(device, image))
    raise ValueError("of neither kind")


def wraps():
    """Fresh ones: they differ from run to run."""
    for (kind, key, kem), name in zip(recipients(), ["x25519", "p256"]):
        suite = Suite(kem, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
        sealed = suite.encrypt(CONTENT_KEY, key.public_key(), info=info_of(DEVICE, IMAGE))
        yield f"sealed-wrap-{name}", [
            (bytes([kind]), f"kind: {name}"),
            (sealed[:-48], "encapsulated key"),
            (sealed[-48:-16], "content key, encrypted"),
            (sealed[-16:], "tag"),
        ]


def images():
    for algorithm, name in zip(ALGORITHMS, ["", "-gcm"]):
        rows = []
        for i, chunk in enumerate(seal(CONTENT_KEY, IMAGE, algorithm, CHUNK_SIZE)):
            rows += [(chunk[:-16], f"chunk {i}"), (chunk[-16:], "its tag")]
        yield f"sealed-image{name}", rows
    rows = [(hashlib.sha256(IMAGE).digest(), "SHA-256 of the plain image"), (CONTENT_KEY, "content key")]
    for algorithm in ALGORITHMS:
        rows += [
            (derive(CONTENT_KEY, IMAGE, b"slipway sealed payload 1", algorithm, CHUNK_SIZE),
             f"payload key, {algorithm}"),
            (key_check(CONTENT_KEY, IMAGE, algorithm, CHUNK_SIZE), f"key check, {algorithm}"),
        ]
    yield "sealed-keys", rows


def text_of(rows):
    lines = []
    for data, comment in rows:
        for number, part in enumerate(chunks_of(data, 16)):
            note = f"# {comment}" if number == 0 else "#"
            lines.append(f"{part.hex(' '):<50}{note}".rstrip(" #") + "\n" if number else
                         f"{part.hex(' '):<50}{note}\n")
    return "".join(lines)


def read(path):
    return b"".join(bytes.fromhex(line.split("#")[0]) for line in path.read_text().splitlines())


def main():
    arguments = [a for a in sys.argv[1:] if a != "--write"]
    folder = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).parent
    if "--write" in sys.argv:
        for name, rows in [*images(), *wraps()]:
            (folder / f"{name}.hex").write_text(text_of(rows))
    errors = 0
    for name, rows in images():
        if read(folder / f"{name}.hex") != b"".join(data for data, _ in rows):
            print(f"{name}.hex is not what python's cryptography makes of it")
            errors += 1
    for name in ["sealed-wrap-x25519", "sealed-wrap-p256"]:
        if unwrap(read(folder / f"{name}.hex"), DEVICE, IMAGE) != CONTENT_KEY:
            print(f"{name}.hex does not hold the content key")
            errors += 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
