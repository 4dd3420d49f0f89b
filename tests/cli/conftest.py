import os
import pathlib
import pty
import select
import subprocess

import pytest
from fake_api import Api

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption("--build", default=str(ROOT / "build-test"), help="the build directory")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Slipway:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.context = directory / "context.yaml"

    def __call__(self, *args, stdin=""):
        done = subprocess.run([self.program, "--context", self.context, *args], input=stdin,
                              capture_output=True, text=True, cwd=self.directory, timeout=60)
        return Result(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *args, typed=""):
        """Run with a terminal as standard input and error; returns what a person saw."""
        master, slave = pty.openpty()
        process = subprocess.Popen([self.program, "--context", self.context, *args], stdin=slave,
                                   stdout=slave, stderr=slave, cwd=self.directory)
        os.close(slave)
        os.write(master, typed.encode())
        seen = b""
        while select.select([master], [], [], 30)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(master)
        return Result(process.wait(30), seen.decode(errors="replace"), "")


@pytest.fixture(scope="session")
def program(request):
    path = pathlib.Path(request.config.getoption("--build")) / "src/cli/slipway"
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@pytest.fixture
def api():
    api = Api()
    yield api
    api.stop()


@pytest.fixture
def alone(program, tmp_path):
    """slipway without any server."""
    return Slipway(program, tmp_path)


@pytest.fixture
def slipway(alone, api):
    """slipway that knows the fake server and a token."""
    token = alone.directory / "token"
    token.write_text("secret-of-ours\n")
    token.chmod(0o600)
    alone.context.write_text(f'server: "{api.url}"\ntoken_file: "{token}"\n')
    return alone
