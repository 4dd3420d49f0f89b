import pytest
from device import Device
from fake import FakeServer


@pytest.fixture(scope="session")
def server_for_all(tmp_path_factory):
    server = FakeServer(tmp_path_factory.mktemp("fake") / "server")
    yield server
    server.stop()


@pytest.fixture
def fake(server_for_all):
    server_for_all.forget()
    return server_for_all


@pytest.fixture
def make_device(fake, tmp_path):
    devices = []

    def make(**options):
        devices.append(Device(tmp_path / f"device{len(devices)}", fake, **options))
        return devices[-1]

    yield make
    for device in devices:
        device.kill()


@pytest.fixture
def device(make_device):
    return make_device()
