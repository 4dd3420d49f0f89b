"""Repositories that were signed once and for all, at the date at which they were good."""
import pathlib

import pytest
from tuf_client import has_faketime

STATIC = pathlib.Path(__file__).resolve().parent / "static"

pytestmark = pytest.mark.skipif(not has_faketime(), reason="faketime is not installed")


class Files:
    """What lies in a folder, as a repository for tuf_server.py."""

    def __init__(self, name):
        self.folder = STATIC / name
        self.files = {"1.root.json": (self.folder / "metadata/1.root.json").read_bytes()}
        self.requests = []

    def _read(self, path):
        return 200, path.read_bytes() if path.is_file() else None

    def metadata(self, name):
        self.requests.append(name)
        return self._read(self.folder / "metadata" / name)

    def target(self, path):
        return self._read(self.folder / "targets" / path)


CASES = {
    "online": ("2025-03-01 12:00:00", ["file1.txt", "project/sub/file2.txt"],
               {"root": 2, "timestamp": 40, "snapshot": 8, "targets": 3, "project": 5}),
    "grown": ("2024-02-01 12:00:00", ["trusted_root.json", "registry.example.org/keys.json"],
              {"root": 3, "timestamp": 190, "snapshot": 90, "targets": 7,
               "registry.example.org": 2}),
}


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_static(start, name, frozen):
    date, targets, versions = CASES[name]
    client = start(Files(name))
    now = date if frozen else "@" + date
    assert client.refresh(now=now) == 0
    assert client.download(*targets, now=now) == 0
    assert client.versions() == versions
    assert len(client.artifacts()) == 2
    assert client.download(*targets, now=now) == 0


@pytest.mark.parametrize("name", CASES)
def test_static_too_late(start, name):
    client = start(Files(name))
    assert client.refresh(now="2026-01-01 00:00:00") == 1
    assert set(client.files()) == {"root"}
