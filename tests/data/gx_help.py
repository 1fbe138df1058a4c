"""The real Great Expectations of its own environment, one process that answers many suites."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import shipway.data.great_expectations as ours

PYTHON = Path(sys.prefix) / "great-expectations" / "bin" / "python"  # made by make test: pandas is not ours
FORMATS: tuple[ours.ResultFormat, ...] = get_args(ours.ResultFormat)


class RealGx:
    """`ask` gives the results in the order of the suite; Great Expectations groups them by column."""

    def __init__(self) -> None:
        assert PYTHON.exists(), "make .venv/great-expectations/.made"
        command = [str(PYTHON), "-I", str(Path(__file__).with_name("gx_server.py")), str(Path(ours.__file__).parent)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, table: Path, suite: dict[str, Any], result_format: Any, **more: Any) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        request = {"table": str(table), "suite": suite, "result_format": result_format, **more}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        result["results"].sort(key=lambda one: one["expectation_config"]["meta"]["n"])
        return result

    def parameter(self, text: str, given: Mapping[str, Any]) -> Any:
        """What `$PARAMETER` is worth there; `error` where it has no value."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"parameter": text, "given": given}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer.get("result", "error")

    def arguments(self) -> dict[str, list[str]]:
        """The arguments of every expectation of its core."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write('{"arguments": true}\n')
        self.process.stdin.flush()
        found: dict[str, list[str]] = json.loads(self.process.stdout.readline())["result"]
        return found

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


def suite_of(*asked: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A suite of 1.x whose entries know their place; a name is without `expect_`, or with a `!` before it the whole one."""
    names = [name[1:] if name.startswith("!") else f"expect_{name}" for name, _ in asked]
    entries = [{"type": name, "kwargs": asked[n][1], "meta": {"n": n}} for n, name in enumerate(names)]
    return {"name": "generated", "expectations": entries, "meta": {}}


def plain(result: dict[str, Any]) -> dict[str, Any]:
    """A result without the order that Great Expectations leaves to a set, or to NaN, which equals nothing."""
    found = dict(result)
    if "partial_missing_list" in found:
        found["partial_missing_list"] = sorted(found["partial_missing_list"], key=str)
    if "partial_unexpected_counts" in found:
        merged: dict[str, int] = {}
        for entry in found["partial_unexpected_counts"]:
            parts = entry["value"] if isinstance(entry["value"], list) else [entry["value"]]
            key = str([_plain(part) for part in parts])
            merged[key] = merged.get(key, 0) + entry["count"]
        found["partial_unexpected_counts"] = merged
    return found


def _plain(part: Any) -> Any:
    if part == "NaT" or (isinstance(part, float) and math.isnan(part)):
        return None
    return float(part) if isinstance(part, int) else part


def same(one: Any, other: Any) -> bool:
    """Equal to the last digits of a double; pandas has NaN for null, and 1.0 for 1 beside a null."""
    if (isinstance(one, float) and math.isnan(one)) or one == "NaT":
        one = None
    if other == "NaT" or (isinstance(other, float) and math.isnan(other)):
        other = None
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | int) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


def raised(result: dict[str, Any]) -> bool:
    """exception_info is flat, or keyed by the metric that raised."""
    info = result["exception_info"]
    return bool(info.get("raised_exception", True))
