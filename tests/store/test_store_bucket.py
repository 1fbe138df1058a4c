"""Objects in a bucket, where it goes wrong: the road is cut, the bucket or the credentials are missing, others write there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_faults import Road, always_answers, road_to
from store_help import BUCKET, Place, move, new_place, s3_client, s3_environ, thing

from shipway.kernel.errors import ShipwayError
from shipway.store import (
    ObjectDamaged,
    ObjectMissing,
    ObjectsAddress,
    ObjectsDown,
    ObjectsOther,
    ObjectsRefused,
    Store,
    open_store,
    upload,
)

LARGE = 20 << 20  # more than two parts of an upload


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("shipway.store._bucket.RETRIES", 1)
    with new_place("sqlite-s3", tmp_path / "here") as found:
        yield found


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


@pytest.fixture
def road(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Road]:
    """A store opened from now on goes this way."""
    with road_to(os.environ["AWS_ENDPOINT_URL"]) as road:
        monkeypatch.setenv("AWS_ENDPOINT_URL", road.url)
        yield road


def keys(place: Place) -> list[str]:
    """All that anybody sees in the bucket below the place's address."""
    prefix = str(place.objects).split("/", 3)[3]
    found = s3_client(s3_environ()).list_objects_v2(Bucket=BUCKET, Prefix=prefix + "/")
    return [each["Key"].removeprefix(prefix + "/") for each in found.get("Contents", [])]


def test_the_layout_in_a_bucket_is_that_of_the_folder_and_nothing_lies_in_the_store(place: Place, store: Store) -> None:
    digest = thing(store, 1)
    assert keys(place) == [f"objects/{digest[7:9]}/{digest[9:]}"]
    assert not (place.root / ".shipway" / "objects").exists()
    assert place.bytes(digest) == store.objects.get(digest)


@pytest.mark.parametrize("size", [100_000, LARGE])
def test_a_road_that_is_cut_in_the_middle_of_a_put_publishes_nothing(
    place: Place, road: Road, tmp_path: Path, size: int
) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(size))
    store = place.open()
    road.allowed["there"] = size // 3
    with pytest.raises(ObjectsDown) as problem:
        store.put_file(file)
    assert problem.value.retry
    assert str(place.objects) in str(problem.value.where)
    assert keys(place) == []
    road.allowed["there"] = None
    kept = store.put_file(file)
    assert place.bytes(kept.digest) == file.read_bytes()
    assert road.connections < 20  # tries are bounded


@pytest.mark.parametrize("size", [100_000, LARGE])
def test_a_road_that_is_cut_in_the_middle_of_a_read_leaves_no_copy(place: Place, store: Store, road: Road, size: int) -> None:
    digest = store.put_bytes(os.urandom(size)).digest
    other = place.again(place.root.parent / "elsewhere").open()
    road.allowed["back"] = size // 2
    for read in (other.objects.get, other.objects.verify, other.objects.path):
        with pytest.raises(ObjectsDown):
            read(digest)
    assert [path for path in other.objects.root.rglob("*") if path.is_file()] == []
    road.allowed["back"] = None
    assert other.objects.path(digest).stat().st_size == size


def test_a_server_that_is_not_there_is_told_with_bucket_and_key(place: Place, store: Store, road: Road) -> None:
    digest = thing(store, 1)
    other = place.again(place.root.parent / "elsewhere").open()
    road.allowed.update(there=0)
    for ask in (other.objects.get, other.objects.has, other.objects.path, other.objects.verify):
        with pytest.raises(ObjectsDown) as problem:
            ask(digest)
        assert problem.value.where == f"{place.objects}/objects/{digest[7:9]}/{digest[9:]}"
    with pytest.raises(ObjectsDown):
        move(other, "model/delay", digest)
    assert other.ref("model/delay") is None
    road.allowed.update(there=None)
    move(other, "model/delay", digest)


def test_a_bucket_that_is_missing_is_told_and_not_remembered(place: Place) -> None:
    with pytest.raises(ObjectsRefused, match="no such bucket"):
        open_store(place.root, "flights", objects="s3://shipway-typo/x", create=True)
    assert not (place.root / ".shipway").exists()
    assert place.open().refs() == []


def test_a_bucket_that_went_is_told_from_a_missing_object(place: Place, store: Store) -> None:
    thing(store, 1)
    client = s3_client(s3_environ())
    client.create_bucket(Bucket="shipway-goes")
    alone = open_store(place.root.parent / "alone", "flights", objects="s3://shipway-goes", create=True)
    digest = thing(alone, 1)
    client.delete_object(Bucket="shipway-goes", Key=f"objects/{digest[7:9]}/{digest[9:]}")
    client.delete_bucket(Bucket="shipway-goes")
    for ask in (lambda: alone.objects.get(digest), lambda: thing(alone, 2)):
        with pytest.raises(ObjectsRefused, match="no such bucket"):
            ask()


def test_missing_credentials_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with always_answers("404 Not Found", "") as nobody:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", nobody)
        with pytest.raises(ObjectsRefused, match="no credentials") as problem:
            place.open()
    assert "AWS_ACCESS_KEY_ID" in str(problem.value.mend)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ("403 Forbidden", "AccessDenied", "refuses these credentials"),
        ("403 Forbidden", "SignatureDoesNotMatch", "refuses these credentials"),
        ("400 Bad Request", "ExpiredToken", "refuses these credentials"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "another region"),
    ],
)
def test_a_server_that_refuses_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, status: str, code: str, words: str
) -> None:
    with always_answers(status, f"<Error><Code>{code}</Code></Error>") as refusing:
        monkeypatch.setenv("AWS_ENDPOINT_URL", refusing)
        with pytest.raises(ObjectsRefused, match=words) as problem:
            place.open()
    assert "not a secret" not in problem.value.render() + str(problem.value.__cause__)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://user:hunter2@bucket/x",
        "s3://bucket/x?key=hunter2",
        "s3://bucket/../hunter2",
        "s3://bucket//hunter2",
        "https://bucket.s3.amazonaws.com/hunter2",
        "hunter2",
        "file:///tmp/hunter2",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(ObjectsAddress) as problem:
        open_store(tmp_path, "flights", objects=url, create=True)
    assert "hunter2" not in problem.value.render()
    assert not (tmp_path / ".shipway").exists()


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://10.0.0.1:9000", "unencrypted"),
        ("http://localhost.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("http://me:hunter2@127.0.0.1", "no address"),
        ("ftp://127.0.0.1", "no address"),
    ],
)
def test_plain_http_leaves_this_machine_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, words: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with pytest.raises(ObjectsAddress, match=words) as problem:
        open_store(tmp_path, "flights", objects="s3://bucket", create=True)
    assert "hunter2" not in problem.value.render()


def test_a_store_remembers_where_its_objects_are_and_takes_no_other_place(place: Place, store: Store, tmp_path: Path) -> None:
    digest = thing(store, 1)
    assert open_store(place.root, "flights").get(digest)  # a gateway's process is told the folder alone
    with pytest.raises(ObjectsOther, match="not in s3://elsewhere"):
        open_store(place.root, "flights", objects="s3://elsewhere")
    laptop = open_store(tmp_path / "laptop", "flights", create=True)
    thing(laptop, 1)
    with pytest.raises(ObjectsOther, match="are files in it"):
        open_store(tmp_path / "laptop", "flights", objects=place.objects)
    assert laptop.get(digest)


def test_a_copy_counts_only_while_the_bucket_has_what_was_verified(place: Place, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(100_000))
    digest = store.put_file(file).digest
    reads: list[str] = []
    bucket = store.objects._bucket  # type: ignore[attr-defined]
    real = bucket.read

    def read(key: str, start: int) -> object:
        reads.append(key)
        return real(key, start)

    bucket.read = read
    assert store.objects.verify(digest) == store.objects.file(digest) == store.objects.path(digest)
    assert reads == []
    copy = store.objects.path(digest)
    copy.chmod(0o644)
    copy.write_bytes(b"rot")
    assert store.objects.verify(digest).read_bytes() == file.read_bytes()
    assert len(reads) == 1
    place.damage(digest)
    for ask in (store.objects.verify, store.objects.file):
        with pytest.raises(ObjectDamaged) as problem:
            ask(digest)
        assert str(problem.value.where).startswith("s3://")
    place.remove(digest)
    for ask in (store.objects.verify, store.objects.file):
        with pytest.raises(ObjectMissing):
            ask(digest)
    assert store.put_file(file).digest == digest
    assert store.objects.verify(digest).read_bytes() == file.read_bytes()


def test_bytes_that_somebody_else_put_there_reach_nobody(place: Place, store: Store) -> None:
    """Cut, replaced, or with more behind: no path, no bytes, no copy."""
    digest = store.put_bytes(b"0123456789" * 1000).digest
    other = place.again(place.root.parent / "elsewhere").open()
    for wrong in (b"0123456789" * 999, b"9876543210" * 1000, b"0123456789" * 1000 + b"x", b""):
        place.write(digest, wrong)
        for read in (other.objects.get, other.objects.verify, other.objects.path):
            with pytest.raises(ObjectDamaged):
                read(digest)
    assert not list(other.objects.root.glob("*/" + digest[9:]))


def test_two_writers_of_one_object_both_succeed_and_it_is_whole(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1 << 20))
    stores = [place.again(tmp_path / f"machine {number}").open() for number in range(4)]
    begin, done = threading.Barrier(len(stores)), []

    def put(store: Store) -> None:
        begin.wait(20)
        done.append((store.put_file(file), store.put_bytes(b"small")))

    threads = [threading.Thread(target=put, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(stores)
    assert len(set(done)) == 1
    assert len(keys(place)) == 2
    assert place.bytes(done[0][0].digest) == file.read_bytes()


MEMORY = """
import resource, sys
from pathlib import Path
from shipway.store import open_store

store = open_store(Path(sys.argv[1]), "flights", objects=sys.argv[2], create=True)
store.put_bytes(b"first")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = store.put_file(Path(sys.argv[3])).digest
again = open_store(Path(sys.argv[1]), "flights", cache=Path(sys.argv[1]) / "other")
again.objects.verify(digest)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_large_file_goes_there_and_back_in_bounded_memory(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as out:
        for _ in range(200):
            out.write(os.urandom(1 << 20))
    command = [sys.executable, "-c", MEMORY, str(place.root), str(place.objects), str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 110  # MiB, of a file of 200


def test_one_document_is_put_at_an_address(place: Place) -> None:
    address = f"{place.objects}/control/sha256:ab/step.json"
    for text in (b"{}", b"[]"):
        upload(address, text)
    client, key = s3_client(s3_environ()), address.split("/", 3)[3]
    assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"[]"
    for wrong in ("s3://", "s3://bucket/", f"{place.objects}/../x"):
        with pytest.raises(ShipwayError):
            upload(wrong, b"{}")
