"""Columns with data about persons are flagged: published examples of every number, and no other with one digit changed."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.data import measure_personal
from shipway.data._personal import CHECKED, is_iban
from shipway.kernel.check import Verdict

PUBLISHED = {
    "payment card numbers": ["4111111111111111", "5555555555554444", "378282246310005"],
    "Spanish DNIs": ["12345678Z", "00000000T"],
    "French social security numbers": ["255081416802538"],
    "Polish PESELs": ["44051401359", "02070803628"],
    "Brazilian CPFs": ["11144477735", "52998224725"],
    "German tax ids": ["86095742719", "65929970489"],
    "British NHS numbers": ["9434765919", "4010232137"],
    "Dutch BSNs": ["111222333", "123456782"],
}


@pytest.mark.parametrize("word", CHECKED)
def test_a_number_with_a_check_digit_is_known_and_with_one_digit_changed_it_is_not(word: str) -> None:
    for number in PUBLISHED[word]:
        assert CHECKED[word](number), number
        last = next(n for n in reversed(range(len(number))) if number[n].isdigit())
        changed = number[:last] + str((int(number[last]) + 1) % 10) + number[last + 1 :]
        assert not CHECKED[word](changed), changed


def test_an_iban_is_known_by_its_remainder() -> None:
    assert all(map(is_iban, ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"]))
    assert not any(map(is_iban, ["DE89370400440532013001", "GB82WEST", "", "DE8937040044053201300\u0660"]))


@given(st.text(max_size=30))
def test_no_text_breaks_a_recogniser(text: str) -> None:
    assert {holds(text) for holds in (*CHECKED.values(), is_iban)} <= {True, False}


def test_columns_are_flagged_by_what_stands_in_them_and_by_their_name() -> None:
    table = pl.DataFrame(
        {
            "note": ["call +49 30 1234567", "ask ann@example.org", "fine", None],
            "tel": ["+49 30 1234567", "+44 20 7946 0958", "(212) 555-0123", None],
            "bank": ["DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32", None, "x"],
            "dutch": [111222333, 123456782, 111222333, None],
            "last_name": ["a", "b", "c", "d"],
            "flight": ["AA1", "UA2", "DL3", "B64"],
            "day": ["2013-01-01", "2013-01-02", "2013-01-03", "2013-01-04"],
            "username_length": [1, 2, 3, 4],
            "delay": [1.5, 2.5, None, 0.1],
        }
    )
    overall, *found = measure_personal(table.lazy())
    assert {check.name: check.verdict.value for check in found} == {
        "personal.note": "fail", "personal.tel": "fail", "personal.bank": "fail", "personal.dutch": "fail",
        "personal.last_name": "inconclusive",
    }  # fmt: skip
    assert overall.verdict is Verdict.FAIL
    assert [check.text for check in found][1:3] == [
        "100.0% of its 3 distinct values are phone numbers", "66.7% of its 3 distinct values are IBANs",
    ]  # fmt: skip


def test_numbers_that_are_right_by_chance_are_not_flagged() -> None:
    table = pl.DataFrame({"id": range(100_000_000, 100_002_000), "long": range(4 * 10**15, 4 * 10**15 + 2000)})
    (overall,) = measure_personal(table.lazy())
    assert overall.verdict is Verdict.PASS
