"""A call of a step and what comes back: plain values, and the words of the runner's protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds

Codec = Literal[
    "polars.frame", "polars.lazy", "arrow.table", "numpy.array", "json", "sklearn.model", "onnx.model",
    "xgboost.model", "xgboost.booster", "lightgbm.model", "lightgbm.booster", "path", "bytes"
]  # fmt: skip


class StepFile(NamedTuple):
    """Bytes for a step: where they are, and a name whose extension says how to read them (a blob's path has none)."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class StepInput:
    """One argument: its codec and its files, in the order in which tables are concatenated."""

    codec: Codec
    files: Sequence[StepFile]

    def to_json(self) -> JsonObject:
        return {"codec": self.codec, "files": [{"path": str(path), "name": name} for path, name in self.files]}


@dataclass(frozen=True, slots=True)
class StepCall:
    """Function `function` of `file` (path within `root`, the restored code) and where its value goes."""

    function: str
    file: str
    root: Path
    inputs: Mapping[str, StepInput]
    codec: Codec
    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        return {
            "function": self.function,
            "file": self.file,
            "root": str(self.root),
            "inputs": {name: entry.to_json() for name, entry in self.inputs.items()},
            "output": {"codec": self.codec, "directory": str(self.directory)},
            "environ": dict(self.environ),
        }


class StepResult(NamedTuple):
    """The file (or, for codec `path`, the folder) that holds a step's value; seconds with reading and writing."""

    file: Path
    media_type: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepError:
    """What a step raised; file (within root), line and source are the project's own, None when no line of it is to blame."""

    type: str
    message: str
    file: str | None
    line: int | None
    source: str | None
    function: str | None
    traceback: str

    @property
    def where(self) -> str | None:
        """`flights.py:41 in delay: model.fit(inputs, late)`"""
        return f"{self.file}:{self.line} in {self.function}: {self.source}" if self.file else None


class StepFailed(ShipwayError):
    """A step raised, or its value cannot be kept; `error` has the traceback."""

    code = "environment.step-failed"

    def __init__(self, step: str, error: StepError) -> None:
        lines = error.message.splitlines() or [""]
        more = f" (and {len(lines) - 1} more lines)" if len(lines) > 1 else ""
        mend = f"mend {error.file}:{error.line}; --debug shows the whole traceback" if error.file else None
        super().__init__(f"step {step} raised {error.type}: {lines[0]}{more}", where=error.where, mend=mend)
        self.step, self.error = step, error


class RunnerDied(ShipwayError):
    """The process that runs the steps ended in the middle of one, or before it."""

    code = "environment.runner-died"

    def __init__(self, step: str, ending: str, last_lines: Sequence[str]) -> None:
        mend = "SIGKILL is often the machine's memory running out" if "SIGKILL" in ending else None
        super().__init__(f"the process of step {step} ended by {ending}", where=" | ".join(last_lines) or None, mend=mend)
        self.step, self.ending, self.last_lines = step, ending, tuple(last_lines)


class StepTimedOut(ShipwayError):
    """A step took longer than its `timeout` allows; its process was ended."""

    code = "environment.step-timed-out"

    def __init__(self, step: str, timeout: Seconds) -> None:
        mend = f"give {step} a longer timeout under `steps:`, or less to do"
        super().__init__(f"step {step} took longer than its limit of {timeout:g} seconds and was ended", mend=mend)
        self.step, self.timeout = step, timeout


def result_of(answer: Mapping[str, Json], *, step: str) -> StepResult:
    """The result in a runner's answer; raises StepFailed when it tells of an error."""
    if answer["ok"] is True:
        return StepResult(Path(str(answer["file"])), str(answer["media_type"]), float(str(answer["seconds"])))
    raise StepFailed(step, _error(answer["error"]))


def _error(record: Json) -> StepError:
    assert isinstance(record, Mapping)  # our own runner wrote it
    line = record["line"]
    file, source, function = (None if record[key] is None else str(record[key]) for key in ("file", "source", "function"))
    return StepError(
        type=str(record["type"]),
        message=str(record["message"]),
        file=file,
        line=line if isinstance(line, int) else None,
        source=source,
        function=function,
        traceback=str(record["traceback"]),
    )
