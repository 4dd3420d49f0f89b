"""Large files in and out, and uploads that go wrong: nothing is left of them."""
import hashlib
import http.client
import json
import pathlib
import ssl
import time

import pytest

from world import World, wait_until

GIB, MIB = 1 << 30, 1 << 20
UPLOAD_MAX = 2 * GIB
PEAK_MAX_KB = 32 * 1024  # resident memory of slipwayd, whatever passes through it
BLOCK = hashlib.shake_128(b"block").digest(MIB)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("shop"), upload_max=UPLOAD_MAX)
    yield world.start()
    world.close()


@pytest.fixture
def tidy(shop):
    """The number of files in the store; a test that leaves more behind than it says fails."""
    before = files(shop)
    yield
    wait_until(lambda: files(shop) == before, what=lambda: f"{files(shop) - before} went")


def files(shop):
    return {path for path in (shop.server.data / "blobs").rglob("*") if path.is_file()}


def digest_of(blocks, rest=b""):
    digest = hashlib.sha256()
    for _ in range(blocks):
        digest.update(BLOCK)
    digest.update(rest)
    return digest.hexdigest()


def connect(shop):
    context = ssl.create_default_context(cafile=str(shop.server.ca))
    return http.client.HTTPSConnection("127.0.0.1", shop.server.port, timeout=120, context=context)


def begin(shop, digest, length=None, token=None):
    """An upload whose head has been sent; length None: in chunks."""
    connection = connect(shop)
    connection.putrequest("PUT", f"/api/v1/blobs/{digest}")
    connection.putheader("Authorization", f"Bearer {token or shop.server.token}")
    connection.putheader("Content-Type", "application/octet-stream")
    if length is None:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    return connection


def finish(connection):
    with connection.getresponse() as answer:
        body = answer.read()
    connection.close()
    return answer.status, json.loads(body) if body else None


def put(shop, digest, blocks, rest=b"", token=None):
    connection = begin(shop, digest, blocks * MIB + len(rest), token)
    for _ in range(blocks):
        connection.send(BLOCK)
    connection.send(rest)
    return finish(connection)


def get(shop, digest, **headers):
    """(status, headers, SHA-256, size)"""
    connection = connect(shop)
    connection.request("GET", f"/api/v1/blobs/{digest}",
                       headers={"Authorization": f"Bearer {shop.server.token}", **headers})
    with connection.getresponse() as answer:
        got, size = hashlib.sha256(), 0
        while piece := answer.read(MIB):
            got.update(piece)
            size += len(piece)
    connection.close()
    return answer.status, answer.headers, got.hexdigest(), size


def exists(shop, digest):
    status, headers, _ = shop.server.raw("HEAD", f"/api/v1/blobs/{digest}",
                                         token=shop.server.token)
    return status == 200


def peak_kb(shop):
    for line in pathlib.Path(f"/proc/{shop.server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError("no VmHWM")


def test_a_gibibyte_in_and_out_in_little_memory(shop):
    digest = digest_of(1024)
    start = time.monotonic()
    assert put(shop, digest, 1024)[0] == 201
    middle = time.monotonic()
    status, headers, got, size = get(shop, digest)
    end = time.monotonic()
    assert (status, got, size) == (200, digest, GIB)
    assert headers["ETag"] == f'"{digest}"'
    print(f"1 GiB: up {middle - start:.1f} s, down {end - middle:.1f} s, "
          f"peak {peak_kb(shop) / 1024:.1f} MiB")
    assert peak_kb(shop) < PEAK_MAX_KB

    status, headers, got, size = get(shop, digest, Range=f"bytes={GIB - MIB}-")
    assert (status, size) == (206, MIB) and got == hashlib.sha256(BLOCK).hexdigest()
    assert headers["Content-Range"] == f"bytes {GIB - MIB}-{GIB - 1}/{GIB}"
    assert put(shop, digest, 0)[0] == 204, "it is there: not one byte is needed"
    entry = shop.server.api("GET", "/audit?limit=1")["items"][0]
    assert (entry["action"], entry["object"]) == ("blob.put", digest)


def test_one_larger_than_the_limit(shop, tidy):
    """Its length says so: refused before the body comes."""
    digest = digest_of(1, b"large")
    status, problem = finish(begin(shop, digest, UPLOAD_MAX + 1))
    assert status == 413 and "larger than allowed" in problem["detail"], problem
    assert not exists(shop, digest)


def test_one_that_grows_past_the_limit(tmp_path):
    """In chunks, with no length told: refused where the limit is."""
    world = World(tmp_path, upload_max="4M")
    try:
        world.start()
        digest = digest_of(8)
        connection = begin(world, digest)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            for _ in range(1000):
                connection.send(b"%x\r\n%s\r\n" % (MIB, BLOCK))
                time.sleep(0.01)
        connection.close()
        assert not exists(world, digest)
        wait_until(lambda: files(world) == set(), what="nothing is left")

        digest = digest_of(3)
        connection = begin(world, digest)
        for _ in range(3):
            connection.send(b"%x\r\n%s\r\n" % (MIB, BLOCK))
        connection.send(b"0\r\n\r\n")
        assert finish(connection)[0] == 201
        assert get(world, digest)[2] == digest
    finally:
        world.close()


def test_an_interrupted_upload_is_sent_again(shop):
    digest = digest_of(20, b"interrupted")
    before = files(shop)
    connection = begin(shop, digest, 20 * MIB + 11)
    for _ in range(10):
        connection.send(BLOCK)
    wait_until(lambda: len(files(shop) - before) == 1, what="it is being written")
    connection.sock.close()
    connection.close()
    wait_until(lambda: files(shop) == before, what="half a file is taken away")
    assert not exists(shop, digest)
    assert put(shop, digest, 20, b"interrupted")[0] == 201
    assert get(shop, digest)[2] == digest


def test_an_upload_that_the_server_did_not_survive(shop):
    digest = digest_of(20, b"killed")
    before = files(shop)
    connection = begin(shop, digest, 20 * MIB + 6)
    for _ in range(10):
        connection.send(BLOCK)
    wait_until(lambda: len(files(shop) - before) == 1, what="it is being written")
    shop.server.kill()
    connection.close()
    assert len(files(shop) - before) == 1
    shop.server.start()
    assert files(shop) == before
    assert put(shop, digest, 20, b"killed")[0] == 201
    assert get(shop, digest)[2] == digest


@pytest.mark.parametrize("rest", [b"", b"more"], ids=["too-short", "too-long"])
def test_a_wrong_digest(shop, tidy, rest):
    digest = digest_of(3, b"mo")
    status, problem = put(shop, digest, 3, rest)
    assert status == 400 and problem["field"] == "sha256"
    assert "another digest" in problem["detail"]
    assert not exists(shop, digest)


@pytest.mark.parametrize(("name", "status", "words"), [
    ("z" * 64, 400, "64 digits of lower-case hex"), ("ab", 400, "64 digits of lower-case hex"),
    ("A" * 64, 400, "lower case"), ("..%2f..%2fslipway.db", 404, "nothing at this path")])
def test_a_name_that_is_no_digest(shop, tidy, name, status, words):
    got, problem = put(shop, name, 0, b"content")
    assert got == status and words in problem["detail"], problem


def test_uploads_need_a_token_that_may(shop, tidy):
    """Refused before the body is read: the promised gibibyte never comes."""
    viewer = shop.server.api("POST", "/tokens", {"name": "eve", "role": "viewer"})["token"]
    status, problem = finish(begin(shop, digest_of(2), GIB, token=viewer))
    assert status == 403 and "needs the role release_manager" in problem["detail"], problem
    status, problem = finish(begin(shop, digest_of(2), GIB, token="wrong"))
    assert status == 401, problem


def test_the_same_upload_twice_at_once(shop):
    digest = digest_of(4, b"twins")
    pair = [begin(shop, digest, 4 * MIB + 5) for _ in range(2)]
    for _ in range(4):
        for connection in pair:
            connection.send(BLOCK)
    for connection in pair:
        connection.send(b"twins")
    assert sorted(finish(connection)[0] for connection in pair) in ([201, 201], [201, 204],
                                                                    [204, 204])
    assert get(shop, digest)[2] == digest
    assert len([path for path in files(shop) if digest in path.name or ".tmp" in path.name]) == 1


def test_many_uploads_at_once_in_little_memory(shop):
    """Memory does not grow with the number of uploads times their size."""
    count, blocks = 16, 16
    digests = [digest_of(blocks, b"%d" % i) for i in range(count)]
    connections = [begin(shop, digests[i], blocks * MIB + len(b"%d" % i)) for i in range(count)]
    for _ in range(blocks):
        for connection in connections:
            connection.send(BLOCK)
    for i, connection in enumerate(connections):
        connection.send(b"%d" % i)
    assert [finish(connection)[0] for connection in connections] == count * [201]
    assert peak_kb(shop) < PEAK_MAX_KB
