"""Merges of data sets by path: disjoint edits are both there, and what both changed is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.data import Conflict, Side, merge_files
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import TreeFile

PATHS = ("a", "b", "c/d", "c/e", "f/g/h")
contents = st.dictionaries(st.sampled_from(PATHS), st.sampled_from("xyz"))
edits = st.dictionaries(st.sampled_from(PATHS), st.one_of(st.none(), st.sampled_from("xyz")))


def files(texts: Mapping[str, str]) -> dict[str, TreeFile]:
    return {path: TreeFile(path, digest_of(text), len(text), False) for path, text in texts.items()}


def digest_of(text: str) -> Digest:
    return digest_bytes(text.encode())


def edited(base: Mapping[str, str], edit: Mapping[str, str | None]) -> dict[str, str]:
    """The independent account of an edit: a dictionary, changed."""
    found = dict(base)
    for path, text in edit.items():
        if text is None:
            found.pop(path, None)
        else:
            found[path] = text
    return found


@given(base=contents, one=edits, other=edits)
def test_disjoint_edits_are_both_there(base: dict[str, str], one: dict[str, str | None], other: dict[str, str | None]) -> None:
    other = {path: text for path, text in other.items() if path not in one}
    ours, theirs = edited(base, one), edited(base, other)
    found = merge_files(files(base), files(ours), files(theirs))
    assert found.conflicts == ()
    assert found.files == files(edited(edited(base, one), other))


@settings(max_examples=100)
@given(base=contents, ours=contents, theirs=contents)
def test_a_conflict_is_where_both_changed_and_differ(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    found = merge_files(files(base), files(ours), files(theirs))
    assert [one.path for one in found.conflicts] == sorted(
        path for path in PATHS if len({base.get(path), ours.get(path), theirs.get(path)}) == 3
        or (ours.get(path) != theirs.get(path) and base.get(path) not in (ours.get(path), theirs.get(path)))
    )  # fmt: skip
    mirrored = merge_files(files(base), files(theirs), files(ours))
    assert mirrored.files == found.files
    for side, wanted in ((Side.OURS, ours), (Side.THEIRS, theirs)):
        resolved = merge_files(files(base), files(ours), files(theirs), {".": side})
        assert resolved.conflicts == ()
        assert all(resolved.files.get(one.path) == files(wanted).get(one.path) for one in found.conflicts)


def test_a_choice_is_of_a_path_or_of_a_folder_and_the_longest_counts() -> None:
    base, ours, theirs = {"c/d": "x", "c/e": "x", "a": "x"}, {"c/d": "y", "c/e": "y"}, {"c/d": "z", "c/e": "z", "a": "z"}
    asked = merge_files(files(base), files(ours), files(theirs))
    assert asked.conflicts[0] == Conflict("a", digest_of("x"), None, digest_of("z"))
    some = merge_files(files(base), files(ours), files(theirs), {"c": Side.THEIRS, "c/e": Side.OURS})
    assert [one.path for one in some.conflicts] == ["a"]
    assert {path: file.digest for path, file in some.files.items()} == {"c/d": digest_of("z"), "c/e": digest_of("y")}


@pytest.mark.parametrize("side", list(Side))
def test_a_file_and_a_folder_of_one_name_are_a_conflict(side: Side) -> None:
    base, ours, theirs = {"k": "x"}, {"k": "x", "m": "y"}, {"k": "x", "m/n": "z", "m/o": "z"}
    found = merge_files(files(base), files(ours), files(theirs))
    assert [one.path for one in found.conflicts] == ["m"]
    resolved = merge_files(files(base), files(ours), files(theirs), {"m": side})
    assert resolved.conflicts == ()
    assert resolved.files == files(ours if side is Side.OURS else theirs)
