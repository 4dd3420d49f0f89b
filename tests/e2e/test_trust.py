"""Who may sign what, over time: delegated products, changed keys, a restored backup, expiry; and
that another TUF client reads the repository as ours does."""
import base64
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

import forge
from world import BUILD, Problem, image, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/tuf"))
ALL = ("--stages", "100%", "--soak", "0s", "--deadline", "10m")


def sign(world, *names, role=None):
    keys = [word for name in names for word in ("--key", world.keys / name)]
    world.slipway("release", "sign", "--dir", world.repo, *keys, *(["--role", role] if role else []))


def new_key(world, name):
    world.slipway("key", "new", "--no-passphrase", world.keys / name)


def publish(world, ok=True):
    return world.slipway("release", "publish", "--dir", world.repo, ok=ok)


def delegate(world, product="gateway", key="team"):
    new_key(world, key)
    world.slipway("repo", "delegate", product, "--dir", world.repo, "--key", world.keys / f"{key}.pub")
    sign(world, key)
    sign(world, "targets0")


def tuf_file(world, name):
    status, _, body = world.server.raw("GET", f"/tuf/{name}", token=world.server.token)
    return body if status == 200 else None


def published(world):
    """Everything a TUF client can fetch, by name."""
    files = {"timestamp.json": tuf_file(world, "timestamp.json")}
    for version in range(1, 20):
        root = tuf_file(world, f"{version}.root.json")
        if root:
            files[f"{version}.root.json"] = root
    version = json.loads(files["timestamp.json"])["signed"]["meta"]["snapshot.json"]["version"]
    files[f"{version}.snapshot.json"] = tuf_file(world, f"{version}.snapshot.json")
    for name, entry in json.loads(files[f"{version}.snapshot.json"])["signed"]["meta"].items():
        files[f"{entry['version']}.{name}"] = tuf_file(world, f"{entry['version']}.{name}")
    assert None not in files.values(), files.keys()
    return files


# ---- python-tuf ----

@pytest.fixture(scope="session")
def python_tuf():
    """An interpreter that has python-tuf."""
    import differential
    python, why = differential.make_venv(BUILD / "tests/python-tuf")
    if not python:
        pytest.skip(f"python-tuf is not to be had: {why}")
    return python


def ask_python_tuf(python, world, names, state):
    """What python-tuf makes of what is published; `state` is its folder."""
    (state / "metadata").mkdir(parents=True, exist_ok=True)
    if not (state / "metadata/root.json").exists():
        shutil.copy(world.repo / "1.root.json", state / "metadata/root.json")
    contents = {}
    for listed in world.repo.glob("*.json"):
        for name, entry in json.loads(listed.read_text())["signed"].get("targets", {}).items():
            blob = world.repo / "blobs" / entry["hashes"]["sha256"]
            contents[name] = base64.b64encode(blob.read_bytes()).decode()
    run = {"metadata": str(state / "metadata"), "targets": str(state / "targets"),
           "files": {name: base64.b64encode(data).decode() for name, data in published(world).items()},
           "contents": contents, "status": {}, "names": names}
    done = subprocess.run([python, ROOT / "tests/tuf/oracle.py"], input=json.dumps(run) + "\n",
                          capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


def test_python_tuf_reads_it(running, python_tuf, tmp_path):
    running.release("1.0", image("1.0"))
    delegate(running)
    new_key(running, "guard")
    running.slipway("repo", "delegate", "--for", "policy", "--dir", running.repo, "--key", running.keys / "guard")
    running.slipway("policy", "block", "ab" * 32, "--dir", running.repo)
    running.add_release("2.0", image("2.0"))
    running.add_release("7.0", image("7.0"), product="router")
    sign(running, "targets0")
    sign(running, "team")
    sign(running, "guard")
    publish(running)
    names = ["gateway/1.0/gateway-1.0.img", "gateway/2.0/gateway-2.0.img", "gateway/2.0/gateway-2.0.img.chunks",
             "router/7.0/router-7.0.img", "policy/block", "authority/assignment"]
    outcome = ask_python_tuf(python_tuf, running, names, tmp_path / "tuf")
    assert outcome["refresh"] and outcome["targets"] == [True] * len(names), outcome["said"]
    # The same client goes on after every key has changed.
    for role in ("snapshot", "timestamp"):
        running.slipway("repo", "rotate", "--role", role, "--dir", running.repo)
    new_key(running, "targets9")
    new_key(running, "team2")
    running.slipway("repo", "rotate", "--role", "targets", "--key", running.keys / "targets9", "--dir", running.repo)
    running.slipway("root", "sign", "--dir", running.repo, "--key", running.keys / "root")
    running.slipway("repo", "rotate", "--role", "product-gateway", "--key", running.keys / "team2", "--dir",
                    running.repo)
    running.add_release("3.0", image("3.0"))
    sign(running, "targets9")
    sign(running, "team2")
    publish(running)
    outcome = ask_python_tuf(python_tuf, running, names + ["gateway/3.0/gateway-3.0.img"], tmp_path / "tuf")
    assert outcome["refresh"] and all(outcome["targets"]), outcome["said"]


# ---- Delegation ----

def test_devices_install_what_a_product_team_signs(running):
    running.release("1.0", image("1.0"))
    delegate(running)
    publish(running)
    running.add_release("2.0", image("2.0"))
    assert publish(running, ok=False)[0] == 6  # the team has not signed
    sign(running, "team")
    publish(running)
    trust = running.slipway_json("trust", "status")
    (role,) = trust["delegated"]
    assert (role["role"], role["version"], role["waiting_version"]) == ("product-gateway", 2, None)
    running.fleet(1, image("1.0"))
    running.wait_ready()
    running.rollout("two", "2.0", *ALL)
    running.wait_rollout("two", "done")
    # Taking the delegation back withdraws what it lists, and nothing else.
    running.slipway("repo", "undelegate", "product-gateway", "--dir", running.repo)
    sign(running, "targets0")
    publish(running)
    withdrawn = {item["release"]: item["withdrawn"] for item in running.server.items("/releases")}
    assert withdrawn == {"gateway@1.0": False, "gateway@2.0": True}
    assert any(e["action"] == "trust.delegated" for e in running.audit())


def test_lists_wait_for_the_targets_that_delegate(running):
    running.release("1.0", image("1.0"))
    delegate(running)
    send = lambda: running.server.api("POST", "/trust/targets/product-gateway",
                                      json.loads((running.repo / "product-gateway.json").read_text()))
    targets = json.loads((running.repo / "targets.json").read_text())
    with pytest.raises(Problem) as refused:
        running.server.api("POST", "/trust/targets", targets)
    assert refused.value.status == 409 and "send it first" in str(refused.value.body)
    assert send()["state"] == "waiting"
    assert send()["state"] == "waiting"
    assert tuf_file(running, "1.product-gateway.json") is None
    running.server.api("POST", "/trust/targets", targets)
    assert send()["state"] == "current"
    wait_until(lambda: tuf_file(running, "1.product-gateway.json"), 10, what="the list is served")
    for role, status in (("root", 409), ("targets", 409), ("x" * 300, 404)):
        with pytest.raises(Problem) as refused:
            running.server.api("POST", f"/trust/targets/{role}", targets)
        assert refused.value.status in (status, 400), refused.value.body


def test_a_team_may_list_its_product_only(running):
    running.release("1.0", image("1.0"))
    delegate(running)
    publish(running)
    running.add_release("2.0", image("2.0"))
    sign(running, "team")
    path = running.repo / "product-gateway.json"
    body = json.loads(path.read_text())["signed"]
    body["targets"]["router/1.0/x.img"] = body["targets"]["gateway/2.0/gateway-2.0.img"]
    with pytest.raises(Problem) as refused:
        running.server.api("POST", "/trust/targets/product-gateway", json.loads(forge.sign(body, running.keys / "team")))
    assert refused.value.status in (409, 422, 403) and "not for product-gateway" in str(refused.value.body)


# ---- Signed facts never change ----

def test_changed_facts_are_refused_by_name(running):
    running.release("1.0", image("1.0"))
    before = running.server.api("GET", "/releases/gateway@1.0")
    body = json.loads((running.repo / "targets.json").read_text())["signed"]
    body["version"] += 1
    facts = body["targets"]["gateway/1.0/gateway-1.0.img"]["custom"]["slipway"]
    facts["security_version"] += 1
    with pytest.raises(Problem) as refused:
        running.server.api("POST", "/trust/targets", json.loads(forge.sign(body, running.keys / "targets0")))
    assert refused.value.status == 409
    assert 'gateway@1.0 was published with another "security_version"' in str(refused.value.body)
    assert running.server.api("GET", "/releases/gateway@1.0") == before
    assert running.server.api("GET", "/trust")["targets_version"] == body["version"] - 1


# ---- Keys of the server's own ----

def test_online_keys_are_changed_by_signers(running):
    running.release("1.0", image("1.0"))
    running.release("2.0", image("2.0"))
    before = running.server.api("GET", "/trust")
    assert before["timestamp_key_next"] is None and before["assignment_key"]
    for role in ("snapshot", "timestamp"):
        running.slipway("repo", "rotate", "--role", role, "--dir", running.repo)
    running.slipway("trust", "authority", "--rotate", "--dir", running.repo)
    waiting = running.server.api("GET", "/trust")
    assert waiting["timestamp_key"] == before["timestamp_key"] and waiting["timestamp_key_next"]
    # Asked again, and after a restart, it is the same key.
    running.server.stop()
    running.server.start()
    again = running.server.api("POST", "/trust/online-keys/timestamp")
    assert again["key"] == waiting["timestamp_key_next"]
    running.slipway("root", "sign", "--dir", running.repo, "--key", running.keys / "root")
    sign(running, "targets0")
    publish(running)
    after = running.server.api("GET", "/trust")
    for key in ("snapshot_key", "timestamp_key", "assignment_key"):
        assert after[key] == waiting[f"{key}_next"] and after[f"{key}_next"] is None
    running.fleet(1, image("1.0"))
    running.wait_ready()
    running.rollout("two", "2.0", *ALL)
    running.wait_rollout("two", "done")
    with pytest.raises(Problem) as refused:
        running.server.api("POST", "/trust/online-keys/root")
    assert refused.value.status == 404


# ---- A restored backup ----

def test_a_restored_backup_publishes_nothing_old(running):
    running.release("1.0", image("1.0"))
    running.fleet(1, image("1.0"))
    running.wait_ready()
    running.server.stop()
    backup = running.path / "backup"
    shutil.copytree(running.server.data, backup)
    running.server.start()
    running.release("2.0", image("2.0"))
    running.rollout("two", "2.0", *ALL)
    running.wait_rollout("two", "done")
    seen = json.loads(tuf_file(running, "timestamp.json"))["signed"]["version"]
    running.server.stop()
    shutil.rmtree(running.server.data)
    shutil.copytree(backup, running.server.data)
    running.server.start()
    publish(running)  # the signers' list, which the backup does not have
    running.release("3.0", image("3.0"))
    assert json.loads(tuf_file(running, "timestamp.json"))["signed"]["version"] > seen
    running.rollout("three", "3.0", *ALL)
    running.wait_rollout("three", "done", 90)


# ---- Expiry ----

def test_the_radar(running):
    running.release("1.0", image("1.0"))
    delegate(running)
    publish(running)
    everything = running.slipway_json("trust", "expiring")
    kinds = [item["kind"] for item in everything["items"]]
    assert {"root", "targets", "delegated", "snapshot", "timestamp", "ca-certificate", "server-certificate"} <= set(kinds)
    assert everything["broken"] == 0
    assert [item["expires"] for item in everything["items"]] == sorted(i["expires"] for i in everything["items"])
    soon = running.slipway_json("trust", "expiring", "--within", "10")
    assert [item["kind"] for item in soon["items"]] == ["timestamp"]
    code, out, _ = running.slipway("trust", "expiring", "--on", "2031-01-01", ok=False)
    assert code == 6 and "EXPIRED" in out and "until a new root is published" in out
    status, _, metrics = running.server.raw("GET", "/metrics", token=running.server.token)
    assert b'slipway_trust_expires_seconds{role="product-gateway"}' in metrics
    assert running.slipway("trust", "expiring", "--on", "soon", ok=False)[0] == 2
    for query in ("within_days=0", "within_days=x", "on=2027-13-01", "unknown=1"):
        with pytest.raises(Problem) as refused:
            running.server.api("GET", f"/trust/expiring?{query}")
        assert refused.value.status == 400


def test_what_expires_soon_is_told(running):
    """A root with an hour left is a warning of the server, not its failure."""
    running.slipway("root", "prepare", "--root-expires", "1h", "--dir", running.repo)
    running.slipway("root", "sign", "--dir", running.repo, "--key", running.keys / "root")
    running.slipway("repo", "publish", "--dir", running.repo)
    sign(running, "targets0") if (running.repo / "staged/targets.json").exists() else None
    status, _, body = running.server.raw("GET", "/healthz")
    health = json.loads(body)
    assert status == 200 and health["status"] == "degraded"
    assert any("root expires in" in warning for warning in health["warnings"])
