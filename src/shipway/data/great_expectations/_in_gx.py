"""Runs suites in an installed Great Expectations: `PYTHON _in_gx.py < requests > results`, one JSON document a line each way.

The only file here that the other interpreter reads: the standard library and Great Expectations, nothing of ours. Each
request is {"table", "suite", "result_format"}: a Parquet or CSV file, a suite of 1.x; the answer is its validation result.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import Any


def run(gx: Any, context: Any, request: dict[str, Any]) -> Any:
    """The validation result of one request."""
    read = context.data_sources.pandas_default
    path = request["table"]
    reader = read.read_csv if path.endswith((".csv", ".csv.gz")) else read.read_parquet
    body = request["suite"]
    suite = gx.ExpectationSuite(name=body.get("name") or "suite", expectations=body["expectations"])
    return reader(path).validate(suite, result_format=request["result_format"]).to_json_dict()


def plain(value: Any) -> Any:
    """Great Expectations leaves numpy's numbers in its results."""
    return value.item() if hasattr(value, "item") else str(value)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever it prints is no answer
    gx: Any = import_module("great_expectations")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for line in sys.stdin:
        try:
            answer = {"result": run(gx, context, json.loads(line))}
        except Exception as problem:  # the one who asks says it
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        answers.write(json.dumps(answer, default=plain) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
