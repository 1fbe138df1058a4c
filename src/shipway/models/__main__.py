"""`python -m shipway.models score|describe`: bare prediction from files, for a project's Python under the overlay.

    score     --manifest M.json --file MODEL [--functions F.json] --columns IN --outputs OUT [--columns IN --outputs OUT ...]
    describe  --format FORMAT --inputs COLUMNS.json --file MODEL --columns IN --outputs OUT
              [--functions F.json --before MODULE.NAME --after MODULE.NAME --class MODULE.NAME] [--allow-pickle]

    convert   --inputs COLUMNS.json --file MODEL --converted OUT

IN and OUT are encoded columns; COLUMNS.json is the list of a signature's inputs. Several pairs are asked one after another,
each alone: a library may answer a row otherwise among others. One JSON line is printed: what was found, or {"error": {"code",
"what", "where", "mend"}} with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shipway.kernel.canonical import Json, JsonObject, parse_json, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models._columns import decode_columns, encode_columns
from shipway.models._convert import convert_skops
from shipway.models._functions import Functions, WithFunctions, describe_with, load_functions
from shipway.models._load import load_bytes, load_model
from shipway.models._model import Predictable
from shipway.models._own import OwnModel
from shipway.models._signature import Column, columns_of

_LIBRARIES = ("scikit-learn", "skops", "numpy", "onnxruntime", "xgboost", "lightgbm", "torch", "safetensors", "mlflow")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        answer = {"score": _score, "describe": _describe, "convert": _convert}[options.command](options)
    except ShipwayError as problem:
        answer = _error(problem.code, problem.what, problem.where, problem.mend)
    except Exception as problem:  # the estimator's own: whoever started us reads one line, not a traceback
        answer = _error("models.scoring-failed", f"{type(problem).__name__}: {problem}", options.file, None)
    print(json.dumps(answer))
    return 1 if "error" in answer else 0


def _score(options: argparse.Namespace) -> JsonObject:
    functions = Path(options.functions) if options.functions else None
    model = load_model(parse_object(Path(options.manifest).read_bytes()), Path(options.file), functions)
    return {"rows": _predict(model, options)}


def _describe(options: argparse.Namespace) -> JsonObject:
    inputs = columns_of(parse_json(Path(options.inputs).read_bytes()))
    model = _described(options, inputs)
    inner = model.model.signature.inputs if isinstance(model, WithFunctions) else ()
    return {
        "rows": _predict(model, options),
        "outputs": [column.to_json() for column in model.signature.outputs],
        "inputs": [column.to_json() for column in inner],
        "classes": _classes(model),
        "library": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def _classes(model: Predictable) -> Json:
    """In their order; of a class of the project's own that says none and answers a probability, 0 and 1."""
    said: Json = getattr(model, "classes", None)
    own = isinstance(model, WithFunctions) and isinstance(model.model, OwnModel)
    named = {column.name for column in model.signature.outputs}
    return [0, 1] if said is None and own and "probability" in named else said


def _convert(options: argparse.Namespace) -> JsonObject:
    inputs = columns_of(parse_json(Path(options.inputs).read_bytes()))
    Path(options.converted).write_bytes(convert_skops(Path(options.file).read_bytes(), inputs))
    return {"rows": 0}


def _described(options: argparse.Namespace, inputs: tuple[Column, ...]) -> Predictable:
    data = Path(options.file).read_bytes()
    functions = Functions(None, None)
    if options.functions:
        names = options.before, options.after, options.own
        functions = load_functions(Path(options.functions).read_bytes(), *names)

    def load(columns: tuple[Column, ...]) -> Predictable:
        return load_bytes(options.format, data, columns, own=functions.own, pickle=options.allow_pickle)

    if not any(functions) and (model := load(inputs)).signature.outputs:
        return model
    rows = decode_columns(Path(options.columns[0]).read_bytes())
    return describe_with(functions, inputs, rows, load)


def _predict(model: Predictable, options: argparse.Namespace) -> int:
    count = 0
    for given, wanted in zip(options.columns, options.outputs, strict=True):
        outputs = model.predict(decode_columns(Path(given).read_bytes()))
        Path(wanted).write_bytes(encode_columns(outputs))
        count += len(next(iter(outputs.values())))
    return count


def _error(code: str, what: str, where: str | None, mend: str | None) -> JsonObject:
    problem: dict[str, Json] = {"code": code, "what": what, "where": where, "mend": mend}
    return {"error": problem}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.models")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, own in (
        ("score", ["--manifest"]),
        ("describe", ["--format", "--inputs"]),
        ("convert", ["--inputs", "--converted"]),
    ):
        command = commands.add_parser(name)
        for option in (*own, "--file"):
            command.add_argument(option, required=True)
        for option in ("--functions", "--before", "--after"):
            command.add_argument(option, default=None)
        command.add_argument("--class", dest="own", default=None)
        command.add_argument("--allow-pickle", action="store_true")
        for option in ("--columns", "--outputs"):
            command.add_argument(option, required=name != "convert", action="append")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
