"""A CSV that ends in the middle of a row is told, and a whole one never is."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.data import cut_short

CELLS = st.text(alphabet='ab,"\n é', max_size=5)
TABLES = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=2, max_size=5)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.integers(0, 80))
def test_no_whole_file_is_told_and_one_that_is_cut_after_a_field_is(
    tmp_path: Path, rows: list[list[str]], end: str, at: int
) -> None:
    out, path = io.StringIO(newline=""), tmp_path / "t.csv"
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    for whole in (out.getvalue(), out.getvalue().removesuffix(end)):
        path.write_bytes(whole.encode())
        assert cut_short(path) is None
    last = [f'"{cell}"' for cell in ("".join(c for c in cell if c not in '"\n') for cell in rows[-1])]
    kept = last[: 1 + at % (len(last) - 1)]
    path.write_bytes((out.getvalue() + ",".join(kept)).encode())
    assert cut_short(path) == f"t.csv seems cut: its last line has {len(kept)} of {len(last)} fields and no end"


@pytest.mark.parametrize("data", [b"", b"a,b", b"a,b\n", b"\n\n1", b"a,b\n1,2", b"a\n1", b"\xff\xfe,\n\x00,\x00"])
def test_of_a_file_without_rows_or_of_rubbish_nothing_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    assert cut_short(tmp_path / "t.csv") is None
    (tmp_path / "t.jsonl").write_bytes(b"a,b\n1")
    assert cut_short(tmp_path / "t.jsonl") is None


def test_a_line_longer_than_what_is_looked_at_and_a_long_file_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b,c\n" + b"1,2,3\n" * 400_000 + b"1,2")
    assert str(cut_short(path)).endswith("2 of 3 fields and no end")
    path.write_bytes(b"a,b,c\n1," + b"x" * (2 << 20))
    assert cut_short(path) is None
