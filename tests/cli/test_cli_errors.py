"""What a user does wrong, or the machine: one clear error of at most six lines, the right exit code, nothing lost."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cli_project import Done, Project, points

pytest_plugins = ["cli_fixtures"]


def error_of(project: Project, *words: str, code: int = 1) -> Done:
    """The command's error, with --json; without it the text is the same and stdout is empty."""
    done = project.cli(*words, "--json")
    assert done.code == code
    assert done.document["kind"] == "error"
    assert shown(done)[0] == f"error: {done.document['error']['what']}"
    plain = project.cli(*words)
    assert (plain.code, plain.out) == (code, "")
    assert shown(plain) == shown(done)
    return done


def shown(done: Done) -> list[str]:
    """The lines of the error, without the progress before it."""
    lines = done.err.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("error: "))
    assert 2 <= len(lines) - start <= 6, done.err
    assert "Traceback" not in done.err
    return lines[start:]


def test_a_missing_spec(project: Project) -> None:
    (project.root / "shipway.yaml").unlink()
    assert "no shipway.yaml here" in error_of(project, "run").document["error"]["what"]


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        ("project: points", "project: [points", "2:1", ""),
        ("models:", "modles:", "14:1", "modles"),
        ("    key: point\n", "    key: point\n    tyme: day\n", "18:5", "tyme"),
        ("approvals: 1", "approvals: many", "28:16", "many"),
        ("at least 0.6 at 95%", "about 0.6", "27:10", "about 0.6"),
        ("between: [-10, 10]", "between: [10, -10]", "10:", ""),
    ],
)
def test_a_malformed_spec_is_told_by_line_and_column(project: Project, old: str, new: str, place: str, what: str) -> None:
    project.edit(old, new)
    error = error_of(project, "run").document["error"]
    assert error["code"] == "spec.malformed"
    assert error["where"].startswith(f"shipway.yaml:{place}")
    assert what in error["what"]


def test_a_parquet_file_cut_short_is_named_and_the_ref_stays(project: Project) -> None:
    before = project.ask("log")["refs"]
    file = project.root / "points" / "2.parquet"
    file.write_bytes(file.read_bytes()[:-700])
    for words in (("run",), ("data", "snapshot")):
        error = error_of(project, *words).document["error"]
        assert error["code"] == "data.unreadable"
        assert "2.parquet is not a whole Parquet file" in error["what"]
        assert error["where"] == str(file)
    assert project.ask("log")["refs"] == before


def test_a_contract_violation_names_rule_rows_and_three_samples_and_exits_1(project: Project) -> None:
    project.edit("between: [-10, 10]", "between: [-2, 10]")
    low = points().with_row_index().filter(pl.col("x") < -2)
    done = project.cli("check")
    assert done.code == 1
    rows = [f"row {row['index']}: {row['x']}" for row in low.head(3).iter_rows(named=True)]
    assert f"{low.height} " in done.out
    assert ", ".join(rows) in done.out
    assert f"row {low['index'][3]}" not in done.out
    document = project.cli("check", "--json")
    assert document.code == 1
    (contract,) = [check for check in document.document["checks"] if check["name"] == "contract"]
    assert (contract["verdict"], contract["n"]) == ("fail", 600)
    refused = project.cli("apply", "--json")
    assert refused.code == 1
    assert "contract of data/points" in str(refused.document["error"])


def test_a_gate_that_cannot_decide_exits_2(project: Project) -> None:
    project.edit("at least 0.6 at 95%", "at least 0.7 at 95%")
    assert project.cli("approve").code == 0
    error = error_of(project, "apply", code=2).document["error"]
    assert error["code"] == "gate.refused"
    assert "auc: inconclusive" in error["what"]


def test_a_step_that_raises_is_told_by_the_users_file_and_line(project: Project) -> None:
    project.edit('return seen.filter(pl.col("day").dt.day() > 6)', 'return seen.filter(pl.col("dya") > 6)', file="steps.py")
    number = next(n for n, line in enumerate((project.root / "steps.py").read_text().splitlines(), 1) if "dya" in line)
    error = error_of(project, "run").document["error"]
    assert error["code"] == "environment.step-failed"
    assert error["where"] == f'steps.py:{number} in reference: return seen.filter(pl.col("dya") > 6)'
    assert f"steps.py:{number}" in error["mend"]


def test_a_pipeline_that_is_no_python_is_told_by_its_line(project: Project) -> None:
    project.edit("def train(seen", "def train(seen:::", file="steps.py")
    error = error_of(project, "run").document["error"]
    assert error["code"] == "pipeline.malformed"
    assert error["where"].startswith("steps.py:")


def test_a_missing_lock_says_how_to_make_it(project: Project) -> None:
    (project.root / "requirements.lock").unlink()
    assert error_of(project, "run").document["error"]["mend"] == "make it with: shipway lock"


def test_a_key_file_that_is_something_else_is_left_alone(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "other keys"
    folder.mkdir()
    (folder / "signing.pem").write_text("not a key")
    project.more["SHIPWAY_KEYS"] = str(folder)
    assert error_of(project, "approve").document["error"]["code"] == "access.key-missing"
    assert (folder / "signing.pem").read_text() == "not a key"


# no room


def fill(project: Project) -> None:
    """A day of data that comes to three megabytes, which no codec makes smaller."""
    noise = pl.DataFrame({"x": np.random.default_rng(1).normal(size=400_000)})
    noise.write_parquet(project.root / "points" / "3.parquet", compression="uncompressed")


def whole(project: Project, refs: object) -> None:
    """Nothing is lost, nothing half-made is left, and it works again when there is room."""
    assert project.ask("log")["refs"] == refs
    assert not project.damaged_objects()
    assert not list((project.root / ".shipway" / "objects").glob("tmp-*"))


@pytest.mark.parametrize("words", [("data", "snapshot"), ("run",)])
def test_a_file_that_the_system_refuses_to_write_further_is_a_full_store(project: Project, words: tuple[str, ...]) -> None:
    refs = project.ask("log")["refs"]
    fill(project)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        error = error_of(project, *words).document["error"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (error["code"], error["retry"]) == ("store.full", True)
    whole(project, refs)
    assert project.cli("data", "snapshot").code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False)
    if os.getuid() != 0 or mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def move_store(project: Project, disk: Path) -> None:
    """The project's store on another disk than its data."""
    store = project.root / ".shipway"
    shutil.move(store, disk / "store")
    store.symlink_to(disk / "store")


def occupy(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(4096))


def test_a_full_disk_is_one_clear_error_and_loses_nothing(released: Project, small_disk: Path, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    move_store(project, small_disk)
    refs = project.ask("log")["refs"]
    fill(project)
    assert error_of(project, "run").document["error"]["code"] == "store.full"
    whole(project, refs)


@pytest.mark.parametrize("words", [("approve",), ("run",), ("apply",)])
def test_a_disk_without_room_for_the_catalogue_says_the_same(
    released: Project, small_disk: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    project = released.copy(tmp_path / "project")
    move_store(project, small_disk)
    refs = project.ask("log")["refs"]
    project.edit("strength: 1.0", "strength: 2.0")
    filler = small_disk / "filler"
    occupy(filler)
    assert error_of(project, *words).document["error"]["code"] == "store.full"
    filler.unlink()
    whole(project, refs)
    assert project.cli("approve").code == 0
    assert project.cli("apply").code == 0


def test_a_share_of_more_than_all_is_a_mistake_in_the_command_line(project: Project) -> None:
    done = project.cli("plan", "--arm", "candidate=120%", "--json")
    error = done.document["error"]
    assert (done.code, error["code"]) == (64, "cli.misused")
    assert "'candidate=120%' is no arm: '120%' is more than 100 %" in error["what"]
