from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rag_help import PAGES, Project

from shipway.kernel.digest import digest_bytes
from shipway.rag import Listing, SourceEmpty, SourceUnreadable, list_source


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, PAGES)
    yield made
    made.close()


def listed(project: Project, source: str = "corpus", *include: str) -> Listing:
    return list_source(project.store, source, include, root=project.root)


def keys(listing: Listing) -> list[str]:
    return [file.key for file in listing.files]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_folder_lists_what_its_globs_include_in_the_order_of_keys(project: Project) -> None:
    project.write("a.md", "# A\n")
    assert keys(listed(project)) == ["a.md", "db/queries.txt", "internal/salaries.txt", "settings.txt"]
    assert keys(listed(project, "corpus", "**/*.txt")) == ["db/queries.txt", "internal/salaries.txt", "settings.txt"]
    assert keys(listed(project, "corpus", "*.txt", "db/*")) == ["db/queries.txt", "settings.txt"]
    assert keys(listed(project, "corpus/settings.txt")) == ["settings.txt"]


def test_a_listing_gives_digest_size_and_when_the_file_came_here(project: Project) -> None:
    path = project.write("old.txt", "old\n")
    os.utime(path, (1.0, 1.0))  # as a file that was unpacked from an archive of long ago
    (file,) = listed(project, "corpus", "old.txt").files
    assert (file.digest, file.size) == (digest_bytes(b"old\n"), 4)
    assert abs(file.changed - time.time()) < 60


def test_a_file_that_the_stat_cache_knows_is_not_read_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time_ns() + 10_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)  # files of this moment are never trusted
    listed(project)
    monkeypatch.setattr("shipway.store._facade.hash_file", lambda path: pytest.fail(f"read {path}"))
    assert len(listed(project).files) == 3


@pytest.mark.parametrize("source", ["nothing", "empty", "corpus/nothing.txt"])
def test_a_source_that_is_missing_or_empty_is_an_error(project: Project, source: str) -> None:
    (project.root / "empty").mkdir()
    with pytest.raises(SourceEmpty):
        listed(project, source)


def test_globs_that_match_nothing_are_an_empty_source(project: Project) -> None:
    with pytest.raises(SourceEmpty):
        listed(project, "corpus", "**/*.pdf")


def test_links_out_of_the_source_large_files_and_odd_ones_are_named_and_left_out(project: Project) -> None:
    secret = project.root / "secret.txt"
    secret.write_text("secret")
    (project.corpus / "out.txt").symlink_to(secret)
    (project.corpus / "in.txt").symlink_to("settings.txt")
    (project.corpus / "gone.txt").symlink_to("nowhere")
    (project.corpus / "folder").symlink_to("db")
    os.mkfifo(project.corpus / "pipe.txt")
    with project.write("big.txt", "").open("wb") as big:
        big.truncate((16 << 20) + 1)
    (project.corpus / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    listing = listed(project)
    assert "in.txt" in keys(listing)
    assert {item.key: item.reason for item in listing.unreadable} == {
        "out.txt": "a link out of the source",
        "gone.txt": "No such file or directory",
        "folder": "a link to a folder",
        "pipe.txt": "not a regular file",
        "big.txt": "16,777,217 bytes, more than 16 MiB",
        "caf?.txt": "its name is not UTF-8",
    }


def test_the_store_and_the_repository_inside_a_source_are_no_documents(project: Project) -> None:
    git(project.root, "init", "-q")
    assert not [key for key in keys(listed(project, ".")) if key.startswith((".git/", ".shipway/"))]


def test_a_git_tree_lists_a_revision_whatever_the_working_tree_has(project: Project) -> None:
    git(project.root, "init", "-q")
    (project.corpus / "link.txt").symlink_to("settings.txt")
    git(project.root, "add", "corpus")
    git(project.root, "commit", "-q", "-m", "first")
    git(project.root, "tag", "v1")
    project.write("settings.txt", "changed\n")
    project.write("new.txt", "new\n")
    git(project.root, "add", "corpus")
    git(project.root, "commit", "-q", "-m", "second")
    before, now = listed(project, "git:corpus@v1"), listed(project, "git:corpus")
    assert keys(before) == ["db/queries.txt", "internal/salaries.txt", "settings.txt"]
    assert [item.key for item in before.unreadable] == ["link.txt"]
    assert [file.digest for file in before.files] == [digest_bytes(text.encode()) for _, text in sorted(PAGES.items())]
    assert {file.key: file.digest for file in now.files}["settings.txt"] == digest_bytes(b"changed\n")
    assert abs(now.files[0].changed - time.time()) < 60
    synced = project.sync(source="git:corpus@v1")
    assert (synced.documents, project.sync(source="git:corpus@v1").changed_ref) == (3, False)
    again = project.sync(source="git:.@HEAD")
    assert again.documents == 4


@pytest.mark.parametrize("source", ["git:corpus@no-such", "git:corpus@--output=x", "git:corpus@v1"])
def test_a_git_tree_that_is_not_there_is_a_clear_error(project: Project, source: str) -> None:
    if not source.endswith("v1"):
        git(project.root, "init", "-q")
    with pytest.raises(SourceUnreadable, match=r"git rev-parse"):
        listed(project, source)
    assert not (project.corpus / "x").exists()
