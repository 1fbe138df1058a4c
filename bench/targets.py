"""What it costs to render for other machines, and what Ray gains where there are cores for it.

Rendering: whole commands by the wall, and `render_target` inside a process for pipelines of 125 to 1,000 steps. Ray: 20 million
rows profiled by one process and by two workers of a cluster that is up already, in turn. Median of the rounds. Writes
bench/results/render.json. SHIPWAY_BENCH_ROWS: the rows (20,000,000).
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from shipway.data import profile_snapshot, take_snapshot
from shipway.deploy import TARGETS, NothingToRender, Subject, make_subject, render_target
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.kernel.workers import Threads
from shipway.operate import open_ray
from shipway.pipeline import read_pipeline, resolve
from shipway.spec import load_spec
from shipway.store import open_store

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent / "examples"
ROUNDS, RENDERS, FILES = 3, 7, 10
ROWS = int(os.environ.get("SHIPWAY_BENCH_ROWS", "20000000"))
IMAGE = "registry.example.com/sample@sha256:" + "1f" * 32
SIZES = (125, 250, 500, 1000)
Row = dict[str, object]


def main() -> None:
    """Measure all of it, write the file, print the table."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SHIPWAY_BENCH_FOLDER")) as name:
        rows = [*projects(Path(name)), *steps(Path(name)), *profiled(Path(name))]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    rows = [{**row, "machine": machine} for row in rows]
    (HERE / "results" / "render.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print(f"{row['figure']:<80} {row['ours']} {row['unit']}  bar {row['bar']}  holds {row['holds']}")
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def projects(folder: Path) -> list[Row]:
    """`shipway render all` of both examples, as typed, one after the other."""
    roots = []
    for name in ("flights", "assistant"):
        roots.append(folder / name)
        shutil.copytree(EXAMPLES / name, roots[-1], ignore=shutil.ignore_patterns(".shipway", "__pycache__", "deploy"))
    command = [str(Path(sys.executable).with_name("shipway")), "render", "all", "--image", IMAGE]

    def run(root: Path) -> None:
        subprocess.run(command, cwd=root, check=True, capture_output=True)

    for spec in (root / "shipway.yaml" for root in roots):  # what AWS cannot do without, and an example on a laptop can
        spec.write_text(spec.read_text() + "\ntargets: {objects: s3://sample/objects, aws: {budgets: per_task}}\n")
    times = [wall(lambda: [run(root) for root in roots]) for _ in range(RENDERS + 1)][1:]
    name = "`render all` of flights, then of assistant, whole commands, before a release"
    subjects = [subject_of(root) for root in roots]
    inside = [wall(lambda: [render_all(subject) for subject in subjects]) for _ in range(RENDERS + 1)][1:]
    return [
        figure(name, "s", statistics.median(times), 2.0),
        figure("all targets of both with releases, inside a process", "s", statistics.median(inside), 2.0),
    ]


def steps(folder: Path) -> list[Row]:
    """All targets that a pipeline has, of lines of steps; linear is: the time of a step does not grow with their number."""
    each = {}
    for count in SIZES:
        subject = pipeline_of(folder / f"steps{count}", count)
        everything = partial(render_all, subject)
        each[count] = statistics.median([wall(everything) for _ in range(RENDERS + 1)][1:])
        print(f"{count} steps: {each[count]:.3f} s", file=sys.stderr)
    growth = (each[500] / 500) / (each[125] / 125)
    return [
        *(figure(f"all targets of a pipeline of {count:,} steps, inside a process", "s", each[count], None) for count in SIZES),
        figure("time of a step among 500 against among 125 (1 is linear), at most", "", growth, 1.5),
    ]


def pipeline_of(root: Path, count: int) -> Subject:
    """A project whose steps are one line, ten to a group."""
    root.mkdir()
    source = ["def s0() -> int:\n    return 0\n"]
    source += [f"def s{at}(s{at - 1}: int) -> int:\n    return s{at - 1} + 1\n" for at in range(1, count)]
    (root / "steps.py").write_text("\n\n".join(source))
    groups = "".join(f"  s{at}: {{group: g{at // 10}, retries: 1}}\n" for at in range(count))
    (root / "shipway.yaml").write_text(
        f"project: sample\npipeline: steps.py\nsteps:\n{groups}targets: {{objects: s3://sample/objects}}\n"
    )
    return subject_of(root)


def subject_of(root: Path) -> Subject:
    """The subject of the project in a folder, as if each of its applications had a release."""
    spec, graph = load_spec(root / "shipway.yaml"), None
    if spec.pipeline:
        graph = resolve(read_pipeline(root, spec.pipeline), data=spec.data, parameters=spec.parameters, options=spec.steps)
    digest = Digest("sha256:" + "2e" * 32)
    return make_subject(spec, image=IMAGE, graph=graph, plan=digest, releases=dict.fromkeys(spec.deploy, digest))


def render_all(subject: Subject) -> None:
    for word in TARGETS:
        try:
            render_target(word, subject)
        except NothingToRender:
            continue


def profiled(folder: Path) -> list[Row]:
    """20 million rows; each measurement in a process of its own, and all give the same bytes."""
    root = folder / "rows"
    root.mkdir()
    snapshot = write_rows(root)
    ways = {"one process": ("here", 1), "two threads of one process": ("here", 2), "Ray over two workers": ("ray", 2)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    digests = set()
    for _ in range(ROUNDS):
        for name, (on, count) in ways.items():
            command = [sys.executable, __file__, "--profile", str(root), snapshot, on, str(count)]
            said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            times[name].append(said["seconds"])
            digests.add(said["digest"])
            print(f"{name}: {said['seconds']:.2f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    took = {name: statistics.median(found) for name, found in times.items()}
    one, ray = took["one process"], took["Ray over two workers"]
    what = f"{ROWS:,} rows of 6 columns profiled"
    faster = {"bar": 1.6, "holds": one / ray >= 1.6}
    peer = {"peer": round(one, 2), "peer_name": "one process"}
    return [
        figure(f"{what} by Ray over two workers, the cluster being up", "s", ray, None, **peer),
        {**figure(f"{what}: Ray faster than one process, at least", "x", one / ray, None), **faster},
        figure(f"{what} by two threads of one process", "s", took["two threads of one process"], None, **peer),
        {**figure("profiles that differ among these", "", len(digests) - 1, None), "bar": 0, "holds": len(digests) == 1},
    ]


def write_rows(root: Path) -> str:
    store, data, random = open_store(root, "sample", create=True), root / "data", np.random.default_rng(1)
    data.mkdir()
    for number in range(FILES):
        rows = ROWS // FILES
        numbers = {f"value{at}": random.normal(at, 10.0**at, rows) for at in range(4)}
        columns = {**numbers, "whole": random.integers(0, 5000, rows), "word": random.choice(["EWR", "JFK", "LGA"], rows)}
        pl.DataFrame(columns).write_parquet(data / f"{number}.parquet")
    digest = take_snapshot(store, data).digest
    shutil.rmtree(data)
    return digest


def profile(root: str, snapshot: str, on: str, count: str) -> None:
    """What a process of its own does: seconds and the digest of the profile, as JSON."""
    store = open_store(Path(root), "sample")
    ray = open_ray({}, count=int(count)) if on == "ray" else nullcontext(Threads(int(count)))
    with ray as workers:
        list(workers.map(_import_all, range(4)))  # a cluster that is up has workers that have imported
        began = time.perf_counter()
        found = profile_snapshot(store, Digest(snapshot), name="sample", workers=workers)
        took = time.perf_counter() - began
    print(json.dumps({"seconds": took, "digest": digest_bytes(canonical_json(found.profile.to_json()))}))


def _import_all(part: int) -> int:
    profile_snapshot.__name__  # noqa: B018 - the name imports polars and numpy
    time.sleep(1)  # so that each worker gets some of these, and none imports while it is measured
    return part


def figure(name: str, unit: str, ours: float, bar: float | None, **peer: object) -> Row:
    """A row of the results; a bar is the most that it may be."""
    ratio = round(ours / float(str(peer["peer"])), 2) if peer else None
    row: Row = {"figure": name, "unit": unit, "ours": round(ours, 3), "peer": None, "peer_name": None, "ratio": ratio}
    return {**row, "bar": bar, "holds": bar is None or ours <= bar, **peer}


def wall(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["--profile"]:
        profile(*sys.argv[2:])
    else:
        main()
