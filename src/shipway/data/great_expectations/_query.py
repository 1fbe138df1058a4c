"""SQL that looks for unexpected rows: asked of DuckDB, in a process's memory, that reads this table and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from string import Formatter
from threading import Timer
from typing import TYPE_CHECKING

import polars as pl

from shipway.data._contract_result import json_of
from shipway.data.great_expectations._asked import Ask, Asked, Found, Refused
from shipway.kernel.canonical import Json

if TYPE_CHECKING:
    import duckdb

_BATCH = "batch"
_MOST_ROWS = 200  # Great Expectations' own end of unexpected_rows
SECONDS = 600.0


def compile_query(ask: Ask) -> Asked:
    """In DuckDB's dialect, as Great Expectations asks only databases; other tables are those named beside this one."""
    if find_spec("duckdb") is None:
        ask.unsupported("without DuckDB", mend="pip install 'shipway[duckdb]'")
    if ask.get("row_condition") not in (None, ""):
        ask.unsupported("with a row_condition")
    return Asked(query=_text(ask, ask.text("unexpected_rows_query").rstrip("; \t\r\n\v\f")))


def _text(ask: Ask, query: str) -> str:
    """The query with the table in place of `{batch}`; a brace of its own is written twice."""
    parts = []
    try:
        for text, field, form, conversion in Formatter().parse(query):
            if field is not None and (field != _BATCH or form or conversion):
                ask.malformed(f"unexpected_rows_query has no parameter but {{batch}}, not {{{field}}}")
            parts.append(text + (_quoted(_BATCH) if field is not None else ""))
    except ValueError as problem:
        ask.malformed(f"unexpected_rows_query has a brace alone: {problem}")
    return "".join(parts)


def ask_query(query: str, frame: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame], *, rows: bool) -> Found:
    """How many rows the query finds, none is good; with rows the first 200 of them. Raises Refused for what DuckDB refuses."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="shipway-suite-") as folder, closing(duckdb.connect()) as base:
        _open(base, {**tables, _BATCH: frame}, Path(folder))
        clock = Timer(SECONDS, base.interrupt)
        clock.start()
        try:
            return _ask(base, query, rows=rows)
        except duckdb.InterruptException as problem:
            raise Refused(f"the query took more than {SECONDS:g} seconds") from problem
        except duckdb.Error as problem:
            raise Refused(f"DuckDB refuses the query: {str(problem).splitlines()[0]}") from problem
        finally:
            clock.cancel()


def _open(base: duckdb.DuckDBPyConnection, tables: Mapping[str, pl.LazyFrame], folder: Path) -> None:
    """Each table as a view of a file of its own; then no other file, no extension and no setting is within reach."""
    paths = {name: str(folder / f"{place}.parquet") for place, name in enumerate(tables)}
    for name, path in paths.items():
        floats = pl.selectors.float()
        tables[name].with_columns(floats.fill_nan(None)).sink_parquet(path, compression="lz4")
    listed = ", ".join(_text_literal(path) for path in paths.values())
    base.execute("SET TimeZone = 'UTC'")
    base.execute("SET autoinstall_known_extensions = false")
    base.execute(f"SET allowed_paths = [{listed}]")
    base.execute("SET enable_external_access = false")
    for name, path in paths.items():
        base.execute(f"CREATE VIEW {_quoted(name)} AS SELECT * FROM read_parquet({_text_literal(path)})")
    base.execute("SET lock_configuration = true")


def _ask(base: duckdb.DuckDBPyConnection, query: str, *, rows: bool) -> Found:
    if len(base.extract_statements(query)) != 1:
        raise Refused("the query is not one statement")
    found = base.execute(f"SELECT count(*) FROM (\n{query}\n)").fetchone()
    count = int(found[0]) if found else 0
    result: dict[str, Json] = {"observed_value": count}
    if rows:
        cursor = base.execute(f"SELECT * FROM (\n{query}\n) LIMIT {_MOST_ROWS}")
        names = [str(column[0]) for column in cursor.description or []]
        listed: list[Json] = [dict(zip(names, map(json_of, row), strict=True)) for row in cursor.fetchall()]
        result["details"] = {"unexpected_rows": listed}
    return Found(count == 0, result)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
