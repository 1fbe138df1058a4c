"""Names of the project as a target takes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.deploy import CannotExpress, NamesCollide
from shipway.deploy._names import label_name, label_names


def test_two_names_that_a_target_takes_for_one_are_refused_by_both_names() -> None:
    with pytest.raises(NamesCollide, match=r"the step load_data and load__data are both load-data for argo"):
        label_names(["load__data", "load_data"], target="argo", what="step")


def test_a_name_of_our_own_is_taken() -> None:
    with pytest.raises(NamesCollide, match="a name of Shipway's own"):
        label_names(["shipway_models"], target="argo", what="step", taken=["shipway-models"])


def test_a_name_of_which_nothing_is_left_or_that_is_too_long_is_refused() -> None:
    for name in ("___", "x" * 64):
        with pytest.raises(CannotExpress, match="argo has no name for the step"):
            label_names([name], target="argo", what="step")


@given(st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,70}", fullmatch=True), unique=True, max_size=8))
def test_labels_are_legal_and_as_many_as_the_names(names: list[str]) -> None:
    try:
        labels = label_names(names, target="argo", what="step")
    except (NamesCollide, CannotExpress):
        assert len({label_name(name) for name in names}) < len(names) or any(
            not label_name(name) or len(label_name(name)) > 63 for name in names
        )
        return
    assert len(set(labels.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels.values())
