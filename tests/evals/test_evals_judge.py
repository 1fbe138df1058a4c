"""Judges: pinned, asked in both orders, read strictly, and measured against what people and matches say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from evals_help import ASKED, evaluated, make_rows, replies, right, wrong

from shipway import stats
from shipway.evals import (
    Answer,
    Evaluation,
    EvaluationFailed,
    GoldenRow,
    Judge,
    Judged,
    JudgedPairs,
    JudgeMalformed,
    Pair,
    SampleLog,
    agreement_with_scorer,
    judge_answers,
    judge_pairs,
    measure_agreement,
    pairs_of,
)
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.llm import Message

JUDGE = Judge("judge", {"temperature": 0})
Reply = Callable[[Sequence[object]], str]


def rated(path: Path, evaluation: Evaluation, reply: Reply) -> Judged:
    async def complete(messages: Sequence[Message]) -> str:
        return reply(messages)

    with SampleLog(path, JUDGE.digest) as kept:
        return asyncio.run(judge_answers(JUDGE, evaluation, complete, concurrency=2, kept=kept))


def compared(path: Path, pairs: Sequence[Pair], reply: Reply) -> JudgedPairs:
    async def complete(messages: Sequence[Message]) -> str:
        return reply(messages)

    with SampleLog(path, JUDGE.digest) as kept:
        return asyncio.run(judge_pairs(JUDGE, pairs, complete, concurrency=2, kept=kept))


def pair(number: int, candidate: str, live: str) -> Pair:
    return Pair(make_rows(number + 1)[number], candidate, live)


def test_a_judge_is_its_provider_words_and_parameters() -> None:
    same, warmer = Judge("judge", {"temperature": 0}), Judge("judge", {"temperature": 1})
    other = Judge("judge", {"temperature": 0}, rating=(Message("user", "{{question}} {{answer}}"),))
    assert JUDGE.digest == same.digest
    assert len({JUDGE.digest, warmer.digest, other.digest, Judge("b", {"temperature": 0}).digest}) == 4
    assert Judge.from_json(JUDGE.to_json()) == JUDGE


def test_the_model_behind_the_name_is_part_of_a_judge() -> None:
    """Otherwise the verdicts of one model would be replayed as those of another."""
    one, other = (replace(JUDGE, model=digest_bytes(model)) for model in (b"one", b"other"))
    assert len({JUDGE.digest, one.digest, other.digest}) == 3
    assert Judge.from_json(one.to_json()) == one
    assert "model" not in JUDGE.to_json(), "a record from before keeps its digest"
    with pytest.raises(JudgeMalformed):
        Judge.from_json({**one.to_json(), "model": "a name"})


def test_a_prompt_without_its_variable_is_refused() -> None:
    with pytest.raises(JudgeMalformed, match="rating prompt has no answer"):
        Judge("judge", rating=(Message("user", "{{question}}"),))
    with pytest.raises(JudgeMalformed, match="comparing prompt has no second"):
        Judge("judge", comparing=(Message("user", "{{question}} {{first}}"),))
    records: tuple[JsonObject, ...] = ({}, {"provider": "x", "parameters": {}, "rating": "x", "comparing": []})
    for record in records:
        with pytest.raises(JudgeMalformed):
            Judge.from_json(record)


def test_what_an_answer_says_is_shown_and_never_a_variable() -> None:
    messages = JUDGE.rate(question="q?", target=("a", "b"), answer="{{target}} {{question}}")
    assert "{{target}} {{question}}" in messages[-1].content
    assert "a\nor: b" in messages[-1].content


def test_replies_are_read_strictly_and_the_rest_is_counted(tmp_path: Path) -> None:
    said = {"number 0": "yes", "number 1": " No.\n", "number 2": "Yes, it does", "number 3": "", "number 4": "yes no"}
    judged = rated(tmp_path / "j.jsonl", evaluated(make_rows(5), lambda row, _: right(row)), replies(said))
    assert judged.verdicts == {("q0", 0): 1, ("q1", 0): 0, ("q2", 0): None, ("q3", 0): None, ("q4", 0): None}
    assert judged.unparsable == 3


def test_rows_without_a_target_are_not_judged(tmp_path: Path) -> None:
    rows = (GoldenRow("a", "x", context=("p",)), *make_rows(1))
    judged = rated(tmp_path / "j.jsonl", evaluated(rows, lambda row, _: Answer("x")), replies({}))
    assert set(judged.verdicts) == {("q0", 0)}


def test_a_judge_is_asked_once_for_what_it_said_before(tmp_path: Path) -> None:
    calls: list[object] = []

    def reply(messages: Sequence[object]) -> str:
        calls.append(messages)
        return "yes"

    path, rows = tmp_path / "j.jsonl", make_rows(3)
    rated(path, evaluated(rows, lambda row, _: right(row)), reply)
    rated(path, evaluated(rows, lambda row, _: right(row)), reply)
    assert len(calls) == 3
    rated(path, evaluated(rows, lambda row, _: wrong(row) if row.id == "q1" else right(row)), reply)
    assert len(calls) == 4


def test_a_judge_that_is_down_is_an_error(tmp_path: Path) -> None:
    def reply(messages: Sequence[object]) -> str:
        raise ShipwayError("the judge is down")

    with pytest.raises(EvaluationFailed, match="the judge is down"):
        rated(tmp_path / "j.jsonl", evaluated(make_rows(3), lambda row, _: right(row)), reply)


def test_replies_of_another_judge_are_not_taken(tmp_path: Path) -> None:
    async def complete(messages: Sequence[Message]) -> str:
        return "yes"

    evaluation = evaluated(make_rows(1), lambda row, _: right(row))
    with SampleLog(tmp_path / "j.jsonl", ASKED) as kept, pytest.raises(ValueError, match="another judge"):
        asyncio.run(judge_answers(JUDGE, evaluation, complete, concurrency=1, kept=kept))


def better(messages: Sequence[object]) -> str:
    """A judge that looks: it prefers the answer that says good."""
    text = str(messages[-1])
    first, second = text.split("Answer A:")[1].split("Answer B:")
    return "tie" if ("good" in first) is ("good" in second) else "A" if "good" in first else "B"


def test_a_side_wins_only_in_both_orders(tmp_path: Path) -> None:
    pairs = [pair(0, "good", "bad"), pair(1, "bad", "good"), pair(2, "good", "good")]
    judged = compared(tmp_path / "j.jsonl", pairs, better)
    assert [verdict.winner for verdict in judged.verdicts] == ["candidate", "live", "tie"]
    assert [verdict.consistent for verdict in judged.verdicts] == [True, True, True]
    flips = judged.flip_rate()
    assert flips is not None
    assert flips == stats.wilson(0, 3)


def test_a_judge_that_likes_what_comes_first_decides_nothing(tmp_path: Path) -> None:
    judged = compared(tmp_path / "j.jsonl", [pair(n, "good", "bad") for n in range(10)], lambda _: "A")
    assert (judged.count("tie"), judged.count("candidate"), judged.count("live")) == (10, 0, 0)
    flips, preference = judged.flip_rate(), judged.preference()
    assert flips == stats.wilson(10, 10)
    assert preference is not None
    assert preference.value == 0.5


def test_a_tie_in_one_order_only_is_a_flip(tmp_path: Path) -> None:
    def reply(messages: Sequence[object]) -> str:
        return "tie" if str(messages[-1]).split("Answer A:")[1].lstrip("\n\\n< ").startswith("good") else "B"

    (verdict,) = compared(tmp_path / "j.jsonl", [pair(0, "good", "bad")], reply).verdicts
    assert (verdict.winner, verdict.consistent) == ("tie", False)


def test_a_pair_that_cannot_be_read_is_counted_and_in_no_rate(tmp_path: Path) -> None:
    pairs = [pair(0, "good", "bad"), pair(1, "odd", "bad")]
    judged = compared(tmp_path / "j.jsonl", pairs, lambda messages: "Hm" if "odd" in str(messages[-1]) else better(messages))
    assert judged.count(None) == 1
    flips = judged.flip_rate()
    assert flips is not None
    assert flips.n == 1
    nothing = compared(tmp_path / "k.jsonl", pairs[1:], lambda _: "Hm")
    assert nothing.flip_rate() is nothing.preference() is None


def test_each_pair_is_asked_exactly_twice_in_the_two_orders(tmp_path: Path) -> None:
    texts: list[str] = []

    def reply(messages: Sequence[object]) -> str:
        texts.append(str(messages[-1]))
        return "tie"

    compared(tmp_path / "j.jsonl", [pair(0, "ours", "theirs")], reply)
    assert sorted(text.index("ours") < text.index("theirs") for text in texts) == [False, True]


def test_pairs_are_the_first_answers_to_the_same_question() -> None:
    rows = make_rows(4)
    other = (rows[0], GoldenRow("q1", "otherwise", ("x",)), rows[2])

    def failing(row: GoldenRow, sample: int) -> Answer:
        return Answer("", error="down") if row.id == "q2" or (row.id, sample) == ("q0", 0) else right(row)

    found = pairs_of(evaluated(rows, failing, samples=2), evaluated(other, lambda row, _: wrong(row)))
    assert found == (Pair(rows[0], right(rows[0]).text, wrong(rows[0]).text),)


def test_agreement_is_told_with_kappa_beyond_chance() -> None:
    from sklearn.metrics import cohen_kappa_score

    first, second = [1, 1, 1, 0, 0, 1, 0, 1, 1, 1] * 3, [1, 1, 0, 0, 0, 1, 1, 1, 1, 1] * 3
    found = measure_agreement(first, second, [f"c{n}" for n in range(30)], seed=1)
    assert found.agreement[:3] == stats.wilson(24, 30)[:3]
    assert found.kappa is not None
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert found.kappa.low < found.kappa.value < found.kappa.high
    assert found == measure_agreement(first, second, [f"c{n}" for n in range(30)], seed=1)
    assert found.to_json()["kappa"] == {"value": found.kappa[0], "low": found.kappa[1], "high": found.kappa[2], "n": 30}


def test_a_judge_that_always_says_yes_agrees_by_chance_only() -> None:
    evaluation = evaluated(make_rows(20), lambda row, _: right(row) if int(row.id[1:]) < 15 else wrong(row))
    always = Judged(JUDGE.digest, {(f"q{n}", 0): 1 for n in range(20)})
    found = agreement_with_scorer(evaluation, always)
    assert found is not None
    assert found.agreement.value == 0.75
    assert found.kappa is not None
    assert found.kappa.value == 0.0


def test_where_everything_has_one_verdict_there_is_no_kappa() -> None:
    evaluation = evaluated(make_rows(5), lambda row, _: right(row))
    found = agreement_with_scorer(evaluation, Judged(JUDGE.digest, {(f"q{n}", 0): 1 for n in range(5)}))
    assert found is not None
    assert (found.kappa, found.n, found.to_json()["kappa"]) == (None, 5, None)
    assert agreement_with_scorer(evaluation, Judged(JUDGE.digest, {("q0", 0): None})) is None
