"""Checks, units, errors, ids."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
import uuid
from datetime import UTC, datetime

import pytest

import shipway.kernel
from shipway.kernel.check import Check, CheckMalformed, Verdict, worst
from shipway.kernel.clock import RandomIds, instant, parse_instant
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import UnitMalformed, parse_duration, parse_share


@pytest.mark.parametrize("module", [name for _, name, _ in pkgutil.iter_modules(shipway.kernel.__path__)])
def test_the_examples_in_the_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"shipway.kernel.{module}")).failed == 0


def test_a_check_survives_its_json() -> None:
    check = Check("auc", Verdict.PASS, 0.7, 0.6, 0.8, 0.5, 100, 0, "at least 0.5")
    assert Check.from_json(check.to_json()) == check


@pytest.mark.parametrize("record", [{}, {"name": "a", "verdict": "perhaps"}, {"name": "a", "verdict": "pass", "value": "1"}])
def test_what_is_no_check_is_refused(record: dict[str, str]) -> None:
    with pytest.raises(CheckMalformed):
        Check.from_json(record)


def test_fail_counts_before_inconclusive_before_pass() -> None:
    assert worst([Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS]) is Verdict.FAIL
    assert worst([]) is Verdict.PASS


@pytest.mark.parametrize("text", ["", "5", "5 parsecs", "-1d", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UnitMalformed):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "0.95", "101%", "-1%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UnitMalformed, match="more than 100 %" if text == "101%" else "is not a share"):
        parse_share(text)


def test_ids_sort_by_the_time_they_were_made() -> None:
    import time

    ids, made = RandomIds(), []
    for _ in range(5):
        made.append(ids.new())
        time.sleep(0.002)
    assert made == sorted(set(made))


def test_ids_are_uuids_of_version_7_and_no_two_processes_have_the_same() -> None:
    ids = RandomIds()
    made = [ids.new() for _ in range(1000)]
    forked = """
import os
from shipway.kernel.clock import RandomIds
RandomIds().new()
child = os.fork()
os.write(1, RandomIds().new()[12:].encode() + b"\\n")  # at once: unbuffered, two processes' prints mix
if child:
    os.waitpid(child, 0)
"""
    said = subprocess.run([sys.executable, "-c", forked], capture_output=True, text=True, check=True).stdout.split()
    assert len({*made, *said}) == 1002
    for id in made:
        assert (uuid.UUID(id).version, uuid.UUID(id).variant, uuid.UUID(id).hex) == (7, uuid.RFC_4122, id)


def test_an_instant_survives_its_text() -> None:
    moment = datetime(2013, 2, 1, 5, 15, 0, 123456, tzinfo=UTC)
    assert parse_instant(instant(moment)) == moment


def test_an_error_says_what_where_and_how_to_mend_in_at_most_six_lines() -> None:
    text = ShipwayError("no such thing", where="shipway.yaml:3:1", mend="write it").render()
    assert text.splitlines() == [
        "error: no such thing",
        "  where: shipway.yaml:3:1",
        "  mend:  write it",
        "  code:  shipway.error",
    ]
