"""Malformed input in every endpoint of the management API, over real TLS.

The routes and what they take come from the server's own /api/v1/openapi.json, so a new one is tested
from its first day. Whatever is sent here must be refused with a problem that says where, and must
change nothing.
"""
import copy
import http.client
import json
import re
import ssl

import pytest

from raw import Raw
from world import World, image

JSON = "application/json"
API_BODY_MAX, METADATA_MAX = 1 << 20, 5_000_000
UPLOAD_MAX = 1 << 20
ARGUMENTS = {"name": "pump-01", "rollout": "june", "release": "gateway@1.0", "group": "north",
             "id": "1", "sha256": "0" * 64}
ENDLESS = {"watchEvents", "watchRollout", "watchAudit"}
ANYTHING = {"signed": {"_type": "root"}, "signatures": []}  # metadata has no example; unsigned

MALFORMED = [
    b"{", b'{"name":', b'{"name":"a"', b'{"name":"a",}', b"{} {}", b"{}x", b"'", b"\x00", b"{\x00}",
    b"[]", b"[1,2]", b"null", b"true", b"7", b'"text"', b"\xef\xbb\xbf{}",
    b'{"a":1,"a":2}', b'{"a":{"b":1,"b":2}}',
    b'{"a":1e999}', b'{"a":-1e999}', b'{"a":99999999999999999999}', b'{"a":NaN}', b'{"a":01}',
    b'{"a":"\\u0000"}', b'{"\\u0000":1}', b'{"a":"b\x00c"}',
    b'{"a":"\xff\xfe"}', b'{"a":"\xc0\x80"}', b'{"\xff":1}', b'{"a":"\\ud800"}', b'{"a":"\xed\xa0\x80"}',
    b'{"a":' + b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
]
WRONG = [None, True, -1, 1.5e300, 10**18, "x\n", "\x01", "", [], {}, [[]], [None], [{}]]


class Client:
    """Keeps its connection as long as the server does."""

    def __init__(self, server):
        self.server, self.connection, self.count = server, None, 0

    def ask(self, method, path, body=None, kind=JSON, token=None):
        self.count += 1
        headers = {"Authorization": f"Bearer {token or self.server.token}"}
        if body is not None:
            headers["Content-Type"] = kind
        for attempt in (1, 2):
            if not self.connection:
                context = ssl.create_default_context(cafile=str(self.server.ca))
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.server.port,
                                                              timeout=30, context=context)
            try:
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise
        return None


class Office:
    """A server with one of everything that a path can name."""

    def __init__(self, path):
        self.world = World(path, upload_max=UPLOAD_MAX)
        self.world.start().make_repository()
        self.world.release("1.0", image("1.0"))
        self.world.rollout("june", "1.0", "--stages", "100%", start=False)
        self.api = self.world.server.api
        self.device = Raw(self.world.server, path / "raw", "pump-01")
        assert self.device.enroll(self.world.claim(), hardware="board", product="gateway").status == 201
        self.api("PUT", "/groups/north/devices/pump-01")
        self.api("POST", "/claims", {"note": "there"})
        self.client = Client(self.world.server)
        self.document = json.loads(self.client.ask("GET", "/api/v1/openapi.json")[2])

    def operations(self):
        for pattern, methods in self.document["paths"].items():
            for method, operation in methods.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    yield method.upper(), pattern, operation

    def example(self, operation):
        """A body that would be good, or None when the operation takes no JSON."""
        content = operation.get("requestBody", {}).get("content", {})
        if JSON not in content:
            return None
        return copy.deepcopy(content[JSON].get("example", ANYTHING))

    def dump(self):
        """Everything that can be read, but for what reading itself changes."""
        seen = {}
        for method, pattern, operation in self.operations():
            if method != "GET" or operation["operationId"] in ENDLESS | {
                    "getMetrics", "listAudit", "exportAudit", "getHealth", "explainDevice"}:
                continue
            status, _, body = self.client.ask("GET", fill(pattern))
            text = re.sub(rb'"(last_used_at|last_seen|on|left_s|seconds)":("[^"]*"|null|-?\d+)', b"", body)
            seen[pattern] = (status, text)
        seen["blobs"] = sorted(str(path) for path in (self.world.server.data / "blobs").rglob("*"))
        return seen

    def audit(self):
        return self.api("GET", "/audit?limit=1000")["items"]


def fill(pattern):
    return re.sub(r"\{(\w+)\}", lambda match: ARGUMENTS.get(match.group(1), "nothing"), pattern)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    made = Office(tmp_path_factory.mktemp("office"))
    yield made
    made.world.close()


@pytest.fixture(autouse=True)
def unchanged(office):
    """Each test sends what must be refused: nothing has changed by it, and the server is up."""
    process, before, entries = office.world.server.process, office.dump(), office.audit()
    yield
    assert process.poll() is None
    assert office.dump() == before
    news = [entry for entry in office.audit() if entry["seq"] > entries[0]["seq"]]
    assert {entry["outcome"] for entry in news} <= {"refused"}, news


def refused(office, method, path, body, statuses=(400,), field=None, kind=JSON):
    status, headers, answer = office.client.ask(method, path, body, kind)
    said = f"{method} {path} {body[:80] if body else body!r}: {status} {answer[:300]!r}"
    assert status in statuses, said
    assert headers["Content-Type"] == "application/problem+json", said
    problem = json.loads(answer)
    assert problem["status"] == status and problem["type"].startswith("urn:slipway:error:"), said
    assert problem["title"] and len(problem["detail"]) > 5, said
    if field is not None:
        assert re.match(re.escape(field) + r"($|[.\[])", problem.get("field", "")), f"{said} {field}"
    return problem


def test_bodies_that_are_not_json_objects(office):
    for method, pattern, operation in office.operations():
        if pattern in ("/healthz", "/api/v1/openapi.json") or "octet" in str(operation.get("requestBody")):
            continue
        for body in MALFORMED:
            refused(office, method, fill(pattern), body)


def test_bodies_cut_short(office):
    for method, pattern, operation in office.operations():
        example = office.example(operation)
        if example is None:
            continue
        whole = json.dumps(example).encode()
        for size in {1, 2, len(whole) // 3, len(whole) // 2, len(whole) - 1}:
            refused(office, method, fill(pattern), whole[:size])


def test_members_nobody_knows_and_members_twice(office):
    for method, pattern, operation in office.operations():
        if pattern in ("/healthz", "/api/v1/openapi.json") or "octet" in str(operation.get("requestBody")):
            continue
        example = office.example(operation)
        signed = example == ANYTHING  # unknown members are no fault there, a missing signature is
        body = json.dumps({**(example or {}), "no_such_member": 1}).encode()
        refused(office, method, fill(pattern), body, (400, 409, 422) if signed else (400,),
                field=None if signed else "no_such_member")
        for name, value in (example or {}).items():
            twice = json.dumps(example)[:-1] + f', {json.dumps(name)}: {json.dumps(value)}}}'
            refused(office, method, fill(pattern), twice.encode())


def places(value, path=""):
    """(path as problems name it, container, key) of every value inside."""
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else key
            yield where, value, key
            yield from places(inner, where)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield f"{path}[{index}]", value, index
            yield from places(inner, f"{path}[{index}]")


def kind_of(value):
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def test_members_of_another_type(office):
    """Each value of each example in turn; the problem names it, or what it is in."""
    sent = 0
    for method, pattern, operation in office.operations():
        example = office.example(operation)
        if example is None:
            continue
        for field, container, key in list(places(example)):
            right = container[key]
            for wrong in WRONG:
                if kind_of(wrong) == kind_of(right):
                    continue
                container[key] = wrong
                signed = "signed" in example
                top = re.split(r"[.\[]", field)[0]
                refused(office, method, fill(pattern), json.dumps(example).encode(),
                        (400, 409, 422) if signed else (400,), field=None if signed else top)
                sent += 1
            container[key] = right
    assert sent > 300


def test_other_media_types(office):
    for method, pattern, operation in office.operations():
        example = office.example(operation)
        if example is None:
            continue
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"):
            refused(office, method, fill(pattern), json.dumps(example).encode(), (415,), kind=kind)


def test_bodies_that_are_too_large(office):
    for method, pattern, operation in office.operations():
        content = operation.get("requestBody", {}).get("content", {})
        limit = UPLOAD_MAX if JSON not in content else API_BODY_MAX
        if "/trust/targets" in pattern:
            limit = METADATA_MAX
        if not content:
            continue
        kind = next(iter(content))
        refused(office, method, fill(pattern), b" " * (limit + 1), (413,), kind=kind)


def test_blobs_that_are_not_what_they_are_called(office):
    for digest, statuses in (("0" * 64, (400,)), ("A" * 64, (400,)), ("0" * 63, (400,)),
                             ("x" * 64, (400,)), ("0" * 66, (400,)), ("%00" * 64, (400, 404)),
                             ("..%2f" * 12, (400, 404))):
        refused(office, "PUT", f"/api/v1/blobs/{digest}", b"something", statuses,
                kind="application/octet-stream")


def test_parameters_nobody_knows_and_values_out_of_bounds(office):
    for method, pattern, operation in office.operations():
        path = fill(pattern)
        refused(office, method, f"{path}?no_such_parameter=1", None, field="no_such_parameter")
        refused(office, method, f"{path}?%ff=1", None)
        for parameter in operation.get("parameters", []):
            name = parameter["$ref"].rsplit("/", 1)[1]
            described = office.document["components"]["parameters"][name]
            if described["in"] != "query":
                continue
            name = described["name"]
            for value in ("%00", "%zz", "%", "a" * 5000, "%ff%fe"):
                refused(office, method, f"{path}?{name}={value}", None, (400, 414), field=None)
            refused(office, method, f"{path}?{name}=1&{name}=1", None, field=name)
    for limit in ("0", "-1", "1001", "1e3", "0x10", "99999999999999999999", "", "%201", "1%00"):
        refused(office, "GET", f"/api/v1/devices?limit={limit}", None, field="limit")
    problem = refused(office, "GET", "/api/v1/devices?selector=hw%20=", None, field="selector")
    assert problem["column"] == 5


def test_paths_that_name_nothing(office):
    """Whatever a path holds, the answer is well-formed."""
    for method, pattern, _ in office.operations():
        if "{" not in pattern:
            continue
        for value in ("%00", "%ff", "..", ".", "a%2fb", "%0d%0aX-Y:%20z", "%22%5c", "a" * 191,
                      "a" * 4000, "-1", "0", "99999999999999999999", "%e2%80%ae", "'%20OR%201=1--"):
            path = re.sub(r"\{(\w+)\}", value, pattern)
            body = b"{}" if method in ("POST", "PATCH") else None
            refused(office, method, path, body, (400, 404, 414))


def test_headers_that_are_wrong(office):
    server = office.world.server
    for authorization in ("", "Bearer", "Bearer ", "Basic YTpi", "Bearer " + "x" * 5000, "Bearer \xff"):
        status, headers, answer = server.raw("GET", "/api/v1/devices",
                                             headers={"Authorization": authorization})
        assert (status, headers["Content-Type"]) == (401, "application/problem+json"), answer
        json.loads(answer)
    for key in ("x" * 65, "a b", "é"):
        status, _, answer = server.raw("POST", "/api/v1/claims", b"{}", {
            "Content-Type": JSON, "Idempotency-Key": key, "Authorization": f"Bearer {server.token}"})
        assert status == 400 and json.loads(answer)["field"] == "Idempotency-Key"
