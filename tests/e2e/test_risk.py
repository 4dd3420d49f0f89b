"""Evidence instead of stages: a bad release is stopped within the limit, a good one gets through,
and every decision can be computed again."""
import json
import subprocess

from world import image, wait_until

DEVICES = 12
LIMIT = 11
RISK = ("--strategy", "risk", "--max-harmed", LIMIT, "--confidence", "0.8", "--floor", "50%",
        "--background", "0.5%", "--observe", "16s", "--deadline", "60s", "--start")


def furnish(world):
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    world.release("3.0", b"BROKEN" + image("3.0"))
    world.fleet(DEVICES, image("1.0"),
                health_command="'! head -c 6 \"$SLIPWAY_BANK\" | grep -q BROKEN'")
    world.wait_ready()


def flipped(world, name):
    return [row for row in world.in_state(name, "switching", "trial", "succeeded", "reverted",
                                          "failed", "silent")]


def replay_agrees(world, name):
    done = world.slipway_json("rollout", "replay", name)
    risk = world.server.api("GET", f"/rollouts/{name}/risk")
    assert done["agrees"] and done["entries"] == risk["entries"] > 0
    assert done["grants"] == len([entry for entry in world.server.items(f"/rollouts/{name}/journal")
                                  if entry["answer"] == "grant"])
    return done["grants"]


def a_bad_release_stops_within_the_limit(world):
    world.slipway("rollout", "create", "bad", "--release", "gateway@3.0", "--selector", "all",
                  *RISK)
    world.wait_rollout("bad", "halted", timeout_s=90)
    rollout = world.server.api("GET", "/rollouts/bad")
    assert rollout["cause"] == "judge" and "reported where" in rollout["reason"]
    wait_until(lambda: not world.in_state("bad", "switching", "trial"), what="trials to end")
    assert 3 <= len(flipped(world, "bad")) <= LIMIT
    assert replay_agrees(world, "bad") <= LIMIT
    _, out, _ = world.slipway("rollout", "get", "bad")
    assert "at most 11 harmed with 80.0% confidence" in out
    assert "the rollout is halted: " in out
    assert any(entry["action"] == "rollout.halt" and entry["actor"] == "server"
               for entry in world.audit())


def a_good_release_gets_through(world):
    world.slipway("rollout", "create", "good", "--release", "gateway@2.0", "--selector", "all",
                  *RISK)
    wait_until(lambda: world.in_state("good", "staged"), what="somebody to wait for evidence")
    waiting = sorted(world.in_state("good", "staged"))[0]
    device = next(device for device in world.devices if device.name == waiting)
    wait_until(lambda: "waits for evidence" in world.explain(device)["sentence"] or
               waiting not in world.in_state("good", "staged"), what="the reason")
    assert len(flipped(world, "good")) < DEVICES
    world.wait_rollout("good", "done", timeout_s=150)
    assert world.counts("good")["succeeded"] == DEVICES
    assert replay_agrees(world, "good") == DEVICES
    _, out, _ = world.slipway("rollout", "cohorts", "good")
    assert out.splitlines()[1].split()[:3] == ["everything", str(DEVICES), str(DEVICES)]


def a_changed_journal_is_found_out(world):
    """What the server hands out is computed here: one number less, and it does not agree."""
    world.server.stop()
    database = next(world.server.data.glob("*.db"))
    subprocess.run(["python3", "-c", """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("DROP TRIGGER risk_journal_is_append_only")
number, entry = db.execute("SELECT number, entry FROM risk_journal WHERE rollout = 1"
                           " AND length(entry) > 30 ORDER BY number DESC LIMIT 1").fetchone()
changed = bytearray(entry)
changed[-1] ^= 1
db.execute("UPDATE risk_journal SET entry = ? WHERE rollout = 1 AND number = ?", (changed, number))
db.commit()
""", str(database)], check=True)
    world.server.start()
    code, _, err = world.slipway("rollout", "replay", "bad", ok=False)
    assert code == 1 and "entry " in err, (code, err)


def test_evidence_decides_how_fast_it_goes(world):
    furnish(world)
    a_bad_release_stops_within_the_limit(world)
    a_good_release_gets_through(world)
    a_changed_journal_is_found_out(world)


def test_a_wish_that_cannot_be_kept_says_so(world):
    world.start().make_repository()
    world.release("1.0", image("1.0"))
    world.fleet(3, image("1.0"))
    world.wait_ready()
    world.release("2.0", image("2.0"))
    create = ("rollout", "create", "june", "--release", "gateway@2.0", "--selector", "all")
    for words, said in (
            (("--strategy", "risk", "--max-harmed", "2"), "must be at least"),
            (("--strategy", "risk", "--stages", "10%"), "are not for strategy risk"),
            (("--strategy", "risk", "--confidence", "1.2"), "a probability like 0.99"),
            (("--strategy", "risk", "--confidence", "0.4"), "must be from 50 to 99.9"),
            (("--strategy", "fate", "--stages", "10%"), "must be one of"),
            (("--strategy", "risk", "--floor", "1%"), "must be above background_percent"),
            (("--stages", "10%", "--max-harmed", "5"), "must be risk or both")):
        code, _, err = world.slipway(*create, *words, ok=False)
        assert code != 0 and said in err, (words, err)
    assert json.loads(world.slipway("rollout", "list", "-o", "json")[1])["items"] == []
