from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import SHIPWAY

from shipway.cli._commands import group
from shipway.cli._quick import run_quickly

Called = list[tuple[tuple[str, ...], dict[str, object]]]

PLAIN = (
    "data status",
    "data status a",
    "data status a b --json",
    "data status --json a",
    "data checkout",
    "data checkout a --link hardlink",
    "data checkout --link copy a b --force --json",
    "data checkout --link copy --link auto",
    "data snapshot",
    "data snapshot b c --why why --json",
    "data snapshot --json b",
)
PARSED = (
    "data status --help",
    "data status -- a",
    "data status --js",
    "data status --json=1",
    "data checkout --link",
    "data checkout --link nothing",
    "data checkout --link=copy",
    "data checkout a --at b",
    "data checkout -h",
    "data snapshot a --branch b",
    "data snapshot a --whole",
    "data snapshot --why",
    "data snapshot --why --json",
    "data snapshot --why=b",
    "-C . data status",
    "--debug data status",
    "data",
    "",
)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Called:
    """What the three commands are asked to do, instead of doing it."""
    calls: Called = []

    def record(_settings: object, names: tuple[str, ...], **named: object) -> bool:
        calls.append((names, named))
        return "a" in names

    for name, places in {
        "check_out_data": ("data_checkout", "_checkout"),
        "tell_status": ("data", "_status"),
        "take_snapshots": ("data", "_snapshot"),
    }.items():
        for place in places:
            monkeypatch.setattr(f"shipway.cli.{place}.{name}", record)
    return calls


@pytest.mark.parametrize("line", PLAIN)
def test_plain_words_mean_without_a_parser_what_the_parser_says_they_mean(line: str, called: Called) -> None:
    quick = run_quickly(line.split())
    parsed = group.main(line.split(), standalone_mode=False)
    assert quick == (parsed or 0)
    assert len(called) == 2
    assert called[0] == called[1]


@pytest.mark.parametrize("line", PARSED)
def test_all_other_words_are_for_the_parser(line: str, called: Called) -> None:
    assert run_quickly(line.split()) is None
    assert called == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shipway.yaml").write_text("project: shop\ndata: {files: files}\n")
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a").write_text("a")
    return tmp_path


def test_a_quick_command_imports_no_parser_and_ends_like_any_other(project: Path) -> None:
    environ = {**os.environ, "SHIPWAY_KEYS": str(project / "keys")}
    subprocess.run([SHIPWAY, "data", "snapshot"], cwd=project, env=environ, capture_output=True, check=True)
    words = "import atexit, sys; sys.argv = ['shipway', 'data', 'status']; from shipway.cli import main; "
    words += "atexit.register(lambda: print({'click', 'yaml', 'msgspec'} & set(sys.modules), file=sys.stderr)); main()"
    run: Callable[[], subprocess.CompletedProcess[str]] = lambda: subprocess.run(  # noqa: E731
        [sys.executable, "-c", words], cwd=project, env=environ, capture_output=True, text=True, check=False
    )
    done = run()
    assert (done.returncode, done.stderr) == (0, "set()\n"), done.stdout
    assert done.stdout.splitlines()[-1] == "next: shipway run"
    (project / "files/b").write_text("b")
    assert run().returncode == 1
    (project / "shipway.yaml").write_text("project: shop\ndata: {files: [}\n")
    broken = run()
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "spec.malformed" in broken.stderr


def test_a_quick_command_ends_well_where_nobody_hears_its_errors(project: Path) -> None:
    environ = {**os.environ, "SHIPWAY_KEYS": str(project / "keys")}
    done = subprocess.run(
        ["bash", "-c", f"{SHIPWAY} data snapshot && {SHIPWAY} data status 2>&-"],
        cwd=project,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "next: shipway run")


def test_what_a_quick_command_cannot_write_is_a_failure(project: Path) -> None:
    """Of a full disk; the device that always is."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([SHIPWAY, "data", "status"], cwd=project, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1


def test_who_stops_listening_is_told_nothing_more(project: Path) -> None:
    words = f"{SHIPWAY} data status >&7; echo $?"
    script = f"exec 7> >(exec 0<&-; exit 0); sleep 0.3; {words}"
    done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1"
    assert "Traceback" not in done.stderr
