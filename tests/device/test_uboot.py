"""A device with U-Boot and systemd: what the manual's scripts and the packaged units make of an image
whose agent cannot run.

U-Boot is played by a small interpreter that runs the scripts as they stand in docs/manual/agent.md,
with its boot counter, on an environment in a file that the agent changes through libubootenv.
systemd is played as far as the units use it: restarts, their limit, OnFailure=, conditions.
"""
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import zlib

import pytest
from device import AGENT, EXIT_REBOOT, image

ROOT = pathlib.Path(__file__).parents[2]
NEW = image("new", 300_000)
COPY = 8192  # bytes of each of the two copies of the environment


# ---- U-Boot ----

def manual_scripts():
    """The variables in the manual."""
    text = (ROOT / "docs/manual/agent.md").read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)
    block = next(block for block in blocks if "altbootcmd=" in block)
    return dict(line.split("=", 1) for line in block.splitlines())


class Environment:
    """U-Boot's environment, two copies in a file: CRC-32, flag, name=value texts."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path.with_suffix(".config")
        self.config.write_text(f"{self.path} 0x0 {COPY:#x}\n{self.path} {COPY:#x} {COPY:#x}\n")
        self.path.write_bytes(bytes(2 * COPY))
        self.store({**manual_scripts(), "console": "ttyS0", "kernel_addr_r": "1", "fdt_addr_r": "2"})

    def copies(self):
        data = self.path.read_bytes()
        for at in (0, COPY):
            crc, flag = struct.unpack_from("<IB", data, at)
            body = data[at + 5:at + COPY]
            if zlib.crc32(body) == crc:
                yield flag, at, body

    def load(self):
        _, _, body = max(self.copies())
        return dict(entry.split("=", 1) for entry in body[:body.index(b"\0\0")].decode().split("\0"))

    def store(self, variables):
        flag, at = max(((flag, at) for flag, at, _ in self.copies()), default=(0, COPY))
        body = b"".join(f"{name}={value}\0".encode() for name, value in variables.items())
        body = body.ljust(COPY - 5, b"\0")
        with open(self.path, "r+b") as file:
            file.seek(COPY - at)
            file.write(struct.pack("<IB", zlib.crc32(body), (flag + 1) % 256) + body)


class Reset(Exception):
    pass


class UBoot:
    """As much of the hush shell as the scripts use."""

    def __init__(self, environment, loadable=("a", "b")):
        self.environment = environment
        self.loadable = loadable
        self.cmdline = None

    def power_on(self):
        """The command line of the kernel that is started in the end."""
        for _ in range(9):
            self.variables = self.environment.load()
            self.cmdline = None
            try:
                self.run(self.variables[self.choose()])
            except Reset:
                continue
            return self.cmdline
        raise AssertionError("nothing boots")

    def choose(self):
        """CONFIG_BOOTCOUNT_LIMIT with the counter in the environment."""
        if self.variables.get("upgrade_available") != "1":
            return "bootcmd"
        count = int(self.variables.get("bootcount", "0")) + 1
        self.variables["bootcount"] = str(count)
        self.environment.store(self.variables)
        return "altbootcmd" if count > int(self.variables.get("bootlimit", "0")) else "bootcmd"

    def run(self, script):
        for statement in self.statements(script):
            if statement.startswith("if "):
                self.branch(statement)
            else:
                self.command(statement)
            if self.cmdline:
                return

    @staticmethod
    def statements(script):
        """Split at ";" but not inside if ... fi."""
        found, depth = [""], 0
        for part in script.split(";"):
            words = part.split()
            depth += words[:1] == ["if"]
            if found[-1]:
                found[-1] += ";"
            found[-1] += part
            depth -= words[:1] == ["fi"]
            if depth == 0:
                found.append("")
        return [statement.strip() for statement in found if statement.strip()]

    def branch(self, statement):
        head, then, rest = re.fullmatch(r"if (.*?); then (.*?);(?: else (.*);)? fi",
                                        statement).groups()
        good = all(self.test(self.expand(part)) for part in head.split("&&"))
        script = then if good else rest
        if script:
            self.run(script)

    def expand(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda match: self.variables.get(match[1], ""), text)

    @staticmethod
    def test(text):
        words = shlex.split(text)
        assert words[0] == "test", text
        if words[1] == "-n":
            return len(words) > 2 and words[2] != ""
        left, operator, right = words[1:]
        assert operator == "=", text
        return left == right

    def command(self, text):
        word, *words = self.expand(text).split()
        if word == "run":
            self.run(self.variables[words[0]])
        elif word == "setenv":
            self.variables.pop(words[0], None)
            if len(words) > 1:
                self.variables[words[0]] = " ".join(words[1:])
        elif word == "saveenv":
            self.environment.store(self.variables)
        elif word == "load":
            self.loaded = {"2": "a", "3": "b"}[words[1][-1]] in self.loadable
        elif word == "booti":
            self.cmdline = self.variables["bootargs"] if self.loaded else None
        elif word == "reset":
            raise Reset
        else:
            raise AssertionError(f"U-Boot has no {text}")


# ---- systemd ----

def unit(name):
    """Sections of a packaged unit: {"Unit.OnFailure": "..."}."""
    found, section = {}, ""
    for line in (ROOT / "packaging/systemd" / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[f"{section}.{key}"] = value
    return found


class Machine:
    """One boot after the other, until nothing more happens by itself."""

    def __init__(self, device, environment, loadable=("a", "b")):
        self.device, self.uboot = device, UBoot(environment, loadable)
        self.cmdline = pathlib.Path(device.options["kernel_cmdline"])
        self.starts = []  # of each boot: bank, command line, starts of the agent

    def power_on(self):
        """False when the machine stays as it is, with a unit that has failed."""
        words = self.uboot.power_on()
        self.cmdline.write_text(words + "\n")
        return self.run_agent(words)

    def run_agent(self, words):
        service = unit("slipway-agent.service")
        assert service["Service.Restart"] == "always"
        final = service["Service.RestartPreventExitStatus"].split()
        starts = 0
        for starts in range(1, int(service["Unit.StartLimitBurst"]) + 1):
            code = self.agent(words)
            if code == EXIT_REBOOT:  # the agent's own reboot_command
                self.starts.append((words, starts))
                return True
            if code == 0:
                self.starts.append((words, starts))
                return False
            if str(code) in final:
                break
        self.starts.append((words, starts))
        return self.run_fallback(service["Unit.OnFailure"], words)

    @staticmethod
    def run_fallback(name, words):
        fallback = unit(name)
        if fallback["Unit.ConditionKernelCommandLine"] not in words.split():
            return False
        assert fallback["Service.ExecStart"] == "/usr/bin/systemctl reboot"
        return True

    def agent(self, words):
        """Power on, with the agent of the image that runs."""
        return self.device.agents["slipway.bank=b" in words.split()]()

    def run(self, boots_max=12):
        for _ in range(boots_max):
            if not self.power_on():
                return
        raise AssertionError(f"it never comes to rest: {self.starts}")


@pytest.fixture
def machine(fake, make_device, tmp_path):
    environment = Environment(tmp_path / "uboot.env")
    cmdline = tmp_path / "cmdline"
    cmdline.write_text("slipway.bank=a\n")
    device = make_device(boot="uboot", uboot_config=environment.config, kernel_cmdline=cmdline)

    def works():
        """Until there is nothing to do, or the agent wants a reset."""
        with open(device.log, "ab") as log:
            process = subprocess.Popen([AGENT, "-c", device.config], stdout=log, stderr=log)
        device.process = process
        seen = len(fake.polls)
        while process.poll() is None:
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
            if (fake.assignment is None or fake.final(fake.assignment[0])) and \
                    len(fake.polls) > seen + 1 and process.poll() is None:
                return device.stop()
        return process.returncode

    device.agents = [works, works]
    device.works = works
    device.environment = environment
    return Machine(device, environment)


def broken_configuration(device):
    def start():
        return subprocess.run([AGENT, "-c", device.config, "--boot", "nothing"],
                              capture_output=True, check=False).returncode
    return start


def missing_library():
    return 127


def crash_at_once():
    return subprocess.run(["sh", "-c", "kill -SEGV $$"], check=False).returncode % 256


def test_an_update_through_the_scripts(fake, machine):
    fake.assign(7, NEW)
    machine.run()
    assert fake.phases(7)[-1] == "succeeded"
    words = [boot[0] for boot in machine.starts]
    assert "slipway.bank=a" in words[0] and "slipway.trial" not in words[0]
    assert "slipway.bank=b" in words[1] and "slipway.trial" in words[1]
    assert machine.uboot.power_on() == words[1].replace(" slipway.trial", "")  # for good


@pytest.mark.parametrize("how", ["configuration", "library", "crash"])
def test_an_agent_that_cannot_start_on_trial_falls_back(fake, machine, how):
    device = machine.device
    device.agents[1] = {"configuration": broken_configuration(device),
                        "library": missing_library, "crash": crash_at_once}[how]
    fake.assign(7, NEW)
    machine.run()
    [report] = fake.final(7)
    assert fake.phases(7)[-1] == "reverted"
    assert report[9] == "trial_lost"
    assert [("b" if "slipway.bank=b" in words else "a") for words, _ in machine.starts] == \
        ["a", "b", "a"]
    starts = machine.starts[1][1]
    assert starts == (1 if how == "configuration" else 10)  # as often as systemd lets it
    # It lives on, and takes the next release.
    device.agents[1] = device.works
    fake.assign(8, image("repaired", 200_000), version="2.1")
    machine.run()
    assert fake.phases(8)[-1] == "succeeded"


def test_an_agent_that_cannot_start_on_a_confirmed_image_resets_nothing(fake, machine):
    fake.assign(7, NEW)
    machine.run()
    machine.device.agents[1] = broken_configuration(machine.device)
    boots = len(machine.starts)
    machine.run()
    assert len(machine.starts) == boots + 1
    assert "slipway.bank=b" in machine.starts[-1][0]


def test_a_kernel_that_cannot_be_loaded_falls_back(fake, machine):
    machine.uboot.loadable = ("a",)
    fake.assign(7, NEW)
    machine.run()
    assert fake.phases(7)[-1] == "reverted"


def test_the_floor_is_kept_in_the_environment(fake, machine):
    machine.device.options["security_floor"] = 1
    machine.device.write_config()
    for number, version in ((5, "2.0"), (6, "3.0")):
        fake.assign(number, image(version, 200_000), version=version, security_version=3,
                    security_floor=3)
        machine.run()
        assert fake.phases(number)[-1] == "succeeded"
    assert machine.device.environment.load()["slipway_floor"] == "3"
    shutil.rmtree(machine.device.state)  # a factory reset
    fake.assign(7, image("hole", 200_000), version="4.0", security_version=2)
    machine.run()
    assert fake.final(7)[0][9] == "floor"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_units_are_well_formed(tmp_path):
    for name in ("slipway-agent.service", "slipway-agent-fallback.service"):
        text = (ROOT / "packaging/systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/sbin/slipway-agent", str(AGENT)))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *tmp_path.glob("*.service")],
                          capture_output=True, text=True, check=False)
    assert "slipway" not in done.stderr, done.stderr
