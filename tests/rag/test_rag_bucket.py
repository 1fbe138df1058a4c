"""Documents in a bucket: a real S3 server on the loopback, and two machines that sync one index over one PostgreSQL."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rag_help import PAGES, Project

from shipway.kernel.digest import digest_bytes
from shipway.rag import SourceEmpty, SyncRunning, list_source
from shipway.store import ObjectsRefused, SourceBucket, open_store

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import BUCKET, new_schema, s3_client, s3_environ

_prefixes = itertools.count()


class Documents:
    """Documents below a prefix of their own, as others put them there."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.client = prefix, s3_client(s3_environ())
        self.source = f"s3://{BUCKET}/{prefix}"

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=data)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")


@pytest.fixture
def documents(monkeypatch: pytest.MonkeyPatch) -> Documents:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    made = Documents(f"documents/{next(_prefixes)}")
    for name, text in PAGES.items():
        made.put(name, text.encode())
    return made


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.close()


def test_documents_of_a_bucket_are_indexed_as_those_of_a_folder(project: Project, documents: Documents) -> None:
    for name, text in PAGES.items():
        project.write(name, text)
    of_folder = project.sync()
    of_bucket = project.sync(source=documents.source)
    assert of_bucket.index == of_folder.index
    assert not of_bucket.changed_ref


def test_the_listing_alone_says_what_there_is(project: Project, documents: Documents) -> None:
    project.sync(source=documents.source)
    first, *_ = PAGES
    documents.put("new page + é.txt", b"A page about nothing in particular.")
    documents.remove(first)
    found = project.sync(source=documents.source)
    assert (found.added, found.changed, found.removed) == (1, 0, 1)
    documents.put(first, PAGES[first].encode())  # created, deleted, and created again: as it is now
    documents.remove("new page + é.txt")
    assert project.sync(source=documents.source).documents == len(PAGES)
    assert not project.sync(source=documents.source).changed_ref


def test_a_document_that_is_no_text_is_named_and_the_others_are_indexed(project: Project, documents: Documents) -> None:
    documents.put("poison.txt", b"PK\x00\x01")
    found = project.sync(source=documents.source)
    assert [(one.key, one.reason) for one in found.unreadable] == [("poison.txt", "has NUL bytes")]
    assert found.documents == len(PAGES)


def test_what_was_read_under_a_tag_is_not_read_again(
    project: Project, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = list_source(project.store, documents.source, root=project.root)
    read: list[str] = []
    real = SourceBucket.read

    def counted(bucket: SourceBucket, key: str) -> bytes | None:
        read.append(key)
        return real(bucket, key)

    monkeypatch.setattr(SourceBucket, "read", counted)
    assert list_source(project.store, documents.source, root=project.root).files[0].digest == listed.files[0].digest
    assert read == []
    documents.put("more.txt", b"More.")
    list_source(project.store, documents.source, root=project.root)
    assert read == ["more.txt"]
    for file in (project.store.root / "cache" / "tags").iterdir():
        file.write_text(json.dumps({"more.txt": 7}))  # not ours: everything is read again
    assert len(list_source(project.store, documents.source, root=project.root).files) == len(PAGES) + 1
    assert len(read) == len(PAGES) + 2


def test_an_empty_prefix_and_a_key_that_is_no_path_are_errors(project: Project, documents: Documents) -> None:
    with pytest.raises(SourceEmpty):
        list_source(project.store, f"s3://{BUCKET}/nothing/here", root=project.root)
    documents.put("a//b.txt", b"x")
    with pytest.raises(ObjectsRefused, match=r"a key there is no path: .*a//b\.txt"):
        list_source(project.store, documents.source, root=project.root)


def on_machine(home: Path, catalogue: str, objects: str) -> Project:
    """A project in a folder of its own, whose rows and objects are shared."""
    made = Project(home)
    made.store.close()
    made.store = open_store(home / "shared", "assistant", catalogue=catalogue, objects=objects, create=True)
    return made


def test_of_two_machines_one_syncs_and_the_other_finds_its_work_done_or_goes_on(tmp_path: Path, documents: Documents) -> None:
    catalogue, objects = new_schema(), f"s3://{BUCKET}/{documents.prefix}-objects"
    one, other = (on_machine(tmp_path / name, catalogue, objects) for name in ("one", "other"))
    said: list[Any] = []

    class Meanwhile:
        """The other machine syncs while this one is at its first step."""

        def started(self, step: str) -> None:
            if not said:
                with pytest.raises(SyncRunning, match="another sync of index docs is running") as caught:
                    other.sync(source=documents.source)
                said.append(caught.value)

        def cached(self, step: str) -> None: ...
        def finished(self, step: str, seconds: float) -> None: ...
        def note(self, text: str) -> None: ...

    found = one.sync(source=documents.source, report=Meanwhile())
    assert found.changed_ref
    assert said[0].retry
    documents.put("late.txt", b"A page that came while the first machine was at work.")
    late = other.sync(source=documents.source)
    assert (late.added, late.documents, late.embedded) == (1, len(PAGES) + 1, 1)
    assert one.store.resolve("index/docs") == late.index
    copies = {file.name for file in other.store.objects.root.rglob("*") if file.is_file()}
    pages = {digest_bytes(text.encode())[9:] for text in PAGES.values()}  # a folder has the first two digits
    assert not copies & pages, "documents that the version before had are not fetched"
    one.close()
    other.close()


HOLD = """
import sys, time
from pathlib import Path
from shipway.store import open_store
store = open_store(Path(sys.argv[1]), "assistant", catalogue=sys.argv[2], create=True)
with store.hold("index/docs") as held:
    print(held, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_machine_held_is_free_again(tmp_path: Path) -> None:
    catalogue = new_schema()
    store = open_store(tmp_path / "here", "assistant", catalogue=catalogue, create=True)
    words = [sys.executable, "-c", HOLD, str(tmp_path / "there"), catalogue]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        with store.hold("index/docs") as held:
            assert not held
        with store.hold("index/other") as held:
            assert held
        process.kill()
    for _ in range(200):
        with store.hold("index/docs") as held:
            if held:
                break
    assert held
    store.close()
