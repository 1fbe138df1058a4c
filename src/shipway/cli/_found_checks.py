"""What `contract splits` and `contract personal` found: lines, evidence when it is about a snapshot, the exit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from shipway.cli._asked_table import AskedTable
from shipway.cli._output import Output
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import Json
    from shipway.kernel.check import Check


def tell(
    settings: Settings, out: Output, checks: Sequence[Check], about: AskedTable, document: Mapping[str, Json]
) -> tuple[dict[str, Json], str]:
    """Says the checks, keeps them when they are about a snapshot; the whole document, and the next command."""
    from shipway.cli._verdicts import render_check

    for place, check in enumerate(checks):
        out.say(("  " if place else "") + render_check(check))
    evidence = _keep(settings, checks, about, document) if about.snapshot else None
    found: dict[str, Json] = {**document, "evidence": evidence, "checks": [check.to_json() for check in checks]}
    asked = f"shipway plan   (asked for in the policy by `{checks[0].name}: pass`)"
    return found, asked if evidence else "shipway init"


def leave(checks: Sequence[Check]) -> None:
    """Exits 1 when a check fails, 2 when one decides nothing."""
    from shipway.kernel.check import Verdict

    if checks[0].verdict is not Verdict.PASS:
        raise click.exceptions.Exit(1 if checks[0].verdict is Verdict.FAIL else 2)


def _keep(settings: Settings, checks: Sequence[Check], about: AskedTable, asked: Mapping[str, Json]) -> str:
    from shipway.operate import attest_check
    from shipway.release import Component

    assert about.snapshot is not None
    more: dict[str, Json] = {"asked": {**asked}, "checks": [check.to_json() for check in checks[1:]]}
    hands = Project(settings).hands
    return attest_check(hands, Component("data", about.name, about.snapshot), checks[0], more).envelope
