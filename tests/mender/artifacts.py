"""Mender Artifacts made by hand, so that each rule can be broken by itself."""
import gzip
import hashlib
import io
import json
import lzma
import tarfile


def tar(members, tail=b""):
    """An archive of (name, bytes[, tarfile type])."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content, *kind in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o600
            if kind:
                info.type = kind[0]
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue() + tail


PACK = {"": lambda data: data, ".gz": gzip.compress, ".xz": lzma.compress}


class Artifact:
    """A good artifact whose parts may be replaced before build()."""

    def __init__(self, suffix=".gz"):
        self.suffix = suffix
        self.version = b'{"format":"mender","version":3}'
        self.info = {"payloads": [{"type": "single-file"}],
                     "artifact_provides": {"artifact_name": "release-2"},
                     "artifact_depends": {"device_type": ["sandbox"]}}
        self.type_info = {"type": "single-file",
                          "artifact_provides": {"rootfs-image.single-file.version": "release-2"},
                          "clears_artifact_provides": ["rootfs-image.single-file.*"]}
        self.scripts = []
        self.meta_data = None
        self.files = [("hello.txt", b"hi\n")]
        self.header_members = None  # instead of those above
        self.lines = None  # of the manifest: name -> digest, edited by the test
        self.signature = None
        self.order = ["version", "manifest", "manifest.sig", "header", "data"]
        self.packed_header = self.packed_data = None

    def header(self):
        if self.packed_header is None:
            members = self.header_members or [
                ("header-info", json.dumps(self.info).encode()), *self.scripts,
                ("headers/0000/type-info", json.dumps(self.type_info).encode()),
                *([("headers/0000/meta-data", self.meta_data)] if self.meta_data else [])]
            self.packed_header = PACK[self.suffix](tar(members))
        return self.packed_header

    def data(self):
        if self.packed_data is None:
            self.packed_data = PACK[self.suffix](tar(self.files))
        return self.packed_data

    def manifest_lines(self):
        lines = {f"data/0000/{name}": hashlib.sha256(content).hexdigest()
                 for name, content, *_ in self.files}
        lines[f"header.tar{self.suffix}"] = hashlib.sha256(self.header()).hexdigest()
        lines["version"] = hashlib.sha256(self.version).hexdigest()
        return lines

    def manifest(self):
        lines = self.lines or self.manifest_lines()
        return "".join(f"{digest}  {name}\n" for name, digest in lines.items()).encode()

    def members(self):
        made = {"version": ("version", self.version), "manifest": ("manifest", self.manifest()),
                "header": (f"header.tar{self.suffix}", self.header()),
                "data": (f"data/0000.tar{self.suffix}", self.data())}
        if self.signature is not None:
            made["manifest.sig"] = ("manifest.sig", self.signature)
        return [made[name] for name in self.order if name in made]

    def build(self):
        return tar(self.members())
