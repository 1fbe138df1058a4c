"""`shipway eval` and the gate, as a person types it: numbers, refusals, exit codes, and one `shipway up` that follows."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from cli_assistant import KEY, QUESTION, REF, WORSE, Assistant, Parrot, make_assistant
from cli_project import done

from shipway.gate import release_of

pytest_plugins = ["cli_assistant_fixtures"]


def test_from_the_golden_set_to_live(synced: Assistant, parrot: Parrot) -> None:
    synced.ask("release")
    refused = synced.cli("apply", "--json")
    assert refused.code == 1
    for name in ("golden.recall_at_3 at least 0.3 at 95%: no evidence", "golden.contains at least 0.4 at 95%: no evidence"):
        assert name in refused.document["error"]["what"]
    found = synced.cli("eval", "--json")
    assert (found.code, found.document["kind"]) == (0, "evaluations")
    (golden,) = found.document["evaluations"]
    values = {metric["name"]: metric["value"] for metric in golden["metrics"] if not metric.get("slice")}
    assert (values["golden.recall_at_3"], values["golden.contains"], golden["asked"], golden["errors"]) == (1.0, 1.0, 8, 0)
    assert found.document["release"] == synced.store.resolve("release/guide")
    again = synced.cli("eval", "--again")
    assert "8 answers asked anew" in again.out
    assert again.last == "next: shipway release"
    assert synced.ask("plan")["gate"]["allowed"] is True
    applied = synced.ask("apply")
    assert (applied["changed"], applied["gate"]["verdict"]) == (True, "pass")
    assert synced.ask("check")["checks"], "check asks the golden sets too"
    assert len(parrot.asked) == 16, "and nothing that was asked before"


def test_a_worse_prompt_is_refused_with_value_interval_and_threshold(live: Assistant) -> None:
    live.write("answer.md", WORSE)
    plain = live.cli("eval")
    assert any(line.split()[:4] == ["contains", "against", "live", "-1.0000"] for line in plain.out.splitlines()), plain.out
    live.ask("release")
    done = live.cli("apply", "--json")
    error = done.document["error"]
    assert (done.code, error["code"]) == (1, "gate.refused")
    assert "golden.contains: 0 [0, 0.324], threshold 0.4" in error["what"]
    assert live.store.history(REF)[0].outcome == "refused"


def test_a_gate_that_cannot_decide_exits_2(live: Assistant) -> None:
    live.edit("at least 0.4 at 95%", "at least 0.7 at 95%")
    live.edit("copy answers", "copy good answers", file="answer.md")
    live.ask("eval")
    live.ask("release")
    done = live.cli("apply", "--json")
    assert done.code == 2
    assert "golden.contains: inconclusive, 1 [0.676, 1], threshold 0.7" in done.document["error"]["what"]
    check = next(row for row in live.ask("log", REF)["history"][0]["gate"]["checks"] if row["name"] == "golden.contains")
    assert check["still_needed"] >= 1


def test_a_swapped_model_is_paged_by_watch_and_ends_with_the_swap(live: Assistant, parrot: Parrot) -> None:
    calm = live.cli("watch", "--json")
    said = {row["monitor"]: row["check"]["verdict"] for row in calm.document["readings"]}
    assert (calm.code, {said[name] for name in ("cost", "freshness", "sentinel")}) == (0, {"pass"})
    assert {said[name] for name in ("contract", "errors", "latency", "silence")} == {"inconclusive"}, "nobody has asked yet"
    parrot.swapped = True
    swapped = live.cli("watch", "--sentinel", "--json")
    assert swapped.code == 1
    (alert,) = swapped.document["alerts"]
    assert (alert["monitor"], alert["severity"]) == ("sentinel", "page")
    plain = live.cli("watch")
    assert (plain.code, plain.last) == (1, f"next: shipway rollback {REF}"), "it stays open without being asked anew"
    parrot.swapped, parrot.down = False, True
    down = live.cli("watch", "--sentinel")
    assert down.code == 1
    assert "answered 503" in down.out
    parrot.down = False
    assert live.cli("watch", "--sentinel").code == 0


def test_an_exchange_of_the_model_that_was_meant_is_the_new_baseline(live: Assistant, parrot: Parrot) -> None:
    assert live.cli("watch").code == 0
    parrot.swapped = True
    assert live.cli("watch", "--sentinel").code == 1
    meant = live.cli("watch", "--new-baseline", "--json")
    assert meant.code == 0, meant.out
    (sentinel,) = [row for row in meant.document["readings"] if row["monitor"] == "sentinel"]
    assert (sentinel["check"]["verdict"], sentinel["detail"]["by"]) == ("pass", [])
    assert [alert["status"] for alert in meant.document["alerts"]] == ["resolved"]
    assert live.cli("watch", "--sentinel").code == 0
    parrot.swapped = False
    assert live.cli("watch", "--sentinel").code == 1, "the model before is the stranger now"


def test_up_follows_a_new_index_and_the_real_client_is_answered_by_it(tmp_path: Path, parrot: Parrot) -> None:
    """The whole way with the real embedder: documents change, `rag sync`, and the gateway answers from them."""
    project = make_assistant(tmp_path / "project", tmp_path / "keys", parrot.url, embedder="minilm")
    for words in (["rag", "sync"], ["eval"], ["release"], ["apply"]):
        project.ask(*words)
    found = project.ask("rag", "search", "Which boat takes me across the water?", "-k", "1")
    assert found["passages"][0]["document"] == "ferry.txt", "found by meaning: it shares no word with the question"
    first = project.store.resolve("release/guide")
    running = project.start("up", "--no-mlflow", "--port", "0")
    try:
        text, told = _answered(project, first, QUESTION)
        assert "Marta Olsen" in text
        assert told["citations"][0]["document"] == "bridge.txt"
        project.write("docs/bridge.txt", "The bridge at Arnsen was built in 1893 by Marta Olsen and Jon Vik.\n")
        project.ask("rag", "sync")
        second = _followed(project, first)
        text, told = _answered(project, second, QUESTION)
        assert "Jon Vik" in text
        assert (told["release"], told["degraded"]) == (second, [])
        assert project.ask("rollback", REF, "--why", "practice")["to"] == first
        text, _ = _answered(project, first, QUESTION)
        assert "Jon Vik" not in text
        time.sleep(2.5)  # two looks at what is followed
        assert project.store.history(REF)[0].why == "practice"
        cost = _costs(project)
        assert cost["total"]["answers"] >= 3
        assert set(cost["by_release"]) == {first, second}
        assert set(cost["by_key"]) == {"team"}
    finally:
        running.terminate()
        ended = done(running)
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err


def _costs(project: Assistant) -> dict[str, Any]:
    """What the answers cost, once the log has handed them over."""
    end = time.monotonic() + 120
    while True:
        cost: dict[str, Any] = project.ask("gateway", "cost")
        if cost["total"]["answers"] >= 3 or time.monotonic() > end:
            return cost
        time.sleep(1.0)


def _followed(project: Assistant, first: str) -> str:
    end = time.monotonic() + 120
    while len(moves := project.store.history(REF)) == 1:
        assert time.monotonic() < end, "nothing was followed"
        time.sleep(0.1)
    assert (moves[0].outcome, moves[0].why) == ("moved", "follows index/docs")
    second = release_of(project.store, project.store.resolve(REF))
    assert second != first
    return str(second)


def _answered(project: Assistant, release: str, question: str) -> tuple[str, dict[str, Any]]:
    """What the release says to the real client, as soon as it is the one that answers."""
    from openai import OpenAI

    end = time.monotonic() + 120
    while True:
        row = project.store.state("endpoint", REF)
        if row and row.value["url"] and row.value["release"] == release:
            with OpenAI(base_url=f"{row.value['url']}/v1", api_key=KEY, max_retries=0) as client:
                said = client.chat.completions.create(model="guide", messages=[{"role": "user", "content": question}])
            told = json.loads(json.dumps((said.model_extra or {})["shipway"]))
            if told["release"] == release:
                return said.choices[0].message.content or "", told
        assert time.monotonic() < end, row
        time.sleep(0.1)
