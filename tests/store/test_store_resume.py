"""A large object that is cut on its way, there or back, goes on where it was: what came is moved once, and not believed."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bucket_faults import Road, road_to
from store_help import BUCKET, Answer, s3_client, s3_environ, s3_error, s3_fault

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.store import ObjectDamaged, ObjectsDown, Remote, bring
from shipway.store._objects import FileObjects

MIB = 1 << 20
PART = 5 * MIB  # the least that S3 takes
SIZE = 17 * MIB  # three parts and a short one
PARTS = 4


def content(size: int = SIZE) -> bytes:
    return os.urandom(size)


def described(data: bytes) -> Descriptor:
    return Descriptor(media.BYTES, digest_bytes(data), len(data))


def chunks_of(data: bytes, asked: list[int], *, until: int | None = None) -> Callable[[int], Iterator[bytes]]:
    """The bytes from a place on; where each question began is noted. until: where the road is cut."""

    def read(start: int) -> Iterator[bytes]:
        asked.append(start)
        for place in range(start, len(data), MIB):
            if until is not None and place >= until:
                raise ObjectsDown("cut", where="there")
            yield data[place : place + MIB]

    return read


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    monkeypatch.setattr("shipway.store._bucket.RETRIES", 1)
    monkeypatch.setattr("shipway.store._bucket._PART", PART)
    monkeypatch.setattr("shipway.store._bucket._CONTINUED", 2 * PART)
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    with road_to(s3_environ()["AWS_ENDPOINT_URL"]) as road:
        monkeypatch.setenv("AWS_ENDPOINT_URL", road.url)
        yield road


def test_a_fetch_goes_on_where_it_was_cut_and_leaves_nothing_beside(tmp_path: Path) -> None:
    data, asked = content(10 * MIB), list[int]()
    objects, wanted = FileObjects(tmp_path / "objects"), described(data)
    for cut in (5 * MIB, 9 * MIB):
        with pytest.raises(ObjectsDown):
            objects.fetch(wanted, chunks_of(data, asked, until=cut))
        assert not objects.has(wanted.digest)
    assert objects.fetch(wanted, chunks_of(data, asked))
    assert asked == [0, 5 * MIB, 9 * MIB]
    assert objects.get(wanted.digest) == data
    assert [path for path in objects.root.iterdir() if path.is_file()] == []
    assert not objects.fetch(wanted, chunks_of(data, asked))


def test_a_fetch_that_had_everything_before_it_was_killed_asks_for_nothing(tmp_path: Path) -> None:
    data, asked = content(10 * MIB), list[int]()
    objects, wanted = FileObjects(tmp_path / "objects"), described(data)
    objects.root.mkdir()
    (objects.root / f"part-{wanted.digest[7:]}").write_bytes(data)
    assert objects.fetch(wanted, chunks_of(data, asked))
    assert asked == []


@pytest.mark.parametrize("wrong", ["other bytes", "longer"])
def test_what_came_wrong_is_thrown_away_once_and_all_is_asked_for_anew(tmp_path: Path, wrong: str) -> None:
    data, asked = content(10 * MIB), list[int]()
    objects, wanted = FileObjects(tmp_path / "objects"), described(data)
    objects.root.mkdir()
    part = objects.root / f"part-{wanted.digest[7:]}"
    part.write_bytes(b"x" * (3 * MIB if wrong == "other bytes" else 11 * MIB))
    assert objects.fetch(wanted, chunks_of(data, asked))
    assert asked == ([3 * MIB, 0] if wrong == "other bytes" else [0])
    assert objects.get(wanted.digest) == data
    part.write_bytes(data[: 3 * MIB])
    objects.remove(wanted.digest)
    asked.clear()
    with pytest.raises(ObjectDamaged):
        objects.fetch(wanted, chunks_of(b"y" + data[1:-MIB] + b"z" * MIB, asked))
    assert asked == [3 * MIB, 0], "once, not for ever"
    assert not part.exists()
    assert not objects.has(wanted.digest)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.parent.parent / "elsewhere")])
def test_what_is_no_file_in_the_place_of_what_came_is_left_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    data, asked = content(10 * MIB), list[int]()
    objects, wanted = FileObjects(tmp_path / "objects"), described(data)
    objects.root.mkdir()
    (tmp_path / "elsewhere").write_bytes(data[:MIB])
    make(objects.root / f"part-{wanted.digest[7:]}")
    assert objects.fetch(wanted, chunks_of(data, asked))
    assert asked == [0]
    assert objects.get(wanted.digest) == data
    assert (tmp_path / "elsewhere").read_bytes() == data[:MIB]


def test_two_that_fetch_at_once_both_have_it_and_neither_waits(tmp_path: Path) -> None:
    data, asked = content(10 * MIB), list[int]()
    wanted = described(data)
    one, other = (FileObjects(tmp_path / "objects") for _ in range(2))

    def read(start: int) -> Iterator[bytes]:
        for number, chunk in enumerate(chunks_of(data, asked)(start)):
            if number == 5:
                assert other.fetch(wanted, chunks_of(data, asked))
            yield chunk

    assert one.fetch(wanted, read)
    assert asked == [0, 0]
    assert one.get(wanted.digest) == data


def test_what_nobody_came_back_for_goes_after_a_week(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path / "objects")
    objects.root.mkdir()
    old, young = (objects.root / f"part-{digit * 64}" for digit in "ab")
    for path, days in ((old, 8), (young, 6)):
        path.touch()
        os.utime(path, (path.stat().st_mtime - days * 86_400,) * 2)
    objects.put(b"something")
    assert not old.exists()
    assert young.exists()


class Sent:
    """A remote in S3 and a file of this machine: what is asked there is counted."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.cache = f"resume/{os.getpid()}-{tmp_path.name}", tmp_path / "cache"
        self.ours, data = FileObjects(tmp_path / "ours"), content()
        self.wanted = Descriptor(media.BYTES, self.ours.put(data), len(data))
        self.calls: list[str] = []

        from botocore.client import BaseClient

        real = BaseClient._make_api_call

        def counted(client: object, name: str, given: dict[str, object]) -> object:
            self.calls.append(name)
            return real(client, name, given)

        monkeypatch.setattr(BaseClient, "_make_api_call", counted)

    def remote(self) -> Remote:
        return Remote(f"s3://{BUCKET}/{self.name}", self.cache)

    def send(self) -> int:
        """How many parts went."""
        self.calls.clear()
        told: list[int] = []
        bring(self.ours, self.remote().objects, [self.wanted], start=lambda _: told.append)
        assert sum(told) in (0, SIZE), "nothing where it is there already"
        assert len(told) in (0, 1, PARTS), "part by part, where it goes in parts"
        return self.calls.count("UploadPart")

    def uploads(self) -> list[str]:
        found = s3_client(s3_environ()).list_multipart_uploads(Bucket=BUCKET, Prefix=self.name).get("Uploads", [])
        return [one["UploadId"] for one in found]

    @property
    def key(self) -> str:
        return f"{self.name}/objects/{self.wanted.digest[7:9]}/{self.wanted.digest[9:]}"


@pytest.fixture
def sent(tmp_path: Path, road: Road, monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(tmp_path, monkeypatch)


def test_a_push_sends_again_only_what_had_not_come(sent: Sent) -> None:
    def few(asked: str, ask: Callable[[], Answer]) -> Answer:
        return s3_error("503 Service Unavailable", "SlowDown") if "partNumber=4" in asked else ask()

    with s3_fault(few), pytest.raises(ObjectsDown, match="there as a whole or not at all"):
        sent.send()
    assert not sent.remote().objects.has(sent.wanted.digest)
    (upload,) = sent.uploads()
    come = s3_client(s3_environ()).list_parts(Bucket=BUCKET, Key=sent.key, UploadId=upload)["Parts"]
    assert 1 <= len(come) < PARTS
    assert sent.send() == PARTS - len(come)
    assert sent.uploads() == []
    assert sent.remote().objects.confirm(sent.wanted.digest).size == SIZE
    assert sent.send() == 0


def test_a_part_with_other_bytes_is_sent_again_and_an_upload_that_is_cut_otherwise_is_left_alone(sent: Sent) -> None:
    client = s3_client(s3_environ())
    given = {"Bucket": BUCKET, "Key": sent.key}
    ours = client.create_multipart_upload(**given)["UploadId"]
    data = sent.ours.get(sent.wanted.digest)
    client.upload_part(**given, UploadId=ours, PartNumber=1, Body=data[:PART])
    client.upload_part(**given, UploadId=ours, PartNumber=2, Body=b"x" * PART)
    foreign = client.create_multipart_upload(**given)["UploadId"]
    client.upload_part(**given, UploadId=foreign, PartNumber=1, Body=data[: PART + 1])
    assert sent.send() == PARTS - 1
    assert sent.uploads() == [foreign]
    assert sent.remote().objects.confirm(sent.wanted.digest).size == SIZE


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_upload_that_cannot_end_is_begun_anew_once(sent: Sent, times: int) -> None:
    left = iter(range(times))

    def lost(asked: str, ask: Callable[[], Answer]) -> Answer:
        ends = asked.startswith("POST") and "uploadId" in asked
        return s3_error("400 Bad Request", "InvalidPart") if ends and next(left, None) is not None else ask()

    with s3_fault(lost):
        if times == 1:
            assert sent.send() == 2 * PARTS
        else:
            with pytest.raises(ObjectsDown):
                sent.send()
    assert sent.uploads() == []
    assert sent.remote().objects.has(sent.wanted.digest) == (times == 1)


@pytest.mark.slow
def test_who_may_not_list_uploads_sends_a_file_from_its_beginning(sent: Sent) -> None:
    def hidden(asked: str, ask: Callable[[], Answer]) -> Answer:
        listing = (asked.startswith("GET") and asked.endswith("?uploads")) or "uploads&" in asked
        return s3_error("403 Forbidden", "AccessDenied") if listing and asked.startswith("GET") else ask()

    with s3_fault(hidden):
        assert sent.send() == PARTS
    assert sent.remote().objects.has(sent.wanted.digest)


def test_a_push_killed_between_two_parts_is_ended_by_the_next_process(sent: Sent) -> None:
    child = os.fork()
    if not child:
        from shipway.store._bucket_parts import Parts

        real, calls = Parts._one, iter(range(2))

        def deadly(*given: object) -> object:
            found = real(*given)  # type: ignore[arg-type]
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        Parts._one = deadly  # type: ignore[assignment, method-assign]
        Parts.put(Parts(_plain(), sent.remote().where), sent.key.removeprefix(f"{sent.name}/"),
                  sent.ours.path(sent.wanted.digest), size=SIZE, part=PART)  # fmt: skip
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert len(sent.uploads()) == 1
    assert sent.send() < PARTS
    assert sent.remote().objects.confirm(sent.wanted.digest).size == SIZE


def _plain() -> object:
    return s3_client(s3_environ())


@pytest.mark.slow
def test_without_botocore_a_file_is_sent_as_a_whole(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "botocore.config", None)
    assert sent.send() == 0
    assert sent.remote().objects.confirm(sent.wanted.digest).size == SIZE


@pytest.mark.parametrize("there", ["as it was", "shorter", pytest.param("other bytes", marks=pytest.mark.slow)])
def test_a_pull_asks_for_the_rest_and_hashes_all(sent: Sent, road: Road, tmp_path: Path, there: str) -> None:
    sent.send()
    theirs = FileObjects(tmp_path / "theirs")
    road.allowed["back"] = 7 * MIB  # of each connection, and obstore tries a second one
    with pytest.raises(ObjectsDown):
        bring(sent.remote().objects, theirs, [sent.wanted])
    (part,) = theirs.root.glob("part-*")
    assert 6 * MIB < part.stat().st_size < SIZE
    road.allowed["back"] = None
    if there != "as it was":
        body = b"short" if there == "shorter" else bytes(SIZE)
        s3_client(s3_environ()).put_object(Bucket=BUCKET, Key=sent.key, Body=body)
        with pytest.raises(ObjectDamaged, match="what came is damaged"):
            bring(sent.remote().objects, theirs, [sent.wanted])
        assert list(theirs.root.glob("part-*")) == []
        assert not theirs.has(sent.wanted.digest)
        return
    size = part.stat().st_size
    road.allowed["back"] = SIZE - size + MIB  # the rest, and no more than a little beside it
    told: list[int] = []
    bring(sent.remote().objects, theirs, [sent.wanted], start=lambda _: told.append)
    assert sum(told) == SIZE
    assert told[0] >= size, "what was there counts at once"
    assert _digest(theirs.path(sent.wanted.digest)) == sent.wanted.digest


def _digest(path: Path) -> Digest:
    return Digest("sha256:" + hashlib.sha256(path.read_bytes()).hexdigest())
