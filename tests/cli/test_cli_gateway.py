"""`shipway gateway` alone, `shipway serve` of an application, costs, and questions compared."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_assistant import KEY, QUESTION, REF, UNTOLD, Assistant, Parrot
from cli_project import SECONDS, done

if TYPE_CHECKING:
    from openai import RateLimitError

pytest_plugins = ["cli_assistant_fixtures"]

ALONE = """
project: alone
providers:
  answer: {{model: parrot, url: "{url}", price: {{input: 1000, output: 2000}}}}
gateway:
  exact_cache: off
  retries: 0
  keys:
    team: {{key: secret://env/TEAM_KEY, budget: {budget} usd/day}}
"""


@contextmanager
def serving(folder: Path, project: Assistant, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway that was started alone, and its address."""
    here = Assistant(folder, project.keys_folder, project.who, dict(project.more))
    child = here.start("gateway", "serve", *words, "--port", "0")
    try:
        assert child.stdout
        said = json.loads(child.stdout.readline())
        assert said["ready"] is True, said
        yield child, f"http://127.0.0.1:{said['port']}/v1"
    finally:
        child.terminate()
        child.communicate(timeout=SECONDS)


def ask(url: str, *, key: str = KEY, model: str = "parrot") -> str:
    from openai import OpenAI

    with OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        messages = [{"role": "user", "content": f"It was built by Marta Olsen.\nQuestion: {QUESTION}"}]
        said = client.chat.completions.create(model=model, messages=messages, max_tokens=20)
    return said.choices[0].message.content or ""


def until_refused(url: str, *, most: int = 50) -> RateLimitError:
    """Ask until the gateway has enough of it."""
    from openai import RateLimitError

    for _ in range(most):
        try:
            ask(url)
        except RateLimitError as problem:
            return problem
    raise AssertionError(f"{most} answers, and no end")


@pytest.fixture
def nobody(parrot: Parrot, tmp_path: Path) -> Assistant:
    """A person in a folder without a project."""
    (tmp_path / "alone").mkdir()
    return Assistant(tmp_path / "alone", tmp_path / "keys", more={"TEAM_KEY": KEY, "UNNAMED_SECRET": "x"})


def test_a_file_is_enough_for_a_gateway_with_keys_and_budgets(nobody: Assistant, parrot: Parrot) -> None:
    from openai import AuthenticationError

    nobody.write("llm.yaml", ALONE.format(url=parrot.url, budget="0.2").lstrip())
    with serving(nobody.root, nobody, "llm.yaml") as (child, url):
        assert ask(url) == "It was built by Marta Olsen."
        with pytest.raises(AuthenticationError):
            ask(url, key="guessed")
        refused = until_refused(url)
        assert "budget" in str(refused)
        child.terminate()
        ended = done(child)
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    assert {entry.name for entry in nobody.root.iterdir()} == {"llm.yaml", ".shipway-gateway"}
    with serving(nobody.root, nobody, "llm.yaml") as (_, url):
        assert "budget" in str(until_refused(url, most=3)), "what was spent is remembered"


def test_the_sections_of_the_spec_here_are_taken_when_no_file_is_named(nobody: Assistant, parrot: Parrot) -> None:
    nobody.write("shipway.yaml", ALONE.format(url=parrot.url, budget="5").lstrip())
    with serving(nobody.root, nobody, "--state", "kept") as (_, url):
        assert ask(url) == "It was built by Marta Olsen."
    assert (nobody.root / "kept" / "ledger.sqlite").exists()
    assert not (nobody.root / ".shipway").exists(), "it needs no store"


def test_a_key_that_is_not_in_the_environment_is_told_in_six_lines(nobody: Assistant, parrot: Parrot) -> None:
    nobody.write("llm.yaml", ALONE.format(url=parrot.url, budget="5").lstrip())
    nobody.more.pop("TEAM_KEY")
    ended = nobody.cli("gateway", "serve", "llm.yaml", "--port", "0")
    assert ended.code == 1
    assert "the variable TEAM_KEY is not set" in ended.err
    assert len(ended.err.strip().splitlines()) <= 6


def test_a_file_that_is_not_there_is_named(nobody: Assistant) -> None:
    ended = nobody.cli("gateway", "serve", "nowhere.yaml", "--port", "0")
    assert ended.code in (1, 64)
    assert "nowhere.yaml" in ended.err
    assert 2 <= len(ended.err.strip().splitlines()) <= 6


def test_one_application_is_served_in_the_foreground(live: Assistant) -> None:
    from openai import OpenAI

    child = live.start("serve", "guide@prod", "--port", "0")
    try:
        end = time.monotonic() + 60
        while not ((row := live.store.state("endpoint", REF)) and row.value["url"]):
            assert time.monotonic() < end, "nothing is served"
            time.sleep(0.05)
        with OpenAI(base_url=f"{row.value['url']}/v1", api_key=KEY, max_retries=0) as client:
            said = client.chat.completions.create(model="guide", messages=[{"role": "user", "content": QUESTION}])
            told = (said.model_extra or {})["shipway"]
            unknown = client.chat.completions.create(model="guide", messages=[{"role": "user", "content": "Quo vadis?"}])
        assert "Marta Olsen" in (said.choices[0].message.content or "")
        assert told["release"] == live.store.resolve("release/guide")
        assert unknown.choices[0].message.content == UNTOLD
    finally:
        child.terminate()
        ended = done(child)
    assert ended.code == 0, ended.err
    cost = live.ask("gateway", "cost")
    assert cost["kind"] == "cost"
    assert cost["total"]["answers"] == 2
    assert cost["total"]["usd"] > 0
    assert cost["by_key"].keys() == {"team"}
    assert len(cost["by_day"]) == 1
    assert f"{REF}, 30 days: 2 answers" in live.cli("gateway", "cost", "guide@prod").out


def test_costs_of_a_deployment_that_answered_nothing_are_nothing(live: Assistant) -> None:
    cost = live.ask("gateway", "cost", "--days", "1")
    assert (cost["total"]["answers"], cost["total"]["usd"], cost["by_release"]) == (0, 0, {})
    done = live.cli("gateway", "cost", "gide", "--json")
    assert (done.code, done.document["error"]["mend"]) == (1, "did you mean guide@prod?")


def test_two_questions_are_compared_as_the_semantic_cache_does(live: Assistant) -> None:
    same = live.ask("gateway", "compare", "How often does the ferry leave?", "how often does the  ferry leave")
    other = live.ask("gateway", "compare", "Is the museum open on Monday?", "Is the museum open on Tuesday?")
    assert (same["kind"], same["refused"]) == ("compared", [])
    assert 0.5 < same["similarity"] <= 1.0001
    assert other["similarity"] > 0.7, "near, and yet another question"
    assert other["refused"][0]["what"]
