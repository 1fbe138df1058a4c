"""`shipway prompt`: files of prompts, and what their refs name."""

from __future__ import annotations

import pytest
from cli_assistant import Assistant

pytest_plugins = ["cli_assistant_fixtures"]


def test_put_status_and_show_tell_one_story(synced: Assistant) -> None:
    never = synced.cli("prompt", "status")
    assert (never.code, "was never put" in never.out, never.last) == (1, True, "next: shipway prompt put")
    put = synced.ask("prompt", "put", "--why", "the first one")
    (row,) = put["prompts"]
    assert (put["kind"], row["name"], row["moved"]) == ("prompts", "answer", True)
    assert synced.ask("prompt", "status")["prompts"] == [{"name": "answer", "digest": row["digest"], "same": True}]
    shown = synced.cli("prompt", "show", "answer")
    assert shown.out.startswith("# system\n\nYou copy answers out of a text.\n\n# user\n\nText:\n{{passages}}")
    assert synced.store.history("prompt/answer")[0].why == "the first one"
    synced.edit("copy answers", "copy short answers", file="answer.md")
    differs = synced.cli("prompt", "status", "--json")
    assert (differs.code, differs.document["prompts"][0]["same"]) == (1, False)
    assert "moved" in synced.cli("prompt", "put", "answer").out


def test_a_release_takes_the_file_as_it_is(synced: Assistant) -> None:
    made = synced.ask("release")
    prompts = [part["digest"] for part in made["components"] if part["kind"] == "prompt"]
    assert prompts == [synced.ask("prompt", "show", "answer")["digest"]]


@pytest.mark.parametrize("word", ["put", "status"])
def test_an_unknown_prompt_is_told_with_the_nearest_name(synced: Assistant, word: str) -> None:
    done = synced.cli("prompt", word, "anwser", "--json")
    error = done.document["error"]
    assert (done.code, error["code"], error["mend"]) == (1, "cli.prompt-unknown", "did you mean answer?")


def test_showing_what_was_never_put_says_so(synced: Assistant) -> None:
    done = synced.cli("prompt", "show", "answer", "--json")
    assert (done.code, done.document["kind"]) == (1, "error")
    assert "prompt/answer" in str(done.document["error"])
