"""The face of the command line: the table, --json everywhere, exit codes, and what it says to a slip of the finger."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from cli_project import REF, SHIPWAY, Done, Project

from shipway import __version__
from shipway.cli._commands import group
from shipway.cli._table import COMMANDS

pytest_plugins = ["cli_fixtures"]


def shipway(*words: str, folder: Path | None = None) -> Done:
    """A command outside any project."""
    done = subprocess.run([SHIPWAY, *words], cwd=folder or "/", capture_output=True, text=True, check=False, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def load(name: str) -> click.Command:
    command = importlib.import_module(f"shipway.cli.{COMMANDS[name].module}").command
    assert isinstance(command, click.Command)
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_table_is_the_first_sentence_of_the_command(name: str) -> None:
    command = load(name)
    assert command.name == name
    first = " ".join((command.help or "").split("\n\n")[0].split())
    assert first.split(". ")[0].rstrip(".") == COMMANDS[name].help.rstrip(".")


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from leaves(below, f"{name} {word}")
    else:
        yield name, command


ALL = [leaf for name in COMMANDS for leaf in leaves(load(name), name)]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_takes_json_and_says_what_its_options_do(name: str, command: click.Command) -> None:
    options = {word: parameter for parameter in command.params for word in parameter.opts}
    assert "--json" in options, name
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))


def test_help_shows_every_command_with_its_line_the_daily_ones_first() -> None:
    out = shipway("--help").out
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []
    assert out.index("Every day") < out.index("\n  apply ") < out.index("By noun") < out.index("\n  data ")


def test_help_imports_no_command() -> None:
    script = "import atexit, sys; sys.argv = ['shipway', '--help']; from shipway.cli import main; "
    script += "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    done = subprocess.run([Path(SHIPWAY).with_name("python"), "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {f"shipway.cli.{entry.module}" for entry in COMMANDS.values()}.isdisjoint(loaded)
    assert {"numpy", "polars", "sqlalchemy", "cryptography", "yaml"}.isdisjoint(loaded)


def test_the_version() -> None:
    assert shipway("--version") == Done(0, f"shipway {__version__}\n", "")


@pytest.mark.parametrize(
    ("typed", "meant"), [("relaese", "release"), ("Apply", "apply"), ("roll-back", "rollback"), ("statsu", None), ("x", None)]
)
def test_an_unknown_command_suggests_the_nearest(typed: str, meant: str | None) -> None:
    done = shipway(typed)
    assert (done.code, done.out) == (64, "")
    assert f"There is no command {typed!r}." in done.err
    assert ("Did you mean" in done.err) is (meant is not None)
    if meant:
        assert f"Did you mean {meant}?" in done.err
    assert len(done.err.splitlines()) <= 6


@pytest.mark.parametrize(
    "words",
    [
        ("log", "--frobnicate"),
        ("--frobnicate",),
        ("log", "-n", "many"),
        ("log", "a", "b"),
        ("rebuild", "x"),
        ("check", "--days", "september"),
        ("data", "snapshto"),
    ],
)
def test_a_wrong_option_or_argument_is_usage(words: tuple[str, ...]) -> None:
    done = shipway(*words, "--json")
    assert done.code == 64
    assert len(done.err.splitlines()) <= 6
    assert "Traceback" not in done.err
    assert done.document["kind"] == "error"
    assert done.document["error"]["code"] == "cli.misused"
    assert shipway(*words).out == ""


def test_outside_a_project_a_command_says_how_to_start_one(tmp_path: Path) -> None:
    done = shipway("log", "--json", folder=tmp_path)
    assert done.code == 1
    assert done.document == {
        "kind": "error",
        "version": 1,
        "error": {
            "code": "spec.missing",
            "what": "no shipway.yaml here or in any folder above",
            "where": str(tmp_path),
            "mend": "shipway init",
            "retry": False,
        },
    }
    assert done.err.splitlines()[0] == "error: no shipway.yaml here or in any folder above"


def test_a_command_works_in_the_folder_that_c_names_and_in_those_below(released: Project) -> None:
    refs = released.ask("log")
    done = shipway("-C", str(released.root / "points"), "log", "--json")
    assert json.loads(done.out) == refs


def test_an_error_without_words_of_ours_is_short_too(project: Project) -> None:
    kept = project.root / ".shipway"
    kept.rename(project.root / "kept")
    kept.symlink_to(kept)  # a link that leads to itself: nothing of ours has words for it
    done = project.cli("log", "--json")
    assert done.code == 1
    assert done.document["error"]["code"] == "cli.unexpected"
    assert len(done.err.splitlines()) <= 6
    assert "Traceback" not in done.err
    debugged = project.cli("--debug", "log")
    assert debugged.code == 1
    assert "Traceback" in debugged.err


def test_ctrl_c_ends_with_130(project: Project) -> None:
    assert group.name == "group"
    child = project.start("run", "--again")
    assert child.stderr is not None
    while "stamp" not in child.stderr.readline():
        pass
    child.send_signal(2)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"


def test_log_of_a_ref_that_never_was_is_an_error(released: Project) -> None:
    done = released.cli("log", "deploy/nothing@prod", "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "store.ref-missing")
    assert "deploy/nothing@prod" in done.document["error"]["what"]


def test_log_without_a_ref_shows_where_every_ref_is(released: Project) -> None:
    names = [entry["ref"] for entry in released.ask("log")["refs"]]
    assert names == ["data/points", "model/above", "release/line"]
    said = released.cli("log")
    assert [line.split()[1] for line in said.out.splitlines()[:-1]] == names
    assert said.last.startswith("next: shipway ")


def test_log_shows_refused_moves_with_what_was_missing(project: Project) -> None:
    assert project.cli("apply", "--why", "too early").code == 1
    history = project.ask("log", REF)["history"]
    assert [(r["outcome"], r["who"], r["why"], r["missing"]) for r in history] == [
        ("refused", project.who, "too early", ["approval: 0 of 1"])
    ]
    assert "missing: approval: 0 of 1" in project.cli("log", REF).out


@pytest.mark.parametrize("typed", [(), ("line",), ("line@prod",), ("deploy/line@prod",)])
def test_a_deployment_has_a_short_name(released: Project, typed: tuple[str, ...]) -> None:
    assert released.ask("plan", *typed)["ref"] == REF


def test_an_unknown_deployment_is_named_with_the_nearest(released: Project) -> None:
    done = released.cli("plan", "lime", "--json")
    assert (done.code, done.document["error"]["code"]) == (1, "cli.deployment-unknown")
    assert done.document["error"]["mend"] == "did you mean line@prod?"


def test_a_release_is_found_by_its_first_digits_or_a_ref(released: Project) -> None:
    whole = released.ask("log", "release/line")["history"][0]["to"]
    for typed in (whole, whole[7:19], whole[:19], "release/line"):
        assert released.ask("plan", "--release", typed)["release"] == whole
    for typed, why in (("abc", "too short"), ("0123456789ab", "0 releases begin with")):
        done = released.cli("plan", "--release", typed, "--json")
        assert (done.code, done.document["error"]["code"]) == (1, "cli.release-unknown")
        assert why in done.document["error"]["what"]


def test_reading_and_writing_import_no_catalogue_and_no_tables(released: Project) -> None:
    """What people type all day starts fast: no SQLAlchemy for rows, no Polars to compare files, no keys where none sign."""
    heavy = {"sqlalchemy", "alembic", "polars", "numpy"}
    for words, absent in (
        (("log",), heavy),
        (("log", "release/line"), heavy),
        (("data", "status"), {*heavy, "cryptography", "shipway.gate", "shipway.pipeline"}),
        (("data", "snapshot"), heavy),
        (("data", "checkout"), {*heavy, "cryptography", "shipway.gate", "shipway.pipeline"}),
    ):
        done = released.cli(*words, environ={"PYTHONPROFILEIMPORTTIME": "1"})
        loaded = {line.split("|")[-1].strip() for line in done.err.splitlines() if line.startswith("import time:")}
        assert done.code == 0
        assert "shipway.cli" in loaded
        assert absent.isdisjoint(loaded), words


def test_data_status_exits_1_when_a_file_changed(project: Project) -> None:
    assert project.cli("data", "status").code == 0
    file = project.root / "points" / "1.parquet"
    file.write_bytes((project.root / "points" / "2.parquet").read_bytes())
    (project.root / "points" / "3.parquet").write_bytes(file.read_bytes())
    done = project.cli("data", "status", "--json")
    assert done.code == 1
    (row,) = done.document["data"]
    assert (row["changed"], row["added"], row["removed"]) == (["1.parquet"], ["3.parquet"], [])
    said = project.cli("data", "status")
    assert said.last == "next: shipway data snapshot"
    assert "1 changed" in said.out


def test_a_data_set_that_is_not_in_the_spec_is_named_with_the_nearest(released: Project) -> None:
    done = released.cli("data", "status", "pionts", "--json")
    assert (done.code, done.document["error"]["mend"]) == (1, "did you mean points?")
