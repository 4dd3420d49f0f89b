"""Clocks that are wrong, and times that run out."""
import datetime
import json
import sqlite3
import time

import pytest

import forge
from fake import openssl
from world import image, wait_until

ALL = ("--stages", "100%")
ROLES = {"snapshot": 2, "timestamp": 3}  # enum metadata_role in src/store/metadata.h


@pytest.fixture
def town(running):
    running.release("1.0", image("1.0"))
    running.release("2.0", image("2.0"))
    return running


def rfc3339(unix_s):
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def publish_targets_that_end(town, unix_s):
    body = forge.body_of((town.repo / "targets.json").read_bytes())
    body["version"] += 1
    body["expires"] = rfc3339(unix_s)
    status, _, answer = town.server.raw(
        "POST", "/api/v1/trust/targets", forge.sign(body, town.keys / "targets0"),
        {"Content-Type": "application/json"}, town.server.token)
    assert status == 201, answer
    return body


def last_report(device):
    return next(entry for entry in device.history() if entry["kind"] == "report")


def update(town, device, name, version, phase="succeeded"):
    town.rollout(name, version, *ALL)
    wait_until(lambda: (name, phase) in device.reported(), what=f"{name}: {phase}")


@pytest.mark.parametrize("clock", [1, int(time.time()) + 10 * 365 * 86400],
                         ids=["1970", "ten-years-ahead"])
def test_a_wrong_clock_neither_stops_updates_nor_makes_them_unsafe(town, clock):
    device = town.device("dev-1", image("1.0"), clock=clock).start()
    wait_until(lambda: town.server.items("/devices") and device.seen()["running"]["release"],
               what="it polls")
    update(town, device, "good", "2.0")
    assert device.running_image(300_000) == image("2.0")
    expires = datetime.datetime.fromisoformat(device.seen()["certificate_expires"])
    assert abs(expires.timestamp() - time.time() - 365 * 86400) < 86400, "by the server's clock"

    publish_targets_that_end(town, time.time() + 2)
    time.sleep(2.5)
    update(town, device, "late", "1.0", "refused")
    assert last_report(device)["error"] == "untrusted"
    assert "expired" in last_report(device)["detail"]
    assert device.running_image(300_000) == image("2.0")


def test_expired_metadata_stops_neither_devices_nor_server(town):
    """Only updates wait, until the signers renew their list."""
    device = town.device("dev-1", image("1.0")).start()
    wait_until(lambda: town.server.items("/devices"), what="enrolled")
    update(town, device, "good", "2.0")
    body = publish_targets_that_end(town, time.time() + 2)
    time.sleep(2.5)

    device.stop()
    town.server.stop()
    town.server.start()
    status, _, health = town.server.raw("GET", "/healthz")
    assert status == 200 and json.loads(health)["status"] == "degraded"  # alive, with a warning
    assert "targets has expired; devices refuse every update" in json.loads(health)["warnings"]
    device.start()
    seen = device.seen()["last_seen"]
    wait_until(lambda: device.seen()["last_seen"] > seen, what="it polls")
    assert device.running_image(300_000) == image("2.0")
    update(town, device, "late", "1.0", "refused")
    assert "expired" in last_report(device)["detail"]

    device.stop()
    town.server.stop()  # nobody there to ask: a device starts all the same
    assert "poll-failed" not in device.log.read_text()
    device.start()
    wait_until(lambda: "poll-failed" in device.log.read_text(), what="it runs, alone")
    assert device.process.poll() is None
    assert device.running_image(300_000) == image("2.0")

    town.server.start()
    body["version"] += 1
    body["expires"] = rfc3339(time.time() + 86400)
    status, _, answer = town.server.raw(
        "POST", "/api/v1/trust/targets", forge.sign(body, town.keys / "targets0"),
        {"Content-Type": "application/json"}, town.server.token)
    assert status == 201, answer
    update(town, device, "again", "1.0")
    assert device.running_image(300_000) == image("1.0")


def test_a_server_that_was_off_for_long_renews_what_it_may(town):
    """Its timestamp and snapshot have expired meanwhile; nobody but it is needed to go on."""
    forgery = forge.Forgery(town)
    forgery.targets_bytes = forgery.published_targets
    for body in (forgery.snapshot, forgery.timestamp):
        body["version"] += 1
        body["expires"] = "2026-01-01T00:00:00Z"
    files = forgery.files()
    town.server.stop()
    with sqlite3.connect(town.server.data / "slipway.db") as db:
        for name, content in files.items():
            role = name.split(".")[-2]
            if role in ROLES:
                db.execute("INSERT INTO metadata VALUES (1, ?, ?, ?, ?, 0)",
                           (ROLES[role], forge.body_of(content)["version"], content,
                            1_767_225_600_000))
    db.close()
    town.server.start()
    trust = town.server.api("GET", "/trust")
    assert trust["timestamp_expires"] > rfc3339(time.time())
    assert trust["snapshot_expires"] > rfc3339(time.time())
    device = town.device("dev-1", image("1.0")).start()
    wait_until(lambda: town.server.items("/devices"), what="enrolled")
    update(town, device, "good", "2.0")


def test_a_server_whose_certificate_has_ended_makes_another(town):
    """By the CA that devices know; nobody has to see to it in time."""
    pki = town.server.data / "pki"
    town.server.stop()
    before = (pki / "server.crt").read_bytes()
    forge.ended_certificate(town.path / "ca", pki, pki / "server.key", "/CN=localhost",
                            pki / "server.crt", "subjectAltName=IP:127.0.0.1")
    ended = (pki / "server.crt").read_bytes()
    assert ended != before
    town.server.start()
    assert (pki / "server.crt").read_bytes() != ended
    openssl("x509", "-in", pki / "server.crt", "-noout", "-checkend", "86400")
    assert town.server.raw("GET", "/healthz")[0] == 200
