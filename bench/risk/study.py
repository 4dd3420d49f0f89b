#!/usr/bin/env python3
"""Simulated rollouts by slipway-lab, two at a time, with fixed seeds.

Every figure in docs/design/risk.md comes from here:

    bench/risk/study.py BUILD_DIR OUT_DIR [--runs-percent N] [STUDY...]

Studies: alarms, promise, power, frontier, matrix, wrong, ablation, million. Each writes OUT_DIR/STUDY.tsv;
frontier and promise also write an SVG. tables.py puts them into the document. `--runs-percent 2`
is the short version that runs as a test."""
import argparse
import concurrent.futures
import math
import pathlib
import subprocess

import svg

DEFECTS = {
    "good": [],
    "reported 2 %": ["--defect", "reported", "--share-ppm", "20000"],
    "reported 5 %": ["--defect", "reported"],
    "reported 10 %": ["--defect", "reported", "--share-ppm", "100000"],
    "silent 5 %": ["--defect", "silent"],
    "late 5 %": ["--defect", "late"],
    "late and silent 5 %": ["--defect", "late-silent"],
    "cellular modem, half": ["--defect", "silent", "--link", "1", "--share-ppm", "500000"],
    "one cell of 1.5 %": ["--defect", "silent", "--cell", "8", "--share-ppm", "1000000"],
    "brick": ["--defect", "silent", "--share-ppm", "1000000"],
    "silent 5 %, outage": ["--defect", "silent", "--outage"],
}
INTEGERS = {"runs", "halted", "held", "stalled", "over_k", "unstopped", "finished"}


class Lab:
    def __init__(self, build, percent):
        self.program = str(pathlib.Path(build) / "src/lab/slipway-lab")
        self.percent = percent
        self.pool = concurrent.futures.ThreadPoolExecutor(2)

    def runs(self, count):
        return max(4, count * self.percent // 100)

    def _run(self, options, runs, seed):
        line = ["nice", self.program, "risk", "--head", "--runs", str(runs), "--seed", str(seed), *options]
        head, row = subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()
        return {k: int(v) if k in INTEGERS else float(v) for k, v in zip(head.split(","), row.split(","))}

    def start(self, options, runs, seed=1):
        return self.pool.submit(self._run, options, self.runs(runs), seed)


def sets(**settings):
    return [item for k, v in settings.items() for item in ("--set", f"{k}={v}")]


def interval(hits, runs):
    """Wilson's 95 % interval, in percent."""
    z, p = 1.96, hits / runs
    middle = (p + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z * math.sqrt(p * (1 - p) / runs + z * z / (4 * runs * runs)) / (1 + z * z / runs)
    return max(0.0, 100 * (middle - half)), min(100.0, 100 * (middle + half))


def rate(hits, runs):
    low, high = interval(hits, runs)
    return f"{100 * hits / runs:.2f} ({low:.2f} to {high:.2f})"


def hours(value):
    return "never" if not math.isfinite(value) else f"{value:.0f}"


def alarms(lab):
    """False holds and halts of a good release, looked at after every event."""
    cases = {"nothing happens": [], "outage: 8 h, a quarter of the fleet": ["--outage"],
             "power cuts at 2 % of the sites": ["--power-cuts"],
             "outage and power cuts": ["--outage", "--power-cuts"]}
    jobs = [(k, name, lab.start(sets(k=k) + options, 10000 if k == 400 else 2000, 101))
            for k in (200, 400) for name, options in cases.items()]
    rows = [["K", "the fleet", "runs", "halted %", "held or halted %", "T90 h"]]
    for k, name, job in jobs:
        r = job.result()
        rows.append([k, name, r["runs"], rate(r["halted"], r["runs"]), rate(r["runs"] - r["unstopped"] - r["stalled"], r["runs"]),
                     hours(r["t90_p50"])])
    return rows


def promise(lab):
    """P(harmed > K) by the share of devices that the defect harms."""
    shares = (1, 2, 3, 5, 10, 20, 50, 100)
    jobs = {(k, kind, q): lab.start(sets(k=k) + ["--defect", kind, "--share-ppm", str(q * 10000)], 1000, 201)
            for k in (200, 400) for kind in ("reported", "silent", "late") for q in shares}
    rows = [["K", "defect"] + [f"{q} %" for q in shares]]
    for k in (200, 400):
        for kind in ("reported", "silent", "late"):
            results = [jobs[k, kind, q].result() for q in shares]
            rows.append([k, kind] + [f"{100 * r['over_k'] / r['runs']:.1f} (max {r['harm_max']:.0f})" for r in results])
    return rows


def power(lab):
    """How many devices were exposed when a defect was stopped."""
    jobs = [(k, name, lab.start(sets(k=k) + DEFECTS[name], 1000, 301))
            for k in (50, 100, 200) for name in ("reported 5 %", "silent 5 %", "reported 10 %", "reported 2 %")]
    rows = [["K", "defect", "runs", "stopped or stalled %", "exposed, median", "exposed, p99", "harmed, mean", "harmed, p99"]]
    for k, name, job in jobs:
        r = job.result()
        rows.append([k, name, r["runs"], rate(r["runs"] - r["unstopped"], r["runs"]), f"{r['stop_exposed_p50']:.0f}",
                     f"{r['stop_exposed_p99']:.0f}", f"{r['harm_mean']:.1f}", f"{r['harm_p99']:.0f}"])
    return rows


def settings():
    """Every policy's whole range."""
    for k in (50, 100, 200, 400, 800, 1600):
        yield "slipway", f"K={k}", sets(k=k)
    for groups in ("50,150,300,500", "10,40,150,300,500", "100,100,100,100,100,100,100,100,100,100"):
        for success in (50, 70, 80, 90, 95, 100):
            for error in (1, 2, 5, 10, 20):
                yield "hawkbit", f"{groups} {success}/{error}", ["-g", groups] + sets(success=success, error=error)
    for rate_, factor, step in ((1, 100, 0), (5, 100, 0), (10, 100, 0), (50, 100, 0), (1, 200, 1000), (5, 200, 1000), (50, 200, 1000)):
        for percent in (2, 5, 10, 20):
            for timeout in (1, 12, 24, 168):
                yield "aws", f"{rate_}/min x{factor / 100:g} {percent} % {timeout} h", sets(
                    rate=rate_, factor=factor, step=step, percent=percent, executed=100, timeout=timeout)
    for groups in ("50,150,800", "10,90,900", "10,40,150,300,500"):
        for step in (6, 12, 24, 48, 72):
            yield "mender", f"{groups} every {step} h", ["-g", groups] + sets(interval=step)
    for count in (1, 5, 10):
        for step in (12, 24, 48):
            for percent in (1, 2, 5, 10):
                if count > 1 or step == 24:
                    yield "azure", f"{count} groups every {step} h, {percent} %", sets(
                        count=count, interval=step, percent=percent, failed=10)


MATRIX = ("reported 2 %", "reported 5 %", "silent 5 %", "late 5 %", "cellular modem, half", "one cell of 1.5 %", "brick",
          "silent 5 %, outage")


def frontier(lab):
    """Harm against time to 90 % of the fleet, for every setting of every policy."""
    jobs = []
    for policy, label, options in settings():
        options = ["--policy", policy] + options
        jobs.append((policy, label, {name: lab.start(options + DEFECTS[name], 40, 401) for name in ("good",) + MATRIX}))
    rows = [["policy", "setting", "T90 h", "false halts %"] + list(MATRIX)]
    points = {name: [] for name in MATRIX}
    for policy, label, results in jobs:
        r = {name: job.result() for name, job in results.items()}
        good = r["good"]
        t90 = good["t90_p50"]
        rows.append([policy, label, hours(t90), f"{100 * (good['halted'] + good['held']) / good['runs']:.0f}"]
                    + [f"{r[name]['harm_mean']:.1f}" for name in MATRIX])
        for name in MATRIX:
            if math.isfinite(t90):
                points[name].append((policy, t90, max(0.5, r[name]["harm_mean"])))
    return rows, {f"frontier-{name.split()[0]}-{i}": svg.scatter(f"{name}: devices harmed against hours to 90 % of a good release", points[name])
                  for i, name in enumerate(MATRIX)}


def matrix(rows):
    """From the frontier: our K against the best setting of any peer that is at least as fast."""
    def number(text):
        return math.inf if text == "never" else float(text)
    out = [["K", "T90 h", "defect", "ours", "best peer as fast", "its setting", "times less"]]
    peers = [r for r in rows[1:] if r[0] != "slipway" and float(r[3]) <= 5]
    for ours in (r for r in rows[1:] if r[0] == "slipway"):
        if not math.isfinite(number(ours[2])):
            continue
        for i, name in enumerate(MATRIX):
            fast = [p for p in peers if number(p[2]) <= number(ours[2]) * 1.05 + 0.5]
            if not fast:
                continue
            best = min(fast, key=lambda p: float(p[4 + i]))
            factor = float(best[4 + i]) / max(0.05, float(ours[4 + i]))
            out.append([ours[1][2:], ours[2], name, ours[4 + i], best[4 + i], f"{best[0]} {best[1]}", f"{factor:.1f}"])
    return out


def wrong(lab):
    """The background is not what we believe."""
    cases = [("as believed", 100), ("we believe half of it", 50), ("we believe twice of it", 200)]
    jobs = [(text, name, lab.start(sets(k=200, assumed=assumed) + DEFECTS[name], 400, 501))
            for text, assumed in cases for name in ("good", "reported 5 %", "silent 5 %", "late 5 %")]
    rows = [["background", "release", "runs", "halted or held %", "harmed, mean", "harmed, p99", "> K %", "T90 h"]]
    for text, name, job in jobs:
        r = job.result()
        rows.append([text, name, r["runs"], rate(r["runs"] - r["unstopped"] - r["stalled"], r["runs"]), f"{r['harm_mean']:.1f}",
                     f"{r['harm_p99']:.0f}", f"{100 * r['over_k'] / r['runs']:.1f}", hours(r["t90_p50"])])
    return rows


def ablation(lab):
    """What each part is good for."""
    cases = [("as it is", []), ("no control arm", sets(control=0)), ("first wave stratified", sets(stratified=1)),
             ("late failures not insured", sets(late=0)), ("tolerance 1.25", sets(tolerance=1250)), ("tolerance 2", sets(tolerance=2000)),
             ("floor 2 %", sets(floor=20000)), ("floor 5 %", sets(floor=50000))]
    names = ("silent 5 %", "late 5 %", "one cell of 1.5 %")
    jobs = [(text, lab.start(sets(k=200) + options, 400, 601), lab.start(sets(k=200) + options + ["--outage"], 400, 601),
             [lab.start(sets(k=200) + options + DEFECTS[name], 200, 601) for name in names]) for text, options in cases]
    rows = [["K=200", "T90 h", "false stops %", "in an outage %"] + [f"{n}: harmed" for n in names]]
    for text, good, outage, others in jobs:
        g, o = good.result(), outage.result()
        rows.append([text, hours(g["t90_p50"]), rate(g["runs"] - g["unstopped"] - g["stalled"], g["runs"]),
                     rate(o["runs"] - o["unstopped"] - o["stalled"], o["runs"])] + [f"{j.result()['harm_mean']:.1f}" for j in others])
    return rows


def million(lab):
    """A million devices."""
    names = ("good", "silent 5 %", "one cell of 1.5 %", "brick")
    size = 1000000 if lab.percent >= 20 else 100000
    jobs = [(name, lab.start(sets(k=400) + DEFECTS[name] + ["--devices", str(size)], 5, 701)) for name in names]
    rows = [["release", "devices", "runs", "harmed, mean", "T90 h", "seconds per run"]]
    for name, job in jobs:
        r = job.result()
        rows.append([name, size, r["runs"], f"{r['harm_mean']:.1f}", hours(r["t90_p50"]), f"{r['seconds_per_run']:.1f}"])
    return rows


STUDIES = {"alarms": alarms, "promise": promise, "power": power, "frontier": frontier, "wrong": wrong, "ablation": ablation,
           "million": million}


def write(out, name, rows):
    (out / f"{name}.tsv").write_text("".join("\t".join(str(c) for c in row) + "\n" for row in rows))
    print(f"{name}: {len(rows) - 1} rows", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--runs-percent", type=int, default=100)
    parser.add_argument("studies", nargs="*")
    args = parser.parse_intermixed_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lab = Lab(args.build, args.runs_percent)
    for name in args.studies or STUDIES:
        rows = STUDIES[name](lab)
        if isinstance(rows, tuple):
            rows, pictures = rows
            for file, text in pictures.items():
                (args.out / f"{file}.svg").write_text(text)
            write(args.out, "matrix", matrix(rows))
        write(args.out, name, rows)


if __name__ == "__main__":
    main()
