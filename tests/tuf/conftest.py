import pytest
from tuf_client import Client
from tuf_repository import Repository
from tuf_server import Server


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()
    assert server.http.others == []  # nothing but GET


@pytest.fixture
def start(server, tmp_path):
    """A repository and a client that trusts its root: start(repository) -> client."""
    addresses = []

    def begin(repository, init=True, name="client"):
        addresses.append(server.add(repository))
        client = Client(tmp_path / name, addresses[-1])
        if init:
            assert client.init(repository.files["1.root.json"]) == 0
        return client

    yield begin
    for address in addresses:
        server.drop(address)


@pytest.fixture
def repo():
    return Repository()


@pytest.fixture
def client(start, repo):
    return start(repo)
