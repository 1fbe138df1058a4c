"""`shipway contract infer`: a contract from rows that are there, for a person to edit."""

from __future__ import annotations

from pathlib import Path

import click

from shipway.cli._files import FileUnusable
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Settings


@click.command(name="infer")
@click.argument("table")
@click.option("-o", "--output", "file", default=None, metavar="FILE", help="Write it there, a file that is not there yet.")
@json_option
@click.pass_obj
def command(settings: Settings, table: str, file: str | None, as_json: bool) -> None:
    """Propose a contract from the rows of TABLE, as YAML to paste under `data:` and to edit.

    TABLE is a file, or NAME, NAME~1, RELEASE:NAME or a digest of a snapshot. A file needs no project. What is proposed holds on
    these rows; the reason stands beside each line. Nothing is in force by it.
    """
    from shipway.cli._asked_table import open_table
    from shipway.data import infer_contract

    out, asked = Output(as_json), open_table(settings, table)
    found = infer_contract(asked.frame)
    if file is None:
        out.say(_pasted(asked.name if asked.snapshot else None, found.text))
        then = f"shipway contract infer {table} -o contract.yaml"
    else:
        _write(settings.directory / file, found.text)
        out.say(f"{file}: proposed from {found.rows:,} rows of {table}; edit it, then name it: contract: {file}")
        then = "shipway run"
    document = {"table": table, "snapshot": asked.snapshot, "rows": found.rows, "file": file, "text": found.text}
    out.end("contract-proposed", {**document, "contract": found.contract}, then=then)


def _pasted(name: str | None, text: str) -> str:
    """The lines as they stand under `data:`; of a file without the name and path, which are a person's to say."""
    head = f"  {name}:\n    path: ...\n    contract:" if name else "    contract:"
    return head + "\n" + "\n".join(f"      {line}" for line in text.splitlines())


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError as problem:
        mend = "name another file, or remove it"
        raise FileUnusable(f"{path.name} is there, and nothing is overwritten", where=str(path), mend=mend) from problem
    except OSError as problem:
        raise FileUnusable(f"{path.name} cannot be written: {problem.strerror}", where=str(path), mend="-o FILE") from problem
