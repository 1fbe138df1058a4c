"""Asks the project's own Python what a model answers: `python -m shipway.models` under the overlay, by files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shipway.kernel.canonical import Json, JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, decode_columns, encode_columns
from shipway.pipeline._forks import ask_fork, expect_question
from shipway.pipeline._model_rows import Inputs


class ScoringFailed(ShipwayError):
    """The model does not load or does not answer in the project's own environment."""

    code = "pipeline.scoring-failed"


class Scoring:
    """Scores one model file; each call is a process of its own. Files go below `work`; functions: the modules around it."""

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
        expect_question(self._python, self._overlay, format, "score")
        record, (answers,) = self._ask("describe", format, given, columns)
        return record, answers

    def score(self, manifest: JsonObject, *tables: Mapping[str, Array]) -> list[dict[str, Array]]:
        """The answers to each table, asked alone and in this order, as a server would load the model. Raises ScoringFailed."""
        return self._ask("score", str(manifest["format"]), {"manifest": manifest}, *tables)[1]

    def convert(self, columns: Json) -> Path:
        """The model as an ONNX file; columns: the inputs of the model itself. Raises ScoringFailed when it has no such form."""
        converted = self._work / "converted.onnx"
        self._ask("convert", "skops", {"inputs": columns, "converted": str(converted)})
        return converted

    def of(self, file: Path) -> Scoring:
        """The same for another file of the model."""
        return Scoring(self._python, self._overlay, file, self._work / "other", self._functions)

    def _ask(
        self, command: str, format: str, given: Mapping[str, Json], *tables: Mapping[str, Array]
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
        out, errors = folder / "stdout", folder / "stderr"
        code = ask_fork(self._python, self._overlay, format, [command, *arguments], stdout=out, stderr=errors)
        record = _record(code, out, errors)
        return record, [decode_columns(output.read_bytes()) for output in outputs]


def _record(code: int, out: Path, errors: Path) -> JsonObject:
    """What the process says in its last line. Raises ScoringFailed when that is an error, or nothing that can be read."""
    try:
        record = parse_object(out.read_text().splitlines()[-1])
    except (OSError, IndexError, NotCanonical) as problem:
        lines = errors.read_text(errors="replace").splitlines() if errors.exists() else []
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
