"""Metadata that the release authority would not sign, signed with its keys or with others."""
import json
import time

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


class Forgery:
    """What is published now, to be changed and signed again with the keys the server has."""

    def __init__(self, world):
        self.world = world
        self.timestamp = body_of(self.get("timestamp.json"))
        version = self.timestamp["meta"]["snapshot.json"]["version"]
        self.snapshot = body_of(self.get(f"{version}.snapshot.json"))
        version = self.snapshot["meta"]["targets.json"]["version"]
        self.published_targets = self.get(f"{version}.targets.json")
        self.targets = body_of(self.published_targets)
        self.targets_keys = sorted(world.keys.glob("targets?"))
        self.targets_bytes = None  # instead of `targets` signed anew

    def get(self, name):
        status, _, content = self.world.server.raw("GET", f"/tuf/{name}",
                                                  token=self.world.server.token)
        assert status == 200
        return content

    def next(self):
        """Every version one more than what devices may have seen."""
        for body in (self.targets, self.snapshot, self.timestamp):
            body["version"] += 1

    def files(self):
        tuf = self.world.server.data / "tuf"
        targets = self.targets_bytes or sign(self.targets, *self.targets_keys)
        self.snapshot["meta"] = {"targets.json": {"version": self.targets["version"],
                                                  **listed(targets)}}
        snapshot = sign(self.snapshot, tuf / "snapshot.key")
        self.timestamp["meta"]["snapshot.json"] = {"version": self.snapshot["version"],
                                                   **listed(snapshot)}
        return {"timestamp.json": sign(self.timestamp, tuf / "timestamp.key"),
                f"{self.snapshot['version']}.snapshot.json": snapshot,
                f"{self.targets['version']}.targets.json": targets}


def ended_certificate(folder, pki, key, subject, to, extensions=None):
    """Write to `to` a certificate that was good from yesterday until an hour ago, by the CA in
    the folder `pki`; its end, unix seconds."""
    folder.mkdir()
    end = int(time.time()) - 3600
    (folder / "index").write_text("")
    (folder / "serial").write_text("4712\n")
    (folder / "conf").write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index\nserial={folder}/serial\n"
        f"new_certs_dir={folder}\ndefault_md=sha256\npolicy=any\nx509_extensions=more\n"
        f"[any]\norganizationName=optional\ncommonName=supplied\n[more]\n{extensions or ''}\n")
    request = folder / "request"
    request.write_bytes(openssl("req", "-new", "-key", key, "-subj", subject))
    start, stop = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)) for at in (end - 82800, end))
    openssl("ca", "-batch", "-config", folder / "conf", "-in", request, "-out", to, "-notext",
            "-cert", pki / "ca.crt", "-keyfile", pki / "ca.key", "-startdate", start,
            "-enddate", stop)
    return end
