"""Roles, delegations, ceremonies, statements, encrypted keys and keys in tokens: all offline."""
import json
import os
import subprocess

import pytest

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.fixture
def keys(alone):
    for name in ("root", "root2", "a", "b", "cam", "cam2", "snapshot", "timestamp", "assign", "mallory"):
        assert alone("key", "new", "--no-passphrase", name).code == 0
    done = alone("repo", "init", "--root-key", "root", "--targets-key", "a", "--snapshot-key", "snapshot.pub",
                 "--timestamp-key", "timestamp.pub", "--assignment-key", "assign.pub")
    assert done.code == 0, done.err
    return alone


def good(done, code=0):
    assert done.code == code, done.out + done.err
    return done


def listed(slipway, role="targets", staged=False):
    path = slipway.directory / "repo" / ("staged" if staged else "") / f"{role}.json"
    return json.loads(path.read_text())["signed"]


def key_id(slipway, name):
    return json.loads(good(slipway("key", "show", name, "-o", "json")).out)["items"][0]["id"]


def add(slipway, product, version, content=b"x" * 3000):
    image = slipway.directory / f"{product}-{version}"
    image.write_bytes(content)
    return slipway("release", "add", image, "--product", product, "--version", version, "--hardware", "a")


# ---- statements ----

def test_init_says_who_signs_assignments(keys):
    target = listed(keys)["targets"]["authority/assignment"]
    (key,) = target["custom"]["slipway-authority"]["assignment_keys"]
    shown = json.loads(keys("key", "show", "assign", "-o", "json").out)["items"][0]["key"]
    assert key == shown
    blob = (keys.directory / "repo/blobs" / target["hashes"]["sha256"]).read_bytes()
    assert json.loads(blob) == target["custom"] and len(blob) == target["length"]


def test_policy(keys):
    good(add(keys, "camera", "1.0"))
    good(keys("release", "sign", "--key", "a"))
    digest = listed(keys)["targets"]["camera/1.0/camera-1.0"]["hashes"]["sha256"]
    assert good(keys("policy", "block", "camera@1.0")).out.strip() == digest
    good(keys("policy", "block", digest), 7)
    good(keys("policy", "block", "ab" * 32))
    good(keys("policy", "grace", "30d"))
    good(keys("policy", "grace", "400d"), 1)
    good(keys("policy", "grace", "soon"), 2)
    good(keys("policy", "block", "camera@9"), 4)
    good(keys("policy", "block", "nonsense"), 2)
    good(keys("release", "sign", "--key", "a"))
    targets = listed(keys)["targets"]
    assert targets["policy/block"]["custom"] == {"slipway-policy": {"blocked": [digest, "ab" * 32]}}
    assert targets["policy/grace"]["custom"] == {"slipway-policy": {"allow_stale_s": 30 * 86400}}
    good(keys("policy", "unblock", "camera@1.0"))
    good(keys("policy", "unblock", "camera@1.0"), 4)


def test_authority(keys):
    good(keys("trust", "authority", "--key", "assign.pub,b.pub"))
    stated = listed(keys, staged=True)["targets"]["authority/assignment"]["custom"]["slipway-authority"]
    assert len(stated["assignment_keys"]) == 2
    assert keys("trust", "authority", "--key", "root,root2,a,b,cam").code == 1  # too many


# ---- delegations ----

def test_a_product_gets_signers_of_its_own(keys):
    good(add(keys, "camera", "1.0"))
    good(add(keys, "router", "1.0"))
    good(keys("release", "sign", "--key", "a"))
    done = good(keys("repo", "delegate", "camera", "--key", "cam,cam2.pub", "--threshold", "2"))
    assert done.out == "product-camera\n"
    good(keys("repo", "delegate", "camera", "--key", "cam"), 7)
    good(add(keys, "camera", "1.1"))
    good(add(keys, "router", "1.1"))
    good(add(keys, "camera", "1.0", b"y"), 7)  # it has an image in the top-level list
    done = good(keys("release", "sign", "--key", "a"))
    assert done.out == "targets 3: 1 of 1 signatures, complete\n"
    done = good(keys("release", "sign", "--key", "cam"))
    assert done.out == "product-camera 1: 1 of 2 signatures, waiting for more\n"
    good(keys("release", "sign", "--key", "mallory"), 3)
    done = good(keys("release", "sign", "--key", "cam2", "-o", "json"))
    assert json.loads(done.out)["complete"]
    top, camera = listed(keys), listed(keys, "product-camera")
    assert "camera/1.0/camera-1.0" in top["targets"] and "router/1.1/router-1.1" in top["targets"]
    assert sorted(camera["targets"]) == ["camera/1.1/camera-1.1", "camera/1.1/camera-1.1.chunks"]
    (role,) = top["delegations"]["roles"]
    assert role["name"] == "product-camera" and role["paths"] == ["camera/*/*"] and role["terminating"]
    assert role["threshold"] == 2 and len(top["delegations"]["keys"]) == 2
    # Removing finds the list; signing with the wrong people does not help.
    good(keys("release", "remove", "camera@1.1"))
    good(keys("release", "sign", "--key", "a"), 3)
    good(keys("release", "sign", "--key", "cam,cam2"))
    assert listed(keys, "product-camera")["targets"] == {}
    status = json.loads(good(keys("repo", "status", "-o", "json")).out)["items"]
    assert [i["role"] for i in status] == ["root", "targets", "product-camera"]


def test_who_cannot_be_delegated_to(keys):
    good(keys("repo", "delegate", "--key", "cam"), 2)
    good(keys("repo", "delegate", "no/slash", "--key", "cam"), 2)
    good(keys("repo", "delegate", "camera"), 2)  # no key
    good(keys("repo", "delegate", "camera", "--key", "cam", "--threshold", "2"), 2)
    good(keys("repo", "delegate", "camera", "--key", "timestamp.pub"), 2)  # on a server
    good(keys("repo", "delegate", "camera", "--for", "policy", "--key", "cam"), 2)
    good(keys("repo", "undelegate", "product-camera"), 4)


def test_policy_and_authority_can_be_delegated(keys):
    good(keys("repo", "delegate", "--for", "policy", "--key", "cam"))
    good(keys("repo", "delegate", "--for", "authority", "--key", "cam2"))
    good(keys("policy", "block", "cd" * 32))
    good(keys("release", "sign", "--key", "a"))
    good(keys("release", "sign", "--key", "cam"))
    assert "policy/block" in listed(keys, "policy")["targets"]
    assert "policy/block" not in listed(keys)["targets"]
    good(keys("repo", "undelegate", "policy"))
    good(keys("release", "sign", "--key", "a"))
    assert [r["name"] for r in listed(keys)["delegations"]["roles"]] == ["authority"]
    assert len(listed(keys)["delegations"]["keys"]) == 1


# ---- rotation ----

def test_rotation_of_a_delegated_role(keys):
    good(keys("repo", "delegate", "camera", "--key", "cam"))
    good(keys("release", "sign", "--key", "a"))
    assert listed(keys, "product-camera")["version"] == 1
    good(keys("repo", "rotate", "--role", "product-camera", "--add", "cam2", "--remove", "cam"))
    good(keys("release", "sign", "--key", "cam"), 0)  # it still has a say, until targets are signed
    good(keys("repo", "rotate", "--role", "product-camera", "--add", "b", "--remove", key_id(keys, "cam2")[:8]))
    good(keys("release", "sign", "--key", "b"))  # may sign before the targets, and waits for them
    good(keys("release", "sign", "--key", "a"))
    assert listed(keys, "product-camera")["version"] == 3
    (role,) = listed(keys)["delegations"]["roles"]
    assert role["keyids"] == [key_id(keys, "b")]
    good(keys("repo", "rotate", "--role", "product-camera", "--remove", "cam"), 4)
    good(keys("repo", "rotate", "--role", "product-nothing", "--key", "cam"), 4)
    good(keys("repo", "rotate", "--role", "product-camera", "--key", "cam", "--add", "b"), 2)
    good(keys("repo", "rotate"), 2)


def test_rotation_of_root_and_targets(keys):
    good(keys("repo", "rotate", "--role", "root", "--add", "root2", "--threshold", "2"))
    good(keys("root", "sign", "--key", "root2"))
    assert listed(keys, "root")["version"] == 1
    good(keys("root", "sign", "--key", "root"))
    root = listed(keys, "root")
    assert root["version"] == 2 and root["roles"]["root"]["threshold"] == 2
    good(keys("repo", "rotate", "--role", "targets", "--key", "b"))
    good(keys("release", "sign", "--key", "b"))
    good(keys("root", "sign", "--key", "root,root2"))
    assert listed(keys)["version"] == 2
    good(keys("repo", "rotate", "--role", "timestamp", "--key", "mallory.pub"))
    good(keys("root", "sign", "--key", "root,root2"))
    assert listed(keys, "root")["roles"]["timestamp"]["keyids"] == [key_id(keys, "mallory")]


# ---- ceremony ----

def test_root_ceremony_on_a_machine_without_the_repository(keys, tmp_path):
    good(keys("repo", "rotate", "--role", "root", "--key", "root,root2", "--threshold", "2"))
    done = good(keys("root", "prepare", "--out", "carry.prepared"))
    assert f"+ key {key_id(keys, 'root2')}" in done.out and "2 of 2 keys (was 1)" in done.out
    assert f"  key {key_id(keys, 'root')}" in done.out and "expires:" in done.out
    staged = json.loads((keys.directory / "repo/staged/root.json").read_text())
    prepared = json.loads((keys.directory / "carry.prepared").read_text())
    assert json.loads(prepared["canonical"]) == staged["signed"] == prepared["signed"]
    (keys.directory / "repo").rename(keys.directory / "elsewhere")
    done = good(keys("root", "sign", "carry.prepared", "--key", "root"), 2)  # nobody said yes
    assert "give --yes" in done.err
    one = good(keys("--yes", "root", "sign", "carry.prepared", "--key", "root")).out.strip()
    assert one == f"2.root.{key_id(keys, 'root')[:8]}.signature"
    good(keys("--yes", "root", "sign", "carry.prepared", "--key", "root2", "--out", "two"))
    good(keys("--yes", "root", "sign", "carry.prepared", "--key", "mallory", "--out", "three"), 3)
    good(keys("--yes", "release", "sign", "carry.prepared", "--key", "root"), 2)
    (keys.directory / "elsewhere").rename(keys.directory / "repo")
    good(keys("root", "assemble", one), 6)
    assert listed(keys, "root")["version"] == 1
    good(keys("root", "assemble", one, "two"))
    assert listed(keys, "root")["version"] == 2
    good(keys("root", "assemble", one), 4)  # nothing is staged any more
    # What was signed fits nothing else.
    good(keys("root", "prepare", "--out", "next.prepared"))
    done = good(keys("root", "assemble", "two"), 7)
    assert "other bytes" in done.err


def test_a_signer_brings_the_version_before(keys):
    good(keys("repo", "rotate", "--role", "root", "--key", "root,root2"))
    good(keys("root", "prepare", "--out", "p"))
    prepared = json.loads((keys.directory / "p").read_text())
    # The carrier hides that root2 is new.
    prepared["before"]["roles"]["root"] = json.loads(prepared["canonical"])["roles"]["root"]
    prepared["before"]["keys"] = json.loads(prepared["canonical"])["keys"]
    (keys.directory / "p").write_text(json.dumps(prepared))
    plus = f"+ key {key_id(keys, 'root2')}"
    assert plus not in good(keys("--yes", "root", "sign", "p", "--key", "root")).err
    done = good(keys("--yes", "root", "sign", "p", "--key", "root", "--before", "repo/1.root.json"))
    assert plus in done.err and "of your own" in done.err
    good(keys("--yes", "root", "sign", "p", "--key", "root", "--before", "repo/targets.json"), 1)


@pytest.mark.parametrize("change", [
    lambda p: p.update(canonical=p["canonical"].replace('"version":2', '"version": 2')),
    lambda p: p.update(canonical=p["canonical"] + " "),
    lambda p: p.update(canonical="{}"),
    lambda p: p.pop("canonical"),
    lambda p: p.pop("signed"),
    lambda p: p["signed"].update(expires="2099-01-01T00:00:00Z"),
    lambda p: p.pop("rules"),
    lambda p: p["rules"][0].pop("keyids"),
    lambda p: p["rules"][0].update(threshold=0),
    lambda p: p["rules"][0].update(keyids=[7]),
    lambda p: p.update(role="targets"),
    lambda p: p.update(role=7),
    lambda p: p["before"].update(version=7),
    lambda p: p.update({"slipway-prepared": 2}),
])
def test_damaged_prepared_files(keys, change):
    good(keys("root", "prepare", "--out", "p"))
    prepared = json.loads((keys.directory / "p").read_text())
    change(prepared)
    (keys.directory / "p").write_text(json.dumps(prepared))
    done = keys("--yes", "root", "sign", "p", "--key", "root")
    assert done.code in (1, 2, 7), done.out + done.err
    assert not list(keys.directory.glob("*.signature"))


def test_damaged_signatures(keys):
    good(keys("root", "prepare", "--out", "p"))
    good(keys("--yes", "root", "sign", "p", "--key", "root", "--out", "s"))
    whole = json.loads((keys.directory / "s").read_text())
    for change, code in [
            (lambda s: s["signatures"][0].update(sig="00" * 64), 3),
            (lambda s: s["signatures"][0].update(sig="zz"), 1),
            (lambda s: s["signatures"][0].update(keyid="00" * 32), 3),
            (lambda s: s["signatures"].clear(), 1),
            (lambda s: s.pop("sha256"), 7),
            (lambda s: s.update(role="targets"), 2)]:
        damaged = json.loads(json.dumps(whole))
        change(damaged)
        (keys.directory / "s").write_text(json.dumps(damaged))
        good(keys("root", "assemble", "s"), code)
    assert listed(keys, "root")["version"] == 1


def test_release_ceremony(keys):
    good(keys("repo", "delegate", "camera", "--key", "cam.pub"))
    good(keys("release", "sign", "--key", "a"))
    good(add(keys, "camera", "1.0"))
    done = good(keys("release", "prepare", "--role", "product-camera", "--out", "p"))
    assert "+ target camera/1.0/camera-1.0" in done.out
    good(keys("--yes", "release", "sign", "p", "--key", "cam", "--out", "s"))
    good(keys("root", "assemble", "s"), 2)
    done = good(keys("release", "assemble", "s"))
    assert done.out == "product-camera 1: 1 of 1 signatures, complete\n"
    good(keys("release", "prepare"), 4)


# ---- keys under a passphrase, keys in tokens ----

def test_encrypted_keys(alone, monkeypatch):
    (alone.directory / "pass").write_text("correct horse\n")
    done = good(alone("key", "new", "k"), 3)
    assert "--passphrase-file" in done.err and not (alone.directory / "k").exists()
    good(alone("key", "new", "k", "--passphrase-file", "pass"))
    text = (alone.directory / "k").read_text()
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    good(alone("key", "show", "k"), 3)
    shown = good(alone("key", "show", "k", "--passphrase-file", "pass", "-o", "json")).out
    assert json.loads(shown)["items"][0]["id"] == key_id(alone, "k.pub")
    monkeypatch.setenv("SECRET", "correct horse")
    good(alone("key", "show", "k", "--passphrase-env", "SECRET"))
    monkeypatch.setenv("SECRET", "wrong")
    done = good(alone("key", "show", "k", "--passphrase-env", "SECRET"), 3)
    assert "passphrase is wrong" in done.err
    good(alone("key", "show", "k", "--passphrase-env", "UNSET"), 3)
    (alone.directory / "pass").write_text("\n")
    good(alone("key", "new", "empty", "--passphrase-file", "pass"), 2)
    # Any other tool can open it, and what others encrypt opens here.
    done = subprocess.run(["openssl", "pkey", "-in", alone.directory / "k", "-passin", "pass:correct horse", "-noout"])
    assert done.returncode == 0
    done = subprocess.run(["openssl", "asn1parse", "-in", alone.directory / "k"], capture_output=True, text=True)
    assert ":PBES2" in done.stdout and "scrypt" in done.stdout and ":aes-256-cbc" in done.stdout
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:x", "-out",
                    alone.directory / "other"], check=True, capture_output=True)
    monkeypatch.setenv("SECRET", "x")
    good(alone("key", "show", "other", "--passphrase-env", "SECRET"))


def test_a_passphrase_is_typed_without_echo(alone):
    done = alone.on_terminal("key", "new", "k", typed="hunter2\nhunter2\n")
    assert done.code == 0, done.out
    assert "A passphrase for k:" in done.out
    done = alone.on_terminal("key", "show", "k", typed="hunter2\n")
    assert done.code == 0 and "The passphrase of k:" in done.out and "private" in done.out
    done = alone.on_terminal("key", "new", "other", typed="one\ntwo\n")
    assert done.code == 2 and "differ" in done.out and not (alone.directory / "other").exists()


@pytest.fixture
def token(keys, monkeypatch):
    if not os.path.exists(MODULE):
        pytest.skip("SoftHSM is not installed (Debian package softhsm2)")
    folder = keys.directory / "tokens"
    folder.mkdir()
    (keys.directory / "softhsm2.conf").write_text(f"directories.tokendir = {folder}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(keys.directory / "softhsm2.conf"))

    def softhsm(*args):
        subprocess.run(["softhsm2-util", *args], check=True, capture_output=True)

    softhsm("--init-token", "--free", "--label", "release", "--so-pin", "5678", "--pin", "1234")
    assert keys("key", "new", "--no-passphrase", "p256", "--kind", "ecdsa-p256").code == 0
    for number, name in enumerate(("cam", "p256"), 1):
        softhsm("--import", keys.directory / name, "--token", "release", "--label", name, "--id", f"0{number}",
                "--pin", "1234")
    (keys.directory / "pin").write_text("1234\n")
    return keys


def test_keys_in_a_token_sign(token):
    cam = f"pkcs11:token=release;object=cam?module-path={MODULE}"
    p256 = f"pkcs11:token=release;object=p256?module-path={MODULE}&pin-source={token.directory}/pin"
    assert good(token("key", "export", p256, "p256.public")).out.strip() == key_id(token, "p256.pub")
    good(token("repo", "delegate", "camera", "--key", "cam.pub,p256.public", "--threshold", "2"))
    good(token("release", "sign", "--key", "a"))
    good(add(token, "camera", "1.0"))
    good(token("release", "sign", "--key", cam), 3)  # nobody can be asked for the PIN
    done = good(token("release", "sign", "--key", cam, "--passphrase-file", "pin"))
    assert "1 of 2" in done.out
    good(token("release", "prepare", "--role", "product-camera", "--out", "p"))
    good(token("--yes", "release", "sign", "p", "--key", p256, "--out", "s"))
    done = good(token("release", "assemble", "s"))
    assert "2 of 2 signatures, complete" in done.out
    good(token("release", "sign", "--key", "pkcs11:token=absent"), 4)
    good(token("release", "sign", "--key", "pkcs11:nonsense"), 2)


def test_a_pin_is_not_printed(token):
    """Neither in messages nor in lists, which end in logs of build servers."""
    p256 = f"pkcs11:token=release;object=p256?module-path={MODULE}&pin-value=1234"
    assert "1234" not in good(token("key", "show", p256)).out
    assert "1234" not in good(token("-o", "json", "key", "show", p256)).out
    for uri, code in (("pkcs11:token=absent?pin-value=1234", 4), (p256.replace("p256", "none"), 4),
                      ("pkcs11:token=absent;pin-value=1234", 4), (p256.replace("1234", "12345"), 3)):
        done = good(token("release", "sign", "--key", uri), code)
        assert "pkcs11:token=" in done.err and "1234" not in done.err
