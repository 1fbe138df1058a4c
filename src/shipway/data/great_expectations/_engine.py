"""The user's own Great Expectations: their suite runs in a process of the Python that they name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from shipway.data._errors import EngineFailed
from shipway.data.great_expectations._form import Form
from shipway.data.great_expectations._suite import Suite
from shipway.kernel.canonical import JsonObject

_SCRIPT = Path(__file__).with_name("_in_gx.py")


def run_suite(suite: Suite, table: Path, *, python: str, form: Form, seconds: float = 3600) -> JsonObject:
    """The validation result of Great Expectations itself, of a Parquet or CSV file. Raises EngineFailed.

    The process sees this environment. It gets no argument but the script: what the suite says never reaches a shell.
    """
    request = {"table": str(table.resolve()), "suite": suite.to_json(), "result_format": form.to_json()}
    try:
        done = subprocess.run(
            [python, "-I", str(_SCRIPT)],
            input=json.dumps(request) + "\n",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EngineFailed(
            f"{python} did not run: {problem}", where=python, mend="--python PATH of an interpreter"
        ) from problem
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise EngineFailed(f"Great Expectations did not run: {said}", where=python, mend="pip install great_expectations there")
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise EngineFailed(
            f"Great Expectations refused the suite: {answer['error']}", where=suite.name, mend="correct the suite"
        )
    result: JsonObject = answer["result"]
    return result
