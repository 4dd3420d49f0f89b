"""A simulated device: a configuration, two banks in files, and slipway-agent run as its boot
loader and operating system would run it."""
import hashlib
import os
import pathlib
import signal
import subprocess
import time

AGENT = pathlib.Path(os.environ["SLIPWAY_AGENT"])
EXIT_REBOOT, EXIT_CRASH = 10, 137


def wait_until(condition, timeout_s=20.0, what="condition"):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return value


def image(seed, size):
    """Bytes that look like firmware to a digest: the same for the same seed."""
    return hashlib.shake_128(str(seed).encode()).digest(size)


class Device:
    def __init__(self, path, fake, name="cam-1", factory=None, **options):
        self.path = pathlib.Path(path)
        self.path.mkdir()
        self.state = self.path / "state"
        self.banks = [self.path / "bank_a", self.path / "bank_b"]
        self.factory = image("factory", 300_000) if factory is None else factory
        self.banks[0].write_bytes(self.factory)
        self.config = self.path / "agent.yaml"
        self.log = self.path / "agent.out"
        self.process = None
        self.options = {
            "server": f"https://127.0.0.1:{fake.port}", "ca_file": fake.pki.ca, "name": name,
            "state_dir": self.state, "root_file": fake.path / "root.json",
            "product": "cam", "hardware": "rev-a", "factory_version": "1.0",
            "bank_a": self.banks[0], "bank_b": self.banks[1], "bank_size": "8M",
            "space_reserve": 0, "boot": "file", "reboot_command": "exit",
            "health_timeout_s": 5, "trial_timeout_s": 20, "poll_interval_s": 1,
            "retry_min_s": 1, "retry_max_s": 2, "log_level": "debug", **options}
        self.write_config()

    def write_config(self):
        lines = [f"{name}: {str(value).lower() if isinstance(value, bool) else value!s}\n"
                 if isinstance(value, (bool, int)) else f"{name}: {self.quote(value)}\n"
                 for name, value in self.options.items() if value is not None]
        self.config.write_text("".join(lines))

    @staticmethod
    def quote(value):
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(Device.quote(item) for item in value) + "]"
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'

    def boot(self):
        """The boot loader; what it says, as a dict."""
        done = subprocess.run([AGENT, "-c", self.config, "boot"], capture_output=True, text=True,
                              check=True)
        return dict(word.split("=", 1) for word in done.stdout.split())

    def start(self, *words):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([AGENT, "-c", self.config, *map(str, words)],
                                            stdout=log, stderr=log)
        return self.process

    def start_limited(self, file_size_max):
        """As start(), with files that cannot grow past a size, as on a full disk."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"', "sh",
                 str(file_size_max // 512), AGENT, "-c", self.config], stdout=log, stderr=log)
        return self.process

    def run(self, *words, timeout_s=60):
        """Power on once: boot loader, then the agent until it ends; its exit code."""
        self.boot()
        try:
            return self.start(*words).wait(timeout_s)
        finally:
            self.kill()

    def live(self, *words, until, boots_max=20, timeout_s=60):
        """Reset as often as the agent wants to, until the condition holds; boots it took. Words
        (a fault, say) count for the first boots, up to the one that crashes."""
        deadline = time.monotonic() + timeout_s
        for boots in range(1, boots_max + 1):
            self.boot()
            self.start(*words)
            while self.process.poll() is None and not until():
                assert time.monotonic() < deadline, f"too slow, see {self.log}"
                time.sleep(0.02)
            if until():
                self.stop()
                return boots
            assert self.process.returncode in (EXIT_REBOOT, EXIT_CRASH), self.said()
            if self.process.returncode == EXIT_CRASH:
                words = ()
        raise AssertionError(f"no end after {boots_max} boots, see {self.log}")

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        return self.log.read_text()[-4000:]

    def bank_digest(self, index, size):
        return hashlib.sha256(self.banks[index].read_bytes()[:size]).digest()
