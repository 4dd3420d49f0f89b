"""Mender's management API as its tools use it: mender-cli where it is installed, and plain HTTP."""
import base64
import hashlib
import json
import os
import shutil
import subprocess

import pytest
from mender import upload, write_artifact
from world import World, wait_until

MANAGEMENT = "/api/management/"


class Tool:
    """A client of the management API with one token."""

    def __init__(self, world, token=None):
        self.world, self.token = world, token or world.server.token

    def ask(self, method, path, body=None, headers=None):
        status, headers, answer = self.world.server.raw(
            method, MANAGEMENT + path, None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})}, self.token)
        return status, headers, json.loads(answer) if answer[:1] in (b"{", b"[") else answer

    def get(self, path):
        status, _, answer = self.ask("GET", path)
        assert status == 200, (path, status, answer)
        return answer


class Key:
    def __init__(self, path, algorithm=("ED25519",)):
        self.path = path
        openssl("genpkey", "-algorithm", *algorithm, "-out", path)
        self.pem = openssl("pkey", "-in", path, "-pubout").decode()
        self.raw = algorithm[0] == "ED25519"

    def sign(self, body):
        if not self.raw:
            return openssl("dgst", "-sha256", "-sign", self.path, data=body)
        source = self.path.with_suffix(".in")
        source.write_bytes(body)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", source)


def openssl(*words, data=None):
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True,
                          input=data).stdout


class Client:
    """As much of a device as its first requests."""

    def __init__(self, world, serial, key):
        self.world, self.serial, self.key = world, serial, key

    def request(self):
        return json.dumps({"id_data": json.dumps({"serial": self.serial}), "pubkey": self.key.pem,
                           "tenant_token": ""}).encode() + b"\n"

    def authenticate(self, body=None, signature=None):
        body = body or self.request()
        signature = self.key.sign(body) if signature is None else signature
        status, _, answer = self.world.server.raw(
            "POST", "/api/devices/v1/authentication/auth_requests", body,
            {"Content-Type": "application/json",
             "X-MEN-Signature": base64.b64encode(signature).decode()})
        return status, answer.decode()

    def ask(self, token, name="release-1", more=None):
        body = {"device_provides": {"artifact_name": name, "device_type": "board", **(more or {})}}
        status, _, answer = self.world.server.raw(
            "POST", "/api/devices/v2/deployments/device/deployments/next",
            json.dumps(body).encode(), {"Content-Type": "application/json"}, token)
        return status, json.loads(answer) if answer else None

    def report(self, token, deployment, status):
        return self.world.server.raw(
            "PUT", f"/api/devices/v1/deployments/device/deployments/{deployment}/status",
            json.dumps({"status": status}).encode(), {"Content-Type": "application/json"}, token)[0]


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path).start()
    yield world
    world.close()


@pytest.fixture
def tool(world):
    return Tool(world)


@pytest.fixture
def key(tmp_path):
    return Key(tmp_path / "device.pem")


def accept(tool, device, status="accepted", index=0):
    key = device["auth_sets"][index]["id"]
    return tool.ask("PUT", f"v2/devauth/devices/{device['id']}/auth/{key}/status",
                    {"status": status})[0]


def enrolled(world, tool, serial, key):
    client = Client(world, serial, key)
    assert client.authenticate()[0] == 401
    device = next(d for d in tool.get("v2/devauth/devices?per_page=500")
                  if d["identity_data"] == {"serial": serial})
    assert accept(tool, device) == 204
    status, token = client.authenticate()
    assert status == 200
    return client, device["id"], token


# ---- who may ask ----

def test_login_takes_a_token_as_password(world, tool):
    def login(password):
        basic = base64.b64encode(f"anybody:{password}".encode()).decode()
        status, _, answer = world.server.raw("POST", MANAGEMENT + "v1/useradm/auth/login", b"",
                                             {"Authorization": f"Basic {basic}"})
        return status, answer
    assert login(world.server.token) == (200, world.server.token.encode())
    assert login("wrong")[0] == 401
    assert Tool(world, "wrong").ask("GET", "v2/devauth/devices")[0] == 401
    assert tool.ask("POST", "v1/useradm/auth/logout")[0] == 202
    assert tool.ask("GET", "v1/nothing")[0] == 404
    assert tool.ask("DELETE", "v2/devauth/devices")[0] == 405


def test_roles_are_ours(world, tool):
    viewer = Tool(world, world.server.api("POST", "/tokens", {"name": "v", "role": "viewer"})["token"])
    assert viewer.get("v2/devauth/devices") == []
    assert viewer.ask("POST", "v1/deployments/deployments", {})[0] == 403
    assert viewer.ask("POST", "v2/devauth/devices", {})[0] == 403
    artifact = write_artifact(world, "release-2", b"x" * 5000)
    assert upload(world, artifact, viewer.token)[0] == 403


# ---- devices ----

@pytest.mark.parametrize("algorithm", [
    ("ED25519",), ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), ("RSA", "-pkeyopt", "rsa_keygen_bits:3072")])
def test_accept_and_reject(world, tool, tmp_path, algorithm):
    client = Client(world, "a", Key(tmp_path / "k.pem", algorithm))
    status, said = client.authenticate()
    assert status == 401 and "waits for an operator" in json.loads(said)["error"]
    assert tool.get("v2/devauth/devices/count?status=pending") == {"count": 1}
    (device,) = tool.get("v2/devauth/devices?status=pending")
    assert device["auth_sets"][0]["pubkey"] == client.key.pem
    assert accept(tool, device) == 204
    status, token = client.authenticate()
    assert status == 200 and client.ask(token) == (204, None)
    assert tool.get(f"v2/devauth/devices/{device['id']}")["status"] == "accepted"
    assert accept(tool, device, "rejected") == 204
    assert client.ask(token)[0] == 401 and client.authenticate()[0] == 401
    assert accept(tool, device, "nonsense") == 400


def test_bad_proofs(world, key, tmp_path):
    client = Client(world, "a", key)
    other = Key(tmp_path / "other.pem")
    body = client.request()
    assert client.authenticate(body, other.sign(body))[0] == 401
    assert client.authenticate(body, key.sign(body[:-1]))[0] == 401  # the line end counts
    assert client.authenticate(body, b"")[0] == 400
    assert client.authenticate(body.replace(b"BEGIN", b"BEGGIN"))[0] == 400
    assert Tool(world).get("v2/devauth/devices") == []  # nobody has been entered


def test_a_new_key_of_a_known_device(world, tool, key, tmp_path):
    client, device, token = enrolled(world, tool, "a", key)
    rotated = Client(world, "a", Key(tmp_path / "new.pem"))
    assert rotated.authenticate()[0] == 401
    assert client.ask(token)[0] == 204
    shown = tool.get(f"v2/devauth/devices/{device}")
    assert [s["status"] for s in shown["auth_sets"]] == ["accepted", "pending"]
    assert accept(tool, shown, index=1) == 204
    assert rotated.authenticate()[0] == 200
    assert client.ask(token)[0] == 401 and client.authenticate()[0] == 401


def test_one_key_for_many_devices(world, tool, key):
    """As Mender's load generator has it: who a device is, is identity and key together."""
    tokens = [enrolled(world, tool, serial, key)[2] for serial in ("a", "b", "c")]
    assert len(set(tokens)) == 3 and len(tool.get("v2/devauth/devices?status=accepted")) == 3
    assert len(tool.get("v2/devauth/devices?per_page=2&page=2")) == 1


def test_preauthorised(world, tool, key):
    order = {"identity_data": {"serial": "a"}, "pubkey": key.pem}
    status, headers, _ = tool.ask("POST", "v2/devauth/devices", order)
    assert status == 201
    assert tool.ask("POST", "v2/devauth/devices", order)[0] == 409
    client = Client(world, "a", key)
    status, token = client.authenticate()
    assert status == 200 and client.ask(token)[0] == 204
    device = headers["Location"].rsplit("/", 1)[1]
    assert tool.ask("DELETE", f"v2/devauth/devices/{device}")[0] == 204
    assert client.ask(token)[0] == 401
    assert tool.ask("GET", f"v2/devauth/devices/{device}")[0] == 404


def test_a_replayed_request_is_limited_and_told(world, tool, key):
    client, _, _ = enrolled(world, tool, "a", key)
    body = client.request()
    signature = key.sign(body)
    answers = [client.authenticate(body, signature)[0] for _ in range(40)]
    assert answers[0] == 200 and answers[-1] == 429
    assert [e["action"] for e in world.audit()].count("device.session") >= 1


def test_search(world, tool, key):
    client, device, token = enrolled(world, tool, "a", key)
    enrolled(world, tool, "b", key)
    assert client.ask(token)[0] == 204
    def search(*filters):
        found = tool.ask("POST", "v2/inventory/filters/search", {"filters": [
            dict(zip(("scope", "attribute", "type", "value"), one)) for one in filters]})
        assert found[0] == 200, found
        assert found[1]["X-Total-Count"] == str(len(found[2]))
        return [item["id"] for item in found[2]]
    assert search(("inventory", "device_type", "$eq", "board")) == [device]
    assert search(("identity", "serial", "$in", ["a", "x"])) == [device]
    assert len(search(("identity", "status", "$eq", "accepted"))) == 2
    assert search(("inventory", "device_type", "$exists", True), ("identity", "serial", "$ne", "a")) == []
    assert tool.ask("POST", "v2/inventory/filters/search", {"filters": [
        {"scope": "inventory", "attribute": "a", "type": "$regex", "value": "x"}]})[0] == 400


# ---- artifacts and deployments ----

def test_a_deployment(world, tool, key):
    client, device, token = enrolled(world, tool, "a", key)
    image = os.urandom(20_000_000)  # more than one slice
    artifact = write_artifact(world, "release 2/odd name", image)
    status, headers, _ = upload(world, artifact)
    assert status == 201
    assert upload(world, artifact)[0] == 409
    (listed,) = tool.get("v1/deployments/artifacts?name=release%202/odd%20name")
    assert headers["Location"].endswith(listed["id"]) and listed["size"] == artifact.stat().st_size
    assert tool.get("v1/deployments/deployments/releases")[0]["Name"] == "release 2/odd name"
    assert client.ask(token)[0] == 204  # it has told its type
    order = {"name": "first try", "artifact_name": "release 2/odd name", "devices": [device]}
    status, headers, _ = tool.ask("POST", "v1/deployments/deployments", order)
    assert status == 201
    deployment = headers["Location"].rsplit("/", 1)[1]
    offer = wait_until(lambda: client.ask(token)[1], 20, what="an offer")
    assert offer["artifact"]["artifact_name"] == "release 2/odd name"
    uri = offer["artifact"]["source"]["uri"]
    assert uri == client.ask(token)[1]["artifact"]["source"]["uri"]  # caches see one address
    check_download(world, uri, artifact.read_bytes())
    for step in ("downloading", "downloading", "installing", "rebooting", "installing", "success", "success"):
        assert client.report(token, offer["id"], step) == 204
    assert client.ask(token, "release 2/odd name") == (204, None)
    assert tool.get(f"v1/deployments/deployments/{deployment}/statistics")["success"] == 1
    assert tool.get(f"v1/deployments/deployments/{deployment}/devices")[0]["status"] == "success"
    wait_until(lambda: tool.get(f"v1/deployments/deployments/{deployment}")["status"] == "finished",
               20, what="it is finished")
    assert tool.ask("PUT", f"v1/deployments/deployments/{deployment}/status",
                    {"status": "aborted"})[0] == 422
    assert tool.ask("DELETE", f"v1/deployments/artifacts/{listed['id']}")[0] == 409


def check_download(world, uri, content):
    path = uri[uri.index("/api/"):]
    status, headers, answer = world.server.raw("GET", path)
    assert status == 200 and int(headers["Content-Length"]) == len(content) and answer == content
    status, headers, answer = world.server.raw("GET", path, headers={"Range": "bytes=1000-"})
    assert status == 206 and answer == content[1000:]
    assert headers["Content-Range"] == f"bytes 1000-{len(content) - 1}/{len(content)}"
    assert world.server.raw("HEAD", path)[0] == 200
    for spoiled in (path[:-1] + ("0" if path[-1] != "0" else "1"), path.replace("expire=", "expire=1"),
                    path.split("&")[0]):
        assert world.server.raw("GET", spoiled)[0] == 403


def test_abort(world, tool, key):
    client, device, token = enrolled(world, tool, "a", key)
    assert client.ask(token)[0] == 204
    assert upload(world, write_artifact(world, "release-2", b"x" * 5000))[0] == 201
    status, headers, _ = tool.ask("POST", "v1/deployments/deployments", {
        "name": "d", "artifact_name": "release-2", "all_devices": True})
    assert status == 201
    deployment = headers["Location"].rsplit("/", 1)[1]
    offer = wait_until(lambda: client.ask(token)[1], 20, what="an offer")
    uri = offer["artifact"]["source"]["uri"]
    assert client.report(token, offer["id"], "downloading") == 204
    assert tool.ask("PUT", f"v1/deployments/deployments/{deployment}/status",
                    {"status": "aborted"})[0] == 204
    assert client.report(token, offer["id"], "installing") == 409
    assert world.server.raw("GET", uri[uri.index("/api/"):])[0] == 404
    assert client.report(token, offer["id"], "failure") == 204
    assert client.ask(token) == (204, None)


def test_deployments_that_make_no_sense(world, tool, key):
    def deploy(**order):
        return tool.ask("POST", "v1/deployments/deployments", order)[0]
    _, device, _ = enrolled(world, tool, "a", key)
    assert upload(world, write_artifact(world, "release-2", b"x" * 5000))[0] == 201
    good = {"name": "d", "artifact_name": "release-2", "devices": [device]}
    assert deploy(**{**good, "devices": []}) == 400
    assert deploy(**{**good, "devices": ["00000020-0000-8000-8000-0000000000ff"]}) == 422
    assert deploy(**{**good, "artifact_name": "other"}) == 422
    assert deploy(**{**good, "name": ""}) == 400
    assert deploy(**good, phases=[{"batch_size": 0}, {}]) == 400
    assert deploy(**good, phases=[{"batch_size": 10, "start_ts": "2026-01-01T00:00:00Z"}, {}]) == 400


def test_uploads_are_checked(world):
    good = write_artifact(world, "release-2", b"x" * 5000)
    bad = good.with_name("bad.mender")
    content = bytearray(good.read_bytes())
    content[content.index(b"manifest") - 100] ^= 1
    bad.write_bytes(content)
    assert upload(world, bad)[0] == 400
    bad.write_bytes(good.read_bytes()[:-6000])
    assert upload(world, bad)[0] == 400
    assert Tool(world).get("v1/deployments/artifacts") == []


def test_only_what_our_keys_have_signed(tmp_path):
    private = Key(tmp_path / "signer.pem", ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    public = tmp_path / "signer.pub"
    public.write_text(private.pem)
    world = World(tmp_path / "world", mender_artifact_keys=public).start()
    try:
        assert upload(world, write_artifact(world, "release-2", b"x" * 5000))[0] == 400
        signed = write_artifact(world, "release-3", b"x" * 5000, "--key", private.path)
        assert upload(world, signed)[0] == 201
        (listed,) = Tool(world).get("v1/deployments/artifacts")
        assert listed["name"] == "release-3"
    finally:
        world.close()


# ---- another tenant's ----

def test_ids_of_others_are_nothing(world, tool):
    for path in ("v2/devauth/devices/", "v1/inventory/devices/", "v1/deployments/artifacts/",
                 "v1/deployments/deployments/"):
        for name in ("1", "f85e3207-0000-4000-8000-000000000001",
                     "00000020-0000-8000-8000-000000000001", "00000050-0000-8000-8000-000000000001",
                     "00000040-0000-8000-8000-000000000001"):
            assert tool.ask("GET", path + name)[0] == 404


# ---- mender-cli ----

@pytest.mark.skipif(not shutil.which("mender-cli"),
                    reason="mender-cli is not installed (Debian package of that name)")
def test_mender_cli(world, tool, key, tmp_path):
    def run(*words, ok=True):
        done = subprocess.run(["mender-cli", "--skip-verify", "--server", world.server.url,
                               *map(str, words)], capture_output=True, text=True,
                              env={**os.environ, "HOME": str(tmp_path)})
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr
    artifact = write_artifact(world, "release-2", os.urandom(1_000_000))
    assert "401" in run("login", "--username", "x", "--password", "wrong", ok=False)
    run("login", "--username", "x", "--password", world.server.token)
    run("artifacts", "upload", "--description", "d", artifact)
    assert "409" in run("artifacts", "upload", artifact, ok=False)
    assert "Name: release-2" in run("artifacts", "list")
    _, device, _ = enrolled(world, tool, "a", key)
    assert device in run("devices", "list")
    (listed,) = tool.get("v1/deployments/artifacts")
    run("artifacts", "delete", listed["id"])
    assert tool.get("v1/deployments/artifacts") == []
    blob = hashlib.sha256(artifact.read_bytes()).hexdigest()
    assert world.server.raw("GET", f"/api/v1/blobs/{blob}", token=world.server.token)[0] in (200, 404)
