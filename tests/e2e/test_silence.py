"""Devices that are away: before the flip it means nothing, after it is evidence."""
from world import image, wait_until


def kill_after_the_flip(device):
    wait_until(lambda: [line["bank"] for line in device.said("start")] == ["a", "b"], 30, 0.005,
               "it has booted its other bank")
    device.kill()


def test_silence_after_the_flip_is_bad_and_offline_before_it_is_nothing(running):
    """Of seven devices two are off, and one goes silent after its flip: one bad outcome of five is
    20 %, of seven it would be 14 %. The limit is 15 %."""
    world = running
    world.release("1.0", image("1.0"))
    world.release("2.0", image("2.0"))
    off = world.fleet(2, image("1.0"))
    for number in range(4):
        world.device(f"on-{number}", image("1.0")).start()
    silent = world.device("silent", image("1.0"), health_command="'sleep 4'", boot_tries=3).start()
    world.wait_ready()
    for device in off:
        device.kill()
    world.rollout("new", "2.0", "--stages", "100%", "--soak", "0s", "--deadline", "1m",
                  "--failure-percent", "15", "--min-sample", "5")
    kill_after_the_flip(silent)
    wait_until(lambda: len(world.in_state("new", "succeeded")) == 4, what="the others succeed")
    assert world.rollout_state("new") == "running"
    assert world.explain(silent)["next_at"] is not None
    world.wait_rollout("new", "halted", 80)
    assert world.in_state("new", "silent") == {"silent"}
    assert world.in_state("new", "withdrawn", "recalled") == {"dev-00", "dev-01"}
    assert world.explain(silent)["reason"] == "silent"
    report = world.server.api("GET", "/rollouts/new/report")
    assert (report["stages"][0]["silent"], report["stages"][0]["succeeded"]) == (1, 4)
    silent.start()
    wait_until(lambda: "silent" in world.in_state("new", "succeeded"), 30,
               what="late good news corrects the tally")
    report = world.server.api("GET", "/rollouts/new/report")
    assert (report["stages"][0]["silent"], report["stages"][0]["succeeded"]) == (0, 5)
    world.steer("new", "resume")
    for device in off:
        device.start()
    wait_until(lambda: len(world.in_state("new", "succeeded")) == 7, 40, what="latecomers follow")
    world.wait_rollout("new", "done", 20)
