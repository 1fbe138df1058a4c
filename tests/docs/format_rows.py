"""Values and their row hashes, version 1: what docs/format-vectors.json has under `row_hash`."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from shipway.data._row_hash import ROW_HASH, hash_column, hash_rows, scope_of

_CASES: Sequence[tuple[str, str, list[object]]] = (
    ("id", "Int64", [0, 1, -1, 9223372036854775807, None]),
    ("id", "UInt64", ["1", "9223372036854775808"]),
    ("id", "Int128", ["1", "1180591620717411303424"]),
    ("delay", "Float64", [0.0, -0.0, 3.0, 2.5, None]),
    ("delay", "Float32", [2.5]),
    ("price", "Decimal(10, 2)", ["1.50", "2.00", "-0.25"]),
    ("late", "Boolean", [True, False]),
    ("word", "String", ["", "a", "Kö ln", "exactly 8", "thirteen byte", "x" * 1025, None]),
    ("word", "Binary", ["a"]),
    ("day", "Date", [19000]),
    ("at", "Datetime('us')", [1700000000000001]),
    ("at", "Datetime('us', 'UTC')", [1700000000000001]),
    ("took", "Duration('ms')", [90500]),
    ("tags", "List(String)", [["a", "b"], ["b", "a"], [], [None], None]),
    ("place", "Struct({'lat': Float64, 'name': String})", [{"lat": 1.5, "name": "x"}, {"lat": None, "name": "x"}]),
)


def row_hash_vectors() -> dict[str, object]:
    """`type` is a Polars type, to which the JSON values are cast."""
    vectors = []
    for column, kind, values in _CASES:
        series = pl.Series("x", values).cast(eval(kind, dict(vars(pl))))
        hashes = [f"{word:016x}" for word in hash_column(series, scope_of(column)).tolist()]
        vectors.append({"column": column, "type": kind, "values": values, "hashes": hashes})
    rows = pl.DataFrame({"id": [1, 2], "word": ["a", None], "delay": [2.5, -0.0]})
    hashes = [f"{word:016x}" for word in hash_rows(rows, rows.columns).tolist()]
    return {"version": ROW_HASH, "vectors": vectors, "rows": {"columns": rows.to_dict(as_series=False), "hashes": hashes}}
