"""Push and pull between two stores, over a folder and over a real S3 on the loopback."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data_help import flip_byte, new_store, write_months

from shipway.data import (
    DataUnreadable,
    RemoteAhead,
    RemoteEmpty,
    check_name,
    fetch_snapshot,
    publish_name,
    remote_snapshot,
    send_snapshot,
    snapshot_files,
    take_snapshot,
    verify_snapshot,
)
from shipway.kernel.digest import Digest
from shipway.store import ObjectDamaged, ObjectsAddress, Remote, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))  # the S3 that the store is tested with

from store_help import BUCKET, s3_client, s3_environ

_numbers = itertools.count()


class There:
    """A remote, and what others can do there."""

    def __init__(self, url: str, cache: Path) -> None:
        self.url, self._cache = url, cache

    def open(self) -> Remote:
        return Remote(self.url, self._cache)

    def change(self, digest: Digest, data: bytes | None) -> None:
        """Other bytes in the place of an object; None: none."""
        path, key = self._place(digest)
        if path:
            path.chmod(0o644)
            path.write_bytes(data) if data is not None else path.unlink()
        elif data is None:
            s3_client(s3_environ()).delete_object(Bucket=BUCKET, Key=key)
        else:
            s3_client(s3_environ()).put_object(Bucket=BUCKET, Key=key, Body=data)

    def _place(self, digest: Digest) -> tuple[Path | None, str]:
        name = f"objects/{digest[7:9]}/{digest[9:]}"
        if not self.url.startswith("s3://"):
            return Path("/" + self.url.split("/", 3)[3]) / name, ""
        return None, f"{self.url.split('/', 3)[3]}/{name}"


@pytest.fixture(params=["file", "s3", "ssh", "local"])
def there(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    if request.param == "file":
        yield There(f"file://{tmp_path}/remote", tmp_path / "cache")
        return
    if request.param == "local":  # another one of fsspec's
        yield There(f"local://{tmp_path}/remote", tmp_path / "cache")
        return
    if request.param == "ssh":
        pytest.importorskip("sshfs", reason="sshfs is not installed: there is nothing to open ssh:// with")
        from ssh_server import sftp_host

        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        with sftp_host(tmp_path / "home") as host:
            yield There(host.url(tmp_path / "remote"), tmp_path / "cache")
        return
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    yield There(f"s3://{BUCKET}/remote/{os.getpid()}-{next(_numbers)}", tmp_path / "cache")


@pytest.fixture
def ours(tmp_path: Path) -> Store:
    return new_store(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Store:
    return new_store(tmp_path / "theirs")


def never(_: Digest) -> bool:
    return False


def test_what_was_pushed_is_pulled_whole_and_a_second_time_nothing_is_copied(
    there: There, ours: Store, theirs: Store, tmp_path: Path
) -> None:
    folder = write_months(tmp_path / "flights")
    digest = take_snapshot(ours, folder).digest
    assert remote_snapshot(there.open(), "test", "flights") is None
    told: list[int] = []

    def start(total: int) -> Callable[[int], None]:
        told.append(total)
        return told.append

    sent = send_snapshot(ours, there.open(), digest, start=start)
    publish_name(ours, there.open(), "flights", digest)
    assert (sent.objects, sent.copied) == (6, 6), "a snapshot, two folders, three files"
    assert told[0] == sum(told[1:])
    assert send_snapshot(ours, there.open(), digest).copied == 0
    assert remote_snapshot(there.open(), "test", "flights") == digest
    fetched = fetch_snapshot(theirs, there.open(), digest)
    assert (fetched.copied, fetched.bytes) == (6, sent.bytes)
    verify_snapshot(theirs, digest, name="flights")
    assert fetch_snapshot(theirs, there.open(), digest).copied == 0
    (folder / "one more").write_text("x")
    newer = take_snapshot(ours, folder).digest
    assert send_snapshot(ours, there.open(), newer).copied == 3, "a file, the folder that it is in, a snapshot"


def test_wrong_bytes_are_never_kept_and_a_push_that_verifies_mends_them(
    there: There, ours: Store, theirs: Store, tmp_path: Path
) -> None:
    digest = take_snapshot(ours, write_months(tmp_path / "flights")).digest
    send_snapshot(ours, there.open(), digest)
    file = snapshot_files(ours, digest)[1]
    good = ours.objects.get(file.digest)
    there.change(file.digest, good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(ObjectDamaged, match="what came is damaged") as caught:
        fetch_snapshot(theirs, there.open(), digest)
    assert "--verify" in str(caught.value.mend)
    assert not theirs.objects.has(file.digest)
    assert not theirs.objects.has(digest), "the snapshot comes last"
    assert send_snapshot(ours, there.open(), digest).copied == 0, "its size says nothing"
    assert send_snapshot(ours, there.open(), digest, verify=True).copied == 1
    fetch_snapshot(theirs, there.open(), digest)
    verify_snapshot(theirs, digest, name="flights")


def test_what_is_missing_there_is_told_and_sent_again(there: There, ours: Store, theirs: Store, tmp_path: Path) -> None:
    digest = take_snapshot(ours, write_months(tmp_path / "flights")).digest
    with pytest.raises(RemoteEmpty, match="has not all of snapshot"):
        fetch_snapshot(theirs, there.open(), digest)
    send_snapshot(ours, there.open(), digest)
    there.change(snapshot_files(ours, digest)[0].digest, None)
    with pytest.raises(RemoteEmpty, match="has not all of snapshot"):
        fetch_snapshot(theirs, there.open(), digest)
    assert send_snapshot(ours, there.open(), digest).copied == 1
    assert fetch_snapshot(theirs, there.open(), digest).snapshot == digest


def test_what_is_damaged_here_is_not_sent(there: There, ours: Store, tmp_path: Path) -> None:
    digest = take_snapshot(ours, write_months(tmp_path / "flights")).digest
    file = snapshot_files(ours, digest)[2]
    flip_byte(ours.objects.path(file.digest), 20)
    with pytest.raises(ObjectDamaged):
        send_snapshot(ours, there.open(), digest)
    assert not there.open().objects.has(file.digest)
    assert not there.open().objects.has(digest)


def test_a_name_moves_away_from_what_was_never_here_only_by_force(there: There, ours: Store, tmp_path: Path) -> None:
    folder = write_months(tmp_path / "flights")
    first = take_snapshot(ours, folder).digest
    (folder / "more").touch()
    second = take_snapshot(ours, folder).digest
    check_name(ours, there.open(), "flights", first, known=never)
    publish_name(ours, there.open(), "flights", first)
    check_name(ours, there.open(), "flights", first, known=never)
    check_name(ours, there.open(), "flights", second, known=lambda digest: digest == first)
    with pytest.raises(RemoteAhead, match="never here"):
        check_name(ours, there.open(), "flights", second, known=never)
    assert remote_snapshot(there.open(), "test", "flights") == first
    there.open().put_name("data/test/flights.json", {"kind": "pushed", "version": 2}, seen=None)
    with pytest.raises(DataUnreadable, match="names no snapshot"):
        remote_snapshot(there.open(), "test", "flights")


@pytest.mark.parametrize(
    "url", ["file://elsewhere/path", "file:relative", "file:///", "ftp://me:secret@host/x", "s3://a b", "file:///a?b"]
)
def test_an_address_that_is_none_is_refused_unrepeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectsAddress) as caught:
        Remote(url, tmp_path)
    assert url not in str(caught.value)


def test_of_two_that_push_at_once_the_second_is_told_and_takes_nothing_away(
    there: There, ours: Store, theirs: Store, tmp_path: Path
) -> None:
    never: Callable[[Digest], bool] = lambda _: False  # noqa: E731
    one, other, third = (f"sha256:{number:064x}" for number in (1, 2, 3))
    first, second = Digest(one), Digest(other)
    for nothing_there in (True, False):
        known = never if nothing_there else lambda digest: digest == first
        mine = check_name(ours, there.open(), "flights", Digest(third), known=known)
        seen = check_name(theirs, there.open(), "flights", Digest(third), known=known)
        publish_name(ours, there.open(), "flights", first if nothing_there else second, seen=mine)
        with pytest.raises(RemoteAhead, match="somebody else pushed flights while this was sent"):
            publish_name(theirs, there.open(), "flights", Digest(third), seen=seen)
        publish_name(theirs, there.open(), "flights", first if nothing_there else second, seen=seen)  # the same: no conflict
    assert remote_snapshot(there.open(), "test", "flights") == second
    publish_name(theirs, there.open(), "flights", Digest(third))
    assert remote_snapshot(there.open(), "test", "flights") == third, "--force asks nobody"


KILLED = """
import sys
from pathlib import Path
from shipway.data import fetch_snapshot, publish_name, send_snapshot
from shipway.store import Remote, open_store
what, root, url, digest = sys.argv[1:]
store, remote = open_store(Path(root), "test"), Remote(url, Path(root))
print("ready", flush=True)
if what == "send":
    send_snapshot(store, remote, digest)
    publish_name(store, remote, "many", digest)
else:
    fetch_snapshot(store, remote, digest)
"""


@pytest.mark.slow
def test_killed_anywhere_nothing_is_half_and_the_next_run_goes_on(ours: Store, theirs: Store, tmp_path: Path) -> None:
    folder, url = tmp_path / "many", f"file://{tmp_path}/remote"
    for number in range(300):
        path = folder / f"{number % 7}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(number).encode() * 500)
    digest = take_snapshot(ours, folder).digest
    for what, store, kept in (("send", ours, Remote(url, tmp_path).objects), ("fetch", theirs, theirs.objects)):
        for wait in (0.0, 0.03, 0.1):
            words = [sys.executable, "-c", KILLED, what, str(store.root.parent), url, digest]
            process = subprocess.Popen(words, stdout=subprocess.PIPE)
            assert process.stdout
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
            process.wait()
            process.stdout.close()
            for object_ in kept.all():
                kept.verify(object_)
            if kept.has(digest):
                assert all(kept.has(file.digest) for file in snapshot_files(ours, digest))
        if what == "send":
            there = Remote(url, tmp_path)
            assert remote_snapshot(there, "test", "many") in (None, digest)
            send_snapshot(ours, there, digest)
        else:
            fetch_snapshot(theirs, Remote(url, tmp_path), digest)
    verify_snapshot(theirs, digest, name="many")
