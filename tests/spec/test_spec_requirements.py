"""The lines of a policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.kernel.errors import ShipwayError
from shipway.spec import LOWER_IS_BETTER, AtLeast, AtMost, NotWorseBy, Pass, SpecMalformed, parse_requirement
from shipway.spec._requirement import requirement_text, requirement_to_json

NUMBERS = st.decimals(0, 1000, places=4).map(lambda number: f"{number:f}")
LEVELS = st.decimals(50, "99.99", places=2).map(lambda number: f" at {number:f}%")
TEXTS = st.just("pass") | st.builds(
    "{} {}{}".format, st.sampled_from(["at least", "at most", "not worse by"]), NUMBERS, LEVELS | st.just("")
)


def test_each_form_is_its_own_type() -> None:
    assert parse_requirement("contract", "pass") == Pass("contract", "pass")
    assert parse_requirement("auc", "at least 0.55 at 90%") == AtLeast("auc", 0.55, 0.9, "at least 0.55 at 90%")
    assert parse_requirement("brier", "at most 0.2") == AtMost("brier", 0.2, 0.95, "at most 0.2")
    assert parse_requirement("auc", "at least -1") == AtLeast("auc", -1.0, 0.95, "at least -1")
    assert parse_requirement("auc", "not worse by 0.02") == NotWorseBy("auc", 0.02, 0.95, "not worse by 0.02")


def test_spaces_do_not_count() -> None:
    assert parse_requirement("auc", "  at  least 0.5 ") == parse_requirement("auc", "at least 0.5")


@given(TEXTS)
def test_a_requirement_reads_back_from_its_own_text(text: str) -> None:
    requirement = parse_requirement("auc", text)
    assert requirement.text == text
    assert parse_requirement("auc", requirement.text) == requirement


@given(TEXTS)
def test_the_stored_form_means_the_same_and_says_its_level(text: str) -> None:
    stored = requirement_to_json(parse_requirement("auc", text))
    again = requirement_text(stored)
    assert again == "pass" or again.endswith("%")
    assert requirement_to_json(parse_requirement("auc", again)) == stored


def test_two_ways_to_write_one_number_are_one_requirement() -> None:
    texts = ["at least 0.5", "at least 0.50", "at least 00.5 at 95.0%"]
    assert len({str(requirement_to_json(parse_requirement("auc", text))) for text in texts}) == 1


@pytest.mark.parametrize(("name", "text"), [("acu", "at least 0.5"), ("calibration", "at most 0.1")])
def test_a_metric_that_nothing_measures_is_refused_with_the_nearest(name: str, text: str) -> None:
    with pytest.raises(SpecMalformed, match="is measured") as caught:
        parse_requirement(name, text)
    assert caught.value.mend in ("did you mean `auc`?", "did you mean `calibration_error`?")


def test_a_metric_that_is_not_compared_with_live_is_refused_there() -> None:
    with pytest.raises(SpecMalformed, match="compared with live"):
        parse_requirement("calibration_error", "not worse by 0.02")


NONE = [
    "",
    "passes",
    "at least",
    "at least x",
    "at least 5%",
    "> 0.5",
    "at least ٣",
    "at least 1e999",
    "not worse by -1",
]
LEVELLESS = ["at least 0.5 at 95", "at least 0.5 at 100%", "at least 0.5 at 20%", "at least 0.5 at 95% pass"]
ENDLESS = ["at least " + "9" * 400, "at least 0.5 at " + "9" * 400 + "%"]


@pytest.mark.parametrize("text", NONE + LEVELLESS + ENDLESS)
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(SpecMalformed) as caught:
        parse_requirement("auc", text)
    assert caught.value.mend


@given(st.text(), st.text())
def test_no_text_raises_anything_but_our_errors(name: str, text: str) -> None:
    with pytest.raises(ShipwayError):
        parse_requirement(name, text + "?")


def test_the_metrics_where_less_is_better_are_known() -> None:
    assert {"brier", "log_loss", "calibration_error"} <= LOWER_IS_BETTER
    assert "auc" not in LOWER_IS_BETTER
