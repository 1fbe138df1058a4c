"""Whatever is in a table, in whichever format: a comparison finds exactly what plain dictionaries find."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from diff_help import Row, by_dictionary, changed_cells, diff, tables, write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shipway.data._row_hash import mixed
from shipway.data._row_match import match_rows
from shipway.data._signature import Signature, make_signature
from shipway.kernel.canonical import JsonObject

LAX = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def compared(
    folder: Path, form: str, before: list[Row], after: list[Row], names: list[str], key: tuple[str, ...]
) -> JsonObject:
    place = Path(tempfile.mkdtemp(dir=folder))
    old, new = write(place / "old", form, before, names), write(place / "new", form, after, names, files=2)
    return diff(old, new, key=key)


def counts(found: JsonObject) -> dict[str, object]:
    """Two files have the first row of a text format twice: one more, that has nothing to do with the edits."""
    rows = cast("JsonObject", found["rows"])
    return {word: rows[word] for word in ("added", "removed", "changed")}


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
@given(data=st.data())
@LAX
def test_known_edits_are_found_exactly(tmp_path: Path, form: str, data: st.DataObject) -> None:
    before, after, names = data.draw(tables(form))
    keyed = data.draw(st.booleans())
    expected = by_dictionary(before, after, "id" if keyed else None)
    if form != "parquet":
        expected["added"] = cast("int", expected["added"]) + 1
    found = compared(tmp_path, form, before, after, names, ("id",) if keyed else ())
    if not before and not after and form == "parquet":
        return
    assert counts(found) == expected


@given(data=st.data())
@LAX
def test_changed_cells_are_counted_by_column_and_shown_as_they_were_and_are(tmp_path: Path, data: st.DataObject) -> None:
    before, after, names = data.draw(tables("parquet"))
    before, after = ([*{row["id"]: row for row in side}.values()] for side in (before, after))
    before, after = ([{**row} for row in {row["id"]: row for row in side}.values()] for side in (before, after))
    found = compared(tmp_path, "parquet", before, after, names, ("id",))
    cells = cast("list[dict[str, object]]", cast("JsonObject", found.get("cells") or {}).get("columns") or [])
    assert {one["column"]: one["changed"] for one in cells} == changed_cells(before, after, names)
    samples = cast("JsonObject", found.get("samples") or {})
    for sample in cast("list[JsonObject]", samples.get("changed") or []):
        key = cast("JsonObject", sample["key"])["id"]
        old, new = (next(row for row in side if row["id"] == key) for side in (before, after))
        odd = changed_cells([old], [new], names)
        assert set(cast("JsonObject", sample["before"])) == set(odd) == set(cast("JsonObject", sample["after"]))


Hashed = list[tuple[int, int]]
HASHED = st.lists(st.tuples(st.sampled_from([0, 1, 5 << 52, (5 << 52) + 1, 2**64 - 1]), st.integers(0, 3)), max_size=30)


def signed(rows: Hashed, *, keyed: bool, held: int = 1 << 20) -> Signature:
    """The key is part of the row, so rows with other keys have other hashes."""
    pairs = np.array(rows, np.uint64).reshape(-1, 2) if rows else np.zeros((0, 2), np.uint64)
    keys, hashes = (
        (pairs[:, 0], mixed(mixed(pairs[:, 0].copy()) + pairs[:, 1])) if keyed else (mixed(pairs[:, 0] + pairs[:, 1]),) * 2
    )
    size = max(1, len(rows) // 3)
    return make_signature([(keys[at : at + size].copy(), hashes[at : at + size].copy()) for at in range(0, len(rows), size)],
                          keyed=keyed, held=held)  # fmt: skip


@given(st.lists(HASHED, max_size=3), st.lists(HASHED, max_size=3), st.booleans(), st.sampled_from([1, 4, 1 << 18]))
@example([], [[(2**64 - 1, 0)] * 16], True, 1)  # nothing but the highest key there is
@example([[(2**64 - 1, 0)] * 200], [[(2**64 - 1, 1)] * 200], True, 1)
@settings(max_examples=100, deadline=None)
def test_rows_of_any_signatures_are_matched_one_for_one(
    before: list[Hashed], after: list[Hashed], keyed: bool, at_once: int
) -> None:
    found = match_rows([signed(rows, keyed=keyed) for rows in before], [signed(rows, keyed=keyed) for rows in after],
                       keyed=keyed, at_once=at_once)  # fmt: skip
    sides = [Counter(row if keyed else sum(row) % 2**64 for rows in side for row in rows) for side in (before, after)]
    removed, added = sides[0] - sides[1], sides[1] - sides[0]
    changed = 0
    if keyed:
        by_key = [Counter(row[0] for row in side.elements()) for side in (removed, added)]  # type: ignore[index]
        changed = (by_key[0] & by_key[1]).total()
    assert (len(found.removed), len(found.added)) == (removed.total() - changed, added.total() - changed)
    assert len(found.old) == len(found.new) == changed
    for (file, place), (other, there) in zip(
        zip(found.old.files, found.old.places, strict=True), zip(found.new.files, found.new.places, strict=True), strict=True
    ):
        assert before[file][place][0] == after[other][there][0], "a changed row keeps its key"
        assert before[file][place] != after[other][there]
    if keyed:
        keys = [Counter(row[0] for rows in side for row in rows) for side in (before, after)]
        assert found.repeated == tuple(sum(count for count in each.values() if count > 1) for each in keys)


@given(HASHED, st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_signature_that_went_through_a_file_is_the_same(rows: Hashed, keyed: bool) -> None:
    one, other = signed(rows, keyed=keyed), signed(rows, keyed=keyed, held=2)
    for name in ("keys", "rows", "sums"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert Counter(one.places.tolist()) == Counter(other.places.tolist())
    pairs = {(int(key), int(row)) for key, row in zip(one.keys, one.rows, strict=True)}
    assert len(pairs) == len(set(rows) if keyed else {sum(row) % 2**64 for row in rows})
