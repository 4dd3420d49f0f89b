"""What needs no server: keys, repositories, signatures, the audit log; and publishing to one."""
import hashlib
import json
import subprocess

import pytest


@pytest.fixture
def keys(alone):
    for name in ("root", "a", "b", "snapshot", "timestamp"):
        done = alone("key", "new", "--no-passphrase", name, *(["--kind", "ecdsa-p256"] if name == "b" else []))
        assert done.code == 0, done.err
    return alone


def init(slipway, *more):
    return slipway("repo", "init", "--root-key", "root", "--targets-key", "a,b.pub",
                   "--targets-threshold", "2", "--snapshot-key", "snapshot.pub",
                   "--timestamp-key", "timestamp.pub", *more)


def test_key_files(keys):
    assert (keys.directory / "root").stat().st_mode & 0o777 == 0o600
    before = (keys.directory / "root").read_bytes()
    assert keys("key", "new", "--no-passphrase", "root").code == 7
    assert (keys.directory / "root").read_bytes() == before
    shown = keys("key", "show", "a", "a.pub", "b.pub", "-o", "json")
    a, a_pub, b_pub = json.loads(shown.out)["items"]
    assert a["id"] == a_pub["id"] != b_pub["id"] and a["private"] and not a_pub["private"]
    assert b_pub["kind"] == "ecdsa-p256"
    assert "PRIVATE" not in shown.out
    assert keys("key", "show", "absent").code == 4
    (keys.directory / "junk").write_text("junk")
    assert keys("key", "show", "junk").code == 1


def test_signing_up_to_the_threshold(keys):
    assert init(keys).code == 0
    assert init(keys).code == 7
    status = json.loads(keys("repo", "status", "-o", "json").out)["items"]
    assert [(i["role"], i["complete"]) for i in status] == [("root", True), ("targets", False)]
    done = keys("release", "sign", "--key", "root")
    assert done.code == 3, done.err
    assert keys("release", "sign", "--key", "b.pub").code == 2
    assert keys("release", "sign").code == 2
    done = keys("release", "sign", "--key", "b")
    assert (done.code, done.out) == (0, "targets 1: 2 of 2 signatures, complete\n"), done.err
    assert keys("release", "sign", "--key", "b").code == 4  # nothing is staged


def add(slipway, version, content, *more):
    image = slipway.directory / f"image-{version}"
    image.write_bytes(content)
    return slipway("release", "add", image, "--product", "router", "--version", version,
                   "--hardware", "a,b", *more)


def test_adding_releases(keys):
    assert init(keys).code == 0
    assert keys("release", "sign", "--key", "b").code == 0
    done = add(keys, "1.0", b"x" * 100000, "--from", "0.9", "--from", "ab" * 32, "-o", "json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["sha256"] == hashlib.sha256(b"x" * 100000).hexdigest() and made["length"] == 100000
    assert add(keys, "1.0", b"y" * 10).code == 7
    assert keys("release", "add", "absent", "-p", "r", "-V", "1", "-H", "a").code in (1, 4)
    assert keys("release", "add", "root").code == 2  # no product
    assert add(keys, "bad version", b"x").code in (1, 2)
    assert keys("release", "remove", "router@1.0").code == 0
    assert keys("release", "remove", "router@1.0").code == 4
    assert keys("release", "remove", "router").code == 2


def test_publishing_is_repeatable(keys, api):
    (keys.directory / "token").write_text("t\n")
    keys.context.write_text(f'server: "{api.url}"\ntoken_file: token\n')
    state = {"root_version": None, "targets_version": None}

    def take(role):
        def answer(path, headers, body):
            version = json.loads(body)["signed"]["version"]
            assert version == (state[f"{role}_version"] or 0) + 1 or role == "targets"
            state[f"{role}_version"] = version
            return 201, {f"{role}_version": version, "releases": []}
        return answer

    api.set("GET", "/api/v1/trust", lambda *_: (200, state))
    api.set("POST", "/api/v1/trust/root", take("root"))
    api.set("POST", "/api/v1/trust/targets", take("targets"))
    assert init(keys).code == 0
    assert keys("release", "publish").code == 4  # targets 1 is not complete
    assert keys("release", "sign", "--key", "b").code == 0
    done = keys("repo", "publish")
    assert done.code == 0, done.err
    assert state == {"root_version": 1, "targets_version": 1}
    assert add(keys, "1.0", b"x" * 100000).code == 0
    assert keys("release", "sign", "--key", "a,b").code == 0
    done = keys("release", "publish")
    assert done.code == 0, done.err
    assert "Uploaded 2 files, 0 were there." in done.err and state["targets_version"] == 2
    assert api.blobs[hashlib.sha256(b"x" * 100000).hexdigest()] == b"x" * 100000
    puts = len(api.made("PUT"))
    done = keys("release", "publish")
    assert done.code == 0 and "Uploaded 0 files, 2 were there." in done.err
    assert len(api.made("PUT")) == puts
    # A list that still lacks signatures is not what was asked for: a pipeline must notice.
    assert add(keys, "1.1", b"z" * 1000).code == 0
    assert keys("release", "sign", "--key", "a").code == 0
    done = keys("release", "publish")
    assert done.code == 6 and "1 of 2 signatures" in done.err, done.err
    assert state["targets_version"] == 2
    assert keys("release", "remove", "router@1.1").code == 0
    # The next root goes up in order, and only once.
    assert keys("root", "prepare").code == 0
    assert keys("root", "sign", "--key", "root").code == 0
    assert keys("repo", "publish").code == 0 and state["root_version"] == 2


def test_online_keys_come_from_the_server(keys, api):
    keys.context.write_text(f'server: "{api.url}"\n')
    shown = json.loads(keys("key", "show", "snapshot", "timestamp", "-o", "json").out)["items"]
    api.set("GET", "/api/v1/trust", {"snapshot_key": shown[0]["key"], "timestamp_key": shown[1]["key"]})
    done = keys("repo", "init", "--root-key", "root", "--targets-key", "a")
    assert done.code == 0, done.err
    root = json.loads((keys.directory / "repo/root.json").read_text())["signed"]
    assert root["roles"]["snapshot"]["keyids"] == [shown[0]["id"]]
    assert root["roles"]["timestamp"]["keyids"] == [shown[1]["id"]]


def test_completions_are_shell(alone, tmp_path):
    script = tmp_path / "slipway.bash"
    script.write_text(alone("completion", "bash").out)
    assert subprocess.run(["bash", "-n", script]).returncode == 0

    def complete(*words):
        line = f"source {script}; COMP_WORDS=({' '.join(repr(w) for w in words)}); " \
               f"COMP_CWORD={len(words) - 1}; _slipway; echo \"${{COMPREPLY[@]}}\""
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True).stdout.split()

    assert complete("slipway", "dev") == ["device"]
    assert "explain" in complete("slipway", "device", "")
    assert complete("slipway", "-o", "json", "rollout", "wat") == ["watch"]
    assert complete("slipway", "rollout", "create", "--dry") == ["--dry-run"]
    assert complete("slipway", "device", "list", "-o", "") == []  # letters are not completed
    assert complete("slipway", "device", "list", "--output", "j") == ["json"]
    assert complete("slipway", "token", "new", "--role", "op") == ["operator"]
    assert complete("slipway", "completion", "z") == ["zsh"]
    assert complete("slipway", "device", "list", "--ser") == ["--server"]


def test_manual_is_clean_roff(alone):
    page = alone("--man").out
    assert page.startswith('.\\" Made by slipway --man') and "slipway rollout watch" in page
    try:
        done = subprocess.run(["groff", "-man", "-ww", "-z"], input=page, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("groff is not installed")
    bad = [l for l in done.stderr.splitlines() if "can't break line" not in l]
    assert bad == []


def test_help(alone):
    assert "rollout watch" in alone("--help").out
    assert alone("--help").code == alone("device", "--help").code == 0
    assert "Usage: slipway device list [SELECTOR]" in alone("help", "device", "list").out
    assert "--dry-run" in alone("rollout", "create", "--help").out
    assert alone("--version").out.startswith("slipway ")
