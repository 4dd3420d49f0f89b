"""Mender's own client, unmodified, under our rollouts: whole stories."""
import os
import socket
import threading
import time

import mender
import pytest
from mender import MenderDevice, upload, write_artifact
from world import World, wait_until

pytestmark = pytest.mark.skipif(mender.why_not() is not None, reason=str(mender.why_not()))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path).start()
    yield world
    world.close()


@pytest.fixture
def device(world):
    return MenderDevice(world, "m1").start().wait_pending().accept().wait_inventory()


def publish(world, name, image, *options, **kwargs):
    """A release for clients of Mender only."""
    status, _, answer = upload(world, write_artifact(world, name, image, *options, **kwargs))
    assert status == 201, answer


def roll_out(world, name, *options, rollout="r", start=True, selector="all"):
    world.slipway("rollout", "create", rollout, "--release", f"mender@{name}", "--selector",
                  selector, *(options or ("--stages", "100%")))
    if start:
        world.slipway("rollout", "start", rollout)


def state(world, device, rollout="r"):
    return world.assignments(rollout).get(device.device_name, {}).get("state")


def wait_state(world, device, *states, rollout="r", timeout_s=60):
    wait_until(lambda: state(world, device, rollout) in states, timeout_s,
               what=lambda: f"{states}: {world.assignments(rollout)} {device.calls()} "
                            f"{device.text()[-3000:]}")


def explain(world, device):
    return world.server.api("GET", f"/devices/{device.device_name}/explain")["sentence"]


def actions(world, device):
    """What the audit log has of it, in order."""
    return [entry["action"] for entry in world.audit() if device.device_name in
            (entry["actor"] + " " + (entry.get("object") or ""))]


# ---- one by one ----

def test_it_waits_for_an_operator(world):
    device = MenderDevice(world, "m1").start().wait_pending()
    time.sleep(3)
    assert device.row()["status"] == "pending" and device.attributes() == {}
    device.accept().wait_inventory()
    assert device.attributes() == {
        "artifact_name": "release-1", "device_type": "board", "hardware": "board", "kernel": "6.1",
        "mender_client_version": device.attributes()["mender_client_version"],
        "product": "gateway"}
    assert {"device.register", "device.key-pending", "device.session"} <= set(
        actions(world, device))


def test_success_is_a_claim_until_it_comes_back(world):
    """With half a minute between polls there is time to see the difference."""
    device = MenderDevice(world, "m1", UpdatePollIntervalSeconds=30).start().wait_pending()
    device.accept().wait_inventory()
    image = os.urandom(3_000_000)
    publish(world, "release-2", image)
    roll_out(world, "release-2")
    device.poke()
    wait_until(lambda: "claims" in explain(world, device), 30, what=lambda: explain(world, device))
    assert state(world, device) == "trial" and device.running() == image
    assert world.rollout_state("r") == "running"
    device.poke()
    wait_state(world, device, "succeeded")
    world.wait_rollout("r", "done")
    told = actions(world, device)
    assert told.index("assignment.leave") < told.index("assignment.claimed") < told.index(
        "assignment.proven")
    assert device.calls() == ["Download", "SupportsRollback", "ArtifactInstall",
                              "NeedsArtifactReboot", "ArtifactCommit", "Cleanup"]


def test_with_a_reboot(world, device):
    device.switch("reboots")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2")
    device.wait_end()
    assert state(world, device) == "switching"
    device.start()
    wait_state(world, device, "succeeded")
    assert device.running() == b"second" * 1000


def test_failure_halts_the_rollout(world, device):
    device.switch("fail-ArtifactInstall")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2", "--stages", "100%")
    wait_state(world, device, "failed", "reverted")
    world.wait_rollout("r", "halted")
    assert device.running() == b"first image"
    wait_until(lambda: world.server.items(f"/devices/{device.device_name}/logs"), 20,
               what=lambda: f"its log is here: {device.text()[-3000:]}")
    assert "ArtifactInstall" in world.slipway("device", "logs", device.device_name, "1")[1]


def test_a_bad_boot_falls_back(world, device):
    device.switch("reboots")
    device.switch("fail-ArtifactVerifyReboot")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2", "--stages", "100%")
    for _ in range(2):  # into the new one, and back
        device.wait_end()
        device.start()
    wait_state(world, device, "reverted")
    world.wait_rollout("r", "halted")
    assert device.running() == b"first image"


def test_server_dies_in_the_commit_window(world, device):
    """It asks again before it commits, and would roll back if nobody answered."""
    device.switch("wait-ArtifactInstall")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2")
    device.wait_call("ArtifactInstall")
    world.server.kill()
    device.switch("wait-ArtifactInstall", False)
    time.sleep(3)
    world.server.start()
    wait_state(world, device, "succeeded")
    assert device.running() == b"second" * 1000
    assert "ArtifactRollback" not in device.calls()


def test_server_dies_before_the_last_word(world, device):
    device.switch("wait-ArtifactCommit")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2")
    device.wait_call("ArtifactCommit")
    world.server.kill()
    device.switch("wait-ArtifactCommit", False)
    time.sleep(3)
    world.server.start()
    wait_state(world, device, "succeeded")


def test_abort_before_it_installs(world, device):
    device.switch("wait-Download")
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2")
    device.wait_call("Download")
    world.slipway("rollout", "abort", "r", "--yes")
    device.switch("wait-Download", False)
    device.wait_call("Cleanup")
    assert "ArtifactInstall" not in device.calls()
    assert device.running() == b"first image"
    wait_state(world, device, "recalled", "withdrawn", "superseded")


def test_paused_offers_nothing(world, device):
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2", start=False)
    time.sleep(3)
    assert device.calls() == []
    world.slipway("rollout", "start", "r")
    world.slipway("rollout", "pause", "r")
    time.sleep(4)
    assert "ArtifactInstall" not in device.calls()
    world.slipway("rollout", "resume", "r")
    wait_state(world, device, "succeeded")


def test_a_closed_window_offers_nothing(world, device):
    """These clients cannot be made to wait once they have something."""
    hour = (time.gmtime().tm_hour + 12) % 24
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2", "--stages", "100%", "--window", f"mon-sun {hour:02}:00+1h")
    time.sleep(5)
    assert device.calls() == [] and "window" in explain(world, device)


def test_a_held_device_is_offered_nothing(world, device):
    world.slipway("device", "hold", device.device_name)
    publish(world, "release-2", b"second" * 1000)
    roll_out(world, "release-2")
    time.sleep(4)
    assert device.calls() == []


def test_depends_are_matched_here(world, device):
    """A client would refuse it after the download; it is not even offered."""
    publish(world, "release-3", b"third", "--depends", "rootfs-image.bank.version:release-2")
    publish(world, "release-2", b"second")
    roll_out(world, "release-3", rollout="early")
    time.sleep(4)
    assert device.calls() == []
    world.slipway("rollout", "abort", "early", "--yes")
    roll_out(world, "release-2", rollout="first")
    wait_state(world, device, "succeeded", rollout="first")
    roll_out(world, "release-3", rollout="then")
    wait_state(world, device, "succeeded", rollout="then")
    assert device.running() == b"third"


def test_another_type_is_never_admitted(world, device):
    publish(world, "release-2", b"second", device_type="other")
    roll_out(world, "release-2", start=False)
    world.slipway("rollout", "start", "r", ok=False)
    time.sleep(3)
    assert device.calls() == []


# ---- keys ----

def test_another_key_waits(world, device):
    """The same identity with a key of its own: a stranger until somebody accepts it."""
    publish(world, "release-2", b"second" * 1000)
    device.kill()
    (device.path / "data/mender-agent.pem").unlink()
    device.start()
    wait_until(lambda: "the key waits for an operator" in device.text(), 30, what="it is refused")
    roll_out(world, "release-2", start=False)
    world.slipway("rollout", "start", "r", ok=False)
    time.sleep(3)
    assert device.calls() == []
    assert actions(world, device).count("device.key-pending") == 2


def test_tokens_and_links(world, device):
    def ask(method, path, body=None, token=None):
        status, headers, answer = world.server.raw(
            method, f"/api/devices/{path}", body, {"Content-Type": "application/json"}, token)
        return status, answer

    following = "v2/deployments/device/deployments/next"
    body = b'{"device_provides":{"artifact_name":"release-1","device_type":"board"}}'
    # Clients in C++ stop for good when this 401 has a body.
    for token in (None, "x", "a.b.c", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.AAAA",
                  world.server.token):
        assert ask("POST", following, body, token) == (401, b"")
    for path in ("v1/deployments/download/default/1/2/x.mender?expire=4000000000&signature=" + "0" * 64,
                 "v1/deployments/download/default/1/2/x.mender", "v1/deployments/download/"):
        assert ask("GET", path)[0] == 403
    assert ask("GET", "v1/elsewhere")[0] == 404
    assert ask("POST", "v1/authentication/auth_requests", b'{"id_data":"{\\"serial\\":\\"m1\\"}"}')[
        0] == 400


def test_a_rejected_device_is_out_at_once(world, device):
    world.slipway("device", "revoke", device.device_name, "--yes")
    wait_until(lambda: "rejected or decommissioned" in device.text(), 30, what="it is refused")


# ---- a bad line ----

class Cutter:
    """Passes connections on to the server, and cuts the first that has brought `limit` bytes."""

    def __init__(self, port, limit):
        self.port, self.limit, self.cut = port, limit, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.socket.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            threading.Thread(target=self.pipe, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self.pipe, args=(server, client, self.limit),
                             daemon=True).start()

    def pipe(self, source, sink, limit):
        passed = 0
        try:
            while data := source.recv(65536):
                passed += len(data)
                if limit and passed > limit and not self.cut:
                    self.cut += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_broken_transfer_is_resumed(world):
    """The client waits a minute before it goes on: that is fixed in it."""
    cutter = Cutter(world.server.port, 2_000_000)
    port = cutter.socket.getsockname()[1]
    device = MenderDevice(world, "m1", ServerURL=f"https://localhost:{port}")
    device.start().wait_pending().accept().wait_inventory()
    image = os.urandom(6_000_000)
    publish(world, "release-2", image)
    roll_out(world, "release-2")
    wait_state(world, device, "succeeded", timeout_s=120)
    assert cutter.cut == 1 and "resume artifact download from offset" in device.text()
    assert device.running() == image and device.calls().count("Download") == 1


# ---- side by side ----

def test_one_release_for_both_kinds(world):
    """A native agent and a client of Mender in one rollout, each with its own file."""
    world.make_repository()
    world.release("1.0", b"image 1.0")
    agent = world.device("gw-1", b"image 1.0").start()
    device = MenderDevice(world, "m1").start().wait_pending().accept().wait_inventory()
    world.wait_ready(devices=[agent])
    artifact = write_artifact(world, "gateway-2", b"payload 2" * 1000)
    world.slipway("release", "add", artifact, "--dir", world.repo, "--product", "gateway",
                  "--version", "2.0", "--format", "mender")
    world.release("2.0", b"image 2.0" * 1000)
    world.rollout("r", "2.0", "--stages", "50%,100%", "--soak", "0s")
    world.wait_rollout("r", "done")
    assert device.running() == b"payload 2" * 1000
    assert (agent.path / "bank_b").read_bytes().startswith(b"image 2.0")
    rows = world.assignments("r")
    assert {row["state"] for row in rows.values()} == {"succeeded"} and len(rows) == 2
    assert world.server.api("GET", f"/devices/{device.device_name}")["protocol"] == "mender"
    told = [entry["action"] for entry in world.audit()]
    assert told.index("assignment.claimed") < told.index("assignment.proven")


def test_a_failing_kind_halts_both(world):
    world.make_repository()
    world.release("1.0", b"image 1.0")
    agent = world.device("gw-1", b"image 1.0").start()
    device = MenderDevice(world, "m1").start().wait_pending().accept().wait_inventory()
    device.switch("fail-ArtifactInstall")
    world.wait_ready(devices=[agent])
    artifact = write_artifact(world, "gateway-2", b"payload 2" * 1000)
    world.slipway("release", "add", artifact, "--dir", world.repo, "--product", "gateway",
                  "--version", "2.0", "--format", "mender")
    world.release("2.0", b"image 2.0" * 1000)
    world.rollout("r", "2.0", "--stages", "100%", "--failure-percent", "0%")
    world.wait_rollout("r", "halted")
    assert device.running() == b"first image"
