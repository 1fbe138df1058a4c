"""A disk that fills up while a table, a leaf, a verdict or an outcome is written: afterwards everything is as if it had not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from monitor_logs import NOW, REF, log_outcomes, log_predictions, make_days, new_store, reference_frame, time_column

from shipway.data import reference_profile
from shipway.kernel.units import Seconds
from shipway.monitor import GAP, OutcomeLog, compact_logs, load_alerts, load_verdicts, scan_outcomes, scan_predictions, watch
from shipway.spec import default_monitors
from shipway.store import LogNotWritten, StoreFull

DISK = 3 << 20  # bytes
LEFT = [0, 48, 80, 160, 448]  # KiB that are free when a turn begins
MONITORS = {name: one for name, one in default_monitors("local").items() if name != "prediction_error"}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with sealed logs of 20 days that nobody has looked at."""
    folder = tmp_path_factory.mktemp("logged")
    days = make_days(3, days=20, rows=40, shift=0.25)
    store = new_store(folder)
    log_predictions(store, days, rotate_bytes=8 << 10)
    log_outcomes(store, days)
    store.close()
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of DISK bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(ballast: Path, left: int) -> None:
    """Leaves so many KiB."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - left * 1024))


def turn(folder: Path) -> None:
    """What the control plane does again and again."""
    profile = reference_profile(
        reference_frame().drop("flight", "scheduled", "probability", "late"), score=reference_frame()["probability"].to_numpy(),
        label=reference_frame()["late"].to_numpy(),
    )  # fmt: skip
    store = new_store(folder)
    try:
        compact_logs(store, now=NOW, time_column=time_column)
        watch(
            store, REF, MONITORS, matures=Seconds(86_400.0), outcome="late", until=datetime(2014, 1, 1, tzinfo=UTC),
            attest_checks=lambda *_: None, reference=lambda _: profile,
        )  # fmt: skip
    finally:
        store.close()


def known(folder: Path) -> dict[str, Any]:
    store = new_store(folder)
    try:
        found: dict[str, Any] = {"verdicts": load_verdicts(store, REF), "alerts": load_alerts(store, REF)}
        found["leaves"] = [row.value for row in store.states("leaf")]
        found["gaps"] = [row.value for row in store.states(GAP)]
        for name, scan in (("predictions", scan_predictions), ("outcomes", scan_outcomes)):
            found[name] = scan(store).collect().sort("id").rows()
        return found
    finally:
        store.close()


def test_a_disk_that_is_full_at_any_moment_costs_nothing_once_there_is_room(logged: Path, disk: Path, tmp_path: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(logged, undisturbed)
    turn(undisturbed)
    expected = known(undisturbed)
    assert len(expected["verdicts"]) == 20
    assert expected["alerts"]
    problems = set()
    for left in LEFT:
        folder = disk / "store"
        shutil.copytree(logged, folder)
        fill(disk / "ballast", left)
        try:
            turn(folder)
        except StoreFull as problem:
            problems.add(problem.what)
        else:
            assert known(folder) == expected, "what was not done is said"
        (disk / "ballast").unlink()
        turn(folder)
        assert known(folder) == expected, left
        shutil.rmtree(folder)
    assert len(problems) == 3, "a table, an object and the catalogue met a full disk"


def test_an_outcome_that_does_not_fit_is_refused_and_one_that_is_acknowledged_is_there(disk: Path) -> None:
    store = new_store(disk / "store")
    with OutcomeLog(store) as log:
        log.record([{"id": "a:0", "name": "late", "value": 1}])
        fill(disk / "ballast", 0)
        kept = 1
        problem = None
        while problem is None and kept < 2000:
            try:
                kept += log.record([{"id": f"b{kept}:0", "name": "late", "value": 1}])
            except LogNotWritten as full:
                problem = full
        assert problem is not None
        (disk / "ballast").unlink()
        log.record([{"id": "c:0", "name": "late", "value": 0}])
    compact_logs(store, now=NOW, time_column=time_column)
    ids = scan_outcomes(store).collect()["id"].to_list()
    store.close()
    assert (ids[0], ids[-1]) == ("a:0", "c:0")
    assert len(ids) == len({*ids})
    assert len(ids) - (kept + 1) in (0, 1), "the refused one is there whole, or not at all"
