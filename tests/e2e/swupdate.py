"""Debian's swupdate, unmodified, as a device: it polls, installs .swu files into a directory of
its own, and is restarted by the test where a board would reboot."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

from world import image, wait_until

MISSING = [name for name in ("swupdate", "cpio", "openssl") if not shutil.which(name)]
WHY_NOT = f"not installed: {', '.join(MISSING)}" if MISSING else ""


class Signer:
    """A key whose signatures swupdate takes, and .swu files signed with it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.key, self.certificate = self.path / "swu.key", self.path / "swu.pem"
        self.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key,
                 "-out", self.certificate, "-days", "30", "-subj", "/CN=test", "-addext",
                 "extendedKeyUsage=emailProtection", "-addext", "keyUsage=digitalSignature")

    @staticmethod
    def run(*words, **kwargs):
        done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60,
                              **kwargs)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def swu(self, version, payload, installs_to, spoiled=False):
        """A .swu that writes `payload` to `installs_to`, below the device's working directory."""
        work = self.path / f"swu-{version}"
        work.mkdir()
        (work / "payload.bin").write_bytes(payload)
        digest = hashlib.sha256(payload + b"!" if spoiled else payload).hexdigest()
        (work / "sw-description").write_text(f"""software = {{
    version = "{version}";
    hardware-compatibility: [ "1.0" ];
    files: ( {{
        filename = "payload.bin"; path = "{installs_to}"; type = "rawfile";
        sha256 = "{digest}";
    }} );
}}
""")
        self.run("openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig",
                 "-signer", self.certificate, "-inkey", self.key, "-outform", "DER", "-nosmimecap",
                 "-binary", cwd=work)
        out = self.run("cpio", "-o", "-H", "crc", cwd=work,
                       input=b"sw-description\nsw-description.sig\npayload.bin\n")
        path = self.path / f"fw-{version}.swu"
        path.write_bytes(out)
        return path


class Swupdate:
    """One device: swupdate's process, its directory, and its target at the server."""

    def __init__(self, world, name, signer, port=None, product="gateway", hardware="board",
                 token=None, gateway=None, register=True):
        self.world, self.name, self.signer = world, name, signer
        self.port = port or world.server.port
        self.path = world.path / "swupdate" / name
        (self.path / "tmp").mkdir(parents=True)
        self.log = self.path / "out.log"
        self.process = None
        self.token, self.gateway = token, gateway
        if register:
            self.token = register_target(world, name, product, hardware, token)
        world.devices.append(self)

    @property
    def installed(self):
        """What the device would boot."""
        path = self.path / "installed.bin"
        return path.read_bytes() if path.exists() else b""

    def start(self, confirm=None, rate=None):
        """`confirm`: 2 the trial was good, 3 it was not; as a bootloader would say."""
        config = self.path / "swupdate.cfg"
        secret = (f'gatewaytoken = "{self.gateway}";' if self.gateway
                  else f'targettoken = "{self.token}";')
        config.write_text(f"""globals : {{
    verbose = true; loglevel = 5; public-key-file = "{self.signer.certificate}";
}};
identify : ( {{ name = "serialNo"; value = "{self.name}"; }} );
suricatta : {{
    tenant = "DEFAULT"; id = "{self.name}"; url = "https://127.0.0.1:{self.port}";
    polldelay = 1; retry = 5; retrywait = 1; cafile = "{self.world.server.ca}"; {secret}
}};
""")
        words = ["swupdate", "-v", "-f", str(config), "-H", "board:1.0"]
        words += ["-u", "-p 1" + (f" -c {confirm}" if confirm else "") +
                  (f" -n {rate}" if rate else "")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.path,
                                            env={**os.environ, "TMPDIR": str(self.path / "tmp")})
        return self

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def reboot(self, good=True):
        """A power cycle after an installation; the bootloader tells how the trial went."""
        self.kill()
        return self.start(confirm=2 if good else 3)

    def said(self, words):
        return words in self.log.read_text(errors="replace")

    def wait_said(self, words, timeout_s=40):
        wait_until(lambda: self.said(words), timeout_s,
                   what=lambda: f"{self.name} says {words!r}: {self.log.read_text()[-3000:]}")

    def seen(self):
        return self.world.server.api("GET", f"/devices/{self.name}")


def rest(world, method, path, body=None):
    """hawkBit's management API, with the administrator's token as password."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data is not None else {}
    status, headers, answer = world.server.raw(method, "/rest/v1" + path, data, headers,
                                               world.server.token)
    return status, json.loads(answer) if answer else None


def register_target(world, name, product="gateway", hardware="board", token=None):
    """Its target token."""
    target = {"controllerId": name, "product": product, "hardware": hardware}
    if token:
        target["securityToken"] = token
    status, made = rest(world, "POST", "/targets", [target])
    assert status == 201, made
    return made[0]["securityToken"]


def ask(world, method, path, token=None, body=None, headers=None, scheme="TargetToken"):
    """One request of the device API by hand: (status, headers, bytes)."""
    headers = dict(headers or {})
    if token:
        headers["Authorization"] = f"{scheme} {token}"
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    return world.server.raw(method, "/DEFAULT/controller/v1/" + path, body, headers)


def release_both(world, version, swu, product="gateway"):
    """A signed release with an image for our agents and a .swu for swupdate."""
    world.add_release(version, image(version), product=product)
    world.slipway("release", "add", swu, "--format", "swu", "--dir", world.repo, "--product",
                  product, "--version", version)
    for key in sorted(world.keys.glob("targets?")):
        world.slipway("release", "sign", "--dir", world.repo, "--key", key)
    world.slipway("release", "publish", "--dir", world.repo)
