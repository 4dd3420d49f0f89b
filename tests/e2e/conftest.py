"""Each test gets a world of its own, which ends with it."""
import pytest

from world import World


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def running(world):
    """A world whose server runs and has a release authority."""
    return world.start().make_repository()
