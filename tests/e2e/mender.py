"""Unmodified clients of Mender (Debian's mender-client 3.4) as devices of a world.

Its identity script, update modules and artifact_info are at fixed paths, so each client gets a mount
namespace of its own, which needs root. What it installs with is the update module `bank`: a shell
script with two banks, a reboot that is the end of the process, and switches to fail by.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from world import PROGRAMS, wait_until


def why_not():
    """Why such a client cannot run here; None: it can."""
    if not shutil.which("mender"):
        return "mender-client is not installed (Debian package of that name)"
    if os.geteuid() != 0:
        return "a mount namespace for the client's fixed paths needs root"
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    return None if done.returncode == 0 else "mount namespaces are not allowed here"


# $2 is the working directory; BANK is the device's own directory.
MODULE = r"""#!/bin/sh
set -e
here=%(bank)s
echo "$1" >> $here/calls
while [ -e $here/wait-$1 ]; do sleep 0.1; done
[ -e $here/fail-$1 ] && exit 1
case "$1" in
Download)
    file=$(cat stream-next)
    cat "$file" > $here/spare.part
    mv $here/spare.part $here/spare
    [ -z "$(cat stream-next)" ]
    ;;
ArtifactInstall) mv $here/running $here/previous; cp $here/spare $here/running ;;
ArtifactRollback) [ ! -e $here/previous ] || mv $here/previous $here/running ;;
SupportsRollback) echo Yes ;;
NeedsArtifactReboot) [ -e $here/reboots ] && echo Automatic || echo No ;;
esac
exit 0
"""

RUN = """
mount --bind {path}/etc /etc/mender
mount --bind {path}/share /usr/share/mender
export PATH={path}/bin:$PATH
exec mender --no-syslog -b /nonexistent -c {path}/etc/mender.conf -d {path}/data daemon
"""


class MenderDevice:
    def __init__(self, world, name, artifact="release-1", device_type="board", product="gateway",
                 image=b"first image", **config):
        self.world, self.name = world, name
        self.path = world.path / "mender" / name
        self.bank = self.path / "bank"
        for part in ("etc/scripts", "data", "bin", "bank"):
            (self.path / part).mkdir(parents=True)
        shutil.copytree("/usr/share/mender", self.path / "share", symlinks=True)
        self.program("share/identity/mender-device-identity", f"#!/bin/sh\necho serial={name}\n")
        self.program("share/inventory/mender-inventory-test",
                     f"#!/bin/sh\necho product={product}\necho kernel=6.1\n")
        self.program("share/modules/v3/bank", MODULE % {"bank": self.bank})
        # The reboot: the process is gone, and whoever looks after it starts it again.
        self.program("bin/reboot", f"#!/bin/sh\nkill -9 $(cat {self.path}/pid)\n")
        (self.path / "etc/artifact_info").write_text(f"artifact_name={artifact}\n")
        (self.path / "data/device_type").write_text(f"device_type={device_type}\n")
        (self.bank / "running").write_bytes(image)
        self.config = {
            "ServerURL": world.server.url.replace("127.0.0.1", "localhost"),
            "ServerCertificate": str(world.server.ca),
            "UpdatePollIntervalSeconds": 1, "InventoryPollIntervalSeconds": 2,
            "RetryPollIntervalSeconds": 1, "RetryPollCount": 60, **config,
        }
        self.log = self.path / "log"
        self.process = None
        world.devices.append(self)

    def program(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def start(self):
        (self.path / "etc/mender.conf").write_text(json.dumps(self.config))
        script = RUN.format(path=self.path)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-ec", script], stdout=log,
                                            stderr=log, start_new_session=True)
        (self.path / "pid").write_text(str(self.process.pid))
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_end(self, timeout_s=60):
        """Until it has rebooted: the process is gone."""
        self.process.wait(timeout_s)
        return self

    def kill(self):
        if self.is_running():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def poke(self):
        """Look for an update now."""
        self.process.send_signal(signal.SIGUSR1)

    # ---- what is seen of it ----

    def switch(self, name, on=True):
        """Switches of the module: reboots, wait-STATE, fail-STATE."""
        (self.bank / name).write_text("") if on else (self.bank / name).unlink()

    def running(self):
        return (self.bank / "running").read_bytes()

    def calls(self):
        path = self.bank / "calls"
        return path.read_text().split() if path.exists() else []

    def text(self):
        return self.log.read_text(errors="replace")

    # ---- what the server says of it ----

    def row(self):
        """Its row in our API, found by what its inventory or identity says."""
        for item in self.world.server.items("/devices"):
            if item["name"] == self.device_name:
                return item
        return None

    def wait_call(self, state, timeout_s=60):
        wait_until(lambda: state in self.calls(), timeout_s,
                   what=lambda: f"{state}: {self.calls()} {self.text()[-2000:]}")
        return self

    @property
    def device_name(self):
        identity = json.dumps({"serial": self.name}, separators=(",", ":"))
        return "mender-" + hashlib.sha256(identity.encode()).hexdigest()[:16]

    def wait_pending(self, timeout_s=30):
        wait_until(lambda: (self.row() or {}).get("status") == "pending", timeout_s,
                   what=lambda: f"{self.name} waits: {self.text()[-2000:]}")
        return self

    def accept(self):
        self.world.slipway("device", "accept", self.device_name)
        return self

    def wait_inventory(self, timeout_s=30):
        wait_until(lambda: self.attributes().get("kernel") == "6.1", timeout_s,
                   what=lambda: f"inventory: {self.attributes()} {self.text()[-2000:]}")
        return self

    def attributes(self):
        return self.world.server.api("GET", f"/devices/{self.device_name}").get("attributes", {})


def upload(world, artifact, token=None):
    """Through Mender's management API, as its tools do it."""
    form = (b'--b\r\nContent-Disposition: form-data; name="size"\r\n\r\n'
            + str(artifact.stat().st_size).encode()
            + b'\r\n--b\r\nContent-Disposition: form-data; name="artifact"; filename="a"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n" + artifact.read_bytes()
            + b"\r\n--b--\r\n")
    return world.server.raw("POST", "/api/management/v1/deployments/artifacts", form,
                            {"Content-Type": "multipart/form-data; boundary=b"},
                            token or world.server.token)


def write_artifact(world, name, image, *options, device_type="board", kind="bank"):
    """A Mender Artifact with one file, made by our own writer."""
    directory = world.path / "artifacts" / hashlib.sha256(name.encode()).hexdigest()[:8]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "image.bin").write_bytes(image)
    out = directory / "made.mender"
    done = subprocess.run([str(PROGRAMS["slipway"]), "artifact", "write", "module-image", "--out",
                           str(out), "-n", name, "-t", device_type, "-T", kind, "-f",
                           str(directory / "image.bin"), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out
