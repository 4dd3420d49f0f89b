"""Debian's swupdate, unmodified, in rollouts beside our own agents: hawkBit's device API as its
clients mean it. Skipped where swupdate is not installed."""
import datetime
import json
import time

import pytest

import swupdate
from swupdate import Signer, Swupdate, ask, rest
from wire import Wire
from world import image, wait_until

pytestmark = pytest.mark.skipif(bool(swupdate.WHY_NOT), reason=swupdate.WHY_NOT)

PAYLOAD = image("swu-2.0", 200_000)
LARGE = image("swu-large", 1_500_000)
ALL = ("--stages", "100%", "--soak", "0s", "--deadline", "10m")
SLOW = 150_000  # bytes a second: LARGE takes ten seconds


@pytest.fixture
def board(running):
    """A world with releases 1.0 and 2.0, the second with a .swu beside its image, and
    `board(name)` for a device that runs swupdate."""
    running.signer = Signer(running.path / "swu")
    running.release("1.0", image("1.0"))
    swupdate.release_both(running, "2.0",
                          running.signer.swu("2.0", PAYLOAD, "installed.bin"))
    wires = []

    def make(name, **options):
        return Swupdate(running, name, running.signer, **options)

    def wire(rate=None):
        wires.append(Wire(running.server.port, rate))
        return wires[-1]

    make.world, make.wire = running, wire
    yield make
    for one in wires:
        one.close()


def state_of(world, name, rollout="new"):
    return world.assignments(rollout).get(name, {}).get("state")


def wait_state(world, name, *states, timeout_s=40):
    wait_until(lambda: state_of(world, name) in states, timeout_s,
               what=lambda: f"{name} in {states}: {world.assignments('new')}")


def wait_installed(device, payload=PAYLOAD, timeout_s=40):
    wait_until(lambda: device.installed == payload and device.said("pending testing"),
               timeout_s, what=lambda: f"{device.name} installs: {device.log.read_text()[-3000:]}")


def actions(world, name):
    """What the audit log says that this device did."""
    return [(entry["action"], entry["outcome"]) for entry in world.audit()
            if entry["actor"] == f"device:{name}"]


def test_one_rollout_for_agents_and_swupdate(board):
    """A release with an artifact per kind, in stages. Success counts only once the device has
    come back after its claim."""
    world = board.world
    agents = world.fleet(2, image("1.0"))
    boards = [board(f"swu-{i}").start() for i in range(2)]
    world.wait_ready(devices=agents)
    for device in boards:
        device.wait_said("No pending action")
    assert rest(world, "GET", "/targets/swu-0/attributes")[1]["serialNo"] == "swu-0"
    world.rollout("new", "2.0", "--stages", "50%,100%", "--soak", "0s", "--deadline", "10m")
    waiting = list(boards)
    while waiting:
        device = wait_until(lambda: next((one for one in waiting if one.installed == PAYLOAD), None),
                            60, what=lambda: f"somebody installs: {world.assignments('new')}")
        wait_installed(device)
        time.sleep(2)  # it polls meanwhile, and that proves nothing
        assert state_of(world, device.name) == "switching", world.assignments("new")
        assert world.rollout_state("new") == "running"
        device.reboot()
        wait_state(world, device.name, "succeeded")
        waiting.remove(device)
    world.wait_rollout("new", "done", 60)
    assert {device.boots()["bank"] for device in agents} == {"b"}
    for device in boards:
        said = actions(world, device.name)
        for step in ("assignment.leave", "assignment.claimed", "assignment.proven"):
            assert said.count((step, "done")) == 1, said
        explained = world.explain(device)
        assert "proven" in explained["sentence"], explained
        assert device.seen()["protocol"] == "hawkbit"
        assert rest(world, "GET", f"/targets/{device.name}")[1]["updateStatus"] == "in_sync"
    _, _, answer = ask(world, "GET", "swu-0", boards[0].token)
    assert "deploymentBase" not in json.loads(answer)["_links"]


def test_a_failure_halts_the_rollout(board):
    world = board.world
    swupdate.release_both(world, "3.0",
                          world.signer.swu("3.0", PAYLOAD, "installed.bin", spoiled=True))
    boards = [board(f"swu-{i}").start() for i in range(3)]
    for device in boards:
        device.wait_said("No pending action")
    world.rollout("new", "3.0", *ALL, "--failure-count", "1", "--min-sample", "1")
    world.wait_rollout("new", "halted", 60)
    failed = world.in_state("new", "reverted")  # it had leave since the last byte
    assert failed, world.assignments("new")
    for name in failed:
        assert ("assignment.reverted", "done") in actions(world, name)


def test_a_trial_that_failed_is_a_fallback(board):
    """swupdate says after its restart that the trial was not good: the old system runs."""
    world = board.world
    device = board("swu-0").start()
    device.wait_said("No pending action")
    world.rollout("new", "2.0", *ALL)
    wait_installed(device)
    device.reboot(good=False)
    wait_state(world, "swu-0", "reverted")
    assert ("assignment.reverted", "done") in actions(world, "swu-0")


def test_cancelled_in_mid_download(board):
    world = board.world
    swupdate.release_both(world, "3.0",
                          world.signer.swu("3.0", LARGE, "installed.bin"))
    wire = board.wire(SLOW)
    device = board("swu-0", port=wire.port).start()
    device.wait_said("No pending action")
    before = wire.down
    world.rollout("new", "3.0", *ALL)
    wait_until(lambda: wire.down > before + 200_000, 30, what="it downloads")
    assert world.steer("new", "abort")["state"] == "aborted"
    device.wait_said("Acknowledging cancelled update.", 30)
    wait_state(world, "swu-0", "recalled")
    assert device.installed == b"" and world.explain(device)["reason"] == "rollout-ended"
    assert "cancelAction" not in ask(world, "GET", "swu-0", device.token)[2].decode()


def test_a_broken_transfer_is_resumed(board):
    world = board.world
    swupdate.release_both(world, "3.0",
                          world.signer.swu("3.0", LARGE, "installed.bin"))
    wire = board.wire(SLOW * 3)
    device = board("swu-0", port=wire.port).start()
    device.wait_said("No pending action")
    world.rollout("new", "3.0", *ALL)
    before = wire.down
    wait_until(lambda: wire.down > before + 500_000, 30, what="it downloads")
    wire.cut()
    time.sleep(0.5)
    wire.mend()
    wait_installed(device, LARGE)
    assert wire.down - before < 2 * len(LARGE), "it went on where it was"
    device.reboot()
    world.wait_rollout("new", "done", 30)


def test_the_server_dies_while_the_device_commits(board):
    """Killed right before the claim, started again: nothing is lost and nothing counts twice."""
    world = board.world
    device = board("swu-0").start()
    device.wait_said("No pending action")
    world.rollout("new", "2.0", *ALL)
    wait_installed(device)
    world.server.kill()
    device.reboot()
    time.sleep(2)
    world.server.start()
    wait_state(world, "swu-0", "succeeded")
    world.server.kill()
    world.server.start()
    world.wait_rollout("new", "done", 30)
    said = actions(world, "swu-0")
    assert said.count(("assignment.claimed", "done")) == 1, said
    assert said.count(("assignment.proven", "done")) == 1, said
    assert device.installed == PAYLOAD


def test_a_wrong_token_is_refused(board):
    world = board.world
    device = board("other")
    device.token = "0123456789abcdef0123456789abcdef"
    device.start()
    wait_until(lambda: ("device.enter", "refused") in actions(world, "other"), 20,
               what="it is refused, and recorded")
    world.rollout("new", "2.0", *ALL)
    time.sleep(2)
    assert device.installed == b"" and device.seen()["last_seen"] is None
    status, _, answer = ask(world, "GET", "other", device.token)
    assert (status, answer) == (401, b"")


def test_a_closed_window_offers_nothing(board):
    """swupdate would report "skipped" as success: it is not told of the update at all."""
    world = board.world
    device = board("swu-0").start()
    device.wait_said("No pending action")
    hour = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)).hour
    world.rollout("new", "2.0", *ALL, "--window", f"mon-sun {hour:02}:00+1h")
    time.sleep(3)
    status, _, answer = ask(world, "GET", "swu-0", device.token)
    assert status == 200 and "deploymentBase" not in json.loads(answer)["_links"]
    assert device.installed == b"" and not device.said("Update action available")
    assert world.explain(device)["reason"] == "waits-for-window"
    world.server.api("PATCH", "/devices/swu-0", {"utc_offset_min": 360})
    wait_installed(device)
    device.reboot()
    world.wait_rollout("new", "done", 30)


def test_a_paused_rollout_offers_nothing(board):
    world = board.world
    device = board("swu-0")
    world.rollout("new", "2.0", *ALL)
    world.steer("new", "pause")
    device.start()
    device.wait_said("No pending action")
    time.sleep(2)
    assert device.installed == b""
    assert world.explain(device)["reason"] == "rollout-paused"
    world.steer("new", "resume")
    wait_installed(device)
    device.reboot()
    world.wait_rollout("new", "done", 30)


def test_a_gateway_token_lets_devices_in(board):
    world = board.world
    status, _ = rest(world, "PUT", "/system/configs/authentication.gatewaytoken.key.west",
                     {"value": "a-token-for-the-west", "selector": 'name ~ "west-*"'})
    assert status == 204
    device = board("west-1", register=False, gateway="a-token-for-the-west").start()
    device.wait_said("No pending action")
    assert device.seen()["protocol"] == "hawkbit"
    assert ask(world, "GET", "east-1", "a-token-for-the-west", scheme="GatewayToken")[0] == 401
    assert ask(world, "GET", "west-2", "a-token-for-the-west", scheme="GatewayToken")[0] == 200


def test_scripts_of_hawkbit_run_a_rollout(board):
    """Found, made, started and watched through hawkBit's management API alone."""
    world = board.world
    device = board("swu-0").start()
    device.wait_said("No pending action")
    sets = rest(world, "GET", "/distributionsets")[1]["content"]
    (release,) = [one for one in sets if one["version"] == "2.0"]
    status, made = rest(world, "POST", "/rollouts", {
        "name": "new", "targetFilterQuery": "id==swu-*", "distributionSetId": release["id"],
        "amountGroups": 1, "errorCondition": {"condition": "THRESHOLD", "expression": "10"}})
    assert status == 201 and made["status"] == "ready", made
    path = f"/rollouts/{made['id']}"
    assert rest(world, "POST", f"{path}/start")[0] == 204
    wait_installed(device)
    assert rest(world, "GET", path)[1]["totalTargetsPerStatus"]["running"] == 1
    device.reboot()
    wait_until(lambda: rest(world, "GET", path)[1]["status"] == "finished", 30, what="it finishes")
    (action,) = rest(world, "GET", "/targets/swu-0/actions")[1]["content"]
    assert (action["status"], action["active"]) == ("finished", False)
    said = rest(world, "GET", f"/targets/swu-0/actions/{action['id']}/status?limit=500")[1]
    assert "Update Installed." in str(said), said


def test_files_are_served_in_parts(board):
    """HEAD, ranges, conditions: of the file as the front sends it."""
    world = board.world
    device = board("swu-0")
    world.rollout("new", "2.0", *ALL)
    whole = (world.signer.path / "fw-2.0.swu").read_bytes()

    def offered():
        return json.loads(ask(world, "GET", "swu-0", device.token)[2])["_links"].get(
            "deploymentBase")

    path = wait_until(offered, 20, what="it is offered")["href"].split("?")[0]
    action = path.rsplit("/", 1)[1]
    status, headers, answer = ask(world, "GET", f"swu-0/deploymentBase/{action}", device.token)
    assert status == 200 and int(headers["Content-Length"]) == len(answer)
    artifact = json.loads(answer)["deployment"]["chunks"][0]["artifacts"][0]
    file = f"swu-0/softwaremodules/{action}/artifacts/{artifact['filename']}"
    assert artifact["size"] == len(whole)
    status, headers, answer = ask(world, "HEAD", file, device.token)
    assert (status, headers["Content-Length"], answer) == (200, str(len(whole)), b"")
    status, headers, answer = ask(world, "GET", file, device.token,
                                  headers={"Range": "bytes=100-199"})
    assert status == 206 and answer == whole[100:200]
    assert headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    tag = headers["ETag"]
    status, _, answer = ask(world, "GET", file, device.token,
                            headers={"Range": "bytes=100-199", "If-Range": tag})
    assert status == 206
    status, _, answer = ask(world, "GET", file, device.token,
                            headers={"Range": "bytes=100-199", "If-Range": '"other"'})
    assert status == 200 and answer == whole
    status, headers, _ = ask(world, "GET", file, device.token,
                             headers={"Range": f"bytes={len(whole)}-"})
    assert status == 416 and headers["Content-Range"] == f"bytes */{len(whole)}"
    assert ask(world, "GET", file + ".MD5SUM", device.token)[2].split()[0].decode() == \
        artifact["hashes"]["md5"]
    assert ask(world, "GET", file)[0] == 401


def test_the_word_of_a_proxy_counts_where_it_is_configured(world):
    """Both generations of headers, from one address only; guesses of tokens run out."""
    old = {"X-Ssl-Client-Cn": "dev-1", "X-Ssl-Issuer-Hash-1": "0a1b"}
    new = {"X-Controller-Id": "dev-2", "X-Authority-0": "ffff", "X-Authority-1": "0A1B",
           "X-Forwarded-Host": "updates.example.com", "X-Forwarded-Proto": "https",
           "X-Forwarded-For": "203.0.113.9, 198.51.100.3"}
    world.start()
    assert ask(world, "GET", "dev-1", headers=old)[0] == 401
    world.server.stop()
    world.server.options |= {"trusted_proxies": "127.0.0.1", "hawkbit_authorities": "default=0a1b"}
    world.server.start()
    assert ask(world, "GET", "dev-1", headers=old)[0] == 200
    status, _, answer = ask(world, "GET", "dev-2", headers=new)
    assert status == 200 and b"https://updates.example.com/DEFAULT/" in answer
    assert ask(world, "GET", "dev-3", headers=new)[0] == 401
    assert ask(world, "GET", "dev-1", headers={**old, "X-Ssl-Issuer-Hash-1": "0a1c"})[0] == 401
    entries = [entry for entry in world.audit() if entry["outcome"] == "refused"]
    assert "198.51.100.3" in str(entries), "the client is blamed, not the proxy"
    statuses = [ask(world, "GET", "dev-1", "0" * 32, headers={"X-Forwarded-For": "192.0.2.200"})[0]
                for _ in range(130)]
    assert statuses[0] == 401 and statuses[-1] == 429
    assert ask(world, "GET", "dev-2", headers=new)[0] == 200, "others are not held up"


def test_a_body_may_wait_for_leave(board):
    """Expect: 100-continue, as swupdate sends it; bodies have a limit."""
    world = board.world
    device = board("swu-0")
    config = json.dumps({"data": {"hwRev": "2"}}).encode()
    status, headers, answer = ask(world, "PUT", "swu-0/configData", device.token, config,
                                  {"Expect": "100-continue", "Content-Type": "application/json"})
    assert (status, headers["Content-Length"], answer) == (200, "0", b"")
    assert device.seen()["attributes"]["hwRev"] == "2"
    assert ask(world, "PUT", "swu-0/configData", device.token, b" " * 40_000)[0] == 413
