"""A remote fails in the middle, lies, is full or refuses: one clear error, nothing half there, the next run moves the rest."""

from __future__ import annotations

import builtins
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from data_help import new_store

from shipway.data import (
    Transfer,
    fetch_snapshot,
    remote_snapshot,
    send_snapshot,
    snapshot_files,
    take_snapshot,
    verify_snapshot,
)
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import ObjectDamaged, ObjectsAddress, ObjectsDown, ObjectsRefused, Remote, Store, StoreFull

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from store_help import BUCKET, Answer, s3_environ, s3_error, s3_fault

_numbers = itertools.count()
Ask = Callable[[], Answer]


@pytest.fixture
def ours(tmp_path: Path) -> Store:
    return new_store(tmp_path / "ours")


@pytest.fixture
def digest(ours: Store, tmp_path: Path) -> Digest:
    """Thirty-six files: two batches, of which several are on their way at once."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(36):
        (folder / f"{number}").write_bytes(str(number).encode() * 400)
    return take_snapshot(ours, folder).digest


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Remote]:
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("shipway.store._bucket.RETRIES", 0)
    url = f"s3://{BUCKET}/faults/{os.getpid()}-{next(_numbers)}"
    return lambda: Remote(url, tmp_path / "cache")


def some(method: str, fault: Callable[[Ask], Answer], *, after: int) -> Callable[[str, Ask], Answer]:
    """The fault for requests for an object of data from the given one on; all others are answered."""
    seen = itertools.count()

    def answer(asked: str, ask: Ask) -> Answer:
        mine = asked.startswith(f"{method} ") and "/objects/" in asked
        return fault(ask) if mine and next(seen) >= after else ask()

    return answer


def sends_the_rest(ours: Store, there: Remote, digest: Digest) -> Transfer:
    """A second push: what came of the first is there, and not sent again."""
    come = set(there.objects.all())
    assert digest not in come
    done = send_snapshot(ours, there, digest)
    assert done.copied == done.objects - len(come)
    for one in there.objects.all():
        there.objects.confirm(one)
    return done


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        pytest.param(lambda _: s3_error("500 Internal Server Error"), ObjectsDown, "went away", marks=pytest.mark.slow),
        (lambda _: s3_error("503 Slow Down", "SlowDown"), ObjectsDown, "went away"),
        (lambda _: s3_error("507 Insufficient Storage", "XMinioStorageFull"), StoreFull, "no room left"),
        (lambda _: s3_error("403 Forbidden", "AccessDenied"), ObjectsRefused, "refuses these credentials"),
        pytest.param(
            lambda _: s3_error("400 Bad Request", "ExpiredToken"), ObjectsRefused, "refuses these", marks=pytest.mark.slow
        ),
    ],
)
def test_a_bucket_that_fails_in_the_middle_of_a_push_keeps_what_came(
    ours: Store,
    digest: Digest,
    bucket: Callable[[], Remote],
    fault: Callable[[Ask], Answer],
    error: type[ShipwayError],
    words: str,
) -> None:
    with s3_fault(some("PUT", fault, after=10)), pytest.raises(error, match=words) as problem:
        send_snapshot(ours, bucket(), digest)
    assert str(problem.value.where).startswith("s3://")
    assert "not a secret" not in problem.value.render()
    assert 0 < len(list(bucket().objects.all())) < 36
    assert remote_snapshot(bucket(), "test", "many") is None
    sends_the_rest(ours, bucket(), digest)


def short(ask: Ask) -> Answer:
    answer = ask()
    return answer._replace(body=answer.body[: len(answer.body) // 2])


def other(ask: Ask) -> Answer:
    answer = ask()
    return answer._replace(body=bytes(len(answer.body)))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(lambda _: s3_error("500 Internal Server Error"), ObjectsDown, marks=pytest.mark.slow),
        (short, ObjectsDown),
        (other, ObjectDamaged),
        pytest.param(lambda _: s3_error("403 Forbidden", "AccessDenied"), ObjectsRefused, marks=pytest.mark.slow),
    ],
)
def test_a_bucket_that_fails_in_the_middle_of_a_pull_leaves_whole_objects_and_the_rest_comes_later(
    ours: Store,
    digest: Digest,
    bucket: Callable[[], Remote],
    tmp_path: Path,
    fault: Callable[[Ask], Answer],
    error: type[ShipwayError],
) -> None:
    send_snapshot(ours, bucket(), digest)
    theirs = new_store(tmp_path / "theirs")
    with s3_fault(some("GET", fault, after=12)), pytest.raises(error):
        fetch_snapshot(theirs, bucket(), digest)
    come = set(theirs.objects.all())
    assert digest not in come
    for one in come:
        theirs.objects.verify(one)
    assert list(theirs.objects.root.glob("tmp-*")) == []
    done = fetch_snapshot(theirs, bucket(), digest)
    assert 0 < done.copied == done.objects - len(come)
    verify_snapshot(theirs, digest, name="many")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_is_full_keeps_what_came_and_takes_the_rest_when_there_is_room(
    ours: Store, digest: Digest, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "200k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(100_000))
        there = Remote(f"file://{disk}/remote", tmp_path)
        with pytest.raises(StoreFull):
            send_snapshot(ours, there, digest)
        assert list(disk.rglob("tmp-*")) == []
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        sends_the_rest(ours, there, digest)


def test_a_disk_that_fills_while_a_large_object_comes_has_its_room_back(ours: Store, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(9 << 20))
    digest = take_snapshot(ours, tmp_path / "large").digest
    with small_disk(tmp_path / "disk", "6m") as disk:
        there = Remote(f"file://{disk}/remote", tmp_path)
        with pytest.raises(StoreFull):
            send_snapshot(ours, there, digest)
        assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize > 5 << 20


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("sshfs", reason="sshfs is not installed: there is nothing to open ssh:// with")
    from ssh_server import sftp_host

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with sftp_host(tmp_path / "home") as found:
        yield found


def test_a_host_that_is_full_or_cut_off_keeps_what_came(ours: Store, digest: Digest, host: Any, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    host.room = 15_000
    with pytest.raises(StoreFull, match="at the remote") as problem:
        send_snapshot(ours, Remote(host.url(remote), tmp_path / "cache"), digest)
    assert str(problem.value.where).startswith(host.url(remote))
    host.room = None
    sends_the_rest(ours, Remote(host.url(remote), tmp_path / "cache"), digest)
    theirs = new_store(tmp_path / "theirs")
    host.cut_after = 200_000
    with pytest.raises(ObjectsDown, match="went away"):
        fetch_snapshot(theirs, Remote(host.url(remote), tmp_path / "cache"), digest)
    host.cut_after = None
    come = set(theirs.objects.all())
    assert digest not in come
    done = fetch_snapshot(theirs, Remote(host.url(remote), tmp_path / "cache"), digest)
    assert done.copied == done.objects - len(come)
    verify_snapshot(theirs, digest, name="many")


def test_a_large_file_that_was_cut_on_its_way_from_a_host_is_asked_for_from_there_on(
    ours: Store, host: Any, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(os.urandom(12 << 20))
    digest = take_snapshot(ours, tmp_path / "large").digest
    (file,) = snapshot_files(ours, digest)
    send_snapshot(ours, Remote(host.url(tmp_path / "remote"), tmp_path / "cache"), digest)
    theirs = new_store(tmp_path / "theirs")
    host.cut_after = 14 << 20
    with pytest.raises(ObjectsDown):
        fetch_snapshot(theirs, Remote(host.url(tmp_path / "remote"), tmp_path / "cache"), digest)
    (part,) = theirs.objects.root.glob("part-*")
    size = part.stat().st_size
    assert size
    host.cut_after = None
    host.read.clear()
    fetch_snapshot(theirs, Remote(host.url(tmp_path / "remote"), tmp_path / "cache"), digest)
    assert min(place for name, place in host.read if name == file.digest[9:]) == size
    verify_snapshot(theirs, digest, name="large")


def test_a_host_that_nobody_knows_and_a_key_that_it_does_not_know_are_told_apart(host: Any, tmp_path: Path) -> None:
    known = tmp_path / "home" / ".ssh" / "known_hosts"
    kept = known.read_text()
    known.write_text("")
    nothing = Digest(f"sha256:{0:064x}")
    with pytest.raises(ObjectsRefused, match="not among the known hosts"):
        Remote(host.url(tmp_path), tmp_path / "cache").objects.has(nothing)
    known.write_text(kept)
    import asyncssh

    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "home" / ".ssh" / "id_ed25519")
    with pytest.raises(ObjectsRefused, match="refuses these credentials"):
        Remote(host.url(tmp_path), tmp_path / "cache").objects.has(nothing)
    with pytest.raises(ObjectsDown, match="cannot be reached"):
        Remote(f"ssh://127.0.0.1:1{tmp_path}", tmp_path / "cache").objects.has(nothing)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://ann:hunter2@host/x", "none that can be used"),
        ("ssh://host/x/../hunter2", "none that can be used"),
        ("ssh://host/x?hunter2", "none that can be used"),
        ("simplecache::ssh://host/hunter2", "none that can be used"),
        ("hunter2://host/x", "nothing here knows it"),
        ("dropbox://x", "what opens it is not installed"),
        ("webdav://files.example.com/x", "unencrypted"),
    ],
)
def test_an_address_of_a_kind_that_nothing_opens_says_what_to_install(url: str, words: str, tmp_path: Path) -> None:
    pytest.importorskip("webdav4" if url.startswith("webdav") else "fsspec")
    with pytest.raises(ObjectsAddress, match=words) as problem:
        Remote(url, tmp_path)
    assert url not in problem.value.render()
    if "install" in words or "knows" in words:
        assert "pip install" in str(problem.value.mend)


def test_without_fsspec_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> object:
        if name.partition(".")[0] == "fsspec":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ObjectsAddress, match="fsspec, which is not installed") as problem:
        Remote("ssh://host/x", tmp_path)
    assert "shipway[fsspec]" in str(problem.value.mend)
    assert "sshfs" in str(problem.value.mend)


def test_what_opens_ssh_must_look_at_known_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")

    class Trusting(fsspec.AbstractFileSystem):  # type: ignore[misc, name-defined]
        protocol = "ssh"

    monkeypatch.setattr(fsspec, "get_filesystem_class", lambda _: Trusting)
    with pytest.raises(ObjectsAddress, match="trusts any host") as problem:
        Remote("ssh://host/x", tmp_path)
    assert "sshfs" in str(problem.value.mend)
