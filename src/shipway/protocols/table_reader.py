"""`python -m shipway.protocols.table_reader`: reads tables of Arrow and Parquet for a predictor, apart from it.

The bytes of a stranger go through a large library of C++, and a packed table may unpack to any size: both happen in a process
of its own, with an end to its memory, whose own end costs one request. pyarrow is the project's, where it has one. On stdin a
request: a line of JSON {"kind", "size", "inputs", "aside", "limit", "metadata"}, then so many bytes; on stdout a line {"size"},
{"problem"}, {"large"} or {"mismatch"}, then the columns as `encode_columns` has them. Kind "arrow-out" takes columns and gives
an Arrow stream. It ends with its stdin.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from shipway.models import Column, InputMismatch, Signature, decode_columns, encode_columns
from shipway.serve import table_columns

_MEMORY = 1 << 30  # beside what the libraries take: the bytes, what they unpack to, and the columns out of that
_CELL = 8  # bytes, at least: of a number, of the reference to a text


class _TooLarge(Exception):
    """The table has more cells than a body may have bytes for."""


def main() -> int:
    """Answers until stdin ends; the exit code."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    stream, out = sys.stdin.buffer, sys.stdout.buffer
    while line := stream.readline():
        asked = json.loads(line)
        head, data = _answer(asked, stream.read(asked["size"]))
        out.write(json.dumps(head).encode() + b"\n" + data)
        out.flush()
    return 0


def _answer(asked: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        data = _written(body, asked["metadata"]) if asked["kind"] == "arrow-out" else _read(asked, body)
        if len(data) > asked["limit"] and asked["kind"] != "arrow-out":
            raise _TooLarge
    except InputMismatch as problem:
        return {"mismatch": [problem.column, problem.expected, problem.given]}, b""
    except (_TooLarge, MemoryError):  # pyarrow's own is one too
        return {"large": True}, b""
    except Exception as problem:
        return {"problem": f"{type(problem).__name__}: {str(problem)[:300]}"}, b""
    return {"size": len(data)}, data


def _read(asked: dict[str, Any], body: bytes) -> bytes:
    inputs = tuple(Column.from_json(record) for record in asked["inputs"])
    wanted = [*(column.name for column in inputs), *asked["aside"]]
    table = _table(asked["kind"], pa.BufferReader(body), wanted, asked["limit"])
    extra = [_logged(name, table) for name in asked["aside"] if name in table.column_names]
    for name, array in extra:
        table = table.set_column(table.column_names.index(name), name, array)
    aside = tuple(Column(name, _datatype(array)) for name, array in extra if name not in wanted[: len(inputs)])
    return encode_columns(table_columns(table, Signature((*inputs, *aside), ())))


def _table(kind: str, source: Any, wanted: Sequence[str], limit: int) -> Any:
    """The wanted columns that there are; a name that comes twice is an error of pyarrow's."""
    if kind == "parquet":
        file = pq.ParquetFile(source)
        names = [name for name in file.schema_arrow.names if name in wanted]
        _check_size(file.metadata.num_rows, len(names), limit)
        return file.read(columns=names, use_threads=False)
    reader = pa.ipc.open_stream(source) if kind == "arrow" else pa.ipc.open_file(source)
    table = reader.read_all()
    table.validate(full=True)
    table = table.select([name for name in table.column_names if name in wanted])
    _check_size(table.num_rows, table.num_columns, limit)
    return table


def _check_size(rows: int, columns: int, limit: int) -> None:
    if rows * columns * _CELL > limit:
        raise _TooLarge


def _logged(name: str, table: Any) -> tuple[str, Any]:
    """A column that is only logged: numbers, flags and texts as they are, dates and all else as text."""
    array = table.column(name)
    kind = array.type
    known = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return name, array if known and not array.null_count else array.cast(pa.string())


def _datatype(array: Any) -> str:
    kind = array.type
    if pa.types.is_boolean(kind):
        return "BOOL"
    return "INT64" if pa.types.is_integer(kind) else "FP64" if pa.types.is_floating(kind) else "BYTES"


def _written(body: bytes, metadata: dict[str, str]) -> bytes:
    table = pa.table({name: pa.array(array) for name, array in decode_columns(body).items()}).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


if __name__ == "__main__":
    sys.exit(main())
