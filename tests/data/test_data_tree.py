from __future__ import annotations

import os
import tempfile
from pathlib import Path

from data_help import new_store
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import snapshot_files, take_snapshot, verify_snapshot

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
