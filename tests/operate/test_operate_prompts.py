"""Prompts are taken as their files are: an object each, and a ref that moves when the file says something else."""

from __future__ import annotations

import pytest
from assistant_live import Assistant, outcomes, release

from shipway.llm import PromptMalformed
from shipway.operate import PromptUnreadable, prompt_object, take_prompts

pytest_plugins = ["cli_assistant_fixtures"]

OBJECT = {
    "kind": "prompt",
    "version": 1,
    "messages": [
        {"role": "system", "text": "You copy answers out of a text."},
        {"role": "user", "text": "Text:\n{{passages}}\n\nQuestion: {{question}}\nAnswer:"},
    ],
    "variables": {"passages": "passages", "question": "text"},
    "provider": "answer",
    "retrieve": {"index": "docs", "passages": 2},
}


def test_a_prompt_becomes_the_object_that_a_release_locks(synced: Assistant) -> None:
    (taken,) = take_prompts(synced.hands, synced.spec)
    assert taken == ("answer", synced.store.resolve("prompt/answer"), True)
    assert synced.store.get(taken.digest, "prompt") == OBJECT


def test_taking_it_again_moves_nothing_and_a_new_line_at_the_end_is_no_change(synced: Assistant) -> None:
    (first,) = take_prompts(synced.hands, synced.spec)
    (again,) = take_prompts(synced.hands, synced.spec)
    synced.edit("Answer:\n", "Answer:\n\n", file="answer.md")
    (spaced,) = take_prompts(synced.hands, synced.spec)
    assert (again.digest, again.moved, spaced.digest, spaced.moved) == (first.digest, False, first.digest, False)
    assert outcomes(synced, "prompt/answer") == ["moved"]


def test_a_changed_word_moves_the_ref_and_says_who_and_why(synced: Assistant) -> None:
    take_prompts(synced.hands, synced.spec)
    synced.edit("copy answers", "copy short answers", file="answer.md")
    (taken,) = take_prompts(synced.hands, synced.spec, why="shorter")
    newest = synced.store.history("prompt/answer")[0]
    assert (taken.moved, newest.actor, newest.why, newest.target) == (True, synced.who, "shorter", taken.digest)


def test_only_the_prompts_that_are_named_are_read(synced: Assistant) -> None:
    synced.edit("prompts:\n", "prompts:\n  other: {file: not-there.md, provider: answer, index: docs}\n")
    assert [taken.name for taken in take_prompts(synced.hands, synced.spec, only=("answer",))] == ["answer"]
    with pytest.raises(PromptUnreadable):
        take_prompts(synced.hands, synced.spec)


def test_a_prompt_without_a_place_for_passages_retrieves_nothing(synced: Assistant) -> None:
    synced.write("answer.md", "Say something about {{question}}.\n")
    record = prompt_object(synced.spec, synced.spec.prompts["answer"])
    assert (record["retrieve"], record["variables"]) == (None, {"question": "text"})
    parts = synced.store.get(release(synced))
    assert "index" not in str(parts["manifests"]), "a release holds what its prompt needs and no more"


@pytest.mark.parametrize("content", [None, b"\xff\xfe not text", b"x" * (1 << 20) + b"x"], ids=["missing", "binary", "huge"])
def test_a_file_that_is_no_prompt_is_named_and_the_ref_stays(synced: Assistant, content: bytes | None) -> None:
    take_prompts(synced.hands, synced.spec)
    before = synced.store.resolve("prompt/answer")
    file = synced.root / "answer.md"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PromptUnreadable) as caught:
        take_prompts(synced.hands, synced.spec)
    assert "answer" in caught.value.what
    assert caught.value.where == str(file)
    assert synced.store.resolve("prompt/answer") == before


def test_an_unknown_type_of_a_variable_is_told_by_its_line(synced: Assistant) -> None:
    synced.write("answer.md", "# user\n\nQuestion: {{question: txt}}\n")
    with pytest.raises(PromptMalformed) as caught:
        take_prompts(synced.hands, synced.spec)
    assert str(caught.value.where).startswith("answer.md:3")
    assert "prompt/answer" not in {ref.name for ref in synced.store.refs()}
