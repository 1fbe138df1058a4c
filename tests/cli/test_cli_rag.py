"""`shipway rag`: documents of every answer, and what it says to a slip of the finger."""

from __future__ import annotations

import json

import pytest
from cli_assistant import DOCUMENTS, QUESTION, Assistant

pytest_plugins = ["cli_assistant_fixtures"]


def test_a_sync_says_what_is_new_and_a_second_one_that_nothing_is(synced: Assistant) -> None:
    synced.write("docs/bakery.txt", "The bakery opens at five.\n")
    first = synced.cli("rag", "sync", "--json")
    assert first.code == 0
    (row,) = first.document["indexes"]
    counts = {
        key: row[key] for key in ("name", "version", "documents", "new_chunks", "embedded", "added", "changed", "removed")
    }
    assert counts == {
        "name": "docs",
        "version": 2,
        "documents": 7,
        "new_chunks": 1,
        "embedded": 1,
        "added": 1,
        "changed": 0,
        "removed": 0,
    }
    assert (first.document["kind"], row["moved"], row["unreadable"]) == ("synced", True, [])
    again = synced.cli("rag", "sync", "docs")
    assert "0 new, 0 embedded" in again.out
    assert "as it was" in again.out
    assert again.last == "next: shipway eval"


def test_status_exits_1_while_documents_and_index_differ(synced: Assistant) -> None:
    calm = synced.cli("rag", "status", "--json")
    assert (calm.code, calm.document["indexes"][0]["stale"]) == (0, 0)
    synced.write("docs/ferry.txt", "The ferry does not sail any more.\n")
    (synced.root / "docs" / "school.txt").unlink()
    stale = synced.cli("rag", "status", "--json")
    (row,) = stale.document["indexes"]
    assert stale.code == 1
    assert (row["documents"], row["stale"], row["orphans"], row["examples"]) == (5, 1, 1, ["ferry.txt", "school.txt"])
    plain = synced.cli("rag", "status")
    assert (plain.code, plain.last) == (1, "next: shipway rag sync")
    assert "1 stale, 1 gone" in plain.out


def test_search_shows_where_a_passage_stands_and_how_it_was_found(synced: Assistant) -> None:
    found = synced.ask("rag", "search", QUESTION, "-k", "2")
    assert (found["kind"], found["index"], found["degraded"], len(found["passages"])) == ("passages", "docs", [], 2)
    first = found["passages"][0]
    assert first["document"] == "bridge.txt"
    assert first["text"].strip() == DOCUMENTS["bridge.txt"][first["start"] : first["end"]].strip()
    assert (first["dense_rank"], first["text_rank"]) == (1, 1)


def test_what_few_may_see_is_found_by_them_alone(synced: Assistant) -> None:
    synced.edit("embedder: embed}", 'embedder: embed, access: {"school.txt": [staff]}}')
    synced.ask("rag", "sync")
    question = "What is the headmaster of the school called?"

    def seen(*more: str) -> set[str]:
        return {passage["document"] for passage in synced.ask("rag", "search", question, "-k", "6", *more)["passages"]}

    assert "school.txt" in seen("--group", "staff")
    assert "school.txt" not in seen("--group", "visitors")


@pytest.mark.parametrize(
    ("words", "code", "what", "mend"),
    [
        (["sync", "dcs"], "cli.index-unknown", "no index dcs", "did you mean docs?"),
        (["status", "dosc"], "cli.index-unknown", "no index dosc", "did you mean docs?"),
        (["search", "Where?", "--index", "x"], "cli.index-unknown", "no index x", "did you mean docs?"),
    ],
)
def test_an_unknown_index_is_told_with_the_nearest_name(
    synced: Assistant, words: list[str], code: str, what: str, mend: str
) -> None:
    done = synced.cli("rag", *words, "--json")
    error = done.document["error"]
    assert (done.code, error["code"], error["mend"]) == (1, code, mend)
    assert what in error["what"]
    assert error["where"].endswith("shipway.yaml")


def test_an_index_that_was_never_made_says_how_to_make_it(synced: Assistant) -> None:
    synced.edit("provider: answer, passages", "provider: answer, index: docs, passages")
    synced.edit("indexes:\n", "indexes:\n  more: {source: docs, embedder: embed}\n")
    for words in (["status", "more"], ["search", "Where?", "--index", "more"]):
        done = synced.cli("rag", *words, "--json")
        assert (done.code, done.document["kind"]) == (1, "error")
        assert "index/more" in json.dumps(done.document["error"])
    both = synced.cli("rag", "search", "Where?")
    assert both.code == 1
    assert "which index?" in both.err


def test_an_empty_folder_publishes_nothing(synced: Assistant) -> None:
    before = synced.store.resolve("index/docs")
    for file in (synced.root / "docs").iterdir():
        file.unlink()
    done = synced.cli("rag", "sync", "--json")
    assert done.code == 1
    assert "docs" in done.document["error"]["where"]
    assert synced.store.resolve("index/docs") == before


def test_when_most_documents_are_gone_somebody_must_mean_it(synced: Assistant) -> None:
    for name in list(DOCUMENTS)[:4]:
        (synced.root / "docs" / name).unlink()
    done = synced.cli("rag", "sync", "--json")
    assert done.code == 1
    assert "--allow-shrink" in done.document["error"]["mend"]
    assert synced.ask("rag", "sync", "--allow-shrink")["indexes"][0]["documents"] == 2


def test_a_document_that_is_no_text_is_left_out_and_named(synced: Assistant) -> None:
    (synced.root / "docs" / "photo.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe")
    done = synced.cli("rag", "sync")
    assert done.code == 0
    assert "left out  photo.txt" in done.out
    assert synced.ask("rag", "sync")["indexes"][0]["unreadable"][0]["document"] == "photo.txt"


def test_an_embedder_that_refuses_its_key_is_told_without_the_key(synced: Assistant) -> None:
    synced.write("docs/bakery.txt", "The bakery opens at five.\n")
    synced.more["WORDS_KEY"] = "wrong-and-secret"
    done = synced.cli("rag", "sync")
    assert done.code == 1
    assert "401" in done.err
    assert "wrong-and-secret" not in done.err + done.out
