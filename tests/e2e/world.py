"""A small world of real programs for end-to-end tests: one slipwayd, release keys, agents.

Everything runs on loopback in a directory of the test's own and ends with the test.
"""
import hashlib
import json
import os
import pathlib
import shlex
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

BUILD = pathlib.Path(os.environ["SLIPWAY_BUILD"])
PROGRAMS = {
    "slipwayd": BUILD / "src/server/slipwayd",
    "slipway": BUILD / "src/cli/slipway",
    "slipway-agent": BUILD / "src/device/slipway-agent",
}


def wait_until(condition, timeout_s=30.0, every_s=0.05, what="condition"):
    """The first true value of condition(); after timeout_s fail with `what`, a text or what
    makes one."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what() if callable(what) else what}")
        time.sleep(every_s)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Problem(Exception):
    """An answer of the API that is not 2xx."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Server:
    """One slipwayd with its data directory."""

    def __init__(self, path, **options):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.data = self.path / "data"
        self.port = free_port()
        self.options = {"poll_interval_s": "1s", **options}
        self.log = self.path / "slipwayd.log"
        self.process = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self):
        return self.data / "pki/ca.crt"

    @property
    def token(self):
        return (self.data / "admin.token").read_text().strip()

    def start(self, wrapper=(), env=None):
        arguments = [*wrapper, str(PROGRAMS["slipwayd"]), f"--listen=127.0.0.1:{self.port}",
                     f"--data-dir={self.data}"]
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in self.options.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, env=env)
        wait_until(self.is_up, 20, what=f"slipwayd answers, see {self.log}")
        return self

    def is_up(self):
        assert self.process.poll() is None, f"slipwayd ended: {self.log.read_text()[-2000:]}"
        try:
            return b"checks" in self.raw("GET", "/healthz")[2]  # it answers, well or not
        except (OSError, urllib.error.URLError):
            return False

    def stop(self, timeout_s=20):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            return self.process.wait(timeout_s)
        return None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def raw(self, method, path, body=None, headers=None, token=None, cert=None):
        """(status, headers, bytes) of one request; no exception for 4xx and 5xx."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if cert:
            context.load_cert_chain(*cert)
        request = urllib.request.Request(self.url + path, data=body, method=method,
                                         headers=headers or {})
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def api(self, method, path, body=None, token=None):
        """The JSON of a 2xx answer; Problem otherwise."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data is not None else {}
        status, _, answer = self.raw(method, "/api/v1" + path, data, headers, token or self.token)
        value = json.loads(answer) if answer else None
        if not 200 <= status < 300:
            raise Problem(status, value)
        return value

    def items(self, path):
        """All items of a paged list."""
        found, cursor = [], None
        while True:
            joint = "&" if "?" in path else "?"
            page = self.api("GET", path + (f"{joint}cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page.get("next")
            if not cursor:
                return found


class World:
    """Server, operator and devices."""

    def __init__(self, path, **options):
        self.path = pathlib.Path(path)
        self.server = Server(self.path / "server", **options)
        self.keys = self.path / "keys"
        self.repo = self.path / "repo"
        self.devices = []

    def start(self):
        self.server.start()
        return self

    def close(self):
        for device in self.devices:
            device.kill()
        if self.server.process and self.server.process.poll() is None:
            self.server.process.kill()
            self.server.process.wait()

    def slipway(self, *words, ok=True, **kwargs):
        """Run the command line as the admin would; (exit code, stdout, stderr)."""
        arguments = [str(PROGRAMS["slipway"]), *map(str, words), "--server", self.server.url,
                     "--ca", str(self.server.ca), "--token-file",
                     str(self.server.data / "admin.token")]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, **kwargs)
        if ok:
            assert done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}{done.stdout}"
        return done.returncode, done.stdout, done.stderr

    def slipway_json(self, *words):
        return json.loads(self.slipway(*words, "-o", "json")[1])

    # ---- the release authority ----

    def make_repository(self, targets_keys=1, threshold=1):
        """Keys and a published root; every key file is below self.keys."""
        self.keys.mkdir(exist_ok=True)
        self.slipway("key", "new", "--no-passphrase", self.keys / "root")
        names = [f"targets{i}" for i in range(targets_keys)]
        for name in names:
            self.slipway("key", "new", "--no-passphrase", self.keys / name)
        arguments = ["--dir", self.repo, "--root-key", self.keys / "root"]
        for name in names:
            arguments += ["--targets-key", self.keys / name]
        self.slipway("repo", "init", *arguments, "--targets-threshold", threshold)
        self.slipway("repo", "publish", "--dir", self.repo)
        return self

    def add_release(self, version, image, *options, product="gateway", hardware="board"):
        path = self.path / f"{product}-{version}.img"
        path.write_bytes(image)
        self.slipway("release", "add", path, "--dir", self.repo, "--product", product,
                     "--version", version, "--hardware", hardware, *options)

    def release(self, version, image, *options, **kwargs):
        """Add, sign with every key and publish."""
        self.add_release(version, image, *options, **kwargs)
        for key in sorted(self.keys.glob("targets?")):
            self.slipway("release", "sign", "--dir", self.repo, "--key", key)
        self.slipway("release", "publish", "--dir", self.repo)

    # ---- devices ----

    def claim(self):
        return self.server.api("POST", "/claims", {"expires_in_s": 3600, "note": "test"})["token"]

    def device(self, name, image, version="1.0", claim=True, **options):
        device = Device(self, name, image, version, **options)
        if claim:
            device.use_claim(self.claim())
        self.devices.append(device)
        return device

    def fleet(self, count, image, version="1.0", start=True, **options):
        devices = [self.device(f"dev-{i:02}", image, version, **options) for i in range(count)]
        for device in devices if start else ():
            device.start()
        return devices

    def wait_ready(self, release="gateway@1.0", devices=None, timeout_s=60):
        """Until every device is enrolled and seen to run the release."""
        wanted = {device.name for device in devices or self.devices}
        wait_until(lambda: wanted <= {item["name"] for item in self.server.items("/devices")
                                      if item["running"]["release"] == release}, timeout_s,
                   what=lambda: f"all run {release}: {self.server.items('/devices')}")

    # ---- rollouts ----

    def rollout(self, name, version, *options, product="gateway", selector="all", start=True):
        self.slipway("rollout", "create", name, "--release", f"{product}@{version}",
                     "--selector", selector, *options)
        if start:
            self.slipway("rollout", "start", name)

    def rollout_state(self, name):
        return self.server.api("GET", f"/rollouts/{name}")["state"]

    def wait_rollout(self, name, state, timeout_s=60):
        wait_until(lambda: self.rollout_state(name) == state, timeout_s,
                   what=lambda: f"{name} is {state}: {self.server.api('GET', f'/rollouts/{name}')} "
                                f"{self.assignments(name)}")

    def assignments(self, name):
        """Device name -> its row in the rollout."""
        return {row["device"]: row for row in self.server.items(f"/rollouts/{name}/devices")}

    def in_state(self, name, *states):
        """Names of the devices whose assignment is in one of the states."""
        return {device for device, row in self.assignments(name).items() if row["state"] in states}

    def counts(self, name):
        return self.server.api("GET", f"/rollouts/{name}")["counts"]

    def steer(self, name, verb, token=None):
        return self.server.api("POST", f"/rollouts/{name}/{verb}", {}, token)

    def explain(self, device):
        return self.server.api("GET", f"/devices/{device.name}/explain")

    def audit(self):
        """All entries of the exported audit log, which verifies."""
        path = self.path / "audit.jsonl"
        path.unlink(missing_ok=True)
        self.slipway("audit", "export", "--out", path)
        self.slipway("audit", "verify", path, "--key", self.server.data / "pki/audit.pub")
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        assert "head" in entries[-1]
        return [entry["entry"] for entry in entries[:-1]]


class Device:
    """One slipway-agent with two file banks."""

    def __init__(self, world, name, image, version, **options):
        self.world, self.name = world, name
        self.path = world.path / "devices" / name
        self.state = self.path / "state"
        self.path.mkdir(parents=True)
        (self.path / "bank_a").write_bytes(image)
        (self.path / "bank_b").write_bytes(b"")
        (self.path / "root.json").write_bytes((world.repo / "root.json").read_bytes())
        self.process = None
        self.log = self.path / "out.log"
        self.options = {
            "server": world.server.url,
            "ca_file": world.server.ca,
            "name": name,
            "state_dir": self.state,
            "root_file": self.path / "root.json",
            "product": "gateway",
            "hardware": "board",
            "factory_version": version,
            "bank_a": self.path / "bank_a",
            "bank_b": self.path / "bank_b",
            "bank_size": "64M",
            "boot": "file",
            "reboot_command": "exec",
            "health_command": "true",
            "poll_interval_s": 1,
            "retry_min_s": 1,
            "retry_max_s": 2,
            **options,
        }

    def use_claim(self, token):
        (self.path / "claim").write_text(token)
        self.options["claim_token_file"] = self.path / "claim"

    def write_config(self):
        path = self.path / "agent.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in self.options.items()))
        return path

    def command(self, *arguments):
        return [str(PROGRAMS["slipway-agent"]), "--config", str(self.write_config()), *arguments]

    def start(self, *arguments, wrapper=()):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*wrapper, *self.command(*arguments)], stdout=log,
                                            stderr=log)
        return self

    def once(self, *arguments, timeout_s=60):
        """Run until nothing is left to do; the finished process."""
        return subprocess.run(self.command("--once", *arguments), capture_output=True, text=True,
                              timeout=timeout_s)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def boot_state(self):
        """What the boot selector holds."""
        path = self.state / "boot"
        text = path.read_text() if path.exists() else "confirmed=a\ntrial=none\ntries=0\nrunning=a"
        return dict(line.split("=", 1) for line in text.split())

    def bank(self, letter):
        return self.path / f"bank_{letter}"

    def boots(self):
        """The bank that a power cycle would boot now; asking changes nothing."""
        state = self.boot_state()
        trial = state["trial"] != "none" and int(state["tries"]) > 0
        bank = state["trial"] if trial else state["confirmed"]
        return {"bank": bank, "path": self.bank(bank)}

    def running_image(self, size):
        return pathlib.Path(self.boots()["path"]).read_bytes()[:size]

    def seen(self):
        return self.world.server.api("GET", f"/devices/{self.name}")

    def said(self, event):
        """Lines of its log about one event, oldest first, as dicts of their words."""
        found = []
        for line in self.log.read_text().splitlines() if self.log.exists() else ():
            words = shlex.split(line)
            if len(words) > 3 and words[3] == event:
                found.append({"at": words[0], "level": words[1]} |
                             dict(word.split("=", 1) for word in words[4:] if "=" in word))
        return found

    def history(self):
        """What the server recorded, newest first."""
        return self.world.server.items(f"/devices/{self.name}/history")

    def reported(self):
        """(name of the rollout, phase) of every report, oldest first."""
        names = {rollout["id"]: rollout["name"] for rollout in self.world.server.items("/rollouts")}
        return [(names.get(entry["rollout"]), entry["phase"]) for entry in reversed(self.history())
                if entry["kind"] == "report"]

    def states(self):
        """States that the agent entered, in order, by its own log."""
        return [line["to"] for line in self.said("state")]

    def phases(self, rollout):
        """Phases that the server has from it for one rollout, in order."""
        return [phase for name, phase in self.reported() if name == rollout]


def image(version, size=300_000):
    """Bytes that stand for a firmware image: reproducible, not compressible."""
    block = hashlib.sha256(version.encode()).digest()
    parts = []
    for _ in range(size // 32 + 1):
        parts.append(block)
        block = hashlib.sha256(block).digest()
    return b"".join(parts)[:size]
