"""The row hash: what docs/format.md says, computed by hand, and the same whatever type, zone or unit a value is kept in."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from shipway.data import DataUnreadable
from shipway.data._row_hash import hash_column, hash_rows, scope_of

MASK = (1 << 64) - 1
TAGS = ["null", "integer", "unsigned", "big", "float", "decimal", "boolean", "text", "bytes", "date", "time", "instant",
        "clock", "duration", "list", "struct"]  # fmt: skip
VECTORS = Path(__file__).parents[2] / "docs" / "format-vectors.json"


def mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def seed(tag: str, scope: int) -> int:
    return mix((scope + (TAGS.index(tag) + 1) * 0x9E3779B97F4A7C15) & MASK)


def by_hand(tag: str, scope: int, *words: int) -> int:
    """Numbers and times: each word taken in and mixed."""
    found = seed(tag, scope)
    for word in words:
        found = mix(found ^ (word & MASK))
    return found


def text_by_hand(tag: str, scope: int, data: bytes) -> int:
    found = mix(seed(tag, scope) ^ len(data))
    taken = data if len(data) <= 1024 else hashlib.sha256(data).digest()
    for start in range(0, len(taken), 8):
        found = mix(found ^ int.from_bytes(taken[start : start + 8], "little"))
    return found


def one(values: list[object], kind: object = None, scope: int = 0) -> list[int]:
    return [int(word) for word in hash_column(pl.Series("x", values, dtype=kind, strict=False), scope)]  # type: ignore[arg-type]


def test_numbers_and_times_hash_as_the_page_says() -> None:
    assert one([0, 1, -1, None], pl.Int32) == [by_hand("integer", 0, word) for word in (0, 1, -1)] + [mix(seed("null", 0))]
    assert one([2.5, 3.0, -0.0, float("nan"), 1e300]) == [
        by_hand("float", 0, int(np.float64(2.5).view(np.uint64))),
        by_hand("integer", 0, 3),
        by_hand("integer", 0, 0),
        by_hand("float", 0, 0x7FF8 << 48),
        by_hand("float", 0, int(np.float64(1e300).view(np.uint64))),
    ]
    assert one([2**64 - 1], pl.UInt64) == [by_hand("unsigned", 0, 2**64 - 1)]
    assert one([2**70], pl.Int128) == [text_by_hand("big", 0, str(2**70).encode())]
    assert one([dt.date(1969, 12, 31)]) == [by_hand("date", 0, -1)]
    assert one([dt.datetime(1970, 1, 1, 0, 0, 1, 5)]) == [by_hand("clock", 0, 1, 5000)]
    assert one([dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=ZoneInfo("UTC"))]) == [
        by_hand("instant", 0, -1, 999_999_000)
    ]
    assert one([dt.timedelta(seconds=90)]) == [by_hand("duration", 0, 90, 0)]
    assert one([dt.time(0, 0, 1)]) == [by_hand("time", 0, 1_000_000_000)]
    assert one([True, False]) == [by_hand("boolean", 0, 1), by_hand("boolean", 0, 0)]
    assert one([Decimal("1.50")], pl.Decimal(10, 2)) == [text_by_hand("decimal", 0, b"1.5")]


def test_texts_of_every_length_hash_as_the_page_says() -> None:
    choice = random.Random(3)
    lengths = [*range(30), 200, 1023, 1024, 1025, 5000]
    words = ["".join(choice.choice("aZ é漢🎈\n\0") for _ in range(length)) for length in lengths]
    expected = [text_by_hand("text", 7, word.encode()) for word in words]
    assert one(list(words), pl.String, 7) == expected
    assert one(list(words), pl.Categorical, 7) == expected
    assert one([word.encode() for word in words], pl.Binary, 7) == [text_by_hand("bytes", 7, word.encode()) for word in words]
    holes: list[object] = [None if place % 3 == 0 else word for place, word in enumerate(words)]
    assert [word for word, value in zip(one(holes, pl.String, 7), holes, strict=True) if value is not None] == [
        word for word, value in zip(expected, holes, strict=True) if value is not None
    ]
    pieces = pl.Series("x", words).slice(5, 20).append(pl.Series("x", words).slice(2, 9))
    assert hash_column(pieces, 7).tolist() == expected[5:25] + expected[2:11], (
        "of several chunks, each a part of another column"
    )


def test_lists_and_structs_hash_as_the_page_says() -> None:
    inner = seed("list", 0)
    elements = [
        mix(by_hand("integer", inner, value) ^ ((place * 0x9E3779B97F4A7C15) & MASK)) for place, value in ((1, 4), (2, 9))
    ]
    assert one([[4, 9], []]) == [(mix(inner ^ 2) + sum(elements)) & MASK, mix(inner)]
    assert one([[4, 9]], pl.Array(pl.Int64, 2)) == one([[4, 9]])
    field = seed("struct", 0)
    total = field + by_hand("integer", mix(field ^ scope_of("a")), 4) + text_by_hand("text", mix(field ^ scope_of("b")), b"x")
    assert one([{"a": 4, "b": "x"}]) == [mix(total & MASK)]
    nested: list[object] = [[["a", None], None, []], None, [[None]]]
    assert len(set(one(nested))) == 3
    assert one([{"a": [1.0, None]}]) == one([{"a": [1, None]}]), "values count, not types"


def test_a_row_is_the_sum_of_its_cells_in_any_order_of_columns() -> None:
    frame = pl.DataFrame({"id": [1, 2], "word": ["a", None]})
    assert scope_of("id") == text_by_hand("text", 0, b"id")
    cells = by_hand("integer", scope_of("id"), 1) + text_by_hand("text", scope_of("word"), b"a")
    assert int(hash_rows(frame, ["id", "word"])[0]) == mix(cells & MASK)
    assert hash_rows(frame, ["word", "id"]).tolist() == hash_rows(frame, ["id", "word"]).tolist()
    assert int(hash_rows(frame, ["id"])[0]) == mix(by_hand("integer", scope_of("id"), 1))


def test_values_count_and_not_how_they_are_kept() -> None:
    for kind in (pl.Int8, pl.UInt16, pl.Int64, pl.UInt64, pl.Int128, pl.Float32, pl.Float64):
        assert one([1, 7, None], kind) == one([1, 7, None])
    at = dt.datetime(2024, 3, 31, 3, 30)
    zones = [
        pl.Series("x", [at]).dt.replace_time_zone("Europe/Berlin").dt.convert_time_zone(zone) for zone in ("UTC", "Asia/Tokyo")
    ]
    assert hash_column(zones[0], 0).tolist() == hash_column(zones[1], 0).tolist() != one([at])
    units = [pl.Series("x", [at]).cast(pl.Datetime(unit)) for unit in ("ms", "us", "ns")]
    assert len({hash_column(values, 0)[0] for values in units}) == 1
    assert one([Decimal("2.0")], pl.Decimal(9, 1)) == one([Decimal("2.000")], pl.Decimal(12, 3))
    assert one(["a"], pl.Enum(["b", "a"])) == one(["a"])
    assert len({*one([0]), *one([False]), *one(["0"]), *one([b"0"]), *one([None]), *one([float("nan")]), *one([""])}) == 7


def test_the_published_vectors_hold() -> None:
    """docs/format-vectors.json has rows as JSON lines and the hashes of their columns, rows and keys."""
    published = json.loads(VECTORS.read_text())["row_hash"]
    assert published["version"] == 1
    for vector in published["vectors"]:
        values = pl.Series("x", vector["values"]).cast(eval(vector["type"], dict(vars(pl))))
        assert [f"{word:016x}" for word in hash_column(values, scope_of(vector["column"])).tolist()] == vector["hashes"], vector
    rows = pl.DataFrame(published["rows"]["columns"])
    assert [f"{word:016x}" for word in hash_rows(rows, rows.columns).tolist()] == published["rows"]["hashes"]


def test_what_has_no_values_is_refused() -> None:
    with pytest.raises(DataUnreadable, match="cannot be compared"):
        hash_column(pl.Series("x", [object()], dtype=pl.Object), 0)
