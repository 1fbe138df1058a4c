"""What it costs to trust a release: plan, log and verify at the size of years, and fifty who apply at once.

Whole commands are timed by the wall, median of the rounds; the raw sha256 rate is hashlib's over the same files, in turn with
ours. Writes bench/results/trust.json. SHIPWAY_BENCH_GB: the size of the release that is verified (5).
"""

import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trust_setup as setup
from race_help import PROJECT, problems, race
from store_help import new_place

from shipway.gate import ENVELOPES
from shipway.kernel.digest import Digest
from shipway.operate import golden_of
from shipway.release import Component, load_components, make_plan, policy_change, put_release

HERE = Path(__file__).resolve().parent
COMMANDS, VERIFIES, RACES, APPLICANTS = 9, 3, 10, 50
GIGABYTES = int(os.environ.get("SHIPWAY_BENCH_GB", "5"))
_CHUNK = 1 << 20
Row = dict[str, object]


def main() -> None:
    """Measure all of it, write the file, print the table."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("SHIPWAY_BENCH_FOLDER")) as name:
        _in_child(lambda: setup.fill(setup.make(Path(name) / "filled")))
        project = setup.Project(Path(name) / "filled" / "project", Path(name) / "filled" / "keys")
        rows = [*commands(project), *crowded(project), *verified(project), *raced(Path(name))]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    rows = [{**row, "machine": machine} for row in rows]
    (HERE / "results" / "trust.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print(f"{row['figure']:<70} {row['ours']} {row['unit']}  bar {row['bar']}  holds {row['holds']}")
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def _in_child(work: Callable[[], None]) -> None:
    """Filling lets fsync do nothing, which must not reach what is measured."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("the project could not be made")


def commands(project: setup.Project) -> list[Row]:
    """plan and log, as typed and, for plan, inside a process."""
    bare = [sys.executable, "-c", "pass"]
    shipway = [str(Path(sys.executable).with_name("shipway"))]
    runs: dict[str, list[tuple[float, float]]] = {"plan": [], "log": [], "bare": []}
    words = {"plan": [*shipway, "plan"], "log": [*shipway, "log", setup.LOGGED], "bare": bare}
    for _ in range(COMMANDS + 1):
        for name, command in words.items():
            runs[name].append(measured(partial(_run, project, command)))
    found = {name: statistics.median(wall for wall, _ in times[1:]) for name, times in runs.items()}
    cpu = {name: statistics.median(spent for _, spent in times[1:]) for name, times in runs.items()}
    inside = statistics.median([wall(lambda: _plan(project)) for _ in range(COMMANDS)][1:])
    size = "1,000 releases, 10,000 statements"
    peer = {"peer": round(found["bare"], 3), "peer_name": "python -c pass"}
    return [
        figure(f"`plan`, whole command, {size}", "s", found["plan"], 0.3, **peer),
        figure(f"plan inside a process, {size}", "s", inside, 0.3),
        figure("`log` over 100,000 moves, whole command", "s", found["log"], 0.2, **peer),
        figure("CPU of that `plan`, which a busy machine stretches less", "s", cpu["plan"], None),
        figure("CPU of that `log`", "s", cpu["log"], None),
    ]


def _run(project: setup.Project, command: list[str]) -> None:
    subprocess.run(command, cwd=project.root, env=project.environ, check=True, capture_output=True)


def _plan(project: setup.Project, release: Digest | None = None, *, first: bool = True) -> None:
    """first: as in a process that has opened no envelope yet."""
    if first:
        ENVELOPES.forget()
    store, spec = project.store, project.spec
    policy = policy_change(store, spec, golden=golden_of(store, spec))
    make_plan(store, project.keys, project.actor, spec, project.deploy, release=release, policy=policy)


def crowded(project: setup.Project) -> list[Row]:
    """What the page of a plan costs whose release has 10,000 statements of its own, at the first look and after it."""
    _in_child(lambda: setup.crowd(project))
    release = project.store.resolve(setup.CROWDED)
    looks = {"first look": True, "after it": False}
    times = {
        name: [wall(partial(_plan, project, release, first=first)) for _ in range(VERIFIES)] for name, first in looks.items()
    }
    what = f"plan inside a process of a release with {setup.CROWD:,} statements of its own"
    return [figure(f"{what}: {name}", "s", statistics.median(took), None) for name, took in times.items()]


def verified(project: setup.Project) -> list[Row]:
    """`verify` of a release whose data are random bytes, in turn with hashing the same files."""
    need = int((GIGABYTES + 2) * 1e9)
    if shutil.disk_usage(project.root).free < need:
        sys.exit(f"no room for {GIGABYTES} GB below {project.root}; name another folder in SHIPWAY_BENCH_FOLDER")
    release, files = _large_release(project)
    command = [str(Path(sys.executable).with_name("shipway")), "verify", release, "--json"]
    ours, raw = [], []
    for _ in range(VERIFIES + 1):
        raw.append(wall(lambda: [_hash(file) for file in files]))
        ours.append(
            wall(lambda: subprocess.run(command, cwd=project.root, env=project.environ, check=True, capture_output=True))
        )
    size = sum(file.stat().st_size for file in files) / 1e9
    rates = [size / statistics.median(times[1:]) for times in (ours, raw)]
    for file in files:
        file.unlink()
    name = f"`verify` of a {size:.1f} GB release, whole command"
    share = {"bar": 0.8, "holds": rates[0] >= 0.8 * rates[1]}
    peer = {"peer": round(rates[1], 3), "peer_name": "hashlib over the same files"}
    return [
        figure(name, "GB/s", rates[0], None, **peer),
        {**figure(f"{name}: share of the raw rate, at least", "", rates[0] / rates[1], None), **share},
    ]


def _large_release(project: setup.Project) -> tuple[str, list[Path]]:
    """The newest release with other data, and the objects of these; each file is put into the store and removed."""
    store, folder = project.store, project.root / "large"
    folder.mkdir()
    before = set(store.objects.root.glob("??/*"))
    entries = {}
    for number in range(GIGABYTES):
        file = folder / f"{number}.bin"
        with file.open("wb") as out:
            for _ in range(1000):
                out.write(os.urandom(_CHUNK * 1000 // 1024))
        entries[file.name] = file
    tree = store.put_files(entries)
    shutil.rmtree(folder)
    size = sum(entry.size for entry in store.tree(tree.digest))
    snapshot = store.put({"kind": "snapshot", "version": 1, "bytes": size, "files": GIGABYTES, "root": tree.to_json()})
    parts = load_components(store, store.resolve("release/line"))
    release = put_release(store, [Component(p.kind, p.name, snapshot if p.kind == "data" else p.digest) for p in parts])
    fresh = set(store.objects.root.glob("??/*")) - before
    return release, [path for path in fresh if path.stat().st_size > _CHUNK]


def _hash(file: Path) -> None:
    with file.open("rb") as data:
        hashlib.file_digest(data, "sha256")


def raced(folder: Path) -> list[Row]:
    """Fifty processes with a plan each for one ref, ten times, over both catalogues; everybody writes an approval as well."""
    found = []
    for kind, name in (("sqlite", "SQLite"), ("postgres", "PostgreSQL")):
        with new_place(kind, folder / kind) as place:
            rounds = race(place.root, place.url, applicants=APPLICANTS, rounds=RACES)
            wrong = problems(place.open(PROJECT), rounds, applicants=APPLICANTS)
        single = sum(len(one.won) == 1 for one in rounds)
        what = f"{APPLICANTS} who apply at once, {name}"
        took = statistics.median(one.seconds for one in rounds)
        exact = {"bar": RACES, "holds": single == RACES}
        none = {"bar": 0, "holds": not wrong}
        found += [
            {**figure(f"{what}: rounds of {RACES} with one winner", "", single, None), **exact},
            {**figure(f"{what}: records lost or wrong", "", len(wrong), None), **none},
            figure(f"{what}: until all have their answer", "s", took, None),
        ]
        for line in wrong:
            print(line, file=sys.stderr)
    return found


def figure(name: str, unit: str, ours: float, bar: float | None, **peer: object) -> Row:
    """A row of the results; a bar is the most that it may be."""
    ratio = round(ours / float(str(peer["peer"])), 2) if peer else None
    row: Row = {"figure": name, "unit": unit, "ours": round(ours, 3), "peer": None, "peer_name": None, "ratio": ratio}
    return {**row, "bar": bar, "holds": bar is None or ours <= bar, **peer}


def measured(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the wall, and CPU seconds of the processes that were waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = wall(run)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def wall(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
