from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rag_help import PAGES, Project

from shipway.rag import Freshness, SourceEmpty, measure_freshness


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, PAGES)
    made.sync()
    yield made
    made.close()


def measure(project: Project, *, later: float = 0.0) -> Freshness:
    index = project.store.resolve("index/docs")
    return measure_freshness(
        project.store, index, source="corpus", include=("**/*",), root=project.root, now=time.time() + later
    )


def test_an_index_of_its_source_is_fresh(project: Project) -> None:
    assert measure(project, later=1e6) == Freshness(3, 0, 0, 0.0, ())


def test_changed_new_and_gone_documents_are_told_with_the_age_of_the_oldest(project: Project) -> None:
    changed = project.write("settings.txt", "changed\n")
    os.utime(changed, (5.0, 5.0))  # unpacked from an old archive: what counts is when it came here
    time.sleep(0.05)
    project.write("a-new.txt", "new\n")
    (project.corpus / "internal/salaries.txt").unlink()
    found = measure(project, later=900)
    assert (found.documents, found.stale, found.orphans) == (3, 2, 1)
    assert found.examples == ("settings.txt", "a-new.txt", "internal/salaries.txt")
    assert found.oldest_seconds == pytest.approx(900, abs=30)
    project.sync()
    assert measure(project, later=900) == Freshness(3, 0, 0, 0.0, ())


def test_what_can_never_be_served_is_not_stale(project: Project) -> None:
    project.write("image.txt", b"\x00")
    assert measure(project) == Freshness(3, 0, 0, 0.0, ())
    project.write("settings.txt", b"\xff")
    found = measure(project)
    assert (found.documents, found.stale, found.orphans, found.examples) == (2, 0, 1, ("settings.txt",))


def test_at_most_five_examples_are_named(project: Project) -> None:
    for number in range(9):
        project.write(f"{number}.txt", f"{number}\n")
    found = measure(project)
    assert (found.stale, len(found.examples)) == (9, 5)


def test_a_source_that_is_gone_is_an_error_and_not_fresh(project: Project) -> None:
    shutil.rmtree(project.corpus)
    with pytest.raises(SourceEmpty):
        measure(project)


def test_measuring_writes_no_object(project: Project) -> None:
    project.write("settings.txt", "changed\n")
    before = sorted(project.store.objects.root.rglob("*"))
    measure(project)
    assert sorted(project.store.objects.root.rglob("*")) == before
