"""`shipway contract`: tables against what is promised of them, without a project."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from shipway.cli._group import LazyGroup
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import Json, JsonObject


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
    help="How much a result says: Great Expectations' word or its object; SUMMARY.",
)
@click.option(
    "--parameter", "given", multiple=True, metavar="NAME=VALUE", help="A value for the suite's `$PARAMETER` of this name."
)
@click.option("--table", "others", multiple=True, metavar="NAME=FILE", help="Another table, that the suite names.")
@json_option
@click.pass_obj
def check(
    settings: Settings,
    file: Path,
    suite: Path,
    engine: str,
    python: str | None,
    form: str,
    given: tuple[str, ...],
    others: tuple[str, ...],
    as_json: bool,
) -> None:
    """Judge the rows of FILE by a suite of Great Expectations. Needs no project. Exits 1 when an expectation is not met."""
    from shipway.data import load_file
    from shipway.data.great_expectations import measure_suite, parse_form, parse_suite, run_suite

    if python and engine != "gx":
        raise Misused("--python goes with --engine gx", mend="--engine gx --python PATH")
    if others and engine == "gx":
        raise Misused("--table goes without --engine gx", mend="leave it out")
    out, table = Output(as_json), settings.directory / file
    parameters = {name: _value(text) for name, text in _pairs(given, "--parameter")}
    asked, length = parse_suite(_text(settings.directory / suite), path=str(suite), parameters=parameters), parse_form(form)
    if engine == "gx":
        found = run_suite(asked, table, python=python or sys.executable, form=length)
    else:
        tables = {name: load_file(settings.directory / text) for name, text in _pairs(others, "--table")}
        found = measure_suite(asked, load_file(table), form=length, tables=tables)
    for line in _lines(found):
        out.say(line)
    out.end("suite-result", {"engine": engine, "file": str(file), "result": found}, then="shipway run")
    if not found["success"]:
        raise click.exceptions.Exit(1)


def _pairs(given: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """NAME=TEXT of an option that may come often; Misused for one without a name."""
    found = [text.partition("=") for text in given]
    if odd := [text for text, (name, sign, _) in zip(given, found, strict=True) if not name or not sign]:
        raise Misused(f"{option} {odd[0]} has no name", mend=f"{option} NAME=VALUE")
    return [(name, value) for name, _, value in found]


def _value(text: str) -> Json:
    """JSON where it is, otherwise the text itself."""
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


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
