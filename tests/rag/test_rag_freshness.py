from __future__ import annotations

import json
import os
import shutil
import subprocess
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


def test_a_waiting_document_that_is_written_again_does_not_become_younger(project: Project) -> None:
    project.write("settings.txt", "changed\n")
    first = measure(project).oldest_seconds
    time.sleep(0.3)
    project.write("settings.txt", "changed\n")
    again = measure(project).oldest_seconds
    assert again >= first + 0.3
    project.write("settings.txt", "changed once more\n")
    assert measure(project).oldest_seconds >= again
    project.write("settings.txt", PAGES["settings.txt"])
    assert measure(project).stale == 0
    assert "settings.txt" not in (project.store.root / "cache/freshness.json").read_text()
    project.write("settings.txt", "changed\n")
    assert measure(project).oldest_seconds < 0.3


@pytest.mark.parametrize("damage", ["no JSON", "[1]", '{"x": 1}', '{"x": {"y": [1]}}', "folder"])
def test_ages_are_told_without_the_file_that_remembers_them(project: Project, damage: str) -> None:
    path = project.store.root / "cache/freshness.json"
    path.parent.mkdir(exist_ok=True)
    if damage == "folder":
        path.mkdir()
    else:
        path.write_text(damage)
    project.write("settings.txt", "changed\n")
    found = measure(project, later=900)
    assert (found.stale, found.examples) == (1, ("settings.txt",))
    assert found.oldest_seconds == pytest.approx(900, abs=30)
    assert not list(path.parent.glob("freshness.json.*"))


def test_two_versions_remember_their_ages_apart(project: Project) -> None:
    old = project.store.resolve("index/docs")
    project.write("settings.txt", "changed\n")
    measure(project)
    project.sync()
    assert measure(project).stale == 0
    kept = json.loads((project.store.root / "cache/freshness.json").read_text())
    assert list(kept) == [old]


def commit(folder: Path, at: int) -> None:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    when = {**os.environ, "GIT_COMMITTER_DATE": f"@{at} +0000", "GIT_AUTHOR_DATE": f"@{at} +0000"}
    for words in (["add", "-A", "corpus"], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *who, *words], cwd=folder, env=when, check=True, capture_output=True)


def test_in_git_an_age_is_that_of_the_last_commit_which_changed_the_document(project: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    commit(project.root, 1_000_000)
    project.write('odd "name"\n*.txt', "first\n")
    commit(project.root, 2_000_000)
    project.write("settings.txt", "changed\n")
    commit(project.root, 3_000_000)
    project.write("a.txt", "new\n")
    commit(project.root, 4_000_000)
    index = project.store.resolve("index/docs")
    found = measure_freshness(project.store, index, source="git:corpus", root=project.root, now=5_000_000.0)
    assert found.examples == ('odd "name"\n*.txt', "settings.txt", "a.txt")
    assert found.oldest_seconds == 3_000_000.0


def test_measuring_writes_no_object(project: Project) -> None:
    project.write("settings.txt", "changed\n")
    before = sorted(project.store.objects.root.rglob("*"))
    measure(project)
    assert sorted(project.store.objects.root.rglob("*")) == before
