"""Two sets of files compared: what is kept and not read again, what is told of broken, mixed and huge data."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from diff_help import diff

from shipway.data import DataUnreadable, KeyMissing, render_diff, render_diff_markdown
from shipway.data._file_facts import FactsCache
from shipway.data._table_file import TableFile
from shipway.kernel.digest import Digest

ROWS = pl.DataFrame({"id": range(1000), "x": np.linspace(0, 1, 1000), "word": [f"w{place % 7}" for place in range(1000)]})


def folder(root: Path, name: str, **tables: pl.DataFrame | bytes) -> Path:
    place = root / name
    place.mkdir(parents=True)
    for stem, table in tables.items():
        path = place / stem.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        if isinstance(table, bytes):
            path.write_bytes(table)
        elif path.suffix == ".csv":
            table.write_csv(path)
        else:
            table.write_parquet(path)
    return place


def found(*sides: Path, **more: Any) -> dict[str, Any]:
    return dict(diff(*sides, **more))


def test_a_second_comparison_reads_nothing_and_another_reads_only_what_is_new(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_parquet=ROWS, b_parquet=ROWS.with_columns(id=pl.col("id") + 1000))
    two = folder(tmp_path, "two", a_parquet=ROWS.head(900), b_parquet=ROWS.with_columns(id=pl.col("id") + 1000))
    cache = tmp_path / "cache"
    first = found(one, two, key=("id",), cache=cache)
    assert (first["rows"]["removed"], first["rows"]["files_read"]) == (100, 3)
    kept = sorted(cache.rglob("*"))
    for path in (one / "a.parquet", two / "a.parquet"):
        path.chmod(0o644)
    assert found(one, two, key=("id",), cache=cache) == first
    three = folder(tmp_path, "three", a_parquet=ROWS.head(800), b_parquet=ROWS.with_columns(id=pl.col("id") + 1000))
    again = found(two, three, key=("id",), cache=cache)
    assert (again["rows"]["removed"], again["rows"]["files_read"]) == (100, 1)
    assert found(one, three, key=("id",), cache=cache)["rows"]["files_read"] == 0
    assert set(kept) < set(cache.rglob("*"))


def test_a_file_that_was_hashed_for_a_comparison_is_not_read_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)
    one, two = folder(tmp_path, "one", a_parquet=ROWS), folder(tmp_path, "two", a_parquet=ROWS.head(900))
    cache = tmp_path / "cache"
    first = found(one, two, key=("id",), cache=cache)
    monkeypatch.setattr("shipway.store._file_digests.hash_file", lambda path: pytest.fail(f"{path} is read"))
    assert found(one, two, key=("id",), cache=cache) == first


def test_who_waits_is_told_of_the_rows_that_are_read_and_of_none_that_are_known(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one", a_parquet=ROWS), folder(tmp_path, "two", a_parquet=ROWS.head(900))
    words = folder(tmp_path, "words", a_csv=ROWS)
    told: list[tuple[int, int | None]] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    found(one, two, key=("id",), cache=tmp_path / "cache", report=tell)
    assert (told[0], told[-1]) == ((0, 1900), (1900, 1900))
    told.clear()
    found(one, words, key=("id",), cache=tmp_path / "cache", report=tell)
    assert told == [(0, None), (1000, None)]
    told.clear()
    found(two, words, key=("id",), cache=tmp_path / "cache", report=tell)
    assert told == []


def test_what_is_kept_may_be_cut_or_foreign_and_is_then_measured_again(tmp_path: Path) -> None:
    one, two = folder(tmp_path, "one", a_parquet=ROWS), folder(tmp_path, "two", a_parquet=ROWS.head(900))
    cache = tmp_path / "cache"
    first = found(one, two, key=("id",), cache=cache)
    for place, path in enumerate(path for path in cache.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes()[: -9 if place % 2 else 20])
    assert found(one, two, key=("id",), cache=cache) == first
    assert found(one, two, key=("id",), cache=cache) == first, "and kept anew"


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_parquet=ROWS, b_parquet=ROWS.head(500))
    files = [TableFile(name, one / name, Digest(f"sha256:{name}")) for name in ("a.parquet", "b.parquet")]
    cache = FactsCache(tmp_path / "cache", most=130_000)
    for file in files:
        assert cache.measure(file, ["id"], ["id"]).read
    cache.shrink()
    assert not cache.measure(files[1], ["id"], ["id"]).read
    assert cache.measure(files[0], ["id"], ["id"]).read


def test_the_document_tells_columns_cells_values_days_and_folders(tmp_path: Path) -> None:
    before = ROWS.with_columns(
        at=pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 10), eager=True).gather(ROWS["id"] % 10), gone=1.5
    )
    after = before.filter(pl.col("at") != pl.date(2024, 1, 3)).rename({"gone": "here"})
    after = after.with_columns(word=pl.col("word").replace("w3", "new"), x=pl.col("x") + 5)
    one = folder(tmp_path, "one", day__a_parquet=before.head(500), night__b_parquet=before.tail(500))
    two = folder(tmp_path, "two", day__a_parquet=after.head(400), night__b_parquet=after.tail(500))
    told = found(one, two, key=("id",))
    rows = told["rows"]
    assert (rows["before"], rows["after"], rows["removed"], rows["changed"]) == (1000, 900, 100, 900)
    assert {one["name"]: (one["from"], one["to"]) for one in rows["columns"]} == {
        "gone": ("Float64", None),
        "here": (None, "Float64"),
    }
    assert told["renamed"] == [{"from": "gone", "to": "here", "likeness": 1.0}]
    words = sum(1 for word in after["word"] if word == "new")
    assert told["cells"] == {"rows": 900, "columns": [{"column": "x", "changed": 900}, {"column": "word", "changed": words}]}
    columns = {one["name"]: one for one in told["columns"]}
    assert (columns["x"]["check"]["verdict"], columns["id"]["check"]["verdict"]) == ("fail", "pass")
    assert [(one["value"], one["rows"]) for one in columns["word"]["came"]] == [("new", words)]
    assert [one["value"] for one in columns["word"]["went"]] == ["w3"]
    (days,) = told["days"]
    assert (days["column"], days["different"], days["of"]) == ("at", 1, 10)
    assert [day for day in days["counts"] if day["before"] != day["after"]] == [
        {"name": "2024-01-03", "before": 100, "after": 0}
    ]
    assert told["partitions"]["counts"] == [
        {"name": "day", "before": 500, "after": 400},
        {"name": "night", "before": 500, "after": 500},
    ]
    assert len(told["samples"]["changed"]) == len(told["samples"]["removed"]) == 20
    assert told["samples"]["removed"][0]["id"] == 2
    text = "\n".join(render_diff(told))
    assert text.startswith("rows: 0 added, 100 removed, 900 changed by id, 1,000 -> 900 rows")
    for line in (
        "  ? gone may be here now (100% alike)",
        "  x  900",
        "  at 2024-01-03  100 -> 0",
        "  day  500 -> 400",
        "  - word: w3",
    ):
        assert line in text, line
    assert json.loads(json.dumps(told)) == told


def test_a_contract_tells_which_rules_have_another_verdict(tmp_path: Path) -> None:
    from shipway.spec import ColumnRule, ContractSpec

    contract = ContractSpec(rows_at_least=950, columns={"x": ColumnRule(name="x", between=(0, 1))}).to_json()
    one, two = folder(tmp_path, "one", a_parquet=ROWS), folder(tmp_path, "two", a_parquet=ROWS.head(900))
    told = found(one, two, contract=contract)["contract"]
    assert [(flip["name"], flip["before"]["verdict"], flip["after"]["verdict"]) for flip in told["flips"]] == [
        ("contract", "pass", "fail"),
        ("contract.rows.at_least", "pass", "fail"),
    ]


def test_files_of_one_side_that_differ_among_themselves_are_told_and_compared(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_parquet=ROWS, b_csv=ROWS.head(10).select("id", word=pl.lit("late")))
    two = folder(tmp_path, "two", a_parquet=ROWS.head(999), c_csv=ROWS.head(10).select("id", word=pl.lit("late"), y=1))
    told = found(one, two, key=("id",))
    assert "b.csv and a.parquet differ in columns (x); what one has not is null" in told["rows"]["note"]
    assert (told["rows"]["removed"], told["rows"]["added"], told["rows"]["changed"]) == (1, 0, 0)
    odd = folder(tmp_path, "odd", a_parquet=ROWS.tail(999), b_parquet=ROWS.with_columns(x=pl.lit("text")))
    told = found(one, odd, key=("id",))
    assert "x is String in b.parquet and Float64 in a.parquet" in told["rows"]["note"]
    assert "x" not in told["rows"]["compared"]


def test_a_cut_file_one_that_vanished_and_one_that_is_no_table_are_one_clear_error(tmp_path: Path) -> None:
    one = folder(tmp_path, "one", a_parquet=ROWS)
    whole = (one / "a.parquet").read_bytes()
    cut = folder(tmp_path, "cut", a_parquet=whole[:-5])
    with pytest.raises(DataUnreadable, match=r"a\.parquet cannot be read"):
        found(one, cut)
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "a.parquet").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataUnreadable):
        found(one, tmp_path / "dead")
    text = folder(tmp_path, "text", a_txt=b"hello")
    assert found(one, text)["rows"]["removed"] == 1000
    assert "rows" not in found(text, folder(tmp_path, "other", a_txt=b"hallo"))
    with pytest.raises(KeyMissing, match="column nope is not there before and after"):
        found(one, folder(tmp_path, "two", a_parquet=ROWS.head(3)), key=("nope",))
    with pytest.raises(KeyMissing, match="column x is not there after"):
        found(one, folder(tmp_path, "drop", a_parquet=ROWS.drop("x")), key=("x",))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folder(tmp_path, "one", a_parquet=ROWS), folder(tmp_path, "two", a_parquet=ROWS.head(3))
    measure = FactsCache.measure

    def slow(self: FactsCache, file: TableFile, *rest: Any, **more: Any) -> Any:
        facts = measure(self, file, *rest, **more)
        ROWS.head(5).write_parquet(two / "a.parquet")
        return facts

    monkeypatch.setattr(FactsCache, "measure", slow)
    with pytest.raises(DataUnreadable, match="changed while it was read"):
        found(one, two)


def test_huge_cells_and_hostile_names_are_cut_and_written_out(tmp_path: Path) -> None:
    before = pl.DataFrame(
        {"id": [1, 2], "@all\n<b>": ["x" * 5_000_000, "y"], "l": [[1] * 10_000, []], "y": [b"\0" * 9000, None]}
    )
    after = before.with_columns(pl.Series("@all\n<b>", ["z" * 5_000_000, "y"])).filter(pl.col("id") == 1)
    told = found(folder(tmp_path, "one", a_parquet=before), folder(tmp_path, "two", a_parquet=after), key=("id",))
    assert (told["rows"]["changed"], told["rows"]["removed"]) == (1, 1)
    assert len(json.dumps(told)) < 20_000
    page = render_diff_markdown(told, title="@someone <script>")
    assert len(page) < 65_000
    assert "<" not in page
    assert "@" not in page
    assert all(line.isprintable() for line in render_diff(told))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Of 40 parts of a file some are held at a time, and hashes of all beyond a limit go through a file."""
    frame = pl.DataFrame({"id": range(200_000), "x": np.arange(200_000) * 0.5})
    one = folder(tmp_path, "one", a_parquet=frame)
    file = TableFile("a.parquet", one / "a.parquet", Digest("sha256:a"))
    parts = list(file.parts(["id"], 5_000))
    assert [part.height for part in parts] == [5_000] * 40
    assert pl.concat(parts)["id"].equals(frame["id"])
    whole = FactsCache(None).measure(file, ["id", "x"], ["id"])
    tracemalloc.start()
    pieces = FactsCache(None).measure(file, ["id", "x"], ["id"], held=10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(whole.signature.keys, pieces.signature.keys)
    assert np.array_equal(whole.signature.places, pieces.signature.places)
    assert peak < 60_000_000


@pytest.mark.parametrize("key", [("id",), ()])
def test_values_that_change_places_are_changes(tmp_path: Path, key: tuple[str, ...]) -> None:
    """Sums of rows would be the same, were a row only the sum of its cells."""
    before = pl.DataFrame({"id": [0, 1], "x": [None, 2.5], "y": ["a", "b"]})
    after = before.with_columns(x=pl.col("x").reverse())
    told = found(folder(tmp_path, "one", a_parquet=before), folder(tmp_path, "two", a_parquet=after), key=key)["rows"]
    assert (told["changed"], told["added"], told["removed"]) == ((2, 0, 0) if key else (None, 2, 2))
