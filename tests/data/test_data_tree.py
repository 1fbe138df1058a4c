from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from data_help import new_store
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import snapshot_files, take_snapshot, verify_snapshot
from shipway.kernel.canonical import JsonObject, canonical_json, text_of_name
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.store._tree import Entry, file_entry, folder_entry, node_bytes, read_entries

NAMES = (
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8)
    .map(str.encode)
    .filter(lambda name: name not in (b".", b"..") and not name.lower().endswith((b".pq", b".parquet")))  # those must be whole
)
TREES = st.recursive(
    st.binary(max_size=40), lambda below: st.dictionaries(NAMES, below, min_size=1, max_size=4), max_leaves=12
).filter(lambda tree: isinstance(tree, dict))


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_every_file_of_any_tree_comes_back_under_its_path(tree: dict[bytes, object]) -> None:
    with tempfile.TemporaryDirectory() as root:
        store, folder = new_store(Path(root) / "project"), Path(root) / "data"
        written = write_tree(os.fsencode(folder), tree)
        taken = take_snapshot(store, folder)
        read = {os.fsencode(file.path): store.objects.get(file.digest) for file in snapshot_files(store, taken.digest)}
        assert read == {os.path.relpath(path, os.fsencode(folder)): data for path, data in written.items()}
        assert (taken.files, taken.bytes) == (len(written), sum(map(len, written.values())))
        verify_snapshot(store, taken.digest, name="data")


def write_tree(folder: bytes, tree: dict[bytes, object]) -> dict[bytes, bytes]:
    """Write nested folders; the files that were written, by path."""
    os.makedirs(folder)
    written: dict[bytes, bytes] = {}
    for name, value in tree.items():
        path = os.path.join(folder, name)
        if isinstance(value, dict):
            written |= write_tree(path, value)
        else:
            assert isinstance(value, bytes)
            written[path] = value
            with open(path, "wb") as file:
                file.write(value)
    return written


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=12), st.integers(0, 2**53 - 1), st.booleans()), max_size=5))
def test_a_folder_is_written_as_canonical_json(rows: list[tuple[bytes, int, bool]]) -> None:
    rows = sorted({row[0]: row for row in rows}.values())
    entries: list[JsonObject] = [
        {"name": text_of_name(name), "type": "file", "digest": digest_bytes(name), "size": size, "executable": executable}
        for name, size, executable in rows
    ]
    written = [(name, file_entry(name, digest_bytes(name), size, executable=executable)) for name, size, executable in rows]
    assert node_bytes(written[::-1]) == canonical_json({"kind": "tree", "version": 1, "entries": entries})


def test_large_files_that_are_read_in_threads_give_the_tree_that_one_after_the_other_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for number in range(5):
        (tmp_path / f"data/{number}").write_bytes(bytes([number]) * 3000)
    alone = take_snapshot(new_store(tmp_path / "one"), tmp_path / "data")
    monkeypatch.setattr("shipway.store._tree_write._LARGE", 1000)
    together = take_snapshot(new_store(tmp_path / "other"), tmp_path / "data")
    assert together == alone


ENTRIES = st.lists(
    st.tuples(st.one_of(NAMES, st.binary(min_size=1, max_size=9)), st.integers(0, 10**15), st.none() | st.booleans())
)


@settings(max_examples=150, deadline=None)
@given(
    ENTRIES,
    st.integers(0, 400),
    st.sampled_from([b"", b" ", b"x", b"A", b"sh:", b'"', b"},{", b"/", b"..", b"\\", b'"size":1,']),
    st.booleans(),
)
def test_a_node_is_read_in_its_own_form_as_it_is_read_as_json(
    rows: list[tuple[bytes, int, bool | None]], at: int, put: bytes, over: bool
) -> None:
    """The quick way knows one form alone: whatever is put into a node, or over what is there, it never sees what JSON does not
    say.
    """
    written = [
        (name, folder_entry(name, Descriptor("", digest_bytes(name), size)))
        if executable is None
        else (name, file_entry(name, digest_bytes(name), size, executable=executable))
        for name, size, executable in rows
    ]
    data = node_bytes(written)
    data = data[:at] + put + data[at + len(put) * over :]
    assert _read(data) == _read(_spaced(data))


def _spaced(data: bytes) -> bytes:
    """The same JSON in a form that is nobody's own."""
    try:
        return json.dumps(json.loads(data, object_pairs_hook=_twice), indent=1, ensure_ascii=False).encode()
    except ValueError:
        return data + b" "


def _twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key that comes twice")
    return dict(pairs)


def _read(data: bytes) -> list[Entry] | str:
    try:
        return read_entries(data)
    except ShipwayError as problem:
        return problem.code
