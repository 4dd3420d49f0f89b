"""Each test gets a world of its own, which ends with it."""
import pathlib
import sys

import pytest

from world import World

# fake.py there has CBOR, keys and metadata for tests that speak for themselves.
sys.path.append(str(pathlib.Path(__file__).parent.parent / "device"))


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(world):
    """A world whose server runs and has a release authority."""
    return world.start().make_repository()
