"""Compares slipway-tuf with python-tuf on repositories made wrong at random.

    differential.py (--python PYTHON | --venv DIR) [--count N] [--seconds S] [--seed SEED]

PYTHON has python-tuf; in DIR, a virtual environment with it is made, if need be from PyPI. Where
that cannot be had, it says so and ends with 77, which a test driver counts as skipped.

Each case: a random repository, both clients follow it once; it is changed (mutation.py); both
follow it again. Compared are success, what each has stored, and which targets it has downloaded.
A disagreement is named after the rule in docs/spec/trust.md that explains it; one that none
explains is printed with its seed and makes the program fail. The same seed makes the same
changes, but for what depends on the keys and hashes of the day.
"""
import argparse
import base64
import collections
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

import mutation
from tuf_client import Client
from tuf_keys import canonical, sha256
from tuf_repository import TOP
from tuf_server import Server

HERE = pathlib.Path(__file__).resolve().parent


class Oracle:
    def __init__(self, python):
        self.process = subprocess.Popen([python, HERE / "oracle.py"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def follow(self, directory, repo, names):
        run = {"metadata": str(directory / "metadata"), "targets": str(directory / "targets"),
               "files": encode(repo.files), "contents": encode(repo.contents),
               "status": repo.status, "names": names}
        self.process.stdin.write(json.dumps(run) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def encode(files):
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


# ---- differences that are meant

def texts(metadata):
    """The members of a parsed file, wherever they are: (key, value)."""
    if isinstance(metadata, dict):
        for key, value in metadata.items():
            yield key, value
            yield from texts(value)
    elif isinstance(metadata, list):
        for value in metadata:
            yield from texts(value)


class Twice(Exception):
    pass


def no_twice(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise Twice
    return dict(pairs)


def depth(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def strict_json(data):
    """Ours refuses JSON that two readers may understand differently."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=no_twice)
    except Twice:
        return True
    except (ValueError, RecursionError):
        return False
    members = list(texts({"": document}))
    return depth(document) > 31 or any(
        isinstance(value, float) or
        (isinstance(value, int) and not -(1 << 63) <= value < 1 << 63) or
        any("\0" in text or re.search("[\ud800-\udfff]", text) for text in (key, value)
            if isinstance(text, str))
        for key, value in listed_too(members))


def listed_too(members):
    for key, value in members:
        yield key, value
        if isinstance(value, list):
            yield from listed_too((key, one) for one in value)


def parsed(data):
    try:
        document = json.loads(data)
        return document if isinstance(document["signed"], dict) else {"signed": {}}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {"signed": {}}


def key_objects(signed):
    for holder in (signed, signed.get("delegations")):
        if isinstance(holder, dict) and isinstance(holder.get("keys"), dict):
            for keyid, key in holder["keys"].items():
                if isinstance(key, dict):
                    yield keyid, key


KNOWN = {("ed25519", "ed25519")}
for bits in (256, 384, 521):
    KNOWN |= {("ecdsa", f"ecdsa-sha2-nistp{bits}"), (f"ecdsa-sha2-nistp{bits}",) * 2}
for bits in (256, 384, 512):
    KNOWN |= {("rsa", f"rsassa-pss-sha{bits}"), ("rsa", f"rsa-pkcs1v15-sha{bits}")}


def unknown_key(data):
    """Ours keeps keys that it cannot use; python-tuf refuses the file that has one."""
    for _, key in key_objects(parsed(data)["signed"]):
        value = key.get("keyval")
        if (key.get("keytype"), key.get("scheme")) not in KNOWN:
            return True
        if isinstance(value, dict) and not isinstance(value.get("public"), str):
            return True
    return False


def foreign_key_id(data):
    """Ours does not let a key sign under an id that is not its own."""
    for keyid, key in key_objects(parsed(data)["signed"]):
        core = {name: key.get(name) for name in ("keytype", "scheme", "keyval")}
        try:
            if keyid not in (sha256(canonical(key)), sha256(canonical(core))):
                return True
        except TypeError:
            return True
    return False


def more_roles(data):
    """The specification allows a root to name the role mirrors; python-tuf only four roles."""
    roles = parsed(data)["signed"].get("roles")
    return isinstance(roles, dict) and set(TOP) < set(roles)


def loose_types(data):
    """python-tuf takes what Python takes for a number, a boolean or, until it is used, a name."""
    document = parsed(data)
    for key, value in texts(document):
        if key in ("version", "threshold", "length", "bit_length") and isinstance(value, bool):
            return True
        if key == "threshold" and isinstance(value, int) and value >= 1 << 32:
            return True
        if key in ("name", "name_prefix") and not isinstance(value, str):
            return True
        if key in ("terminating", "consistent_snapshot") and not isinstance(value, bool):
            return True
    return False


def loose_signatures(data):
    """python-tuf looks at keyid and sig only when it needs them."""
    signatures = parsed(data).get("signatures")
    if not isinstance(signatures, list):
        return signatures is not None
    return any(isinstance(one, dict) and not (isinstance(one.get("keyid"), str) and
                                              isinstance(one.get("sig"), str))
               for one in signatures)


def loose_lists(data):
    """python-tuf takes any sequence or mapping for a list; also keyids that are no texts."""
    signed = parsed(data)["signed"]
    for key, value in texts(signed):
        if key in ("keyids", "paths", "path_hash_prefixes", "roles") and isinstance(value, (str, dict)):
            if not (key == "roles" and signed.get("_type") == "root"):
                return True
        if key == "keyids" and isinstance(value, list) and not all(isinstance(v, str) for v in value):
            return True
    return False


def listed_without_version(data):
    """Ours reads every entry of meta; python-tuf only snapshot.json of a timestamp."""
    signed = parsed(data)["signed"]
    meta = signed.get("meta")
    if signed.get("_type") == "snapshot":
        return not isinstance(meta, dict) or "targets.json" not in meta
    return signed.get("_type") == "timestamp" and isinstance(meta, dict) and len(meta) != 1


def null_is_absent(data):
    """python-tuf treats null like a member that is not there; ours like a wrong value."""
    return any(value is None and key in ("length", "hashes", "paths", "path_hash_prefixes", "roles",
                                         "succinct_roles", "consistent_snapshot", "keyval")
               for key, value in texts(parsed(data)["signed"]))


def other_hashes(data):
    """python-tuf knows all that hashlib knows and refuses a list with one that it does not; ours
    goes by those it knows."""
    for key, value in texts(parsed(data)["signed"]):
        if key == "hashes" and isinstance(value, dict) and set(value) - {"sha256", "sha512"}:
            return True
    return False


def hex_in_capitals(data):
    """Ours reads hex digits in either case."""
    for key, value in texts(parsed(data)):
        if key in ("sha256", "sha512") and isinstance(value, str) and value != value.lower():
            return True
    return False


def date_without_zeros(data):
    """strptime reads 2999-1-1T0:0:0Z and years before 1970."""
    expires = parsed(data)["signed"].get("expires")
    return isinstance(expires, str) and not re.fullmatch(
        r"(19[7-9]\d|[2-9]\d\d\d)-\d\d-\d\dT\d\d:\d\d:\d\dZ", expires)


def key_twice(data):
    """Ours counts a key once, under however many ids."""
    publics = [key.get("keyval", {}).get("public") for _, key in key_objects(parsed(data)["signed"])
               if isinstance(key.get("keyval"), dict)]
    return any(isinstance(p, str) and publics.count(p) > 1 for p in publics)


OURS_REFUSES = [strict_json, foreign_key_id, loose_types, loose_signatures, loose_lists,
                listed_without_version, null_is_absent, date_without_zeros, key_twice]
THEIRS_REFUSES = [unknown_key, more_roles, other_hashes, hex_in_capitals]


def explain(case, ours_accepts):
    """The name of a rule that one of the files involved falls under; None."""
    for rule in (THEIRS_REFUSES if ours_accepts else OURS_REFUSES):
        if any(rule(data) for data in case.repo.files.values()):
            return rule.__name__
    return None


# ---- one case

class Case:
    def __init__(self, seed, server, oracle, directory):
        self.seed, self.oracle = seed, oracle
        self.rng = random.Random(seed)
        self.repo = mutation.random_repository(self.rng)
        self.address = server.add(self.repo)
        self.ours = Client(directory / "ours", self.address)
        self.theirs = directory / "theirs"
        (self.theirs / "metadata").mkdir(parents=True)
        root = self.repo.files["1.root.json"]
        assert self.ours.init(root) == 0
        (self.theirs / "metadata/root.json").write_bytes(root)

    def follow(self):
        """The two outcomes: success, stored files, downloaded files."""
        names = mutation.PATHS if self.rng.random() < 0.8 else []
        ours = self.ours.download(*names) if names else self.ours.refresh()
        theirs = self.oracle.follow(self.theirs, self.repo, names)
        self.said = (self.ours.said.strip(), theirs["said"])
        accepted = theirs["refresh"] and len(theirs["targets"]) == len(names)
        return ((ours == 0, contents(self.ours.metadata), contents(self.ours.targets)),
                (accepted, contents(self.theirs / "metadata"), contents(self.theirs / "targets")))


def contents(directory):
    if not directory.is_dir():
        return {}
    return {path.name: path.read_bytes() for path in directory.iterdir()
            if path.is_file() and not path.name.startswith(".")}


def differing(ours, theirs):
    parts = []
    if ours[0] != theirs[0]:
        parts.append(f"ours {'accepts' if ours[0] else 'refuses'}, theirs does not agree")
    for what, a, b in (("stores", ours[1], theirs[1]), ("downloads", ours[2], theirs[2])):
        parts += [f"ours {what} another {name}" for name in sorted(set(a) | set(b))
                  if a.get(name) != b.get(name)]
    return "; ".join(parts)


def run_case(seed, server, oracle, statistics):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="slipway-tuf-"))
    case = Case(seed, server, oracle, directory)
    try:
        ours, theirs = case.follow()
        if ours == theirs:
            mutation.mutate(case.rng, case.repo)
            ours, theirs = case.follow()
        statistics["accepted" if ours[0] else "refused"] += 1
        if ours == theirs:
            return None
        rule = explain(case, progress(ours) > progress(theirs))
        if rule:
            statistics[rule] += 1
            return None
        return f"seed {seed}: {differing(ours, theirs)}\n  ours: {case.said[0]}\n  theirs: {case.said[1]}"
    finally:
        server.drop(case.address)
        shutil.rmtree(directory)


def progress(outcome):
    """How far a client came: grows with whatever it accepts."""
    accepted, stored, downloaded = outcome
    versions = sum(json.loads(data)["signed"]["version"] for data in stored.values())
    return accepted, len(stored), versions, len(downloaded)


PACKAGES = ["tuf==7.0.1", "securesystemslib[crypto]>=1.6,<2"]
SKIPPED = 77


def make_venv(directory):
    """The interpreter of a virtual environment that has python-tuf; None and a reason."""
    python = directory / "bin/python"
    check = [python, "-c", "import tuf.ngclient"]
    if not python.exists() or subprocess.run(check, capture_output=True).returncode != 0:
        for command in ([sys.executable, "-m", "venv", directory],
                        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                         "--retries", "1", "--timeout", "10", *PACKAGES]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                return None, (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
    return python, None


def run(python, count, seconds, seed):
    """Explained and unexplained disagreements of `count` cases, or as many as take `seconds`."""
    server, oracle = Server(), Oracle(python)
    statistics = collections.Counter()
    unexplained = []
    end = time.monotonic() + seconds
    done = 0
    try:
        while done < count and time.monotonic() < end:
            found = run_case(seed + done, server, oracle, statistics)
            done += 1
            if found:
                print(found, flush=True)
                unexplained.append(found)
    finally:
        oracle.stop()
        server.stop()
    print(f"{done} repositories from seed {seed}: {dict(statistics)}, {len(unexplained)} unexplained")
    return unexplained


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=pathlib.Path, help="has python-tuf")
    parser.add_argument("--venv", type=pathlib.Path, help="will have it")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float,
                        default=float(os.environ.get("TUF_DIFFERENTIAL_SECONDS", "40")))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 40))
    arguments = parser.parse_args()
    python, why = arguments.python, "neither --python nor --venv is given"
    if arguments.venv:
        python, why = make_venv(arguments.venv)
    if not python:
        print(f"skipped: python-tuf, the client to compare with, is not to be had: {why}")
        return SKIPPED
    return bool(run(python, arguments.count, arguments.seconds, arguments.seed))


if __name__ == "__main__":
    sys.exit(main())
