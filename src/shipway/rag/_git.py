"""The documents of a Git tree, by asking `git`: one listing and one process that gives the bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shipway.rag._errors import SourceEmpty, SourceUnreadable

_SECONDS = 120.0
_COMMIT = b"\x01commit "
_PATHS = 500  # more are not named on the command line: the whole folder is looked through


@dataclass(frozen=True, slots=True)
class GitBlob:
    """An entry of a tree: path below the folder asked for, object name, bytes, the commit, its time, whether it is a file."""

    key: str
    name: str
    size: int
    commit: str
    time: float
    folder: Path
    regular: bool


def list_tree(folder: Path, revision: str) -> list[GitBlob]:
    """Every file of `revision` below a folder of a repository. Raises SourceEmpty, SourceUnreadable."""
    if not folder.is_dir():
        raise SourceEmpty(f"{folder.name} is not there", where=str(folder), mend="clone it there, or correct source")
    commit = _git(folder, "rev-parse", "--verify", "--end-of-options", revision + "^{commit}").decode().strip()
    time = float(_git(folder, "show", "-s", "--format=%ct", commit))
    entries = []
    for line in _git(folder, "ls-tree", "-r", "-z", "-l", commit).split(b"\0"):
        head, _, path = line.partition(b"\t")
        if path:
            mode, kind, name, size = head.decode().split()
            plain = kind == "blob" and mode != "120000"
            entries.append(GitBlob(os.fsdecode(path), name, int(size) if size != "-" else 0, commit, time, folder, plain))
    return entries


def read_blobs(blobs: Sequence[GitBlob]) -> Iterator[bytes]:
    """The bytes of these blobs of one repository, in their order. Raises SourceUnreadable."""
    if not blobs:
        return
    command = ["git", "cat-file", "--batch"]
    with subprocess.Popen(
        command, cwd=blobs[0].folder, env=_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - both were asked for
            raise SourceUnreadable("git gave no pipes", where=str(blobs[0].folder))
        try:
            for blob in blobs:
                yield _ask(process.stdin, process.stdout, blob)
        finally:
            process.stdin.close()
            process.kill()


def commit_times(blobs: Sequence[GitBlob]) -> dict[str, float]:
    """When each of these blobs of one revision came to it, by key: the time of the last commit that changed its path, of
    the merge where it came by one. One walk back through the history, until all are known. Raises SourceUnreadable.
    """
    missing = {os.fsencode(blob.key) for blob in blobs}
    if not missing:
        return {}
    found: dict[str, float] = {}
    paths = [blob.key for blob in blobs] if len(blobs) <= _PATHS else ["."]
    time = blobs[0].time
    with closing(_history(blobs[0], paths)) as words:
        for word in words:
            if word.startswith(_COMMIT):
                time = float(word.removeprefix(_COMMIT))
            elif (path := word.removeprefix(b"\n")) in missing:
                missing.remove(path)
                found[os.fsdecode(path)] = time
            if not missing:
                break
    return found


def _history(blob: GitBlob, paths: Sequence[str]) -> Generator[bytes, None, None]:
    """What `git log` says: a word with a commit's time, then one a path that it changed against its first parent."""
    log = ["git", "--literal-pathspecs", "-c", "log.showRoot=true", "-c", "log.showSignature=false", "log", "-z", "-m"]
    log += ["--first-parent", "--no-renames", "--relative", "--name-only", f"--format={_COMMIT.decode()}%ct", blob.commit, "--"]
    with subprocess.Popen(
        [*log, *paths], cwd=blob.folder, env=_environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        if process.stdout is None:  # pragma: no cover - it was asked for
            raise SourceUnreadable("git gave no pipe", where=str(blob.folder))
        try:
            rest = b""
            while data := process.stdout.read(1 << 13):
                *words, rest = (rest + data).split(b"\0")
                yield from words
        finally:
            process.kill()


def _ask(asked: IO[bytes], answers: IO[bytes], blob: GitBlob) -> bytes:
    """One question at a time: neither pipe can fill up while the other waits."""
    asked.write(blob.name.encode() + b"\n")
    asked.flush()
    head = answers.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise SourceUnreadable(f"git does not give {blob.key}", where=str(blob.folder), mend="git fsck")
    data = answers.read(int(head[2]) + 1)
    return data[:-1]


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        asked = subprocess.run(
            ["git", *arguments], cwd=folder, env=_environ(), capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise SourceUnreadable(f"cannot run git: {problem}", where=str(folder), mend="install git") from problem
    if asked.returncode:
        said = asked.stderr.decode(errors="replace").strip().splitlines()
        raise SourceUnreadable(
            f"git {arguments[0]}: {said[0] if said else 'failed'}", where=str(folder), mend="correct the repository or revision"
        )
    return asked.stdout


def _environ() -> dict[str, str]:
    """The environment without what a hook of some other repository has put there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
