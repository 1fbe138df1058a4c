"""The row hash, version 1: 64 bits of a row that every machine, format and version of a library computes alike.

Stored signatures rest on it, so it is ours and never changes; docs/format.md says it in words, with test vectors. It is no
cryptographic hash: whoever chooses the values can make two rows alike. Identity of files and snapshots is SHA-256.

Values count, not their types: 1 as Int8, as Int64 and as 1.0 is one value, a time is its instant, a category its text. Every
NaN is one value, which is not null; -0.0 is 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data._errors import DataUnreadable
from shipway.data._text_views import SHORT, text_views

Hashes = NDArray[np.uint64]

ROW_HASH = 1  # part of every name under which something hashed is kept
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio, odd: multiples of it are far apart
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WHOLE = 1 << 10  # bytes of a text up to which its own words are hashed; a longer one stands as its SHA-256
_NAN = 0x7FF8000000000000
_BILLION = 1_000_000_000
_TAGS = {name: place for place, name in enumerate(
    ("null", "integer", "unsigned", "big", "float", "decimal", "boolean", "text", "bytes", "date", "time", "instant", "clock",
     "duration", "list", "struct"), start=1)}  # fmt: skip


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> Hashes:
    """(rows,): the sum of the hashes of these columns, mixed; their order does not count. Raises DataUnreadable.

    Mixed, because sums of rows are compared: without it two values of a column that change places would be no change.
    """
    total = np.zeros(frame.height, np.uint64)
    for name in columns:
        total += hash_column(frame[name], scope_of(name))
    return mixed(total)


def hash_column(values: pl.Series, scope: int) -> Hashes:
    """(rows,): the hash of each value of a column of this scope. Raises DataUnreadable for a type that has no values."""
    found = np.full(len(values), _seed("null", scope), np.uint64) if values.null_count() else None
    if values.null_count() == len(values):
        return mixed(found) if found is not None else np.zeros(0, np.uint64)
    hashed = _hasher(values.dtype)(values, scope)
    if found is None:
        return hashed
    return np.where(values.is_null().to_numpy(), mixed(found), hashed)


@cache
def scope_of(name: str) -> int:
    """A column's share of the hash of its values: the hash of its name as text of scope 0."""
    return int(_hash_texts([name.encode("utf-8", "surrogatepass")], _seed("text", 0))[0])


def mixed(values: Hashes) -> Hashes:
    """Every bit of a word spread over all 64, in place: a bijection, the finaliser of SplitMix64 (Steele and others, 2014)."""
    other = values >> np.uint64(30)
    values ^= other
    values *= np.uint64(_FIRST)
    np.right_shift(values, np.uint64(27), out=other)
    values ^= other
    values *= np.uint64(_SECOND)
    np.right_shift(values, np.uint64(31), out=other)
    values ^= other
    return values


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def _seed(tag: str, scope: int) -> int:
    return _mix((scope + _TAGS[tag] * _STEP) & _MASK)


def _words(words: NDArray[np.int64] | Hashes, tag: str, scope: int) -> Hashes:
    return mixed(words.view(np.uint64) ^ np.uint64(_seed(tag, scope)))


# A hasher is given a column with at least one value; what it says of nulls is replaced.
_Hasher = Callable[[pl.Series, int], Hashes]


def _hasher(kind: pl.DataType) -> _Hasher:
    if isinstance(kind, pl.Datetime):
        return _instants
    for known, hasher in _HASHERS:
        if kind == known:
            return hasher
    if kind.is_integer():
        return _wide_integers
    raise DataUnreadable(f"values of type {kind} cannot be compared", mend="leave the column out, or write it as another type")


def _integers(values: pl.Series, scope: int) -> Hashes:
    return _words(_integer(values), "integer", scope)


def _wide_integers(values: pl.Series, scope: int) -> Hashes:
    """What fits into 64 signed bits hashes as such, then what fits into 64 unsigned ones, the rest by its digits."""
    small = values.cast(pl.Int64, strict=False)
    found = _integers(small, scope)
    if small.null_count() > values.null_count():
        large = values.cast(pl.UInt64, strict=False)
        found = np.where(
            small.is_null().to_numpy(),
            _words(np.ascontiguousarray(_filled(large, pl.UInt64()).to_numpy(), np.uint64), "unsigned", scope),
            found,
        )
        if (beyond := (small.is_null() & large.is_null()).to_numpy()).any():
            found = np.where(beyond, _texts_as("big", values.cast(pl.String), scope), found)
    return found


def _floats(values: pl.Series, scope: int) -> Hashes:
    """A whole number within 64 signed bits is that integer."""
    numbers = np.ascontiguousarray(_filled(values, pl.Float64()).to_numpy(), np.float64)
    with np.errstate(invalid="ignore"):
        whole = numbers.astype(np.int64)
        same = (whole == numbers) & (numbers < 2.0**63)
    if same.all():
        return _words(whole, "integer", scope)
    words = numbers.view(np.uint64)
    if (nan := np.isnan(numbers)).any():
        words = np.where(nan, np.uint64(_NAN), words)
    words = words ^ np.uint64(_seed("float", scope))
    if same.any():
        words = np.where(same, whole.view(np.uint64) ^ np.uint64(_seed("integer", scope)), words)
    return mixed(words)


def _decimals(values: pl.Series, scope: int) -> Hashes:
    """By the digits that count: 1.50 is 1.5, and 2.00 is 2."""
    digits = values.cast(pl.String)
    point = digits.str.contains(".", literal=True)
    bare = digits.str.strip_chars_end("0").str.strip_chars_end(".")
    return _texts_as("decimal", pl.select(pl.when(point).then(bare).otherwise(digits)).to_series(), scope)


def _booleans(values: pl.Series, scope: int) -> Hashes:
    return _words(_integer(values.cast(pl.Int64)), "boolean", scope)


def _texts(values: pl.Series, scope: int) -> Hashes:
    return _texts_as("text", values.cast(pl.String), scope)


def _texts_as(tag: str, values: pl.Series, scope: int) -> Hashes:
    seed, views = _seed(tag, scope), text_views(values)
    if views is None:
        return _hash_texts_joined(values, seed)
    found = _hash_short(views, seed)
    long = views[:, 0] > SHORT
    if values.null_count():
        long &= values.is_not_null().to_numpy()
    if long.any():
        found[long] = _hash_texts_joined(values.filter(pl.Series(long)), seed)
    return found


def _hash_short(views: NDArray[np.uint32], seed: int) -> Hashes:
    """Texts of up to 12 bytes: their first eight are a word, the rest another."""
    sizes = views[:, 0].astype(np.uint64)
    found = mixed(sizes ^ np.uint64(seed))
    first = views[:, 1] | views[:, 2].astype(np.uint64) << np.uint64(32)
    found = np.where(sizes > 0, mixed(found ^ first), found)
    second = sizes > 8
    if second.any():
        found = np.where(second, mixed(found ^ views[:, 3]), found)
    return found


def _hash_texts_joined(values: pl.Series, seed: int) -> Hashes:
    sizes = values.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    return _hash_joined((values.str.join("").item() or "").encode(), sizes, seed)


def _bytes(values: pl.Series, scope: int) -> Hashes:
    sizes = values.bin.size().fill_null(0).to_numpy().astype(np.int64)
    return _hash_joined(bytes.fromhex(values.bin.encode("hex").str.join("").item() or ""), sizes, _seed("bytes", scope))


def _dates(values: pl.Series, scope: int) -> Hashes:
    return _words(_integer(values.to_physical()), "date", scope)


def _times(values: pl.Series, scope: int) -> Hashes:
    return _words(_integer(values.to_physical()), "time", scope)


def _instants(values: pl.Series, scope: int) -> Hashes:
    """With a zone, whichever it is, the instant; without one what a clock on the wall shows."""
    assert isinstance(values.dtype, pl.Datetime)
    return _moments(values, values.dtype.time_unit, "instant" if values.dtype.time_zone else "clock", scope)


def _durations(values: pl.Series, scope: int) -> Hashes:
    assert isinstance(values.dtype, pl.Duration)
    return _moments(values, values.dtype.time_unit, "duration", scope)


def _moments(values: pl.Series, unit: str, tag: str, scope: int) -> Hashes:
    """Two words, seconds and the nanoseconds after them, so that the unit does not count."""
    each = {"ms": 1_000, "us": 1_000_000, "ns": _BILLION}[unit]
    given = _integer(values.to_physical())
    seconds = given // each  # by a scalar, which NumPy does many times as quickly as divmod
    rest = given - seconds * each
    found = _words(seconds, tag, scope)
    return mixed(found ^ (rest * (_BILLION // each)).view(np.uint64))


def _lists(values: pl.Series, scope: int) -> Hashes:
    """Of each element its hash and its place; then how many there are."""
    flat = values.cast(pl.List(values.dtype.inner)) if isinstance(values.dtype, pl.Array) else values
    sizes = flat.list.len().fill_null(0).to_numpy().astype(np.int64)
    seed = _seed("list", scope)
    total = mixed(sizes.view(np.uint64) ^ np.uint64(seed))
    held = flat.filter((flat.list.len() > 0).fill_null(value=False)).explode()
    if not len(held):
        return total
    starts = np.cumsum(sizes) - sizes
    place = np.arange(1, len(held) + 1) - np.repeat(starts, sizes)
    elements = mixed(hash_column(held, seed) ^ (place.view(np.uint64) * np.uint64(_STEP)))
    full = sizes > 0
    total[full] += np.add.reduceat(elements, starts[full])
    return total


def _structs(values: pl.Series, scope: int) -> Hashes:
    """As a row: the sum over its fields, each with the scope of its name inside this one."""
    seed = _seed("struct", scope)
    total = np.full(len(values), np.uint64(seed))
    for name in values.struct.fields:
        total += hash_column(values.struct.field(name), _mix(seed ^ scope_of(name)))
    return mixed(total)


def _integer(values: pl.Series) -> NDArray[np.int64]:
    return np.ascontiguousarray(_filled(values, pl.Int64()).to_numpy(), np.int64)


def _filled(values: pl.Series, kind: pl.DataType) -> pl.Series:
    given = values if values.dtype == kind else values.cast(kind)
    return given.fill_null(0) if given.null_count() else given


def _hash_texts(texts: Sequence[bytes], seed: int) -> Hashes:
    return _hash_joined(b"".join(texts), np.array([len(text) for text in texts], np.int64), seed)


def _hash_joined(data: bytes, sizes: NDArray[np.int64], seed: int) -> Hashes:
    """The hash of each of these texts: its length, then its bytes eight at a time, little end first, the last filled with 0."""
    starts = np.cumsum(sizes) - sizes
    found = mixed(sizes.view(np.uint64) ^ np.uint64(seed))
    padded = np.frombuffer(data + bytes(8), np.uint8)
    windows = np.ndarray((len(data) + 1,), "<u8", padded.data, 0, (1,))  # a word from every byte on
    left = np.where(sizes <= _WHOLE, sizes, 0)
    for begin in range(0, int(left.max(initial=0)), 8):
        active = left > 0
        count = int(np.count_nonzero(active))
        if 2 * count > len(left):  # the many at once, whether they have a word here or not
            words = windows[np.minimum(starts + begin, len(data))] & _LOW[np.clip(left, 0, 8)]
            after = mixed(words ^ found)
            found = after if count == len(left) else np.where(active, after, found)
        else:
            rows = np.flatnonzero(active)
            found[rows] = mixed(found[rows] ^ (windows[starts[rows] + begin] & _LOW[np.minimum(left[rows], 8)]))
        left = left - 8
    for row in np.flatnonzero(sizes > _WHOLE):
        digest = hashlib.sha256(data[starts[row] : starts[row] + sizes[row]]).digest()
        for word in np.frombuffer(digest, "<u8"):
            found[row] = _mix(int(found[row]) ^ int(word))
    return found


_LOW = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)

_HASHERS: tuple[tuple[object, _Hasher], ...] = (
    *((kind, _integers) for kind in (pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.UInt32, pl.UInt16, pl.UInt8)),
    (pl.Float64, _floats),
    (pl.Float32, _floats),
    (pl.String, _texts),
    (pl.Categorical, _texts),
    (pl.Enum, _texts),
    (pl.Boolean, _booleans),
    (pl.Date, _dates),
    (pl.Time, _times),
    (pl.Duration, _durations),
    (pl.Decimal, _decimals),
    (pl.Binary, _bytes),
    (pl.List, _lists),
    (pl.Array, _lists),
    (pl.Struct, _structs),
)
