"""Golden sets asked of candidates: what is measured counts for the release, and nothing is paid for twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from assistant_live import GOLDEN, WORSE, Assistant, Parrot, apply, evaluate, outcomes, release, sync

from shipway.evals import EvaluationFailed, GoldenMalformed, SampleLog, SamplesTaken
from shipway.gate import MoveRefused
from shipway.kernel.digest import Digest
from shipway.llm import SecretMissing
from shipway.operate import Evaluated, golden_of, load_evaluated, world_of
from shipway.operate._applications import NothingToEvaluate
from shipway.operate._evaluate import Evaluating, evaluate_release
from shipway.pipeline import Silence
from shipway.release import NoCandidate

pytest_plugins = ["cli_assistant_fixtures"]

ASKED = [question for _, question, _, _ in GOLDEN]


def metrics(found: Evaluated) -> dict[str, float]:
    return {metric.name: metric.value for metric in found.metrics if metric.slice is None}


def differences(found: Evaluated) -> dict[str, float]:
    return {metric.name: metric.value for metric in found.differences if metric.slice is None}


def test_the_candidate_is_measured_from_the_files_and_no_release_moves(synced: Assistant, parrot: Parrot) -> None:
    (found,) = evaluate(synced)
    assert sorted(parrot.asked) == sorted(ASKED)
    assert (found.golden, found.errors, found.called, found.against) == ("golden", 0, 8, None)
    assert {name: value for name, value in metrics(found).items() if name in ("recall_at_3", "contains", "exact")} == {
        "recall_at_3": 1.0,
        "contains": 1.0,
        "exact": 0.0,
    }
    assert {ref.name for ref in synced.store.refs()} == {"index/docs", "prompt/answer"}


def test_the_costs_are_those_of_the_spec(synced: Assistant) -> None:
    (found,) = evaluate(synced)
    (leaf,) = {json.dumps(row["samples"], sort_keys=True) for row in load_evaluated(synced.store, found.release)}
    lines = synced.store.objects.path(Digest(json.loads(leaf)["digest"])).read_text().splitlines()
    answers = [answer for answer in map(json.loads, lines) if "usd" in str(answer)]
    assert len(answers) == 8
    for record in answers:
        answer = record.get("answer", record)
        assert answer["usd"] == pytest.approx((answer["input_tokens"] * 1 + answer["output_tokens"] * 2) / 1e6)


def test_the_evidence_counts_for_the_release_that_is_made_of_the_same_parts(synced: Assistant) -> None:
    (found,) = evaluate(synced)
    with pytest.raises(NoCandidate):
        apply(synced)
    assert release(synced) == found.release
    assert apply(synced).changed
    verdict = synced.store.history("deploy/guide@prod")[0].verdict
    assert verdict
    cited: Any = synced.store.get(verdict, "verdict")["evidence"]
    assert set(cited) <= {measured.envelope for measured in found.measured}
    assert len(cited) == 2


def test_without_an_evaluation_the_gate_names_the_metrics(synced: Assistant, parrot: Parrot) -> None:
    release(synced)
    with pytest.raises(MoveRefused) as caught:
        apply(synced)
    assert "evaluation golden.recall_at_3 at least 0.3 at 95%: no evidence" in caught.value.what
    assert "evaluation golden.contains at least 0.4 at 95%: no evidence" in caught.value.what
    assert (caught.value.inconclusive, parrot.asked) == (False, [])


def test_a_second_evaluation_asks_nothing_and_again_asks_everything(synced: Assistant, parrot: Parrot) -> None:
    (first,) = evaluate(synced)
    (second,) = evaluate(synced)
    assert (second.called, len(parrot.asked), metrics(second)) == (0, 8, metrics(first))
    (third,) = evaluate(synced, again=True)
    assert (third.called, len(parrot.asked)) == (8, 16)


def test_only_what_a_change_touches_is_asked_again(live: Assistant, parrot: Parrot) -> None:
    live.write("docs/school.txt", "The school teaches sailing in the autumn term.\n\nIts headmaster is called Anton Rask.\n")
    sync(live)
    (found,) = evaluate(live)
    assert "When does the school teach sailing?" in parrot.asked
    assert len(parrot.asked) < 8, "questions whose passages are as they were are not asked"
    assert metrics(found)["contains"] == pytest.approx(7 / 8)
    assert differences(found)["contains"] == pytest.approx(-1 / 8)


def test_a_worse_prompt_is_measured_against_what_is_live_and_refused(live: Assistant, parrot: Parrot) -> None:
    was = live.store.resolve("release/guide")
    live.write("answer.md", WORSE)
    (found,) = evaluate(live)
    assert len(parrot.asked) == 8, "what is live was asked before"
    assert (found.against, metrics(found)["contains"], differences(found)["contains"]) == (was, 0.0, -1.0)
    release(live)
    with pytest.raises(MoveRefused) as caught:
        apply(live)
    assert "golden.contains: 0 [0, 0.324], threshold 0.4" in caught.value.what
    assert "golden.contains against live: inconclusive, -1 [-1, -0.351], threshold -0.5" in caught.value.what
    assert outcomes(live)[0] == "refused"


def test_evidence_about_one_release_is_none_about_another(live: Assistant) -> None:
    live.edit("copy answers", "copy long answers", file="answer.md")
    release(live)
    with pytest.raises(MoveRefused, match="no evidence"):
        apply(live)


def test_other_questions_are_other_evidence(live: Assistant) -> None:
    """Evidence of the golden set before says nothing once the policy counts another one."""
    row = {"id": "more", "input": "What does the market sell?", "target": "cherries", "context": ["market.txt"]}
    live.write("golden.jsonl", (live.root / "golden.jsonl").read_text() + json.dumps(row) + "\n")
    live.edit("passages: 2", "passages: 3")
    release(live)
    with pytest.raises(MoveRefused, match="no evidence"):
        apply(live)
    evaluate(live)
    assert apply(live).changed


def test_samples_are_draws_of_their_own(synced: Assistant, parrot: Parrot) -> None:
    synced.edit("golden.jsonl, at: 3", "golden.jsonl, at: 3, samples: 2")
    (found,) = evaluate(synced)
    assert found.called == 16
    assert sorted(map(str, parrot.seeds)) == ["7"] * 8 + ["8"] * 8
    (contains,) = [metric for metric in found.metrics if metric.name == "contains" and metric.slice is None]
    assert contains.clusters == 8, "two answers to one question are not two questions"


def test_a_provider_that_is_down_is_told_and_nothing_is_published(synced: Assistant, parrot: Parrot) -> None:
    parrot.down = True
    with pytest.raises(EvaluationFailed) as caught:
        evaluate(synced)
    assert "answered 503" in caught.value.what
    assert (caught.value.retry, caught.value.mend) == (True, "mend the cause and run it again: only what is missing is asked")
    chosen = release(synced)
    assert (load_evaluated(synced.store, chosen), synced.store.evidence(chosen)) == ((), [])
    parrot.down = False
    (found,) = evaluate(synced)
    assert (found.called, found.errors) == (8, 0)


def test_a_provider_that_goes_down_in_the_middle_is_asked_the_rest_later(live: Assistant, parrot: Parrot) -> None:
    live.edit("copy answers", "copy good answers", file="answer.md")

    class Half(list[str]):
        def append(self, question: str) -> None:
            super().append(question)
            parrot.down = len(self) >= 4

    parrot.asked = Half()
    with pytest.raises(EvaluationFailed):
        evaluate(live)
    first, parrot.down = list(parrot.asked), False
    parrot.asked = []
    evaluate(live)
    assert sorted(first + parrot.asked) == sorted(ASKED), "no question was asked twice, and none left out"


def test_a_release_that_was_made_is_measured_as_it_is_whatever_the_files_say(live: Assistant) -> None:
    was = live.store.resolve("release/guide")
    live.write("answer.md", WORSE)
    (found,) = evaluate(live, release=was)
    assert (found.release, metrics(found)["contains"], found.against) == (was, 1.0, None)
    assert live.store.history("prompt/answer")[0].outcome == "moved"
    assert outcomes(live, "prompt/answer") == ["moved"], "its prompt was not taken"


def test_the_newest_word_on_a_release_is_kept_for_pages(synced: Assistant) -> None:
    (found,) = evaluate(synced)
    (row,) = load_evaluated(synced.store, found.release)
    found_metrics: Any = row["metrics"]
    names = {metric["name"] for metric in found_metrics}
    assert {"golden.recall_at_3", "golden.contains", "golden.cost_usd"} <= names
    assert (row["items"], row["errors"], row["judge"]) == (8, 0, None)
    assert row["definition"] == golden_of(synced.store, synced.spec)["golden"]


def test_a_spec_without_golden_sets_has_nothing_to_evaluate(synced: Assistant) -> None:
    text = (synced.root / "shipway.yaml").read_text()
    start, end = text.index("evals:"), text.index("deploy:")
    synced.write("shipway.yaml", text[:start] + text[end : text.index("policy:")] + text[text.index("gateway:") :])
    with pytest.raises(NothingToEvaluate, match="no golden set"):
        evaluate(synced)


def test_a_golden_set_that_is_not_there_is_told_with_the_nearest_name(synced: Assistant, parrot: Parrot) -> None:
    with pytest.raises(NothingToEvaluate) as caught:
        evaluate(synced, only="goldn")
    assert (caught.value.mend, parrot.asked) == ("did you mean golden?", [])
    assert evaluate(synced, only="golden")[0].called == 8


def test_a_row_without_a_target_is_told_by_its_line(synced: Assistant, parrot: Parrot) -> None:
    text = (synced.root / "golden.jsonl").read_text()
    synced.write("golden.jsonl", text + '{"id": "open", "input": "What is the meaning of it?"}\n')
    with pytest.raises(GoldenMalformed, match="no target") as caught:
        evaluate(synced)
    assert str(caught.value.where).endswith("golden.jsonl:9")
    assert parrot.asked == []


def test_a_judge_informs_and_decides_nothing(synced: Assistant, parrot: Parrot) -> None:
    """The parrot is a judge that nobody can parse: that is said, and the metrics are as without it."""
    synced.edit("golden.jsonl, at: 3", "golden.jsonl, at: 3, judge: spare")
    (found,) = evaluate(synced)
    assert len(parrot.asked) == 16
    assert found.judge is not None
    assert (found.judge["provider"], found.judge["unparsable"]) == ("spare", 8)
    assert metrics(found)["contains"] == 1.0
    release(synced)
    assert apply(synced).changed


JUDGED = ("golden.jsonl, at: 3", "golden.jsonl, at: 3, judge: spare")
OTHER_JUDGE = ("spare: {model: parrot,", "spare: {model: macaw,")


class Noting(Silence):
    """A report that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def test_another_model_behind_the_judges_name_judges_anew(synced: Assistant, parrot: Parrot) -> None:
    synced.edit(*JUDGED)
    evaluate(synced)
    before = golden_of(synced.store, synced.spec)
    assert len(parrot.asked) == 16
    evaluate(synced)
    assert len(parrot.asked) == 16, "one model is asked once"
    synced.edit(*OTHER_JUDGE)
    evaluate(synced)
    assert len(parrot.asked) == 24, "eight verdicts of the other one"
    assert golden_of(synced.store, synced.spec) != before, "evidence about the one judge is none about the other"


def test_a_golden_set_is_not_judged_by_another_model_than_it_pinned(synced: Assistant, parrot: Parrot) -> None:
    synced.edit(*JUDGED)
    (found,) = evaluate(synced)
    assert found.judge is not None
    pinned = golden_of(synced.store, synced.spec)
    synced.edit(*OTHER_JUDGE)
    report = Noting()
    world = world_of(synced.hands, synced.spec, environ=synced.environ)
    parrot.forget()
    (later,) = evaluate_release(Evaluating(synced.hands, "guide", world, report), found.release, pinned, live=None)
    assert (later.judge, parrot.asked) == (None, [])
    assert [line for line in report.lines if "not judged" in line] == [
        "golden: not judged, spare is another model now than its golden set pinned"
    ]


def test_an_evaluation_sees_what_everybody_may_see_unless_it_names_groups(synced: Assistant) -> None:
    """The gate measures what a caller is answered, not what the owner of the documents could read."""
    (before,) = evaluate(synced)
    synced.edit("embedder: embed}", 'embedder: embed, access: {"bridge.txt": [staff]}}')
    sync(synced)
    (public,) = evaluate(synced)
    synced.edit("golden.jsonl, at: 3", "golden.jsonl, at: 3, groups: [staff]")
    (inside,) = evaluate(synced)
    seen = [(metrics(found)["recall_at_3"], metrics(found)["contains"]) for found in (before, public, inside)]
    assert seen == [(1.0, 1.0), (0.75, 0.75), (1.0, 1.0)]
    definitions = {row["definition"] for found in (public, inside) for row in load_evaluated(synced.store, found.release)}
    assert golden_of(synced.store, synced.spec)["golden"] in definitions


def test_what_is_measured_is_searched_where_it_is_served(synced: Assistant, parrot: Parrot) -> None:
    """An index in pgvector is not measured in the local file beside it."""
    synced.edit("embedder: embed}", "embedder: embed, store: pgvector, url: secret://env/NO_SUCH_DATABASE}")
    with pytest.raises(SecretMissing, match="NO_SUCH_DATABASE"):
        evaluate(synced)
    assert parrot.asked == []


def test_again_takes_no_file_away_and_loses_nothing_when_it_fails(synced: Assistant, parrot: Parrot) -> None:
    (first,) = evaluate(synced)
    (file,) = (synced.store.root / "cache" / "evaluations").glob("golden-*.jsonl")
    inode = file.stat().st_ino
    with SampleLog(file, first.release), pytest.raises(SamplesTaken):  # another process evaluates
        evaluate(synced, again=True)
    parrot.down = True
    with pytest.raises(EvaluationFailed):
        evaluate(synced, again=True)
    parrot.down = False
    parrot.forget()
    (later,) = evaluate(synced)
    assert (metrics(later)["contains"], parrot.asked) == (1.0, []), "what was answered before is still there"
    evaluate(synced, again=True)
    assert len(parrot.asked) == 8
    evaluate(synced)
    assert (len(parrot.asked), file.stat().st_ino) == (8, inode)


def test_kept_answers_are_for_their_owner_alone(synced: Assistant) -> None:
    synced.edit(*JUDGED)
    folder = synced.store.root / "cache" / "evaluations"
    folder.mkdir(parents=True)
    folder.chmod(0o755)  # as an earlier version made it
    evaluate(synced)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 3
