"""`python -m shipway.serve.piped --config serving.json`: a predictor without a wire, for batch scoring.

Runs in the project's Python under the serving overlay. Frames go both ways, each of 8 bytes (length, little-endian) and the
bytes: encoded columns in; out comes a byte, 0 and encoded columns or 1 and {"code", "what", "where", "mend"} as JSON. The first
frame out says that the golden rows were reproduced. Rows on which the model fails have an `error`, a column that is else left
out. The end of the input ends the process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from shipway.kernel.errors import ShipwayError
from shipway.models import DATATYPES, Array, decode_columns, encode_columns
from shipway.serve._config import load_config
from shipway.serve._load import open_model, open_predictor
from shipway.serve._predictor import PredictionFailed, Predictor
from shipway.serve._request import Arrays, Request

ERROR = "error"  # the column of rows that have no prediction
MOST = 100  # failing rows of one batch that are told apart
SIZE = 8  # bytes that say how many follow


def main(arguments: list[str]) -> int:
    """Answers until its input ends; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m shipway.serve.piped")
    parser.add_argument("--config", required=True, help="serving.json")
    options = parser.parse_args(arguments)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what the model prints is no answer
        try:
            config = load_config(Path(options.config))
            predictor = open_predictor(config, open_model(config).model, None)
        except ShipwayError as problem:
            _refuse(out, problem)
            return 1
        except Exception as problem:  # the libraries' own: who started us reads one line
            _refuse(out, ShipwayError(f"the model does not load: {type(problem).__name__}: {problem}"))
            return 1
        _send(out, 0, b"")
        return _serve(sys.stdin.buffer, out, predictor)


def _serve(given: IO[bytes], out: IO[bytes], predictor: Predictor) -> int:
    while head := given.read(SIZE):
        body = given.read(int.from_bytes(head, "little"))
        try:
            columns = decode_columns(body)
            _send(out, 0, encode_columns(answer(predictor, columns)))
        except ShipwayError as problem:
            _refuse(out, problem)
    return 0


def answer(predictor: Predictor, columns: Arrays) -> dict[str, Array]:
    """The outputs for these rows; with a column `error` when the model fails on some, where numbers are NaN or 0, texts None.

    A batch that fails is halved until the failing rows are alone: 2 log2(rows) calls for each of them, so that MOST of them
    are the end. Raises InputMismatch, PredictionFailed.
    """
    pieces = _pieces(predictor, columns)
    if len(pieces) == 1 and not isinstance(pieces[0][1], PredictionFailed):
        return dict(pieces[0][1])
    rows = sum(count for count, _ in pieces)
    errors = np.full(rows, None, dtype=object)
    outputs = {column.name: _nothing(column.datatype, rows) for column in predictor.signature.outputs}
    at = 0
    for count, piece in pieces:
        if isinstance(piece, PredictionFailed):
            errors[at : at + count] = piece.what
        else:
            for name, array in piece.items():
                outputs[name][at : at + count] = array
        at += count
    return {**outputs, ERROR: errors}


def _pieces(predictor: Predictor, columns: Arrays) -> list[tuple[int, Arrays | PredictionFailed]]:
    """The rows in order, in as few calls as succeed."""
    found: list[tuple[int, Arrays | PredictionFailed]] = []
    waiting, failed = [(0, len(next(iter(columns.values()))))], 0
    while waiting:
        first, count = waiting.pop()
        try:
            part = {name: array[first : first + count] for name, array in columns.items()}
            found.append((count, predictor.predict(Request(None, part)).outputs))
        except PredictionFailed as problem:
            if count > 1:
                waiting += [(first + count // 2, count - count // 2), (first, count // 2)]
                continue
            found.append((1, problem))
            failed += 1
            if failed > MOST:
                raise PredictionFailed(f"{problem.what}, and so on more than {MOST} rows of one batch") from problem
    return found


def _nothing(datatype: str, rows: int) -> Array:
    dtype = np.dtype(DATATYPES[datatype])
    if dtype.kind == "f":
        return np.full(rows, np.nan, dtype)
    return np.full(rows, None, dtype=object) if dtype.kind == "O" else np.zeros(rows, dtype)


def _refuse(out: IO[bytes], problem: ShipwayError) -> None:
    record: Mapping[str, str | None] = {
        "code": problem.code,
        "what": problem.what,
        "where": problem.where,
        "mend": problem.mend,
    }
    _send(out, 1, json.dumps(record).encode())


def _send(out: IO[bytes], kind: int, body: bytes) -> None:
    out.write((len(body) + 1).to_bytes(SIZE, "little") + bytes([kind]) + body)
    out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
