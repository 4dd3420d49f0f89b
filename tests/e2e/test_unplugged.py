"""No way to the server for a while, in every phase of an update: devices wait, ever longer, and
go on from where they were."""
import concurrent.futures
import statistics
import time

import pytest

from wire import Wire
from world import image, wait_until

SIZE = 100_000
OLD, NEW = image("1.0", SIZE), image("2.0", SIZE)
PLAN = ("--stages", "100%", "--soak", "0s", "--deadline", "10m", "--failure-percent", "100")
AWAY_S = 4
DIED = 137


@pytest.fixture
def wires(running):
    made = []

    def make(rate=None):
        made.append(Wire(running.server.port, rate))
        return made[-1]

    running.release("1.0", OLD)
    running.release("2.0", NEW, "--chunk-size", "16K")
    yield make
    for wire in made:
        wire.close()


def failures(device):
    return len(device.said("poll-failed")) + len(device.said("report-failed")) + \
        len(device.said("resolve-failed")) + len(device.said("fetch-failed"))


def test_each_phase_without_a_server(running, wires):
    """Devices that have got as far as each record of an update wake up without a server."""
    world, wire = running, wires()
    devices = [world.device(f"phase-{number:02}", OLD, server=wire.url, boot_tries=3)
               for number in range(22)]
    for device in devices:
        assert device.once().returncode == 0
    world.rollout("new", "2.0", *PLAN)

    def as_far_as(device, number):
        """Its record tells how far it came; False: that is to the end."""
        first = max(int.from_bytes(path.read_bytes()[4:8], "little")
                    for path in device.state.glob("record.?"))
        device.start("--crash-at", str(first + 1 + number))
        wait_until(lambda: device.process.poll() is not None or
                   device.phases("new")[-1:] == ["succeeded"], 30)
        time.sleep(0.2)
        died = device.process.poll() == DIED
        device.kill()
        return died

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        died = list(pool.map(as_far_as, devices, range(len(devices))))
    under_way = [device for device, at in zip(devices, died) if at]
    assert len(under_way) > 12 and not died[-1], "as many as there are records"
    wire.cut()
    for device in under_way:
        device.start()
    time.sleep(AWAY_S)
    woke_in = {device.said("start")[-1]["state"] for device in under_way}
    assert woke_in == {"idle", "listing", "verifying", "trial", "reporting"}, woke_in
    for device in under_way:
        assert device.process.poll() is None and failures(device), device.log.read_text()[-2000:]
    wire.mend()
    world.wait_rollout("new", "done", 60)
    for device in devices:
        assert device.phases("new").count("succeeded") == 1
        assert device.running_image(SIZE) == NEW


def test_a_server_that_goes_away_under_their_hands(running, wires):
    """Nobody is restarted but the server; each device is caught in another phase."""
    world, wire = running, wires()
    idle = world.device("idle", OLD).start()
    fetching = world.device("fetching", OLD, server=wire.url).start()
    trial = world.device("trial", OLD, health_command="'sleep 3'").start()
    world.wait_ready()
    wire.rate = 6_000
    world.server.api("PATCH", "/devices/idle", {"hold": True})
    world.rollout("new", "2.0", *PLAN)
    wait_until(lambda: "fetching" in fetching.states() and len(trial.said("start")) == 2, 20, 0.01,
               "both are in the middle of it")
    stranger = world.device("stranger", OLD)
    world.server.kill()
    stranger.start()
    time.sleep(AWAY_S)
    for device in (idle, fetching, trial, stranger):
        wait_until(lambda device=device: failures(device) or device.said("enrol-failed"), 10)
    assert trial.said("healthy") and trial.states()[-1] == "switching", "healthy is not enough"
    assert fetching.states()[-1] == "fetching"
    wire.rate = None
    world.server.start()
    world.server.api("PATCH", "/devices/idle", {"hold": False})
    world.wait_ready("gateway@2.0", timeout_s=60)
    for device in (idle, fetching, trial, stranger):
        wait_until(lambda device=device: device.phases("new")[-1:] == ["succeeded"])
        assert device.running_image(SIZE) == NEW
    assert len(fetching.said("start")) == 2, "it has not been restarted to go on"


def test_an_image_that_cannot_reach_the_server_is_not_confirmed(running, wires):
    """The way to the server is part of being healthy: without it the device falls back."""
    world, wire = running, wires()
    device = world.device("cut-off", OLD, server=wire.url, trial_timeout_s=3, health_timeout_s=2,
                          health_command="'sleep 1'").start()
    world.wait_ready()
    world.rollout("new", "2.0", *PLAN)
    wait_until(lambda: len(device.said("start")) == 2, 20, 0.005, "it boots the new image")
    wire.cut()
    wait_until(lambda: len(device.said("start")) == 3, 20, what="it gives up")
    assert device.said("start")[-1]["bank"] == "a" and device.boots()["bank"] == "a"
    wire.mend()
    wait_until(lambda: device.phases("new")[-1:] == ["reverted"], 30, what="it says so")
    assert "no way to the server" in world.assignments("new")["cut-off"]["detail"]
    assert device.running_image(SIZE) == OLD


def gaps(wire, since):
    tries = [at for at in wire.tries if at >= since]
    return [after - before for before, after in zip(tries, tries[1:])]


def test_back_off_grows_is_jittered_and_outlives_a_restart(running, wires):
    """Bounds of 1, 2, 4, 8, 8 ... s with full jitter: eight devices wait ever longer, and never
    in step. After a restart they do not begin anew."""
    world = running
    own = {world.device(f"dev-{i}", OLD, server=(wire := wires()).url, retry_max_s=8): wire
           for i in range(8)}
    for device in own:
        device.start()
    world.wait_ready()
    cut = time.monotonic()
    for wire in own.values():
        wire.cut()
    wait_until(lambda: all(len(gaps(wire, cut)) >= 6 for wire in own.values()), 60,
               what="seven tries each")
    waited = [gaps(wire, cut) for wire in own.values()]
    for one in waited:
        for bound, gap in zip((2, 4, 8, 8, 8, 8), one):  # one failure may have come before the cut
            assert gap < bound + 0.7, f"{one}: full jitter is below the bound"
    early = statistics.mean(gap for one in waited for gap in one[:2])
    late = statistics.mean(gap for one in waited for gap in one[3:6])
    assert late > 2 * early, f"{early} s, then {late} s"
    assert statistics.stdev(one[4] for one in waited) > 0.5, "they wait each for itself"

    for device in own:
        device.kill()
    again = time.monotonic()
    for device in own:
        device.start()
    time.sleep(1.0)
    at_once = [wire for wire in own.values() if any(at > again for at in wire.tries)]
    assert len(at_once) < 6, "the first try after a restart waits as the one before would have"
    for wire in own.values():
        wire.mend()
    wait_until(lambda: all(any(at > again for at in wire.tries) for wire in own.values()), 15)
    calm = time.monotonic()
    world.rollout("new", "2.0", *PLAN)
    world.wait_rollout("new", "done", 30)
    assert time.monotonic() - calm < 15, "one answer ends the waiting"
