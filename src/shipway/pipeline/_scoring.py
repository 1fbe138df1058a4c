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
    """Scores one model file; each call is a fresh process. Files go below `work`; functions: the modules around the model."""

    def __init__(self, python: Path, overlay: Path, file: Path, work: Path, functions: Path | None = None) -> None:
        self._python, self._overlay, self._file, self._work, self._functions = python, overlay, file, work, functions
        self._count = 0

    def describe(
        self, format: str, inputs: Inputs, columns: Mapping[str, Array], names: Mapping[str, str], *, allow_pickle: bool
    ) -> tuple[JsonObject, dict[str, Array]]:
        """What the file is (`outputs`, `inputs`, `classes`, `library`) and its answers to these rows. Raises ScoringFailed.

        names: of the functions `before` and `after` and of the model's class, where there are some; `inputs` are then those of
        the model between them.
        """
        given = {"format": format, "inputs": inputs.to_json(), **names, **({"allow-pickle": None} if allow_pickle else {})}
        record, (answers,) = self._ask("describe", given, columns)
        return record, answers

    def score(self, manifest: JsonObject, *tables: Mapping[str, Array]) -> list[dict[str, Array]]:
        """The answers to each table, asked alone and in this order, as a server would load the model. Raises ScoringFailed."""
        return self._ask("score", {"manifest": manifest}, *tables)[1]

    def convert(self, columns: Json) -> Path:
        """The model as an ONNX file; columns: the inputs of the model itself. Raises ScoringFailed when it has no such form."""
        converted = self._work / "converted.onnx"
        self._ask("convert", {"inputs": columns, "converted": str(converted)})
        return converted

    def of(self, file: Path) -> Scoring:
        """The same for another file of the model."""
        return Scoring(self._python, self._overlay, file, self._work / "other", self._functions)

    def _ask(
        self, command: str, given: Mapping[str, Json], *tables: Mapping[str, Array]
    ) -> tuple[JsonObject, list[dict[str, Array]]]:
        self._count += 1
        folder = self._work / f"{command}-{self._count}"
        folder.mkdir(parents=True)
        arguments = ["--file", str(self._file), *(["--functions", str(self._functions)] if self._functions else [])]
        for name, value in given.items():
            if value is None:
                arguments.append(f"--{name}")
                continue
            arguments += [f"--{name}", value if isinstance(value, str) else _write(folder / f"{name}.json", value)]
        outputs = [folder / f"out-{number}" for number in range(len(tables))]
        for number, (table, output) in enumerate(zip(tables, outputs, strict=True)):
            columns = folder / f"in-{number}"
            columns.write_bytes(encode_columns(table))
            arguments += ["--columns", str(columns), "--outputs", str(output)]
        record = _record(overlay_command(self._python, self._overlay, "shipway.models", command, *arguments), folder)
        return record, [decode_columns(output.read_bytes()) for output in outputs]


def _record(command: list[str], folder: Path) -> JsonObject:
    """What the process says in its last line. Raises ScoringFailed when that is an error, or nothing that can be read."""
    hear_interrupts()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as errors:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, check=False).returncode
    try:
        record = parse_object((folder / "stdout").read_text().splitlines()[-1])
    except (IndexError, NotCanonical) as problem:
        lines = (folder / "stderr").read_text(errors="replace").splitlines()
        raise ScoringFailed(
            f"the process that loads the model ended with {code}: {lines[-1] if lines else 'it said nothing'}",
            mend="the project's environment may not fit Shipway's serving overlay",
        ) from problem
    if isinstance(error := record.get("error"), Mapping):
        what, where, mend = (str(error[name]) if error.get(name) else None for name in ("what", "where", "mend"))
        raise ScoringFailed(f"the model does not answer: {what}", where=where, mend=mend)
    return record


def _write(path: Path, value: Json) -> str:
    path.write_bytes(canonical_json(value))
    return str(path)
