"""Applications that answer prompts: what users get wrong, and kills in the middle. One clear error, and nothing lost."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest
from cli_assistant import GOLDEN, REF, Assistant, Parrot
from cli_project import Done

pytest_plugins = ["cli_assistant_fixtures"]


def error_of(done: Done, *, code: int = 1) -> dict[str, str]:
    """The one document of a command that failed, after an error of at most six lines."""
    lines = done.err.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("error: "))
    assert done.code == code, done.err
    assert 2 <= len(lines) - start <= 6, done.err
    assert "Traceback" not in done.err
    assert done.document["kind"] == "error"
    error: dict[str, str] = done.document["error"]
    assert error["where"], "it says where"
    assert error["mend"], "it says how to mend it"
    return error


def test_a_golden_row_without_a_target(synced: Assistant, parrot: Parrot) -> None:
    text = (synced.root / "golden.jsonl").read_text()
    synced.write("golden.jsonl", text + '{"id": "open", "input": "What is the meaning of it?"}\n')
    error = error_of(synced.cli("eval", "--json"))
    assert error["where"].endswith("golden.jsonl:9")
    assert "no target" in error["what"]
    assert parrot.asked == []


def test_a_golden_file_that_is_not_there(synced: Assistant) -> None:
    (synced.root / "golden.jsonl").unlink()
    synced.ask("release")
    for word in ("eval", "apply"):
        error = error_of(synced.cli(word, "--json"))
        assert "golden.jsonl" in error["where"] + error["what"], word


def test_a_prompt_file_that_is_not_there(synced: Assistant) -> None:
    synced.ask("prompt", "put")
    (synced.root / "answer.md").unlink()
    for words in (["eval"], ["release"], ["prompt", "status"]):
        error = error_of(synced.cli(*words, "--json"))
        assert error["where"].endswith("answer.md")


def test_an_unknown_variable_in_a_prompt(synced: Assistant, parrot: Parrot) -> None:
    synced.edit("{{question}}", "{{qestion}}", file="answer.md")
    error = error_of(synced.cli("eval", "--json"))
    assert "qestion" in error["what"]
    assert parrot.asked == []


def test_a_provider_whose_key_is_not_in_the_environment(synced: Assistant, parrot: Parrot) -> None:
    synced.edit("answer: {model: parrot,", "answer: {model: parrot, key: secret://env/PARROT_KEY,")
    error = error_of(synced.cli("eval", "--json"))
    assert "the variable PARROT_KEY is not set" in error["what"]
    assert parrot.asked == []
    synced.more["PARROT_KEY"] = "polly"
    assert synced.cli("eval").code == 0
    assert "Bearer polly" in parrot.keys


def test_a_provider_that_is_down_publishes_nothing(synced: Assistant, parrot: Parrot) -> None:
    parrot.down = True
    error = error_of(synced.cli("eval", "--json"))
    assert error["code"] == "evals.failed"
    assert "answered 503" in error["what"]
    assert {ref.name for ref in synced.store.refs()} == {"index/docs", "prompt/answer"}
    assert synced.store.states("evaluated") == []


def test_an_index_that_does_not_exist_yet(synced: Assistant) -> None:
    synced.edit("indexes:\n  docs:", "indexes:\n  books:")
    synced.edit("follow: [index/docs]", "follow: [index/books]")
    error = error_of(synced.cli("eval", "--json"))
    assert error["mend"] == "shipway rag sync books"


def test_a_slip_in_the_spec_is_told_by_line_and_the_nearest_word(synced: Assistant) -> None:
    synced.edit("embedder: embed", "embeder: embed")
    error = error_of(synced.cli("eval", "--json"))
    assert error["where"].startswith("shipway.yaml:9:")
    assert "embedder" in error["mend"]


def test_a_golden_set_that_is_not_there(synced: Assistant) -> None:
    error = error_of(synced.cli("eval", "--set", "goldn", "--json"))
    assert (error["code"], error["mend"]) == ("operate.nothing-to-evaluate", "did you mean golden?")


@pytest.mark.parametrize("words", [["eval", "--sett", "x"], ["gateway", "cost", "--days", "0"], ["rag", "serch"]])
def test_a_slip_of_the_finger_is_no_traceback(synced: Assistant, words: list[str]) -> None:
    done = synced.cli(*words)
    assert done.code >= 64
    assert len(done.err.splitlines()) <= 6
    assert "Traceback" not in done.err


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_an_evaluation_killed_in_the_middle_asks_only_what_is_missing(synced: Assistant, parrot: Parrot, seed: int) -> None:
    parrot.hangs_after = random.Random(seed).randint(1, 7)
    child = synced.start("eval", "--json")
    end = time.monotonic() + 60
    while len(parrot.asked) < parrot.hangs_after:
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.3)  # what was answered has come home
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    before = list(parrot.asked)
    parrot.hangs_after, parrot.asked = None, []
    assert {ref.name for ref in synced.store.refs()} == {"index/docs", "prompt/answer"}
    found = synced.ask("eval")
    (golden,) = found["evaluations"]
    assert sorted(before + parrot.asked) == sorted(question for _, question, _, _ in GOLDEN)
    assert (golden["asked"], golden["errors"]) == (8 - len(before), 0)
    assert not synced.damaged_objects()


def test_two_evaluations_at_once_do_not_pay_twice_without_saying_so(synced: Assistant, parrot: Parrot) -> None:
    parrot.slow = 0.4
    first, second = (synced.start("eval", "--json") for _ in range(2))
    ended = [child.communicate(timeout=60) for child in (first, second)]
    codes = sorted((first.returncode, second.returncode))
    assert codes in ([0, 0], [0, 1])
    if codes == [0, 1]:
        (loser,) = [json.loads(out) for (out, _), child in zip(ended, (first, second), strict=True) if child.returncode]
        assert loser["error"]["code"] in ("evals.samples-taken", "store.ref-moved")
        assert loser["error"]["retry"] is True


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))])
def test_up_killed_while_it_follows_leaves_the_deployment_old_or_new_and_the_next_up_goes_on(
    live: Assistant, parrot: Parrot, seed: int
) -> None:
    first = live.store.resolve(REF)
    live.write("docs/bakery.txt", "The ferry to Holm has a bakery on its upper deck.\n")
    live.ask("rag", "sync")
    parrot.slow = 0.2
    child = live.start("up", "--no-mlflow", "--port", "0")
    time.sleep(1.0 + random.Random(seed).uniform(0, 2.5))
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    parrot.slow = 0.0
    for ref in live.store.refs():
        live.store.get(ref.digest)
    assert not live.damaged_objects()
    again = live.start("up", "--no-mlflow", "--port", "0")
    try:
        assert again.stdout
        assert "shipway up: http" in again.stdout.readline()
        end = time.monotonic() + 60
        while live.store.resolve(REF) == first:
            assert time.monotonic() < end, "nothing was followed"
            time.sleep(0.1)
    finally:
        again.terminate()
        _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert [record.outcome for record in live.store.history(REF)] == ["moved", "moved"]
