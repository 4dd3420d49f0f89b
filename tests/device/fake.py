"""A small stand-in for slipwayd, for tests of the agent alone: real TLS with client certificates,
the native device protocol, a TUF repository signed on the spot, and faults on demand.

Needs nothing but Python and the openssl program.
"""
import contextlib
import fnmatch
import hashlib
import http.server
import json
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time

PHASES = ("downloading", "staged", "switching", "trial", "succeeded", "failed", "reverted",
          "refused", "recalled")
NOTHING, INSTALL, CANCEL, ROLLBACK = range(4)
NOTED, PROCEED, HOLD, DROP = range(4)
CHUNK = 65536


# ---- CBOR, as much of it as the protocol uses ----

def cbor_head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | extra]) + value.to_bytes(size, "big")
    raise ValueError(value)


def cbor_encode(value):
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        return cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return cbor_head(5, len(value)) + b"".join(
            cbor_encode(key) + cbor_encode(value[key]) for key in sorted(value, key=cbor_encode))
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(map(cbor_encode, value))
    raise TypeError(value)


def cbor_item(data, at):
    major, extra = data[at] >> 5, data[at] & 31
    at += 1
    if extra >= 24:
        size = 1 << (extra - 24)
        extra = int.from_bytes(data[at:at + size], "big")
        at += size
    if major == 0:
        return extra, at
    if major == 2:
        return data[at:at + extra], at + extra
    if major == 3:
        return data[at:at + extra].decode(), at + extra
    assert major == 5, major
    found = {}
    for _ in range(extra):
        key, at = cbor_item(data, at)
        found[key], at = cbor_item(data, at)
    return found, at


def cbor_decode(data):
    value, end = cbor_item(data, 0)
    assert end == len(data)
    return value


# ---- certificates ----

def openssl(*words, data=None):
    return subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True,
                          check=True).stdout


class Pki:
    """A private CA, a server certificate for 127.0.0.1, and device certificates on demand."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir()
        self.ca_key, self.ca = self.path / "ca.key", self.path / "ca.crt"
        self.key, self.cert = self.path / "server.key", self.path / "server.crt"
        self.make_key(self.ca_key)
        openssl("req", "-x509", "-new", "-key", self.ca_key, "-subj", "/CN=test ca", "-days", 3650,
                "-out", self.ca)
        self.make_key(self.key)
        request = openssl("req", "-new", "-key", self.key, "-subj", "/CN=127.0.0.1")
        extensions = self.path / "server.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        self.cert.write_bytes(openssl("x509", "-req", "-CA", self.ca, "-CAkey", self.ca_key,
                                      "-CAcreateserial", "-days", 365, "-extfile", extensions,
                                      data=request))

    @staticmethod
    def make_key(path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)

    def sign(self, request_der, days=30):
        """A certificate (DER) for a signing request (DER)."""
        request = openssl("req", "-inform", "DER", data=request_der)
        pem = openssl("x509", "-req", "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial",
                      "-days", days, data=request)
        return openssl("x509", "-outform", "DER", data=pem)

    def ca_der(self):
        return openssl("x509", "-in", self.ca, "-outform", "DER")


# ---- the release authority ----

def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Key:
    """An Ed25519 key in a file, which is made if it is missing."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            openssl("genpkey", "-algorithm", "ED25519", "-out", self.path)
        self.public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-32:]
        self.json = {"keytype": "ed25519", "scheme": "ed25519",
                     "keyval": {"public": self.public.hex()}}

    def sign(self, data):
        message = self.path.with_suffix(".message")
        message.write_bytes(data)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", message)

    def sign1(self, payload, domain=b"slipway assignment 1"):
        """COSE_Sign1, RFC 9052."""
        kid = hashlib.sha256(self.public).digest()[:8]
        protected = cbor_encode({1: -8, 4: kid})
        signature = self.sign(cbor_encode(["Signature1", protected, domain, payload]))
        return b"\xd2" + cbor_encode([protected, {}, payload, signature])


class Authority:
    """One key for all roles: who may sign what is tested elsewhere."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir()
        self.signer = Key(self.path / "key.pem")
        self.key = self.signer.json
        self.assignment_key = Key(self.path / "assignment.pem")
        self.keyid = sha256(canonical(self.key))
        self.targets, self.blobs, self.files = {}, {}, {}
        self.delegated = {}  # by role: the pattern of its targets, which are listed there
        self.version = 0
        self.expires = "2036-01-01T00:00:00Z"
        self.online_expires = None  # of snapshot and timestamp; None: as the others
        self.name_assignment_keys(self.assignment_key)
        roles = {name: {"keyids": [self.keyid], "threshold": 1}
                 for name in ("root", "targets", "snapshot", "timestamp")}
        self.root = self.signed({"_type": "root", "spec_version": "1.0.31", "version": 1,
                                 "expires": "2046-01-01T00:00:00Z", "consistent_snapshot": True,
                                 "keys": {self.keyid: self.key}, "roles": roles})
        self.files["1.root.json"] = self.root
        self.publish()

    def state(self, name, custom):
        """A statement of signers: a target that is nothing but its custom."""
        self.targets[name] = {"length": 1, "hashes": {"sha256": sha256(b"\n")}, "custom": custom}

    def name_assignment_keys(self, *keys):
        self.state("authority/assignment",
                   {"slipway-authority": {"assignment_keys": [key.json for key in keys]}})

    def signed(self, body):
        signature = self.signer.sign(canonical(body))
        return json.dumps({"signatures": [{"keyid": self.keyid, "sig": signature.hex()}],
                           "signed": body}).encode()

    def body(self, kind, **members):
        online = kind in ("snapshot", "timestamp") and self.online_expires
        return {"_type": kind, "spec_version": "1.0.31", "version": self.version,
                "expires": online or self.expires, **members}

    def delegations(self):
        """What top-level targets say of the delegated roles, whose files are made."""
        roles = []
        for role, pattern in self.delegated.items():
            listed = {name: target for name, target in self.targets.items()
                      if fnmatch.fnmatch(name, pattern)}
            self.files[f"{self.version}.{role}.json"] = self.signed(
                self.body("targets", targets=listed))
            roles.append({"name": role, "keyids": [self.keyid], "threshold": 1,
                          "terminating": True, "paths": [pattern]})
        return {"keys": {self.keyid: self.key}, "roles": roles}

    def publish(self):
        self.version += 1
        more = {"delegations": self.delegations()} if self.delegated else {}
        own = {name: target for name, target in self.targets.items() if not any(
            fnmatch.fnmatch(name, pattern) for pattern in self.delegated.values())}
        targets = self.signed(self.body("targets", targets=own, **more))
        snapshot = self.signed(self.body("snapshot", meta={
            f"{role}.json": {"version": self.version} for role in ("targets", *self.delegated)}))
        timestamp = self.signed(self.body("timestamp", meta={"snapshot.json": {
            "version": self.version, "length": len(snapshot),
            "hashes": {"sha256": sha256(snapshot)}}}))
        self.files[f"{self.version}.targets.json"] = targets
        self.files[f"{self.version}.snapshot.json"] = snapshot
        self.files["timestamp.json"] = timestamp

    def release(self, image, version="2.0", product="cam", hardware=("rev-a",), security_version=0,
                security_floor=0, **facts):
        """Sign an image; its target name."""
        chunks = b"".join(hashlib.sha256(image[at:at + CHUNK]).digest()
                          for at in range(0, len(image), CHUNK))
        custom = {"product": product, "hardware": list(hardware), "version": version,
                  "security_version": security_version, "security_floor": security_floor,
                  "kind": "feature", "from": [],
                  "plain": {"length": len(image), "sha256": sha256(image)},
                  "chunks": {"size": CHUNK, "sha256": sha256(chunks)}, **facts}
        name = f"{product}/{version}/image"
        self.targets[name] = {"length": len(image), "hashes": {"sha256": sha256(image)},
                              "custom": {"slipway": custom}}
        self.targets[name + ".chunks"] = {"length": len(chunks), "hashes": {"sha256": sha256(chunks)}}
        self.blobs[sha256(image)] = image
        self.blobs[sha256(chunks)] = chunks
        self.publish()
        return name


# ---- the server ----

class Refusal(Exception):
    def __init__(self, status, err="denied", detail="", **headers):
        super().__init__(status)
        self.status, self.headers = status, headers
        self.body = cbor_encode({1: err, 2: detail})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "fake"

    def log_message(self, *_):
        pass

    @property
    def fake(self):
        return self.server.fake

    def device(self):
        certificate = self.connection.getpeercert()
        if not certificate:
            return None
        return dict(item[0] for item in certificate["subject"])["commonName"]

    def send(self, status, body=b"", kind="application/cbor", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        assert path.startswith("/device/v1/"), path
        word, _, rest = path[len("/device/v1/"):].partition("/")
        self.fake.requests.append((self.command, self.path, self.headers.get("Range")))
        try:
            if self.fake.refuse:
                raise self.fake.refuse
            if word != "enroll" and not self.device():
                raise Refusal(403, detail="no certificate")
            if self.fake.expired and word not in ("enroll", "renew"):
                raise Refusal(403, detail="the certificate has expired")
            getattr(self, word)(rest, body)
        except Refusal as refusal:
            self.send(refusal.status, refusal.body, **refusal.headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    do_GET = do_POST = do_HEAD = handle_any

    def enroll(self, _, body):
        asked = cbor_decode(body)
        self.fake.enrolments.append(asked)
        if self.fake.pending_s:
            self.send(202, cbor_encode({1: self.fake.pending_s}))
            return
        if self.fake.claim and asked.get(2) != self.fake.claim:
            raise Refusal(403, detail="no such claim")
        self.send_certificate(asked[3])

    def renew(self, _, body):
        self.fake.renewals += 1
        self.fake.expired = False
        self.send_certificate(cbor_decode(body)[3])

    def send_certificate(self, request):
        certificate = self.fake.pki.sign(request, self.fake.certificate_days)
        self.send(201, cbor_encode({1: certificate, 2: self.fake.pki.ca_der(), 3: 1}))

    def poll(self, _, body):
        poll = cbor_decode(body)
        self.fake.polls.append((time.monotonic(), poll))
        self.send(200, cbor_encode(self.fake.answer(poll)))

    def report(self, _, body):
        self.send(200, cbor_encode(self.fake.take_report(cbor_decode(body))))

    def inventory(self, _, body):
        self.fake.inventories.append((body, cbor_decode(body)[1]))
        self.send(204)

    def logs(self, _, body):
        self.fake.logs.append((self.path, body.decode()))
        self.send(204)

    def tuf(self, name, _):
        if self.fake.metadata_down:
            raise Refusal(503, "again", Retry_After="1")
        if name not in self.fake.authority.files:
            raise Refusal(404, "not-found")
        self.send(200, self.fake.authority.files[name], "application/json")

    def blobs(self, digest, _):
        blob = self.fake.authority.blobs.get(digest)
        if blob is None or digest in self.fake.missing:
            raise Refusal(404, "not-found")
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        part = self.fake.spoil(digest, first, blob[first:last + 1])
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(blob)}")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{digest}"')
        self.end_headers()
        cut = self.fake.cut_after
        if cut is not None and len(part) > cut:
            part = part[:cut]
            self.close_connection = True
        for at in range(0, len(part), 65536):
            self.wfile.write(part[at:at + 65536])
            self.fake.sent += len(part[at:at + 65536])
        if self.close_connection:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)


class Tls(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self):
        connection, address = super().get_request()
        return self.fake.context.wrap_socket(connection, server_side=True,
                                             do_handshake_on_connect=False), address

    def handle_error(self, *_):
        pass  # a client that was killed


class FakeServer:
    """What it answers is in its attributes; change them at any moment."""

    def __init__(self, path):
        path = pathlib.Path(path)
        path.mkdir()
        self.path = path
        self.pki = Pki(path / "pki")
        self.authority = Authority(path / "tuf")
        (path / "root.json").write_bytes(self.authority.root)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.pki.cert, self.pki.key)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.load_verify_locations(self.pki.ca)
        self.forget()
        self.port = 0
        self.http = None
        self.start()

    def forget(self):
        self.refuse = None         # a Refusal for every request
        self.claim = None          # the only claim token that is taken
        self.pending_s = 0         # enrolment waits for an operator
        self.certificate_days = 30
        self.expired = False       # certificates are held for expired until renewed
        self.flags = 0             # of the next answers
        self.assignment = None     # (id, kind, target, sha256 bytes)
        self.orders = {}           # members of signed assignments that differ from what is right
        self.sign_with = None      # another key than the one devices know
        self.sequence = {}         # of each assignment
        self.played_back = None    # this signed assignment, whatever was asked
        self.sent_orders = []
        self.not_before_s = 0
        self.verdict = PROCEED     # to a staged report
        self.server_time = None    # what it says the time is; None: the truth
        self.missing = set()       # digests of blobs that are not there
        self.metadata_down = False  # every file of it answers 503
        self.quiet = False         # answers say nothing of the assignment, as of a paused rollout
        self.cut_after = None      # bytes after which a blob's connection is cut
        self.spoil = lambda digest, at, part: part
        self.requests, self.enrolments, self.polls, self.reports = [], [], [], []
        self.inventories, self.logs = [], []
        self.device_name = "cam-1"
        self.renewals = self.sent = 0
        self.next_poll_s = 1

    def start(self):
        self.http = Tls(("127.0.0.1", self.port), Handler)
        self.http.fake = self
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def assign(self, number, image, kind=INSTALL, **facts):
        """Release an image and assign it."""
        name = self.authority.release(image, **facts)
        self.assignment = (number, kind, name, hashlib.sha256(image).digest())
        return name

    def settled(self, number):
        return any(report[2] == number and PHASES[report[3]] in
                   ("succeeded", "failed", "reverted", "refused", "recalled")
                   for report in self.reports)

    def order(self, poll):
        """The signed assignment in answer to a poll."""
        number, kind, name, digest = self.assignment
        now = int(time.time() if self.server_time is None else self.server_time)
        if number not in self.sequence:
            self.sequence[number] = max([int(time.time()), *(n + 1 for n in self.sequence.values())])
        order = {1: "SWA1", 2: self.device_name, 3: self.sequence[number], 4: poll[8], 5: now,
                 6: number, 7: 2 if kind == ROLLBACK else 1, 8: digest, 9: name, **self.orders}
        key = self.sign_with or self.authority.assignment_key
        message = key.sign1(cbor_encode({k: v for k, v in order.items() if v is not None}))
        if self.played_back:
            message = self.played_back
        self.sent_orders.append(message)
        return message

    def answer(self, poll):
        answer = {1: NOTHING, 2: self.next_poll_s, 5: self.flags,
                  6: int(time.time() if self.server_time is None else self.server_time)}
        if not answer[5]:
            del answer[5]
        if self.assignment and not self.quiet and not self.settled(self.assignment[0]):
            number, kind, name, digest = self.assignment
            answer.update({1: kind, 3: number, 4: name, 8: digest})
            answer[9] = self.order(poll)
            if self.not_before_s:
                answer[7] = self.not_before_s
        self.flags = 0
        return answer

    def take_report(self, report):
        if report[1] not in [known[1] for known in self.reports]:
            self.reports.append(report)
        if PHASES[report[3]] != "staged":
            return {1: NOTED}
        return {1: self.verdict, 2: 1} if self.verdict == HOLD else {1: self.verdict}

    def phases(self, number=None):
        """What was reported, in order, without repetitions."""
        found = []
        for report in self.reports:
            phase = PHASES[report[3]]
            if number in (None, report[2]) and found[-1:] != [phase]:
                found.append(phase)
        return found

    def final(self, number):
        """The final reports of an assignment; more than one would be a fault."""
        return [report for report in self.reports if report[2] == number and
                PHASES[report[3]] in ("succeeded", "failed", "reverted", "refused", "recalled")]
