"""The main job: a signed release reaches a fleet in stages, and a bad one stops itself."""
from world import image, wait_until

STAGES = ("--stages", "2,50%,100%", "--soak", "1s", "--failure-percent", "20", "--min-sample", "2")


def test_release_in_stages_then_bad_one_halts(running):
    world = running
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    bad = b"BROKEN" + image("3.0")
    world.release("3.0", bad)
    devices = world.fleet(8, image("1.0"),
                          health_command="'! head -c 6 \"$SLIPWAY_BANK\" | grep -q BROKEN'")

    wait_until(lambda: len(world.server.items("/devices?status=active")) == 8, what="all enrolled")
    wait_until(lambda: all(d.seen()["running"]["release"] == "gateway@1.0" for d in devices),
               what="running release known by digest")

    world.rollout("good", "2.0", *STAGES)
    world.wait_rollout("good", "done", 90)
    for device in devices:
        seen = device.seen()
        assert seen["running"]["release"] == "gateway@2.0"
        assert device.running_image(300_000) == image("2.0")

    world.rollout("bad", "3.0", *STAGES)
    world.wait_rollout("bad", "halted", 90)
    report = world.slipway_json("rollout", "report", "bad")
    wait_until(lambda: all(d.seen()["running"]["release"] == "gateway@2.0" for d in devices), 60,
               what="every device fell back or never flipped")
    flipped = [d for d in devices if ("bad", "reverted") in d.reported()]
    assert 1 <= len(flipped) <= 4, "the first stage, at most the second"
    assert report["rollout"]["state"] == "halted"
    for device in devices:
        code, out, _ = world.slipway("device", "explain", device.name)
        assert "halted" in out or "fell back" in out, out
        assert device.running_image(300_000) == image("2.0")
