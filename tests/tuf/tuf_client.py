"""slipway-tuf over a folder of its own, and what that folder holds afterwards."""
import json
import os
import pathlib
import shutil
import subprocess
from urllib.parse import unquote

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLIPWAY_BUILD", ROOT / "build-test"))
PROGRAM = BUILD / "src/tuf/slipway-tuf"


class Client:
    def __init__(self, directory, address):
        self.metadata, self.targets = directory / "metadata", directory / "targets"
        self.directory, self.address = directory, address
        self.said = ""
        directory.mkdir(exist_ok=True)

    def run(self, *arguments, now=None):
        """The exit code. `now` is a date as faketime(1) takes it."""
        command = [PROGRAM, *arguments]
        if now:
            command = ["faketime", "-f", now, *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "TZ": "UTC"})
        self.said = done.stderr
        assert done.returncode in (0, 1), self.said
        assert (done.returncode == 0) == (self.said == ""), self.said
        return done.returncode

    def init(self, root):
        file = self.directory / "provisioned.json"
        file.write_bytes(root)
        return self.run("--metadata-dir", self.metadata, "init", file)

    def refresh(self, now=None):
        return self.run("--metadata-url", self.address + "metadata/", "--metadata-dir",
                        self.metadata, "refresh", now=now)

    def download(self, *names, now=None):
        wanted = [word for name in names for word in ("--target-name", name)]
        return self.run("--metadata-url", self.address + "metadata/", "--metadata-dir",
                        self.metadata, *wanted, "--target-dir", self.targets, "--target-base-url",
                        self.address + "targets/", "download", now=now)

    # ---- what it holds

    def files(self):
        """Names in the metadata folder, unquoted; each of them parses."""
        names = {}
        for path in sorted(self.metadata.iterdir()):
            assert path.suffix == ".json", path
            names[unquote(path.name[:-5])] = json.loads(path.read_bytes())
        return names

    def versions(self):
        return {role: metadata["signed"]["version"] for role, metadata in self.files().items()}

    def version(self, role):
        return self.versions().get(role)

    def stored(self, role):
        return (self.metadata / (role + ".json")).read_bytes()

    def artifacts(self):
        if not self.targets.exists():
            return []
        return [path.read_bytes() for path in sorted(self.targets.rglob("*"),
                                                     key=lambda p: p.stat().st_mtime_ns)
                if path.is_file()]


def has_faketime():
    return shutil.which("faketime") is not None
