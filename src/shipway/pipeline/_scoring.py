"""Asks the project's own Python what a model answers: `python -m shipway.models` under the overlay, by files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from shipway.environment import overlay_command
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, decode_columns, encode_columns
from shipway.pipeline._interrupt import hear_interrupts
from shipway.pipeline._model_rows import Inputs


class ScoringFailed(ShipwayError):
    """The model does not load or does not answer in the project's own environment."""

    code = "pipeline.scoring-failed"


class Scoring:
    """Fresh processes that score one model file; each call is a process of its own. Files go below `work`."""

    def __init__(self, python: Path, overlay: Path, file: Path, work: Path) -> None:
        self._python, self._overlay, self._file, self._work = python, overlay, file, work
        self._count = 0

    def describe(self, inputs: Inputs, columns: Mapping[str, Array]) -> tuple[JsonObject, dict[str, Array]]:
        """What the file is (`outputs`, `classes`, `library`) and its answers to these rows. Raises ScoringFailed."""
        with self._start("describe", {"format": "skops", "inputs": inputs.to_json()}, columns) as scored:
            return scored.answer()

    def score(self, manifest: JsonObject, columns: Mapping[str, Array]) -> Scored:
        """Starts scoring these rows as a server would load the model; ask the result when it is needed."""
        return self._start("score", {"manifest": manifest}, columns)

    def _start(self, command: str, given: Mapping[str, Json], columns: Mapping[str, Array]) -> Scored:
        self._count += 1
        folder = self._work / f"{command}-{self._count}"
        folder.mkdir(parents=True)
        (folder / "in").write_bytes(encode_columns(columns))
        options = {"file": str(self._file), "columns": str(folder / "in"), "outputs": str(folder / "out")}
        for name, value in given.items():
            options[name] = value if isinstance(value, str) else _write(folder / f"{name}.json", value)
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return Scored(overlay_command(self._python, self._overlay, "shipway.models", command, *arguments), folder)


class Scored:
    """A process that scores, and what it will say."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as errors:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)

    def answer(self) -> tuple[JsonObject, dict[str, Array]]:
        """Waits for the process: its record and the columns that the model answered. Raises ScoringFailed."""
        hear_interrupts()
        record = self._record(self._child.wait())
        if isinstance(problem := record.get("error"), Mapping):
            what, where, mend = (str(problem[name]) if problem.get(name) else None for name in ("what", "where", "mend"))
            raise ScoringFailed(f"the model does not answer: {what}", where=where, mend=mend)
        return record, decode_columns((self._folder / "out").read_bytes())

    def __enter__(self) -> Scored:
        return self

    def __exit__(self, *problem: object) -> None:
        if self._child.poll() is None:  # only when something else went wrong: whoever asks for the answer waits for it
            self._child.kill()
            self._child.wait()

    def _record(self, code: int) -> JsonObject:
        try:
            return parse_object((self._folder / "stdout").read_text().splitlines()[-1])
        except (IndexError, NotCanonical) as problem:
            lines = (self._folder / "stderr").read_text(errors="replace").splitlines()
            raise ScoringFailed(
                f"the process that loads the model ended with {code}: {lines[-1] if lines else 'it said nothing'}",
                mend="the project's environment may not fit Shipway's serving overlay",
            ) from problem


def _write(path: Path, value: Json) -> str:
    path.write_bytes(canonical_json(value))
    return str(path)
