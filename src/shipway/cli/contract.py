"""`shipway contract`: tables against what is promised of them, without a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from shipway.cli._group import LazyGroup
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.data.great_expectations import ResultFormat
    from shipway.kernel.canonical import JsonObject

_FORMATS = ("BOOLEAN_ONLY", "BASIC", "SUMMARY", "COMPLETE")


command = LazyGroup(
    {"infer": "contract_infer", "personal": "contract_personal", "splits": "contract_splits"},
    name="contract",
    help="Contracts of tables: propose one, check a suite, splits, personal data.",
)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--suite", required=True, metavar="SUITE", type=click.Path(path_type=Path), help="The JSON of an expectation suite."
)
@click.option(
    "--engine",
    default="shipway",
    metavar="WHO",
    type=click.Choice(["shipway", "gx"]),
    help="Who judges: Shipway, or your own Great Expectations.",
)
@click.option("--python", default=None, metavar="PYTHON", help="With `--engine gx`: the interpreter that has it; this one.")
@click.option(
    "--result-format",
    "form",
    default="SUMMARY",
    metavar="FORMAT",
    type=click.Choice(_FORMATS),
    help="How much a result says, in Great Expectations' words; SUMMARY.",
)
@json_option
@click.pass_obj
def check(settings: Settings, file: Path, suite: Path, engine: str, python: str | None, form: str, as_json: bool) -> None:
    """Judge the rows of FILE by a suite of Great Expectations. Needs no project. Exits 1 when an expectation is not met."""
    from shipway.data import load_file
    from shipway.data.great_expectations import measure_suite, parse_suite, run_suite

    if python and engine != "gx":
        raise Misused("--python goes with --engine gx", mend="--engine gx --python PATH")
    out, table = Output(as_json), settings.directory / file
    asked, length = parse_suite(_text(settings.directory / suite), path=str(suite)), cast("ResultFormat", form)
    if engine == "gx":
        found = run_suite(asked, table, python=python or sys.executable, result_format=length)
    else:
        found = measure_suite(asked, load_file(table), result_format=length)
    for line in _lines(found):
        out.say(line)
    out.end("suite-result", {"engine": engine, "file": str(file), "result": found}, then="shipway run")
    if not found["success"]:
        raise click.exceptions.Exit(1)


def _text(path: Path) -> str:
    from shipway.data import SuiteMalformed

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SuiteMalformed(f"the suite cannot be read: {problem}", where=str(path), mend="--suite PATH") from problem


def _lines(found: JsonObject) -> list[str]:
    """The verdict, and each expectation that is not met."""
    from shipway.data.great_expectations import about, finding

    results = cast("list[JsonObject]", found["results"])
    failed = [one for one in results if not one["success"]]
    lines = [f"{len(results) - len(failed)} of {len(results)} expectations are met"]
    for one in failed:
        config = cast("JsonObject", one["expectation_config"])
        lines.append(f"  {config['type']} of {about(cast('JsonObject', config['kwargs']))}: {finding(one)}")
    return lines
