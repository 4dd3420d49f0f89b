"""Rollouts: plans become requests, the guard against too wide a selector, watching to the end."""
import json
import threading
import time

import pytest

COUNTS = {"selected": 10, "admitted": 1, "succeeded": 0, "failed": 0, "downloading": 1}


def rollout(state="running", reason=None, **counts):
    return {"id": 7, "name": "june", "release": "router@2.1", "selector": "all", "state": state,
            "reason": reason, "stage": 0, "stages": [{"percent": 10, "soak_s": 30}],
            "counts": {**COUNTS, **counts}, "deadline_s": 600, "retry_limit": 2, "window": None}


def reach(count, confirm=False):
    return {"dry_run": True, "count": count, "sample": [f"gw-{i}" for i in range(min(count, 10))],
            "stages": [1, count], "confirm_needed": confirm}


def answer_create(count, confirm=False):
    def answer(path, headers, body):
        request = json.loads(body)
        return (200, reach(count, confirm)) if request.get("dry_run") else (201, rollout("draft"))
    return answer


FLAGS = ["june", "--release", "router@2.1", "--selector", 'site = "oslo"', "--stages",
         "10%,50%,100%", "--soak", "30s", "--failure-percent", "5", "--failure-count", "3",
         "--min-sample", "4", "--deadline", "10m", "--retry", "2", "--window", "mon-fri 02:00+3h",
         "--start-at", "2026-11-25T10:00:00Z", "--end-at", "2026-12-01T00:00:00Z"]
YAML = """
name: june
release: router@2.1
selector: site = "oslo"
stages: [10%, 50%, 100%]
soak: 30s
failure_percent: 5
failure_count: 3
min_sample: 4
deadline: 10m
retry: 2
window: mon-fri 02:00+3h
start_at: 2026-11-25T10:00:00Z
end_at: 2026-12-01T00:00:00Z
"""
GATE = {"soak_s": 30, "failure_percent": 5, "failure_count": 3, "sample_min": 4}
REQUEST = {"name": "june", "release": "router@2.1", "selector": 'site = "oslo"',
           "stages": [{"percent": p, **GATE} for p in (10, 50, 100)], "deadline_s": 600,
           "retry_limit": 2, "start_at": "2026-11-25T10:00:00Z", "end_at": "2026-12-01T00:00:00Z",
           "window": {"days": ["mon", "tue", "wed", "thu", "fri"], "start": "02:00",
                      "duration_s": 10800}}


@pytest.mark.parametrize("by_file", [False, True])
def test_plan_becomes_request(slipway, api, by_file):
    api.set("POST", "/api/v1/rollouts", answer_create(3))
    (slipway.directory / "june.yaml").write_text(YAML)
    done = slipway("rollout", "create", *(["-f", "june.yaml"] if by_file else FLAGS))
    assert (done.code, done.out) == (0, "Rollout june (7) is draft.\n"), done.err
    assert json.loads(api.requests[-1][3]) == REQUEST


def test_options_win_over_the_file(slipway, api):
    api.set("POST", "/api/v1/rollouts", answer_create(3))
    (slipway.directory / "june.yaml").write_text(YAML)
    done = slipway("rollout", "create", "july", "-f", "june.yaml", "--soak", "1h", "--retry", "0")
    assert done.code == 0, done.err
    request = json.loads(api.requests[-1][3])
    assert request["name"] == "july" and request["retry_limit"] == 0
    assert [s["soak_s"] for s in request["stages"]] == [3600] * 3


def test_bad_file_names_the_line(slipway, api):
    (slipway.directory / "p.yaml").write_text("name: x\nstages: [10%]\nsoak: soon\n")
    done = slipway("rollout", "create", "-f", "p.yaml")
    assert done.code == 2
    assert done.err.startswith("slipway: p.yaml:3: soak must be a duration")
    assert slipway("rollout", "create", "-f", "absent.yaml").code == 4
    assert api.requests == []


def test_dry_run_prints_whom_it_reaches(slipway, api):
    api.set("POST", "/api/v1/rollouts", answer_create(3))
    done = slipway("rollout", "create", *FLAGS, "--dry-run")
    assert (done.code, done.out) == (0, "gw-0\ngw-1\ngw-2\n")
    assert done.err == "3 devices; by the end of each stage: 1 3. Nothing was changed.\n"
    assert all(json.loads(r[3])["dry_run"] for r in api.requests)
    api.set("POST", "/api/v1/rollouts", answer_create(12))
    api.set("GET", "/api/v1/devices", {"items": [{"name": f"d{i}"} for i in range(12)], "next": None})
    done = slipway("rollout", "create", *FLAGS, "-n")
    assert done.out.split() == [f"d{i}" for i in range(12)]


def test_wide_selector_needs_its_count(slipway, api):
    api.set("POST", "/api/v1/rollouts", answer_create(1234, confirm=True))
    done = slipway("rollout", "create", *FLAGS, "--yes")
    assert done.code == 2 and "--confirm-count 1234" in done.err
    assert len(api.requests) == 1
    done = slipway("rollout", "create", *FLAGS, "--confirm-count", "1234")
    assert done.code == 0 and json.loads(api.requests[-1][3])["confirm_count"] == 1234
    done = slipway.on_terminal("rollout", "create", *FLAGS, typed="1233\n")
    assert done.code == 1 and "This reaches 1234 devices" in done.out
    done = slipway.on_terminal("rollout", "create", *FLAGS, typed="1234\n")
    assert done.code == 0 and json.loads(api.requests[-1][3])["confirm_count"] == 1234


def test_create_and_start(slipway, api):
    api.set("POST", "/api/v1/rollouts", answer_create(3))
    api.set("POST", "/api/v1/rollouts/7/start", rollout())
    done = slipway("rollout", "create", *FLAGS, "--start")
    assert (done.code, done.out) == (0, "Rollout june (7) is running.\n")


def test_steering(slipway, api):
    for verb in ("approve", "start", "pause", "resume", "abort", "advance", "rollback"):
        api.set("POST", f"/api/v1/rollouts/june/{verb}", rollout("paused"))
        done = slipway("rollout", verb, "june", "--reason", "because", "--yes")
        assert (done.code, done.out) == (0, "Rollout june (7) is paused.\n")
        assert api.requests[-1][3] == b'{"reason":"because"}'
    assert slipway("rollout", "rollback", "june").code == 2  # nobody to ask


@pytest.mark.parametrize("state, code", [("done", 0), ("halted", 5), ("aborted", 6),
                                         ("rolled-back", 6)])
def test_watch_by_polling_tells_the_end(slipway, api, state, code):
    api.set("GET", "/api/v1/rollouts/(june|7)", rollout("running"), rollout("running"),
            rollout("running", succeeded=1, downloading=0), rollout(state, "told why", succeeded=1))
    done = slipway("rollout", "watch", "june", "--poll", "--interval", "1s")
    assert done.code == code
    lines = [line.split(" ", 1)[1] for line in done.out.splitlines()]
    assert lines == ["running stage 1/1: 0 good, 0 bad, 1 under way, 10 selected",
                     "running stage 1/1: 1 good, 0 bad, 0 under way, 10 selected",
                     f"{state} stage 1/1: 1 good, 0 bad, 1 under way, 10 selected (told why)"]
    assert done.err == ""


def test_watch_is_live(slipway, api):
    state = {"now": rollout("running")}
    began = threading.Event()

    def stream(out):
        out.write(b": hello\n\n")
        out.flush()
        began.set()
        for _ in range(100):
            time.sleep(0.1)
            if state["now"]["state"] != "running":
                out.write(b'event: rollout\ndata: {"id":7,"state":"halted"}\n\n')
                out.flush()

    api.set("GET", "/api/v1/rollouts/(june|7)", lambda *_: (200, state["now"]))
    api.set("GET", "/api/v1/rollouts/7/events", (200, [stream]))

    def halt():
        began.wait(10)
        time.sleep(1)
        state["now"] = rollout("halted", "too many", failed=3)

    threading.Thread(target=halt).start()
    started = time.time()
    done = slipway("rollout", "watch", "june", "--interval", "1h", "-o", "json")
    assert done.code == 5, done.err
    assert time.time() - started < 4.5
    assert [json.loads(line)["state"] for line in done.out.splitlines()] == ["running", "halted"]


def test_watch_survives_a_broken_stream_and_a_restart(slipway, api):
    api.set("GET", "/api/v1/rollouts/(june|7)", rollout(), rollout(), (503, {}), (503, {}),
            rollout("done", succeeded=10))
    api.set("GET", "/api/v1/rollouts/7/events", (200, [lambda out: None]))
    assert slipway("rollout", "watch", "june", "--interval", "1s").code == 0


def test_watch_of_nothing(slipway, api):
    assert slipway("rollout", "watch", "july").code == 4


def test_watch_draws_on_a_terminal(slipway, api):
    api.set("GET", "/api/v1/rollouts/(june|7)", rollout(), rollout(succeeded=5),
            rollout("done", succeeded=10))
    done = slipway.on_terminal("rollout", "watch", "june", "--poll", "--interval", "1s")
    assert done.code == 0
    assert "june  [##########----------]  50%  running" in done.out


def test_report(slipway, api):
    api.set("GET", "/api/v1/rollouts/june/report", {
        "rollout": rollout("halted", "2 of 4 outcomes are bad", failed=2),
        "sentence": "Halted in stage 1.", "success_percent": 50.0,
        "stages": [{"stage": 0, "admitted": 4, "succeeded": 2, "failed": 2, "open": 0}],
        "failures": [{"state": "reverted", "error": "corrupt", "count": 2, "sample": ["gw-1", "gw-2"]}]})
    done = slipway("rollout", "report", "june")
    assert done.code == 0
    assert done.out.startswith("Halted in stage 1.\n\n")
    assert "good:              50.0% of outcomes\n" in done.out
    assert "COUNT  HOW       ERROR    DEVICES\n2      reverted  corrupt  gw-1, gw-2\n" in done.out


def test_list_is_golden(slipway, api):
    api.set("GET", "/api/v1/rollouts",
            {"items": [rollout("halted", failed=2, silent=1, succeeded=4)], "next": None})
    assert slipway("rollout", "list").out == (
        "ID  NAME  RELEASE     STATE   STAGE  GOOD  BAD  DEVICES\n"
        "7   june  router@2.1  halted  1/1    4     3    10\n")
