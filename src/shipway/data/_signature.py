"""The signature of one file: of each row the hash of its key and of itself, sorted by key, with sums over buckets of keys.

A data set's sums are those of its files added up. Where two data sets have equal sums in a bucket it is not looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shipway.data._errors import DataUnreadable
from shipway.data._row_hash import Hashes
from shipway.kernel.canonical import JsonObject, NotCanonical, canonical_json, parse_object

BUCKETS = 1 << 12  # by the first 12 bits of a key's hash: 98 kB of sums, and a bucket of 100 million rows is 25,000
HELD = 1 << 24  # rows whose hashes are sorted in memory, 20 bytes each; beyond, they go through a file beside
_SHIFT = np.uint64(52)
_MAGIC = b"SHIPSIG1"

Places = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """keys and rows: (n,) hashes, rising by key and then by row; places: (n,) where each row stands in its file.

    Without a key the two are one array. sums: (BUCKETS, 3): of each bucket the rows, and the sum and exclusive or of
    their hashes.
    """

    keys: Hashes
    rows: Hashes
    places: Places
    sums: Hashes

    @property
    def starts(self) -> NDArray[np.int64]:
        """(BUCKETS + 1,): where each bucket begins."""
        return np.concatenate([[0], np.cumsum(self.sums[:, 0].astype(np.int64))])


def make_signature(
    parts: Iterable[tuple[Hashes, Hashes]], *, keyed: bool, held: int = HELD, beside: Path | None = None
) -> Signature:
    """From the hashes of keys and of rows, part by part in the order of the rows; without a key these are the same.

    beside: the folder where a file stands for a moment when there are more than `held` rows.
    """
    kept: list[tuple[Hashes, Hashes]] = []
    total, rest = 0, iter(parts)
    for part in rest:
        kept.append(part)
        total += len(part[0])
        if total > held:
            return _sorted_outside(kept, rest, keyed=keyed, held=held, beside=beside)
    keys, rows = (np.concatenate([part[place] for part in kept]) if kept else np.zeros(0, np.uint64) for place in (0, 1))
    return _sorted(keys, rows, None, keyed=keyed)


def _sorted(keys: Hashes, rows: Hashes, places: Places | None, *, keyed: bool) -> Signature:
    """places: where the rows stand in their file; None: one after the other."""
    order = _order(keys, rows)
    keys = keys[order]
    rows = rows[order] if keyed else keys
    stand = order.astype(np.uint32) if places is None else places[order]
    return Signature(keys, rows, stand, bucket_sums(keys, rows))


def _order(keys: Hashes, rows: Hashes) -> NDArray[np.int64]:
    """The order by key and then by row. Words are sorted that hold the first bits of a key and the number of its row, which is
    many times as quick as to sort numbers of rows; the few keys that begin alike are put right after.
    """
    bits = np.uint64(max(1, len(keys) - 1).bit_length())
    packed = (keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    begins = packed >> bits
    alike = np.zeros(len(keys) + 1, bool)
    alike[1:-1] = begins[1:] == begins[:-1]
    if (among := np.flatnonzero(alike[1:] | alike[:-1])).size:
        those = order[among]
        order[among] = those[np.lexsort((those, rows[those], keys[those]))]
    return order


def bucket_sums(keys: Hashes, rows: Hashes) -> Hashes:
    """(BUCKETS, 3): rows, sum and exclusive or of the hashes of rows, by the first bits of their keys; keys are rising."""
    sums = np.zeros((BUCKETS, 3), np.uint64)
    starts = np.searchsorted(keys, np.arange(BUCKETS, dtype=np.uint64) << _SHIFT)
    counts = np.diff(starts, append=len(keys))
    full = counts > 0
    sums[:, 0] = counts
    if full.any():
        sums[full, 1] = np.add.reduceat(rows, starts[full])
        sums[full, 2] = np.bitwise_xor.reduceat(rows, starts[full])
    return sums


def _sorted_outside(
    kept: list[tuple[Hashes, Hashes]],
    rest: Iterator[tuple[Hashes, Hashes]],
    *,
    keyed: bool,
    held: int,
    beside: Path | None,
) -> Signature:
    """Through a file without a name, a range of buckets at a time: memory holds the hashes of about `held` rows."""
    with tempfile.TemporaryFile(dir=beside) as raw, tempfile.TemporaryFile(dir=beside) as done:
        counts, total = np.zeros(BUCKETS, np.int64), 0
        for source in (iter(kept), rest):
            for keys, rows in source:
                np.stack([keys, rows], axis=1).tofile(raw)
                counts += np.bincount((keys >> _SHIFT).astype(np.int64), minlength=BUCKETS)
                total += len(keys)
        raw.flush()
        given = np.memmap(raw, np.uint64, "r", shape=(total, 2))
        found = np.memmap(done, np.uint64, "w+", shape=(total, 2))
        places = np.empty(total, np.uint32)
        sums, end = np.zeros((BUCKETS, 3), np.uint64), 0
        for first, last in pairwise(_ranges(counts, held)):
            low, high = np.uint64(first) << _SHIFT, np.uint64(last - 1)
            at = _between(given[:, 0], int(low), int(high), held)
            piece = _sorted(given[at, 0], given[at, 1], at.astype(np.uint32), keyed=keyed)
            begin, end = end, end + len(at)
            found[begin:end, 0], found[begin:end, 1], places[begin:end] = piece.keys, piece.rows, piece.places
            sums += piece.sums
        keys = np.ascontiguousarray(found[:, 0])
        return Signature(keys, np.ascontiguousarray(found[:, 1]) if keyed else keys, places, sums)


def _ranges(counts: NDArray[np.int64], held: int) -> list[int]:
    """Bounds of runs of buckets, each of about `held` rows at most."""
    bounds, rows = [0], 0
    for bucket, count in enumerate(counts.tolist()):
        if rows and rows + count > held:
            bounds.append(bucket)
            rows = 0
        rows += count
    return [*bounds, BUCKETS]


def _between(keys: Hashes, low: int, high: int, step: int) -> NDArray[np.int64]:
    """Where keys are whose bucket is from that of `low` to `high`, looked for some at a time."""
    first, last = np.uint64(low) >> _SHIFT, np.uint64(high)
    found = []
    for begin in range(0, len(keys), step):
        buckets = keys[begin : begin + step] >> _SHIFT
        found.append(np.flatnonzero((buckets >= first) & (buckets <= last)) + begin)
    return np.concatenate(found)


def write_signature(signature: Signature, about: JsonObject, out: BinaryIO) -> None:
    """A line of JSON that says of what it is, then sums, keys, rows (with a key) and places, little end first."""
    keyed = signature.rows is not signature.keys
    head = {"kind": "row-signature", "version": 1, **about, "rows": len(signature.keys), "keyed": keyed}
    line = canonical_json(head)
    out.write(_MAGIC + len(line).to_bytes(8, "little") + line + bytes(-len(line) % 8))
    for array in (signature.sums, signature.keys, *([signature.rows] if keyed else []), signature.places):
        out.write(np.ascontiguousarray(array).view(np.uint8).data)


def read_signature(path: Path, about: JsonObject) -> Signature:
    """A file that write_signature wrote, mapped, not read. Raises DataUnreadable unless it is whole and about just this."""
    try:
        data = np.memmap(path, np.uint8, "r")
        size = int.from_bytes(data[8:16].tobytes(), "little")
        head = parse_object(data[16 : 16 + size].tobytes())
        rows, keyed = head.get("rows"), head.get("keyed")
        if data[:8].tobytes() != _MAGIC or not isinstance(rows, int) or not isinstance(keyed, bool):
            raise ValueError("it is no signature")
        if head != {"kind": "row-signature", "version": 1, **about, "rows": rows, "keyed": keyed}:
            raise ValueError("it is about something else")
        return _arrays(data, 16 + size + -size % 8, rows, keyed=keyed)
    except (OSError, ValueError, NotCanonical) as problem:
        raise DataUnreadable(f"a signature cannot be read: {problem}", where=str(path), mend="delete it") from problem


def _arrays(data: NDArray[np.uint8], start: int, rows: int, *, keyed: bool) -> Signature:
    found: list[Hashes] = []
    for length in (BUCKETS * 3, rows, *([rows] if keyed else [])):
        found.append(data[start : start + length * 8].view(np.uint64))
        start += length * 8
    if len(data) != start + rows * 4:
        raise ValueError("it was cut")
    sums = found[0].reshape(BUCKETS, 3)
    return Signature(found[1], found[-1] if rows and keyed else found[1], data[start:].view(np.uint32), sums)
