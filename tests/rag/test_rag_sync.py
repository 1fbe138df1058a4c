from __future__ import annotations

import fcntl
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rag_help import PAGES, HashEmbedder, Project, page

from shipway.access import Actor, Forbidden
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import digest_bytes
from shipway.rag import (
    EmbeddingsWrong,
    Member,
    SourceEmpty,
    SourceShrunk,
    SourceUnreadable,
    SyncRunning,
    corpus_documents,
    load_members,
    load_vectors,
    load_version,
    sync_index,
)
from shipway.rag._index import encode_member


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, PAGES)
    yield made
    made.close()


def found(project: Project, question: str) -> list[str]:
    index = project.open()
    try:
        return [passage.member.text for passage in index.search(question, 3).passages]
    finally:
        index.close()


def test_a_first_sync_embeds_each_distinct_chunk_once_and_moves_the_ref(project: Project) -> None:
    project.write("copy.txt", PAGES["settings.txt"])
    synced = project.sync()
    assert (synced.documents, synced.chunks, synced.new_chunks, synced.embedded) == (4, 7, 5, 5)
    assert (synced.added, synced.changed, synced.removed, synced.changed_ref) == (4, 0, 0, True)
    assert len(project.embedder.asked) == len(set(project.embedder.asked)) == 5
    assert project.store.resolve("index/docs") == synced.index


def test_a_version_is_its_members_and_their_vectors_in_one_order(project: Project) -> None:
    version = load_version(project.store, project.sync().index)
    members, vectors = load_members(project.store, version), load_vectors(project.store, version)
    assert [(member.document, member.start) for member in members] == sorted((m.document, m.start) for m in members)
    assert vectors.shape == (5, project.embedder.dimension)
    for member, vector in zip(members, vectors, strict=True):
        data = project.store.objects.get(member.document_digest)
        assert data[member.start : member.end].decode() == member.text
        text = f"{member.heading}\n{member.text}"
        assert member.chunk == digest_bytes(text.encode())
        np.testing.assert_array_equal(vector, HashEmbedder().embed([text])[0])
    assert corpus_documents(project.store, version) == {key: digest_bytes(text.encode()) for key, text in PAGES.items()}


def test_a_sync_without_a_change_embeds_nothing_and_moves_nothing(project: Project) -> None:
    first, calls = project.sync(), project.embedder.calls
    second = project.sync()
    assert (second.embedded, second.new_chunks, second.changed_ref, second.index) == (0, 0, False, first.index)
    assert project.embedder.calls == calls
    assert len(project.store.history("index/docs")) == 1


def test_a_change_embeds_its_own_chunks_only(project: Project) -> None:
    project.sync()
    project.embedder.asked.clear()
    project.write("settings.txt", PAGES["settings.txt"].replace("Never deploy", "Do not ever deploy"))
    project.write("new.txt", page("New", ("Page", "Brand new.")))
    (project.corpus / "internal/salaries.txt").unlink()
    synced = project.sync()
    assert (synced.added, synced.changed, synced.removed) == (1, 1, 1)
    assert sorted(project.embedder.asked) == [
        "New > Page\nBrand new.",
        "Settings > DEBUG\nDo not ever deploy a site with DEBUG turned on.",
    ]
    assert synced.embedded == synced.new_chunks == 2
    assert not any("salary" in text for text in found(project, "salary band"))


def test_equal_documents_and_equal_settings_give_the_same_version_in_another_store(project: Project, tmp_path: Path) -> None:
    first = project.sync().index
    project.write("settings.txt", "other\n")
    project.sync()
    project.write("settings.txt", PAGES["settings.txt"])
    again = project.sync()
    other = Project(tmp_path / "other", PAGES)
    assert again.index == first == other.sync(batch=3).index
    assert (again.changed_ref, again.embedded) == (True, 0)
    other.close()


def test_another_embedder_or_chunk_length_is_a_new_version_beside_the_old(project: Project) -> None:
    first = project.sync()
    other = HashEmbedder("other", 32)
    second = project.sync(embedder=other)
    assert second.index != first.index
    assert second.embedded == second.new_chunks == 5
    assert load_vectors(project.store, load_version(project.store, second.index)).shape == (5, 32)
    assert load_vectors(project.store, load_version(project.store, first.index)).shape == (5, 64)
    third = project.sync(chunk=50)
    assert third.chunks > first.chunks


def test_access_is_the_union_of_the_globs_and_its_change_embeds_nothing(project: Project) -> None:
    project.sync()
    calls = project.embedder.calls
    project.access = {"internal/**": ("staff",), "**/salaries.txt": ("board", "staff")}
    synced = project.sync()
    members = load_members(project.store, load_version(project.store, synced.index))
    assert {member.document: member.access for member in members} == {
        "db/queries.txt": (),
        "internal/salaries.txt": ("board", "staff"),
        "settings.txt": (),
    }
    assert (synced.changed_ref, synced.embedded, synced.new_chunks, project.embedder.calls) == (True, 0, 0, calls)


def test_an_empty_or_missing_source_never_deletes_the_index(project: Project) -> None:
    first = project.sync().index
    shutil.rmtree(project.corpus)
    with pytest.raises(SourceEmpty):
        project.sync()
    project.corpus.mkdir()
    with pytest.raises(SourceEmpty):
        project.sync(allow_shrink=True)
    assert project.store.resolve("index/docs") == first


def test_a_source_that_lost_more_than_half_is_refused_unless_it_is_allowed(project: Project) -> None:
    first = project.sync().index
    for name in ("settings.txt", "internal/salaries.txt"):
        (project.corpus / name).unlink()
    with pytest.raises(SourceShrunk, match="has 1 documents, and the present index 3"):
        project.sync()
    assert project.store.resolve("index/docs") == first
    assert project.sync(allow_shrink=True).removed == 2


def test_what_is_not_text_is_named_and_the_rest_is_published(project: Project) -> None:
    project.write("image.txt", b"\x89PNG\x00\x01")
    project.write("latin.txt", "café".encode("latin-1"))
    for _ in range(2):
        synced = project.sync()
        assert [tuple(item) for item in synced.unreadable] == [
            ("image.txt", "has NUL bytes"),
            ("latin.txt", "not UTF-8 at byte 3"),
        ]
        assert synced.documents == 3


def test_a_page_in_which_no_text_is_found_is_named_and_an_empty_one_is_not(project: Project) -> None:
    project.write("app.html", "<script>render()</script>")
    project.write("empty.txt", "\n")
    for _ in range(2):
        synced = project.sync()
        assert [tuple(item) for item in synced.unreadable] == [("app.html", "no text was found in it")]
        assert synced.documents == 5


def vanishing(project: Project) -> None:
    (project.corpus / "settings.txt").unlink()
    (project.corpus / "settings.txt").symlink_to("nowhere")


def looping(project: Project) -> None:
    (project.corpus / "settings.txt").unlink()
    (project.corpus / "settings.txt").symlink_to("settings.txt")


@pytest.mark.parametrize("break_it", [vanishing, looping])
def test_an_indexed_document_that_the_system_does_not_give_is_an_error_and_not_a_deletion(
    project: Project, break_it: Callable[[Project], None]
) -> None:
    first = project.sync().index
    break_it(project)
    (project.corpus / "new.txt").symlink_to("nowhere")  # was never served: only named
    with pytest.raises(SourceUnreadable, match=r"settings\.txt of the present index cannot be read") as caught:
        project.sync()
    assert "--allow-shrink" in str(caught.value.mend)
    assert project.store.resolve("index/docs") == first
    synced = project.sync(allow_shrink=True)
    assert (synced.removed, {item.key for item in synced.unreadable}) == (1, {"new.txt", "settings.txt"})


def test_a_document_that_fails_to_be_read_after_it_was_listed_is_an_error_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sync()
    changed = project.write("settings.txt", "changed\n")
    read = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path == changed:
            raise OSError(5, "Input/output error")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(SourceUnreadable, match=r"settings\.txt.*Input/output error"):
        project.sync()


def test_exactly_half_of_the_documents_gone_is_refused_too(tmp_path: Path) -> None:
    project = Project(tmp_path, {f"{number}.txt": f"text {number}\n" for number in range(4)})
    project.sync()
    for number in range(2):
        (project.corpus / f"{number}.txt").unlink()
    with pytest.raises(SourceShrunk, match="has 2 documents, and the present index 4"):
        project.sync()
    project.close()


def test_when_no_document_is_text_nothing_is_published(tmp_path: Path) -> None:
    project = Project(tmp_path, {"a.txt": b"\x00", "b.txt": b"\xff"})
    with pytest.raises(SourceUnreadable, match="none of the 2 documents"):
        project.sync()
    assert project.store.ref("index/docs") is None
    project.close()


def test_a_failing_embedder_publishes_nothing_and_what_was_embedded_is_kept(project: Project) -> None:
    first = project.sync().index
    for number in range(20):
        project.write(f"more/{number}.txt", f"document {number}\n")
    broken = HashEmbedder(fails_after=1)
    with pytest.raises(ConnectionError):
        project.sync(embedder=broken)
    assert project.store.resolve("index/docs") == first
    assert "Call save()" in found(project, "save an object")[0]
    rest = HashEmbedder()
    assert project.sync(embedder=rest).embedded == 12
    assert len(broken.asked) == 8
    assert not set(broken.asked) & set(rest.asked)


@pytest.mark.parametrize("wrong", ["rows", "length", "nan"])
def test_vectors_that_are_not_as_promised_are_refused_and_not_kept(project: Project, wrong: str) -> None:
    class Wrong(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            made = super().embed(texts)
            spoilt = {"rows": made[1:], "length": 2 * made, "nan": made * np.float32("nan")}
            return np.asarray(spoilt[wrong], np.float32)

    with pytest.raises(EmbeddingsWrong):
        project.sync(embedder=Wrong())
    assert project.store.ref("index/docs") is None
    assert project.sync().embedded == 5


def test_a_lost_cache_is_made_up_for_by_the_published_vectors_and_a_damaged_one_is_put_aside(project: Project) -> None:
    project.sync()
    cache = project.store.root / "cache" / "embeddings.sqlite"
    for damage in (cache.unlink, lambda: cache.write_bytes(b"this is no database" * 100)):
        damage()
        project.write("settings.txt", f"changed by {damage}\n")
        assert project.sync().embedded == 1
    assert cache.with_suffix(".damaged").exists()


def test_lost_members_are_made_again(project: Project) -> None:
    first = project.sync()
    members = project.store.objects.path(load_version(project.store, first.index).members.digest)
    members.unlink()
    again = project.sync()
    assert (again.index, again.embedded, members.exists()) == (first.index, 0, True)


def test_two_syncs_of_one_index_do_not_run_at_once(project: Project) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            inside.set()
            assert go_on.wait(20)
            return super().embed(texts)

    other = Project(project.root)  # another store object over the same folder, as another process has

    def run() -> None:
        other.sync(embedder=Slow())
        other.close()

    running = threading.Thread(target=run)
    running.start()
    assert inside.wait(20)
    with pytest.raises(SyncRunning):
        project.sync()
    go_on.set()
    running.join(20)
    assert project.sync().changed_ref is False


def test_a_lock_that_a_dead_process_held_is_free(project: Project) -> None:
    path = project.store.root / "index" / "docs.lock"
    path.parent.mkdir(parents=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert project.sync().changed_ref


def test_who_may_not_move_the_ref_publishes_nothing(project: Project) -> None:
    nobody = Actor("eve", frozenset())
    with pytest.raises(Forbidden):
        sync_index(project.store, project.keys, nobody, project.spec(), root=project.root, embedder=project.embedder)
    assert project.store.ref("index/docs") is None


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def started(self, step: str) -> None:
        self.said.append(f"started {step}")

    def cached(self, step: str) -> None:
        self.said.append(f"cached {step}")

    def finished(self, step: str, seconds: float) -> None:
        self.said.append(f"finished {step}")

    def note(self, text: str) -> None:
        self.said.append(text)


def test_a_sync_tells_its_steps(project: Project) -> None:
    first, second = Heard(), Heard()
    project.sync(report=first, batch=3)
    project.sync(report=second)
    assert [said for said in first.said if said.startswith("started")] == [
        f"started index/docs {step}" for step in ("list", "chunk", "embed", "write")
    ]
    assert "embedded 3 of 5 chunks" in first.said
    assert second.said == ["started index/docs list", "finished index/docs list", "cached index/docs"]


def test_the_cache_file_holds_one_row_for_each_chunk_and_embedder(project: Project) -> None:
    project.sync()
    project.sync(embedder=HashEmbedder("other"))
    with sqlite3.connect(project.store.root / "cache" / "embeddings.sqlite") as connection:
        rows = connection.execute("SELECT embedder, count(*) FROM embedding GROUP BY embedder").fetchall()
    connection.close()
    assert sorted(count for _, count in rows) == [5, 5]


def test_a_member_is_written_as_canonical_json() -> None:
    member = Member("a/é.txt", digest_bytes(b"d"), digest_bytes(b"c"), "", 'h "q" \\', 0, 7, ("b", "a"))
    for text in ("\x00\x01\x1f\x7f\b\f\n\r\t", "é漢🙂\u2028\ufeff", "</x> / \\"):
        record: JsonObject = {
            "access": ["b", "a"],
            "chunk": member.chunk,
            "document": member.document,
            "document_digest": member.document_digest,
            "end": 7,
            "heading": member.heading,
            "start": 0,
            "text": text,
        }
        assert encode_member(replace(member, text=text)) == canonical_json(record)
