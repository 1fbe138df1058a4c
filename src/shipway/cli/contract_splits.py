"""`shipway contract splits`: what training and test rows must not share."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Settings

_SHARE = click.FloatRange(0, 1)


@click.command(name="splits")
@click.argument("train")
@click.argument("test")
@click.option("--target", default=None, metavar="COLUMN", help="What is predicted: its balance, and columns that give it away.")
@click.option("--key", default="", metavar="COLUMNS", help="Columns that name a row, `id` or `day,station`.")
@click.option("--time", default=None, metavar="COLUMN", help="When it was: training ends before the test begins.")
@click.option("--overlap", default=0.0, type=_SHARE, metavar="SHARE", help="Of test rows that may be in training; 0.")
@click.option(
    "--repeated", default=0.01, type=_SHARE, metavar="SHARE", help="Of rows that may repeat one of their split; 0.01."
)
@click.option(
    "--leak", default=0.95, type=_SHARE, metavar="AUC", help="From which on a column alone gives the target away; 0.95."
)
@click.option("--shift", default=0.05, type=_SHARE, metavar="SHARE", help="By which the label's share may differ; 0.05.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    train: str,
    test: str,
    target: str | None,
    key: str,
    time: str | None,
    overlap: float,
    repeated: float,
    leak: float,
    shift: float,
    as_json: bool,
) -> None:
    """Check two splits: rows and keys in both, repeated rows, order of time, balance, columns that give the target away.

    TRAIN and TEST are files, or NAME, NAME~1, RELEASE:NAME or a digest of snapshots. Two files need no project. What is found
    of a snapshot TEST is kept as evidence. Exits 1 when a check fails, 2 when one decides nothing.
    """
    from shipway.cli._asked_table import open_table
    from shipway.cli._found_checks import leave, tell
    from shipway.data import SplitsAsked, measure_splits

    one, other = open_table(settings, train), open_table(settings, test)
    names = tuple(part.strip() for part in key.split(",") if part.strip())
    asked = SplitsAsked(target, names, time, overlap=overlap, repeated=repeated, leak=leak, shift=shift)
    checks = measure_splits(one.frame, other.frame, asked)
    document = {
        "train": one.snapshot or train,
        "test": other.snapshot or test,
        "target": target,
        "key": list(names),
        "time": time,
    }
    out = Output(as_json)
    found, then = tell(settings, out, checks, other, document)
    out.end("splits", found, then=then)
    leave(checks)
