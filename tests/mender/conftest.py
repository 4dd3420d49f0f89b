import json
import os
import pathlib
import shutil
import subprocess

import pytest

SLIPWAY = pathlib.Path(os.environ["SLIPWAY_BUILD"]) / "src/cli/slipway"


@pytest.fixture
def slipway():
    def run(*words):
        return subprocess.run([str(SLIPWAY), *map(str, words)], capture_output=True, text=True,
                              timeout=120)
    return run


@pytest.fixture
def show(slipway, tmp_path):
    """What `slipway artifact show` makes of a file or bytes: facts, or the sentence it refuses with."""
    def run(artifact, *options):
        if isinstance(artifact, bytes):
            path = tmp_path / "shown.mender"
            path.write_bytes(artifact)
            artifact = path
        done = slipway("artifact", "show", artifact, "-o", "json", *options)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()
    return run


@pytest.fixture
def oracle():
    """Mender's own tool."""
    if not shutil.which("mender-artifact"):
        pytest.skip("mender-artifact is not installed (Debian package of that name)")

    def run(*words, ok=True):
        done = subprocess.run(["mender-artifact", *map(str, words)], capture_output=True, text=True,
                              timeout=120)
        assert not ok or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done
    return run
