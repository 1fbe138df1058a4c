"""Golden rows: every mistake has its line and its mending, and equal sets have one digest."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from evals_help import new_store
from hypothesis import given
from hypothesis import strategies as st

from shipway.evals import (
    Assertion,
    GoldenMalformed,
    GoldenMissing,
    Judge,
    goldenset_object,
    load_golden,
    load_goldenset,
    parse_golden,
)
from shipway.spec import EvalSpec

SPEC = EvalSpec(name="golden", file="golden.jsonl", samples=2, at=(1, 5))
GOOD = '{"id": "q1", "input": "Which port?", "target": "5432"}'
WHOLE = {
    "id": "q1",
    "input": "Which port?",
    "target": ["5432", "port 5432"],
    "context": ["ports.txt#default", "install.txt"],
    "vars": {"language": "en", "length": 3},
    "expect": [{"type": "contains", "value": "5432"}, {"type": "not-regex", "value": "[0-9]{6}"}],
    "cluster": "ports",
    "slice": "facts",
    "metadata": {"source": "support", "n": [1, 2]},
}


def test_a_row_with_everything_is_read(tmp_path: Path) -> None:
    file = tmp_path / "golden.jsonl"
    file.write_text(f"\n{json.dumps(WHOLE)}\n\n" + '{"id": "ü", "input": "x", "context": "a.txt"}')
    first, second = load_golden(file)
    assert first.to_json() == WHOLE
    assert first.expect[1] == Assertion("not-regex", "[0-9]{6}")
    assert (second.id, second.context, second.target, second.cluster) == ("ü", ("a.txt",), (), None)


@pytest.mark.parametrize(
    ("line", "says", "mend"),
    [
        ("{", "not a row", "one JSON object a line"),
        ("[1]", "not a row", "one JSON object a line"),
        ("[" * 100_000, "not a row", "one JSON object a line"),
        ('{"id": "q2", "input": "x", "target": "y", "id": "q3"}', "comes twice", "one JSON object"),
        ('{"id": "q2", "input": "x", "target": NaN}', "NaN", "one JSON object"),
        ('{"input": "x", "target": "y"}', "without id", '"id": "..."'),
        ('{"id": "q2", "target": "y"}', "without input", '"input": "..."'),
        ('{"id": "q2", "input": " ", "target": "y"}', "without input", '"input": "..."'),
        ('{"id": 2, "input": "x", "target": "y"}', "`id` is a text, not int", "in quotes"),
        ('{"id": "a\\nb", "input": "x", "target": "y"}', "printable", "shorten"),
        ('{"id": "q2", "input": "x"}', "row 'q2' has no target", '"target": "the answer"'),
        ('{"id": "q2", "input": "x", "target": null, "context": []}', "row 'q2' has no target", '"expect": ['),
        ('{"id": "q2", "input": "x", "target": 42}', "`target` is a text or a list of texts, and 42", "in quotes"),
        ('{"id": "q2", "input": "x", "target": [""]}', "`target`", "in quotes"),
        ('{"id": "q2", "input": "x", "traget": "y"}', "no 'traget'", "did you mean `target`?"),
        ('{"id": "q2", "input": "x", "target": "y", "zzz": 1}', "no 'zzz'", "one of: id, input"),
        ('{"id": "q2", "input": "x", "target": "y", "vars": {"a": [1]}}', "variable 'a'", "as text"),
        ('{"id": "q2", "input": "x", "target": "y", "vars": [1]}', "`vars` is an object", "{...}"),
        ('{"id": "q2", "input": "x", "expect": {"type": "contains"}}', "`expect` is a list", '"type"'),
        ('{"id": "q2", "input": "x", "expect": [{"type": "contains"}]}', "a type and a value", '"value"'),
        ('{"id": "q2", "input": "x", "expect": [{"type": "contain", "value": "y"}]}', "no assertion", "`contains`"),
        ('{"id": "q2", "input": "x", "expect": [{"type": "regex", "value": "("}]}', "not a pattern", "plainer"),
        ('{"id": "q2", "input": "x", "expect": [{"type": "regex", "value": "(a+)+$"}]}', "for ever", "plainer"),
        ('{"id": "q2", "input": "x", "expect": [{"type": "regex", "value": "' + "a" * 201 + '"}]}', "201", "plainer"),
        (GOOD, "'q1' comes twice, first in line 1", "id of its own"),
    ],
)
def test_a_mistake_is_told_at_its_line(line: str, says: str, mend: str) -> None:
    with pytest.raises(GoldenMalformed) as caught:
        parse_golden(f"{GOOD}\n\n{line}\n".encode(), where="golden.jsonl")
    assert caught.value.where == "golden.jsonl:3"
    assert says in caught.value.what
    assert mend in str(caught.value.mend)


def test_what_is_not_utf8_is_told_at_its_line() -> None:
    with pytest.raises(GoldenMalformed, match="not UTF-8") as caught:
        parse_golden(GOOD.encode() + b"\n\xff\xfe\n", where="golden.jsonl")
    assert caught.value.where == "golden.jsonl:2"


@pytest.mark.parametrize("text", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_golden_set_is_an_error(text: bytes) -> None:
    with pytest.raises(GoldenMalformed, match="no rows"):
        parse_golden(text, where="golden.jsonl")


def test_a_byte_order_mark_and_carriage_returns_are_no_mistake() -> None:
    assert parse_golden(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n", where="x") == parse_golden(GOOD.encode(), where="x")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GoldenMissing, match="No such file"):
        load_golden(tmp_path / "golden.jsonl")
    with pytest.raises(GoldenMissing):
        load_golden(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_rows_or_in_our_error(data: bytes) -> None:
    with suppress(GoldenMalformed):
        assert parse_golden(data, where="x")


@pytest.mark.parametrize("pattern", ["(a|aa)+$", "(a*)*b", "((ab)+c){2,}", "(?:x+y?)*", r"(a)\1", "(?:(a|b))+", "([^)]+)*"])
def test_patterns_that_can_take_for_ever_are_refused(pattern: str) -> None:
    row = {"id": "q", "input": "x", "expect": [{"type": "regex", "value": pattern}]}
    with pytest.raises(GoldenMalformed, match="for ever"):
        parse_golden(json.dumps(row).encode(), where="x")


@pytest.mark.parametrize("pattern", ["v[0-9]+[.][0-9]+", "(yes|no)", "(abc)+", r"\(a+\)+", "[(a+)]+", "colou?r", "a{2,3}b*"])
def test_plain_patterns_are_taken_and_end_soon(pattern: str) -> None:
    row = {"id": "q", "input": "x", "expect": [{"type": "regex", "value": pattern}]}
    (found,) = parse_golden(json.dumps(row).encode(), where="x")
    started = time.monotonic()
    found.expect[0].holds("a" * 1_000_000)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("kind", "value", "holds"),
    [
        ("contains", "Paris", True),
        ("contains", "paris", False),
        ("icontains", "paris", True),
        ("equals", "It is Paris.", True),
        ("equals", "Paris", False),
        ("starts-with", "It is", True),
        ("starts-with", "Paris", False),
        ("regex", "P.r.s", True),
        ("regex", "^Paris", False),
    ],
)
def test_an_assertion_and_its_opposite(kind: str, value: str, holds: bool) -> None:
    assert Assertion(kind, value).holds(" It is Paris.\n") is holds
    assert Assertion(f"not-{kind}", value).holds(" It is Paris.\n") is not holds


def test_the_definition_is_what_it_means_and_not_how_it_was_written(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    other = '{"id": "q0", "input": "x", "context": "a"}'
    written = parse_golden(f"{GOOD}\n{other}".encode(), where="x")
    again = parse_golden(
        b'{"id": "q0", "context": ["a"], "vars": {}, "input": "x", "cluster": null}\n'
        b'{"target": ["5432"], "id": "q1", "input": "Which port?"}',
        where="x",
    )
    changed = parse_golden(f"{GOOD}\n{other}".replace("5432", "5433").encode(), where="x")
    one, two, three = (store.put(goldenset_object(store, SPEC, rows, None)) for rows in (written, again, changed))
    assert one == two != three


def test_a_golden_set_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    store, judge = new_store(tmp_path), Judge("judge", {"temperature": 0})
    rows = parse_golden(f"{json.dumps(WHOLE)}\n".encode(), where="x")
    found = load_goldenset(store, store.put(goldenset_object(store, SPEC, rows, judge)))
    assert found == ("golden", rows, 2, (1, 5), ("exact", "contains"), judge, frozenset())


def test_the_question_is_what_is_asked_and_not_how_it_is_judged() -> None:
    (row,) = parse_golden(json.dumps(WHOLE).encode(), where="x")
    (other,) = parse_golden(json.dumps(WHOLE | {"target": "x", "slice": "y"}).encode(), where="x")
    (asks,) = parse_golden(json.dumps(WHOLE | {"vars": {}}).encode(), where="x")
    assert row.question == other.question != asks.question


def test_whose_view_is_measured_is_part_of_the_definition_and_everybodys_has_no_word(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    rows = parse_golden(f"{json.dumps(WHOLE)}\n".encode(), where="x")
    public = goldenset_object(store, SPEC, rows, None)
    inside = goldenset_object(store, msgspec.structs.replace(SPEC, groups=("board", "staff")), rows, None)
    assert "groups" not in public, "a golden set from before keeps its digest"
    assert load_goldenset(store, store.put(public)).groups == frozenset()
    assert load_goldenset(store, store.put(inside)).groups == {"board", "staff"}
