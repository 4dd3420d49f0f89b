"""Exit codes and sentences: scripts depend on the first, people on the second."""
import time

import pytest

DEVICE = {"name": "gw-1", "status": "active", "tags": [], "groups": [], "attributes": {"hw": "a"}}


def problem(status, detail, **more):
    return status, {"type": "about:blank", "title": "No", "status": status, "detail": detail, **more}


@pytest.mark.parametrize("status, code", [
    (400, 2), (401, 3), (403, 3), (404, 4), (409, 7), (412, 7), (413, 2), (422, 2), (500, 1),
])
def test_status_to_exit_code(slipway, api, status, code):
    api.set("GET", "/api/v1/devices/gw-1", problem(status, "a whole sentence"))
    done = slipway("device", "get", "gw-1")
    assert (done.code, done.out, done.err) == (code, "", "slipway: a whole sentence\n")


def test_token_is_sent_and_never_printed(slipway, api):
    api.set("GET", "/api/v1/whoami", {"token": "alice", "role": "admin", "tenant": "default"})
    done = slipway("whoami")
    assert done.code == 0 and "alice" in done.out and "admin" in done.out
    assert api.requests[0][2]["Authorization"] == "Bearer secret-of-ours"
    assert "secret-of-ours" not in done.out + done.err


def test_field_is_named(slipway, api):
    api.set("POST", "/api/v1/tokens", problem(400, "must be shorter", field="name"))
    done = slipway("token", "new", "x" * 70)
    assert done.code == 2
    assert done.err == "slipway: must be shorter\n  name\n"


def test_selector_fault_has_a_caret(slipway, api):
    api.set("GET", "/api/v1/devices", problem(400, "a value was expected", field="selector", column=6))
    done = slipway("device", "list", "hw = ")
    assert done.code == 2
    assert done.err == ("slipway: a value was expected\n"
                        "  selector: hw = \n"
                        "                 ^\n")


def test_selector_is_encoded(slipway, api):
    api.set("GET", "/api/v1/devices", {"items": [], "next": None})
    assert slipway("device", "list", 'hw = "a&b" and note ~ "50%+ø"').code == 0
    path = api.requests[0][1]
    assert path == "/api/v1/devices?selector=hw%20%3D%20%22a%26b%22%20and%20note%20~%20%2250%25%2B%C3%B8%22"


def test_pages_are_followed(slipway, api):
    api.set("GET", "/api/v1/devices", {"items": [DEVICE], "next": "c/1"},
            {"items": [dict(DEVICE, name="gw-2")], "next": None})
    done = slipway("device", "list")
    assert [line.split()[0] for line in done.out.splitlines()] == ["NAME", "gw-1", "gw-2"]
    assert api.requests[1][1].endswith("?cursor=c%2F1")
    api.requests.clear()
    api.set("GET", "/api/v1/devices", {"items": [DEVICE], "next": "again"})
    done = slipway("device", "list", "--limit", "3", "-o", "json")
    assert done.out.count("gw-1") == 3 and len(api.requests) == 3


def test_nothing_listens(slipway, api):
    api.stop()
    started = time.time()
    done = slipway("whoami")
    assert done.code == 8 and done.err.startswith(f"slipway: {api.url}: ")
    assert time.time() - started > 5  # it has tried again


def test_busy_server_is_asked_again(slipway, api):
    api.set("POST", "/api/v1/devices/gw-1/accept", (503, {"detail": "busy"}, {"Retry-After": "1"}),
            (204, b""))
    assert slipway("device", "accept", "gw-1").code == 0
    keys = [r[2]["Idempotency-Key"] for r in api.made("POST")]
    assert len(keys) == 2 and keys[0] == keys[1]


def test_some_of_several(slipway, api):
    api.set("POST", "/api/v1/devices/good/accept", (204, b""))
    assert slipway("device", "accept", "good", "bad", "good").code == 6
    assert slipway("device", "accept", "bad", "worse").code == 4
    assert slipway("device", "accept", "good", "good").code == 0


@pytest.mark.parametrize("line, sentence", [
    (["device"], "device what? Try device --help"),
    (["device", "explode"], 'there is no command "device explode"; try device --help'),
    (["device", "get"], "NAME is missing; try --help"),
    (["device", "get", "a", "b"], '"b" is one argument too many; try --help'),
    (["device", "list", "--color"], "there is no option --color; try --help"),
    (["device", "list", "-o", "xml"], 'output must be one of table|json, not "xml"'),
    (["device", "list", "--status", "odd"],
     'status must be one of pending|active|rejected|revoked, not "odd"'),
    (["rollout", "create", "x"], "a rollout needs a release"),
    (["rollout", "create", "x", "-R", "a@1", "-s", "all"],
     "a rollout needs stages, like 10%,50%,100%"),
    (["rollout", "create", "x", "-R", "a@1", "-s", "all", "--stages", "10%,200%"],
     'a stage is a whole share like 10% or a count like 25, not "200%"'),
    (["rollout", "create", "x", "--stages", "1", "--window", "never"],
     'a window is written as days, start and length like "mon-fri 02:00+3h", not "never"'),
    (["device", "revoke", "gw-1"], "Revoke gw-1? Nobody can be asked here: give --yes"),
    (["completion", "fish"], 'there is completion for bash and zsh, not for "fish"'),
])
def test_wrong_usage(slipway, api, line, sentence):
    done = slipway(*line)
    assert (done.code, done.out, done.err) == (2, "", f"slipway: {sentence}\n")
    assert api.requests == []


def test_no_server_is_known(alone):
    done = alone("whoami")
    assert done.code == 2
    assert done.err == "slipway: no server is known: run slipway login, or give --server URL\n"


def test_plain_http_to_other_machines_is_refused(alone):
    done = alone("whoami", "--server", "http://10.0.0.1:80")
    assert done.code == 2 and "https://" in done.err
    done = alone("whoami", "--server", "http://127.0.0.1.example:80")
    assert done.code == 2 and "https://" in done.err


def test_bad_context_file(alone):
    alone.context.write_text("server: a\nserver_name: b\n")
    done = alone("whoami")
    assert done.code == 2
    assert done.err == f'slipway: {alone.context}:2: there is no option "server_name"\n'


def test_answer_that_is_not_json(slipway, api):
    api.set("GET", "/api/v1/devices/gw-1", (200, b"<html>"))
    done = slipway("device", "get", "gw-1")
    assert (done.code, done.err) == (1, "slipway: the server's answer is not JSON\n")


def test_full_output_is_an_error(slipway, api):
    import subprocess
    api.set("GET", "/api/v1/devices", {"items": [DEVICE], "next": None})
    with open("/dev/full", "w") as full:
        done = subprocess.run([slipway.program, "--context", slipway.context, "device", "list"],
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "cannot write" in done.stderr


def test_terminal_is_not_steered_by_devices(slipway, api):
    evil = dict(DEVICE, name="gw\u001b[2J", tags=["a\u0007b"], attributes={"x": "\u009b31m"})
    api.set("GET", "/api/v1/devices", {"items": [evil], "next": None})
    api.set("GET", "/api/v1/devices/gw", evil)
    for done in (slipway("device", "list"), slipway("device", "get", "gw")):
        assert done.code == 0
        assert not any(c in done.out for c in "\u001b\u0007\u009b")


def test_secret_alone_on_stdout(slipway, api):
    api.set("POST", "/api/v1/claims", (201, {"id": 3, "token": "sl_secret",
                                             "expires_at": "2026-11-26T10:00:00Z"}))
    done = slipway("claim", "new", "--expires", "2h", "--note", "shelf 4")
    assert (done.code, done.out) == (0, "sl_secret\n")
    assert "sl_secret" not in done.err and "2026-11-26" in done.err
    assert api.requests[0][3] == b'{"expires_in_s":7200,"note":"shelf 4"}'


def test_tags_are_changed_under_if_match(slipway, api):
    api.set("GET", "/api/v1/devices/gw-1", (200, dict(DEVICE, tags=["a", "b"]), {"ETag": '"7"'}))
    api.set("PATCH", "/api/v1/devices/gw-1", DEVICE)
    assert slipway("device", "tag", "gw-1", "b", "c").code == 0
    assert slipway("device", "tag", "gw-1", "a", "x", "--remove").code == 0
    patches = api.made("PATCH")
    assert [p[3] for p in patches] == [b'{"tags":["a","b","c"]}', b'{"tags":["b"]}']
    assert all(p[2]["If-Match"] == '"7"' for p in patches)


def test_preauthorize_reads_a_list(slipway, api):
    api.set("POST", "/api/v1/devices/preauthorize", (201, {"count": 2}))
    good = f"# ours\ngw-1 {'a' * 64}\n\ngw-2,{'b' * 64}\n"
    done = slipway("device", "preauthorize", "-", stdin=good)
    assert (done.code, done.err) == (0, "2 devices may enrol.\n")
    done = slipway("device", "preauthorize", "-", stdin=good + "gw-3 short\n")
    assert (done.code, done.err) == (2, "slipway: -:5: must be a name and 64 hex digits\n")


def test_logs(slipway, api):
    api.set("GET", "/api/v1/devices/gw-1/logs",
            {"items": [{"id": 4, "at": "2026-11-25T10:00:00Z", "size": 2048, "assignment": None},
                       {"id": 9, "at": "2026-11-25T11:00:00Z", "size": 12, "assignment": 3}],
             "next": None})
    api.set("GET", "/api/v1/devices/gw-1/logs/9", (200, b"line one\nline two\n"))
    assert slipway("device", "logs", "gw-1").out == (
        "ID  AT                    SIZE     ASSIGNMENT\n"
        "4   2026-11-25T10:00:00Z  2.0 KiB  -\n"
        "9   2026-11-25T11:00:00Z  12 B     3\n")
    assert slipway("device", "logs", "gw-1", "last").out == "line one\nline two\n"
    assert slipway("device", "logs", "gw-1", "9").out == "line one\nline two\n"
    assert slipway("device", "logs", "gw-1", "77").code == 4


def test_questions_on_a_terminal(slipway, api):
    api.set("POST", "/api/v1/devices/gw-1/revoke", (204, b""))
    done = slipway.on_terminal("device", "revoke", "gw-1", typed="n\n")
    assert done.code == 1 and "Revoke gw-1? [y/N]" in done.out and api.requests == []
    assert slipway.on_terminal("device", "revoke", "gw-1", typed="y\n").code == 0
    assert slipway("device", "revoke", "gw-1", "--yes").code == 0
    assert len(api.requests) == 2


def test_login_remembers(alone, api, tmp_path):
    api.set("GET", "/api/v1/whoami", {"token": "alice", "role": "viewer", "tenant": "default"})
    (tmp_path / "t").write_text("abc\n")
    alone.context = tmp_path / "deep/er/context.yaml"
    done = alone("login", "--server", api.url + "/", "--token-file", "t")
    assert done.code == 0, done.err
    assert alone.context.stat().st_mode & 0o777 == 0o600
    assert alone("whoami").code == 0
    assert api.requests[-1][2]["Authorization"] == "Bearer abc"
    done = alone("login", "--server", api.url, "--token-file", "-", stdin="from-stdin\n")
    assert done.code == 0, done.err
    assert alone("whoami").code == 0
    assert api.requests[-1][2]["Authorization"] == "Bearer from-stdin"
    assert (tmp_path / "deep/er/token").stat().st_mode & 0o777 == 0o600
    api.set("GET", "/api/v1/whoami", problem(401, "unknown token"))
    (tmp_path / "t").write_text("wrong\n")
    assert alone("login", "--token-file", "t").code == 3
    assert alone("whoami").code == 3
    assert api.requests[-1][2]["Authorization"] == "Bearer from-stdin"


def test_doctor(slipway, api):
    health = {"status": "ok", "checks": [{"name": "disk", "status": "ok", "detail": "12 GiB free"}]}
    api.set("GET", "/healthz", health)
    api.set("GET", "/api/v1/whoami", {"token": "alice", "role": "viewer", "tenant": "default"})
    api.set("GET", "/api/v1/trust", {"root_expires": "2099-01-01T00:00:00Z",
                                     "targets_expires": "2020-01-01T00:00:00Z"})
    done = slipway("doctor")
    assert done.code == 1 and "targets  WRONG   ended 2020-01-01T00:00:00Z: slipway repo renew" in done.out
    api.set("GET", "/api/v1/trust", {"root_expires": "2099-01-01T00:00:00Z",
                                     "targets_expires": "2099-01-01T00:00:00Z"})
    done = slipway("doctor")
    assert done.code == 0, done.out
    (slipway.directory / "token").chmod(0o644)
    assert "chmod 600" in slipway("doctor").out
