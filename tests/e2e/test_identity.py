"""Who may speak for whom: certificates, claim tokens, lists and operators, over real TLS."""
import hashlib
import socket
import sqlite3
import ssl

import pytest

import forge
from fake import Pki, openssl, sha256
from raw import Raw
from world import Problem, World, image, wait_until

PHASE_SUCCEEDED = 4
WORDS = {"poll": {1: bytes(32), 2: "1.0", 3: 1, 4: 0, 5: bytes(8), 6: 0}, "inventory": {1: {}},
         "report": {1: 1, 2: 1, 3: 0, 5: bytes(32), 8: 1}}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("town"))
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    yield world
    world.close()


@pytest.fixture
def raw(town, request):
    """Makes raw devices with names of this test's own."""
    made = []

    def make(name="a", enrolled=False):
        name = f"{request.node.name.removeprefix('test_').replace('[', '-').strip(']')}-{name}"
        made.append(Raw(town.server, town.path / "raw" / name, name[:60].replace("_", "-")))
        if enrolled:
            assert made[-1].enroll(town.claim(), hardware="board", product="gateway").status == 201
        return made[-1]

    yield make
    for device in made:
        device.close()


def last_audit(town):
    return town.server.api("GET", "/audit?limit=1")["items"][0]


def standing(town, name):
    try:
        return town.server.api("GET", f"/devices/{name}")["status"]
    except Problem as problem:
        assert problem.status == 404
        return None


def assert_refused(town, answer, status, err, words, action=None, name=None):
    """This answer, and the last audit entry says the same."""
    assert answer.status == status, (answer.status, answer.body)
    assert answer.refusal[0] == err and words in answer.refusal[1], answer.refusal
    if action:
        entry = last_audit(town)
        assert entry["action"] == action and entry["outcome"] == "refused", entry
        assert entry["actor"] == f"device:{name}" and words in entry["detail"], entry


def assert_reaches_nothing(town, device, status, err, words, but_renew=False):
    """Every word of the protocol is refused alike, and so are files."""
    for word, message in WORDS.items():
        assert_refused(town, device.post(word, message), status, err, words)
    for path in ("assignments/1", "tuf/timestamp.json", f"blobs/{sha256(image('1.0'))}"):
        assert_refused(town, device.ask("GET", f"/device/v1/{path}"), status, err, words)
    assert_refused(town, device.ask("POST", "/device/v1/logs?assignment=0", b"log",
                                    kind="text/plain"), status, err, words)
    if not but_renew:
        assert_refused(town, device.renew(), status, err, words)


# ---- one device as another ----

def test_a_certificate_speaks_for_its_own_device_only(town, raw):
    a, b = raw("a", True), raw("b", True)
    assert b.poll().status == 200, "heard of, so within reach"
    town.rollout("for-b", "2.0", "--stages", "100%", selector=f'name = "{b.name}"')
    assignment = wait_until(lambda: b.poll().message.get(3), what="b gets an assignment")
    assert a.poll().message.get(3) is None

    details = a.ask("GET", f"/device/v1/assignments/{assignment}")
    assert details.status == 404 and details.refusal[0] == "not-found"
    report = a.report(assignment, PHASE_SUCCEEDED, bytes.fromhex(sha256(image("2.0"))))
    assert report.status == 404 and report.refusal[0] == "not-found"
    logs = a.ask("POST", f"/device/v1/logs?assignment={assignment}", b"of a", kind="text/plain")
    assert logs.status == 404
    assert town.server.items(f"/devices/{a.name}/history") == []
    assert not [entry for entry in town.server.items(f"/devices/{b.name}/history")
                if entry["kind"] == "report"]
    assert town.server.api("GET", f"/devices/{b.name}/logs")["items"] == []
    assert b.ask("GET", f"/device/v1/assignments/{assignment}").status == 200

    assert_refused(town, a.post("enroll", {1: b.name, 2: town.claim(), 3: a.request(b.name), 4: {}}), 409,
                   "conflict", "the name belongs to a device with another key", "device.enroll",
                   b.name)
    answer = a.post("renew", {3: a.request(b.name)})
    assert answer.status == 201
    a.keep(answer.message[1])
    subject = openssl("x509", "-in", a.cert, "-noout", "-subject").decode()
    assert a.name in subject and b.name not in subject
    assert b.poll().status == 200


# ---- certificates ----

def assert_no_handshake(device, alert):
    """TLS 1.3 tells a client with its first read that its certificate was not taken."""
    sock = device.connect()
    with pytest.raises(ssl.SSLError, match=alert):
        sock.recv(1)
    device.close()


def test_a_certificate_of_another_ca(town, raw, tmp_path):
    device = raw("a", True)
    other = Pki(tmp_path / "pki")
    subject = "/O=default/CN=" + device.name
    device.certify(other.ca, other.ca_key, subject)
    assert_no_handshake(device, "unknown ca")
    ours = openssl("x509", "-in", town.server.ca, "-noout", "-subject", "-nameopt",
                   "RFC2253").decode().strip().removeprefix("subject=")
    openssl("req", "-x509", "-new", "-key", other.ca_key, "-days", "30", "-out", other.ca, "-subj",
            "/" + "/".join(reversed(ours.split(","))))
    device.certify(other.ca, other.ca_key, subject)  # the issuer has our CA's name now
    assert_no_handshake(device, "decrypt error")


def test_a_self_signed_certificate(town, raw):
    device = raw("a", True)
    openssl("req", "-x509", "-new", "-key", device.key, "-days", "30", "-subj",
            f"/O=default/CN={device.name}", "-out", device.cert)
    assert_no_handshake(device, "unknown ca")


def test_the_servers_own_certificate(town, raw):
    device = raw()
    device.key = town.server.data / "pki/server.key"
    device.cert = town.server.data / "pki/server.crt"
    assert_no_handshake(device, "certificate")


def test_a_certificate_of_our_ca_that_the_server_never_gave(town, raw):
    """Somebody has stolen the CA's key; the list of certificates still stands in the way."""
    pki = town.server.data / "pki"
    device = raw("a", True)
    device.certify(pki / "ca.crt", pki / "ca.key", f"/O=default/CN={device.name}")
    assert_refused(town, device.poll(), 403, "untrusted",
                   "this certificate was not issued to this device", "device.enter", device.name)
    assert_reaches_nothing(town, device, 403, "untrusted", "was not issued to this device")
    device.certify(pki / "ca.crt", pki / "ca.key", "/O=default/CN=nobody")
    assert_refused(town, device.poll(), 403, "untrusted", "", "device.enter", "nobody")


def test_no_certificate(town, raw):
    device = raw()
    assert_reaches_nothing(town, device, 403, "untrusted", "a client certificate is required")


def let_expire(town, device):
    """Give the device a certificate that ended an hour ago and that the server knows as its own:
    what it gives itself lives a day at least."""
    end = forge.ended_certificate(device.path / "ca", town.server.data / "pki", device.key,
                                  f"/O=default/CN={device.name}", device.cert)
    fingerprint = hashlib.sha256(openssl("x509", "-in", device.cert, "-outform", "DER")).digest()
    with sqlite3.connect(town.server.data / "slipway.db") as db:
        number, = db.execute("SELECT id FROM device WHERE name=?", (device.name,)).fetchone()
        db.execute("INSERT INTO certificate VALUES (1, ?, ?, 0, ?, 0)",
                   (number, fingerprint, end * 1000))
    db.close()


def test_an_expired_certificate_reaches_only_renewal(town, raw):
    device = raw("a", True)
    town.server.stop()
    let_expire(town, device)
    town.server.start()
    assert_reaches_nothing(town, device, 403, "denied", "the certificate has expired",
                           but_renew=True)
    answer = device.renew()
    assert answer.status == 201
    entry = last_audit(town)
    assert (entry["action"], entry["outcome"]) == ("device.renew", "done")
    device.keep(answer.message[1])
    assert device.poll().status == 200


def test_an_expired_certificate_of_a_revoked_device(town, raw):
    device = raw("a", True)
    town.server.stop()
    let_expire(town, device)
    town.server.start()
    town.slipway("device", "revoke", device.name, "--yes")
    assert_refused(town, device.renew(), 403, "denied", "revoked", "device.enter", device.name)


def test_a_revoked_device_reaches_nothing(town, raw):
    """Neither on a new connection, nor on one that was open, nor on a resumed session."""
    device = raw("a", True)
    context = device.context()
    first = device.connect(context)
    assert device.poll().status == 200
    session = first.session
    assert session
    second = device.connect(context, session)
    assert device.poll().status == 200
    assert second.session_reused, "else the check below shows nothing"
    session = second.session

    town.slipway("device", "revoke", device.name, "--yes")
    assert_reaches_nothing(town, device, 403, "denied", "revoked")
    third = device.connect(context, session)
    assert_reaches_nothing(town, device, 403, "denied", "revoked")
    assert third.session_reused
    device.close()
    assert_reaches_nothing(town, device, 403, "denied", "revoked")
    assert_refused(town, device.enroll(town.claim()), 403, "denied", "revoked", "device.enroll",
                   device.name)
    assert standing(town, device.name) == "revoked"


# ---- enrolment ----

def test_a_claim_token_lets_one_device_in(town, raw):
    token = town.claim()
    first, thief = raw("first"), raw("thief")
    assert first.enroll(token).status == 201
    assert_refused(town, thief.enroll(token), 403, "denied",
                   "the claim token has been used already", "device.enroll", thief.name)
    assert standing(town, thief.name) is None
    assert first.enroll(token).status == 201, "its own answer may have got lost"
    assert first.poll().status == 200


def test_a_claim_token_expires(town, raw):
    """A minute is the shortest life; here it began an hour ago."""
    claim = town.server.api("POST", "/claims", {"expires_in_s": 60, "note": "short"})
    token = claim["token"]
    town.server.stop()
    with sqlite3.connect(town.server.data / "slipway.db") as db:
        db.execute("UPDATE claim SET expires_ms = expires_ms - 3600000 WHERE id = ?",
                   (claim["id"],))
    db.close()
    town.server.start()
    device = raw()
    assert_refused(town, device.enroll(token), 403, "denied", "the claim token has expired",
                   "device.enroll", device.name)
    assert standing(town, device.name) is None


def test_a_claim_token_cannot_be_guessed(town, raw):
    token = town.claim()
    device = raw()
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
    for guess in (flipped, token[:-1], token + "a", token.upper(), "x", " " + token):
        assert_refused(town, device.enroll(guess), 403, "denied", "the claim token is not known",
                       "device.enroll", device.name)
    assert standing(town, device.name) is None
    assert device.enroll(token).status == 201
    database = (town.server.data / "slipway.db").read_bytes()
    database += (town.server.data / "slipway.db-wal").read_bytes()
    assert token.encode() not in database, "only its hash is kept"


def test_a_withdrawn_claim_token(town, raw):
    claim = town.server.api("POST", "/claims", {"expires_in_s": 60, "note": "oops"})
    town.server.api("DELETE", f"/claims/{claim['id']}")
    device = raw()
    assert_refused(town, device.enroll(claim["token"]), 403, "denied", "claim token",
                   "device.enroll", device.name)


def test_a_device_without_a_token_waits_for_an_operator(town, raw):
    lucky, unlucky = raw("lucky"), raw("unlucky")
    for device in (lucky, unlucky):
        answer = device.enroll()
        assert answer.status == 202 and answer.message[4] > 0
        assert standing(town, device.name) == "pending"
        assert not device.cert.exists()
    town.slipway("device", "accept", lucky.name)
    assert lucky.enroll().status == 201
    assert lucky.poll().status == 200
    town.slipway("device", "reject", unlucky.name, "--yes")
    assert_refused(town, unlucky.enroll(), 403, "denied",
                   "the device has been rejected by an operator", "device.enroll", unlucky.name)
    assert_refused(town, unlucky.enroll(town.claim()), 403, "denied", "rejected", "device.enroll",
                   unlucky.name)
    assert standing(town, unlucky.name) == "rejected"


def test_an_accepted_name_is_not_for_another_key(town, raw):
    device, thief = raw("a"), raw("thief")
    assert device.enroll().status == 202
    town.slipway("device", "accept", device.name)
    assert_refused(town, thief.enroll(name=device.name), 409, "conflict",
                   "the name belongs to a device with another key", "device.enroll", device.name)
    assert device.enroll().status == 201


def test_a_listed_key_needs_no_operator(town, raw):
    device, thief = raw("a"), raw("thief")
    town.server.api("POST", "/devices/preauthorize",
                    {"devices": [{"name": device.name, "key_sha256": device.key_sha256()}]})
    assert_refused(town, thief.enroll(name=device.name), 409, "conflict",
                   "the name is pre-authorised for another key", "device.enroll", device.name)
    assert standing(town, device.name) is None
    assert device.enroll().status == 201
    assert device.poll().status == 200


def test_a_request_that_proves_no_key(town, raw):
    """A signing request whose signature is wrong: nobody shows to have the key."""
    device = raw()
    good = device.request()
    for request in (good[:-1] + bytes([good[-1] ^ 1]), good[:-10], b"", b"\x30\x03\x02\x01\x00"):
        answer = device.post("enroll", {1: device.name, 2: town.claim(), 3: request, 4: {}})
        assert (answer.status, answer.refusal[0]) in ((400, "corrupt"), (403, "untrusted"))
    weak = device.path / "weak.key"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", weak)
    device.key = weak
    assert_refused(town, device.enroll(town.claim()), 403, "untrusted", "the key must be P-256",
                   "device.enroll", device.name)
    assert standing(town, device.name) is None


# ---- the server, as devices see it ----

def lonely_agent(world, name, **options):
    """An agent that cannot get through; what it said."""
    device = world.device(name, image("1.0"), **options)
    done = device.once()
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert not (device.state / "device.crt").exists()
    return device.state.joinpath("agent.log").read_text(errors="replace") + done.stderr


def test_a_server_of_another_ca_learns_nothing(town, tmp_path):
    """It does not get as far as the claim token."""
    other = Pki(tmp_path / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(other.cert, other.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        device = town.device("elsewhere", image("1.0"),
                             server=f"https://127.0.0.1:{listener.getsockname()[1]}").start("--once")
        connection, _ = listener.accept()
        with pytest.raises(ssl.SSLError, match="unknown ca"):
            context.wrap_socket(connection, server_side=True).recv(1)
    assert device.process.wait(30) == 3
    assert "untrusted" in device.log.read_text()
    assert standing(town, "elsewhere") is None


def test_a_device_that_trusts_another_ca(town, tmp_path):
    said = lonely_agent(town, "distrust", ca_file=Pki(tmp_path / "pki").ca)
    assert "untrusted" in said
    assert standing(town, "distrust") is None


def test_a_server_of_another_name(town, tmp_path):
    """Its certificate is by the right CA, but for another host."""
    world = World(tmp_path, server_names="elsewhere.example")
    world.repo, world.claim = town.repo, lambda: "sesame"

    def listens():
        try:
            socket.create_connection(("127.0.0.1", world.server.port), 1).close()
        except OSError:
            return False
        return True

    world.server.is_up = listens
    try:
        world.start()
        assert "untrusted" in lonely_agent(world, "stranger")
    finally:
        world.close()


# ---- TLS versions ----

def test_tls_1_2_is_refused(town, raw):
    device = raw("a", True)
    with pytest.raises(ssl.SSLError, match="version"):
        device.connect(device.context(version=ssl.TLSVersion.TLSv1_2))


def test_tls_1_2_by_option(tmp_path):
    world = World(tmp_path, tls12="true")
    try:
        world.start()
        device = Raw(world.server, tmp_path / "old", "old")
        assert device.enroll(world.claim()).status == 201
        sock = device.connect(device.context(version=ssl.TLSVersion.TLSv1_2))
        assert sock.version() == "TLSv1.2" and device.poll().status == 200
        sock = device.connect(device.context())
        assert sock.version() == "TLSv1.3" and device.poll().status == 200
        world.slipway("device", "revoke", "old", "--yes")
        sock = device.connect(device.context(version=ssl.TLSVersion.TLSv1_2))
        assert device.poll().status == 403
    finally:
        world.close()
