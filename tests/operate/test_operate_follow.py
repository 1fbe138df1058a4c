"""Following: a moved index becomes a child release that goes through the gate; a rollback and a refusal stay as they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from assistant_live import (
    DOCUMENTS,
    REF,
    WORSE,
    Assistant,
    Parrot,
    apply,
    evaluate,
    forget_answers,
    go,
    outcomes,
    release,
    rollback,
    sync,
)

from shipway.evals import EvaluationFailed
from shipway.gate import release_of
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.operate import follow, take_prompts
from shipway.pipeline import Silence
from shipway.release import load_components

pytest_plugins = ["cli_assistant_fixtures"]

NEWS = "The bakery opens at five in the morning.\n"


def live_release(project: Assistant) -> Digest:
    found = release_of(project.store, project.store.resolve(REF))
    assert found
    return found


def parts(project: Assistant, chosen: Digest) -> dict[str, Digest]:
    return {f"{part.kind}/{part.name}": part.digest for part in load_components(project.store, chosen)}


def test_nothing_moved_is_nothing_to_follow(live: Assistant, parrot: Parrot) -> None:
    before = live.store.history()
    assert go(live) is None
    assert (live.store.history(), parrot.asked) == (before, [])


def test_a_moved_index_goes_live_in_a_child_release_that_differs_in_nothing_else(live: Assistant, parrot: Parrot) -> None:
    first = live_release(live)
    live.write("docs/bakery.txt", NEWS)
    index = sync(live)
    done = go(live)
    assert done
    assert (done.ref, done.source, done.moved, done.judgement.verdict) == (REF, first, True, Verdict.PASS)
    assert live_release(live) == done.release == live.store.resolve("release/guide")
    assert parts(live, done.release) == {**parts(live, first), "index/docs": index}
    newest = live.store.history(REF)[0]
    assert (newest.outcome, newest.actor, newest.why) == ("moved", live.who, "follows index/docs")
    assert len(done.judgement.evidence) == 3, "recall, the answers, and the answers against live"
    assert go(live) is None


def test_the_gate_stands_before_what_is_followed_and_a_refusal_is_recorded_once(live: Assistant, parrot: Parrot) -> None:
    first = live_release(live)
    forget_answers(live)
    sync(live)
    done = go(live)
    assert done
    assert (done.moved, live_release(live)) == (False, first)
    said = {check.name: check.verdict for check in done.judgement.checks}
    assert said["golden.contains"] is Verdict.FAIL
    parrot.forget()
    before = live.store.history()
    for _ in range(3):
        assert go(live) is None
    assert (live.store.history(), parrot.asked) == (before, [])
    assert outcomes(live) == ["refused", "moved"]


class Later:
    """The real clock, days ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=9)


def test_a_refusal_for_its_time_alone_lasts_until_the_time_has_come(
    live: Assistant, parrot: Parrot, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    live.edit("policy:\n", f"policy:\n  deploy/*@prod: {{freeze: {today}..{today + timedelta(days=3)}}}\n")
    apply(live, live_release(live))  # publishes the policy
    live.write("docs/bakery.txt", NEWS)
    index = sync(live)
    done = go(live)
    assert done
    assert (done.moved, [text.partition(":")[0] for text in done.judgement.missing]) == (False, ["freeze"])
    parrot.forget()
    for _ in range(2):
        assert go(live) is None
    assert (outcomes(live), parrot.asked) == (["refused", "moved"], [])
    monkeypatch.setattr(live.store, "clock", Later())
    after = go(live)
    assert after
    assert after.moved
    assert parts(live, live_release(live))["index/docs"] == index


def test_after_a_refusal_a_better_index_is_followed(live: Assistant) -> None:
    forget_answers(live)
    sync(live)
    go(live)
    for name, text in DOCUMENTS.items():
        live.write(f"docs/{name}", text)
    live.write("docs/bakery.txt", NEWS)
    index = sync(live)
    done = go(live)
    assert done
    assert done.moved
    assert parts(live, live_release(live))["index/docs"] == index


def test_a_policy_that_asks_for_less_lets_the_refused_child_pass(live: Assistant) -> None:
    forget_answers(live)
    index = sync(live)
    go(live)
    live.edit("golden.contains: [at least 0.4 at 95%, not worse by 0.5 at 95%]", "golden.recall_at_3: at least 0.2 at 95%")
    live.edit("    golden.recall_at_3: at least 0.3 at 95%\n", "")
    evaluate(live)
    apply(live, live_release(live))  # publishes the policy
    done = go(live)
    assert done
    assert done.moved
    assert parts(live, live_release(live))["index/docs"] == index


def test_a_rollback_takes_prompt_and_index_back_together_and_is_not_followed_forward(live: Assistant, parrot: Parrot) -> None:
    first = live_release(live)
    live.edit("copy answers", "copy good answers", file="answer.md")
    live.write("docs/bakery.txt", NEWS)
    sync(live)
    evaluate(live)
    second = release(live)
    apply(live)
    changed = {name for name in parts(live, first) if parts(live, first)[name] != parts(live, second)[name]}
    assert changed == {"prompt/answer", "index/docs"}
    rollback(live)
    assert live_release(live) == first
    for _ in range(3):
        assert go(live) is None
    assert live_release(live) == first
    live.write("docs/florist.txt", "The florist is closed on Mondays.\n")
    index = sync(live)
    done = go(live)
    assert done
    assert done.moved
    assert parts(live, live_release(live)) == {**parts(live, first), "index/docs": index}


def test_documents_that_are_again_as_they_once_were_are_followed_back(live: Assistant) -> None:
    """The version of the index was live before: that it moved back after the deployment did is no rollback."""
    first = live_release(live)
    live.write("docs/bakery.txt", NEWS)
    sync(live)
    assert go(live)
    assert live_release(live) != first
    (live.root / "docs" / "bakery.txt").unlink()
    sync(live)
    done = go(live)
    assert done
    assert (done.moved, live_release(live)) == (True, first)


def test_a_release_that_waits_for_its_apply_is_not_exchanged(live: Assistant, parrot: Parrot) -> None:
    """Otherwise a person's `apply` would put live what that person has never seen."""
    live.edit("copy answers", "copy good answers", file="answer.md")
    evaluate(live)
    mine = release(live)
    live.write("docs/bakery.txt", NEWS)
    sync(live)
    parrot.down = True
    live.edit("copy good", "copy very good", file="answer.md")
    with pytest.raises(EvaluationFailed):
        _ask_anew(live)
    assert live.store.resolve("release/guide") == mine
    parrot.down = False
    done = go(live)
    assert done
    assert done.moved
    assert live.store.resolve("release/guide") == mine


def _ask_anew(project: Assistant) -> None:
    """A look with nothing remembered, so that the provider is needed."""
    (project.store.root / "cache" / "evaluations" / "completions.jsonl").unlink()
    for file in (project.store.root / "cache" / "evaluations").glob("golden-*.jsonl"):
        file.unlink()
    go(project)


def test_a_move_that_a_person_makes_meanwhile_is_not_undone(live: Assistant, parrot: Parrot) -> None:
    """Questions take minutes; what was decided before them does not stand against what happened since."""
    first = live_release(live)
    live.edit("copy answers", "copy good answers", file="answer.md")
    evaluate(live)
    second = release(live)
    live.write("docs/bakery.txt", "The ferry to Holm has a bakery on its upper deck.\n")
    sync(live)

    class Meanwhile(list[str]):
        def append(self, question: str) -> None:
            super().append(question)
            if len(self) == 1:
                apply(Assistant(live.root, live.keys_folder, live.who, live.more), second)

    parrot.asked = Meanwhile()
    assert go(live) is None
    assert len(parrot.asked) >= 1
    assert live_release(live) == second != first
    parrot.asked = []
    done = go(live)
    assert done
    assert (done.source, done.moved) == (second, True)


def test_without_the_spec_a_deployment_goes_by_what_it_holds(live: Assistant) -> None:
    live.write("docs/bakery.txt", NEWS)
    sync(live)
    done = follow(live.hands, REF, world=None, environ=live.environ, report=Silence())
    assert done
    assert done.moved, done.judgement.missing


def test_a_prompt_can_be_followed_too_and_a_bad_one_stays_out(live: Assistant) -> None:
    live.edit("follow: [index/docs]", "follow: [index/docs, prompt/answer]")
    apply(live)
    live.write("answer.md", WORSE.replace("Answer:", "{{passages}} no more\nAnswer:"))
    take_prompts(live.hands, live.spec)
    first = live_release(live)
    done = go(live)
    assert done
    assert (done.moved, live_release(live)) == (False, first)
