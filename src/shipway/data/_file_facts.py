"""What is known of one file's rows: its signature and the summaries of its columns, from one pass, kept by its digest.

A cache: what is not there, cut or foreign is measured again. Nothing here is evidence.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import polars as pl

from shipway.data._column_summary import (
    SUMMARY,
    ColumnSummary,
    add_summaries,
    nulls_only,
    summaries_to_json,
    summarise,
    summary_from_json,
)
from shipway.data._errors import DataUnreadable
from shipway.data._row_hash import ROW_HASH, Hashes, hash_column, mixed, scope_of
from shipway.data._signature import HELD, Signature, make_signature, read_signature, write_signature
from shipway.data._table_file import TableFile
from shipway.kernel.canonical import JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import digest_bytes

_NEAR = 1 << 14  # rows that are hashed together: what a processor keeps near


class FileFacts(NamedTuple):
    """rows by the summaries; read: whether the file had to be."""

    signature: Signature
    columns: Mapping[str, ColumnSummary]
    read: bool


class _Measured(NamedTuple):
    keys: Hashes
    rows: Hashes
    columns: dict[str, ColumnSummary]


@dataclass(frozen=True, slots=True)
class FactsCache:
    """A folder of signatures and summaries by digest, which may be deleted at any time. None keeps nothing.

    most: bytes beyond which those go that were not used for the longest time.
    """

    folder: Path | None
    most: int = 8 << 30

    def measure(
        self,
        file: TableFile,
        columns: Sequence[str],
        key: Sequence[str],
        *,
        threads: int = 1,
        held: int = HELD,
        report: Callable[[int], None] | None = None,
    ) -> FileFacts:
        """What is known of the file's rows by these columns, or measured now. report: called with so many rows more. Raises
        DataUnreadable.
        """
        about = _about(file, columns, key)
        signature, summaries = self._signature(about), self._summaries(file)
        if signature is not None and summaries is not None:
            return FileFacts(signature, summaries, read=False)
        signature, summaries = _measure(file, columns, key, threads=threads, held=held, beside=self.folder, report=report)
        self._keep(file, about, signature, summaries)
        return FileFacts(signature, summaries, read=True)

    def knows(self, file: TableFile, columns: Sequence[str], key: Sequence[str]) -> bool:
        """Whether something is kept of it, by the look of it: what is cut or foreign is found when it is read."""
        paths = self._at(_about(file, columns, key)), self._summaries_at(file)
        return all(path is not None and path.exists() for path in paths)

    def shrink(self) -> None:
        """Let go what is beyond `most`: to be called once after files were measured."""
        if self.folder is None:
            return
        found = []
        for path in list(self.folder.glob("*/*")):
            with suppress(OSError):  # somebody else's, that has another name by now
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        total = 0
        for _, size, path in sorted(found, reverse=True):
            total += size
            if total > self.most:
                path.unlink(missing_ok=True)

    def _signature(self, about: JsonObject) -> Signature | None:
        path = self._at(about)
        if path is None or not path.exists():
            return None
        with suppress(DataUnreadable, OSError):
            found = read_signature(path, about)
            os.utime(path)
            return found
        return None

    def _summaries(self, file: TableFile) -> dict[str, ColumnSummary] | None:
        path = self._summaries_at(file)
        if path is None or not path.exists():
            return None
        with suppress(OSError, NotCanonical, KeyError, TypeError, ValueError):
            record = parse_object(path.read_bytes())
            if (record["kind"], record["version"], record["file"]) == ("column-summaries", SUMMARY, file.identity):
                columns = cast("Mapping[str, JsonObject]", record["columns"])
                return {name: summary_from_json(column) for name, column in columns.items()}
        return None

    def _keep(self, file: TableFile, about: JsonObject, signature: Signature, summaries: Mapping[str, ColumnSummary]) -> None:
        """A full disk costs a later read, nothing else."""
        at, beside = self._at(about), self._summaries_at(file)
        if at is None or beside is None:
            return
        record = {"kind": "column-summaries", "version": SUMMARY, "file": file.identity,
                  **summaries_to_json(summaries, len(signature.keys))}  # fmt: skip
        with suppress(OSError):
            _write(at, partial(write_signature, signature, about))
            _write(beside, lambda out: out.write(canonical_json(record)))

    def _at(self, about: JsonObject, kind: str = "signature") -> Path | None:
        if self.folder is None:
            return None
        name = digest_bytes(canonical_json(about)).removeprefix("sha256:")
        return self.folder / name[:2] / f"{name}.{kind}"

    def _summaries_at(self, file: TableFile) -> Path | None:
        """Parts depend on the format, so the same bytes under another kind of name are others."""
        return self._at({"file": file.identity, "format": _format(file), "summary": SUMMARY}, "json")


def _format(file: TableFile) -> str:
    return file.name.lower().rpartition("/")[2].partition(".")[2]


def _about(file: TableFile, columns: Sequence[str], key: Sequence[str]) -> JsonObject:
    return {"file": file.identity, "format": _format(file), "hash": ROW_HASH, "columns": sorted(columns), "key": sorted(key)}


def _write(path: Path, write: Callable[..., object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
        try:
            write(out)
            out.flush()
            os.replace(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise


def _measure(
    file: TableFile,
    columns: Sequence[str],
    key: Sequence[str],
    *,
    threads: int,
    held: int,
    beside: Path | None,
    report: Callable[[int], None] | None,
) -> tuple[Signature, dict[str, ColumnSummary]]:
    total: dict[str, ColumnSummary] = {}

    def hashes() -> Iterator[tuple[Hashes, Hashes]]:
        for part in _in_order(file.parts(list(file.schema)), partial(_measure_part, columns, key), threads):
            for name, column in part.columns.items():
                total[name] = add_summaries(total[name], column) if name in total else column
            if report:
                report(len(part.rows))
            yield part.keys, part.rows

    if beside is not None:
        with suppress(OSError):
            beside.mkdir(parents=True, exist_ok=True)
    there = beside if beside is not None and beside.is_dir() else None
    signature = make_signature(hashes(), keyed=bool(key), held=held, beside=there)
    return signature, {name: total.get(name, nulls_only(0)) for name in file.schema}


def _measure_part(columns: Sequence[str], key: Sequence[str], frame: pl.DataFrame) -> _Measured:
    """A column that the file has not is null in each of its rows."""
    rows, keys = np.zeros(frame.height, np.uint64), np.zeros(frame.height, np.uint64)
    there = {column.name: column for column in frame.get_columns()}
    for name in columns:
        values, scope = there.get(name), scope_of(name)
        if values is None:
            values = pl.Series(name, [None], dtype=pl.Null).new_from_index(0, frame.height)
        for start in range(0, frame.height, _NEAR):
            found = hash_column(values.slice(start, _NEAR), scope)
            rows[start : start + _NEAR] += found
            if name in key:
                keys[start : start + _NEAR] += found
    for start in range(0, frame.height, _NEAR):
        mixed(rows[start : start + _NEAR])
        if key:
            mixed(keys[start : start + _NEAR])
    if not key:
        keys = rows
    return _Measured(keys, rows, {name: summarise(column) for name, column in there.items()})


def _in_order(parts: Iterator[pl.DataFrame], work: Callable[[pl.DataFrame], _Measured], threads: int) -> Iterator[_Measured]:
    """What the work gives for each part, in the order of the parts, some ahead of who takes them."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[_Measured]] = deque()
        for part in parts:
            ahead.append(pool.submit(work, part))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
