"""Objects and trees, wherever they are kept: what is put is found again, whole or not at all, and what is wrong is noticed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_help import Place, move, new_place, thing

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.store import FileUnreadable, ObjectDamaged, ObjectMissing, ObjectUnexpected, Store, check_store


@pytest.fixture(params=["sqlite", "sqlite-s3"])  # rows are no part of this: the other kinds would show the same
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with new_place(str(request.param), tmp_path) as found:
        yield found


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


files = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(
        lambda name: name not in (".", "..")
    ),
    st.binary(max_size=50),
    max_size=6,
)


def test_an_object_is_found_by_its_digest_and_kind(store: Store) -> None:
    digest = thing(store, 1)
    assert store.get(digest, "thing") == {"kind": "thing", "version": 1, "number": 1}
    assert thing(store, 1) == digest
    with pytest.raises(ObjectUnexpected):
        store.get(digest, "release")


def test_an_object_without_a_kind_is_refused(store: Store) -> None:
    with pytest.raises(ObjectUnexpected):
        store.put({"number": 1})


def test_a_missing_object_is_named(store: Store) -> None:
    with pytest.raises(ObjectMissing, match="sha256:00"):
        store.get(Digest("sha256:" + "0" * 64))


def test_a_flipped_byte_is_noticed_on_reading(place: Place, store: Store) -> None:
    digest = thing(store, 1)
    assert store.objects.verify(digest).read_bytes() == place.bytes(digest)
    place.damage(digest)
    for read in (store.objects.get, store.objects.verify):
        with pytest.raises(ObjectDamaged) as problem:
            read(digest)
        assert problem.value.where
        assert problem.value.where.endswith(f"objects/{digest[7:9]}/{digest[9:]}")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files, files)
def test_a_tree_holds_every_file_and_equal_folders_have_one_digest(
    store: Store, tmp_path_factory: pytest.TempPathFactory, top: dict[str, bytes], below: dict[str, bytes]
) -> None:
    base, digests = tmp_path_factory.mktemp("tree"), set()
    for name in ("one", "two"):
        folder = base / name
        (folder / "sub").mkdir(parents=True)
        for place, content in ((folder, {k: v for k, v in top.items() if k != "sub"}), (folder / "sub", below)):
            for file, data in content.items():
                (place / file).write_bytes(data)
        digests.add(store.put_tree(folder)[0].digest)
    (digest,) = digests
    found = {file.path: store.objects.get(file.digest) for file in store.tree(digest)}
    assert found == {k: v for k, v in top.items() if k != "sub"} | {f"sub/{k}": v for k, v in below.items()}


def test_a_changed_file_rewrites_only_the_nodes_on_its_path(store: Store, tmp_path: Path) -> None:
    for name in ("a/x", "b/y"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    before = {digest for digest, _ in store.tree_nodes(store.put_tree(tmp_path / "data")[0].digest)}
    (tmp_path / "data/a/x").write_text("changed")
    after = {digest for digest, _ in store.tree_nodes(store.put_tree(tmp_path / "data")[0].digest)}
    assert len(before & after) == 1  # b stays; a and the root are new


def test_a_symbolic_link_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "out").symlink_to("/etc/passwd")
    with pytest.raises(FileUnreadable, match="out is a symbolic link"):
        store.put_tree(folder)


def test_a_tree_that_climbs_out_of_its_folder_is_refused(store: Store) -> None:
    entry: dict[str, Json] = {"name": "../x", "type": "file", "digest": thing(store, 1), "size": 1, "executable": False}
    bad = store.put({"kind": "tree", "version": 1, "entries": [entry]})
    with pytest.raises(ObjectUnexpected):
        list(store.tree(bad))


def test_a_put_of_the_same_content_mends_a_damaged_object(place: Place, store: Store) -> None:
    digest = thing(store, 1)
    whole = place.bytes(digest)
    for wrong in (whole[:3], b"", bytes(len(whole))):
        place.write(digest, wrong)
        assert thing(store, 1) == digest
        assert store.get(digest) == {"kind": "thing", "version": 1, "number": 1}
        assert place.bytes(digest) == whole


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only files older than two seconds are trusted unread; the tests do not wait for them."""
    monkeypatch.setattr("shipway.store._stat_cache._RACY_NS", -1)


@pytest.mark.usefixtures("trusting")
def test_a_file_whose_object_has_another_size_is_read_again(place: Place, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("some content")
    tree = store.put_tree(file)[0]
    (entry,) = store.tree(tree.digest)
    place.write(entry.digest, b"some")
    _, writer = store.put_tree(file)
    assert writer.read == 12
    assert store.objects.get(entry.digest) == b"some content"
    assert store.put_tree(file)[1].read == 0
    place.remove(entry.digest)
    assert store.put_tree(file)[1].read == 12
    assert place.bytes(entry.digest) == b"some content"


@pytest.mark.usefixtures("trusting")
def test_a_file_whose_object_was_found_damaged_is_read_again(place: Place, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("some content")
    (entry,) = store.tree(store.put_tree(file)[0].digest)
    place.damage(entry.digest)
    assert store.put_tree(file)[1].read == 0  # nobody knows yet
    for _ in range(2):
        with pytest.raises(ObjectDamaged):
            store.objects.verify(entry.digest)
    assert store.put_tree(file)[1].read == 12
    assert store.objects.verify(entry.digest).read_text() == "some content"
    assert place.bytes(entry.digest) == b"some content"


def test_an_object_that_somebody_removed_is_missing_whatever_asks(place: Place, store: Store) -> None:
    digest = thing(store, 1)
    size = len(place.bytes(digest))
    assert store.objects.verify(digest).is_file()
    assert (store.objects.has(digest), store.objects.size(digest), store.objects.keeps(digest, size)) == (True, size, True)
    assert list(store.objects.all()) == store.find_objects(digest[7:15]) == [digest]
    place.remove(digest)
    assert (store.objects.has(digest), store.objects.size(digest), store.objects.keeps(digest, size)) == (False, None, False)
    assert [*store.objects.all(), *store.find_objects(digest[7:15])] == []
    asks: list[Callable[[Digest], object]] = [
        store.objects.get,
        store.objects.verify,
        lambda one: list(store.objects.read(one)),
    ]
    for ask in asks:
        with pytest.raises(ObjectMissing, match=digest):
            ask(digest)


def test_what_comes_from_elsewhere_is_taken_whole_and_as_announced_or_not_at_all(place: Place, store: Store) -> None:
    data = b"0123456789" * 1000
    wanted = Descriptor("application/octet-stream", digest_bytes(data), len(data))

    def cut() -> Iterator[bytes]:
        yield data[:5000]
        raise ConnectionResetError

    for chunks in (iter([data[:5000]]), iter([data, b"more"]), iter([data[::-1]])):
        with pytest.raises(ObjectDamaged):
            store.objects.put_stream(wanted, chunks)
    with pytest.raises(ConnectionResetError):
        store.objects.put_stream(wanted, cut())
    assert not store.objects.has(wanted.digest)
    assert store.objects.put_stream(wanted, iter([data[:7], data[7:]])) is True
    assert place.bytes(wanted.digest) == data
    assert store.objects.put_stream(wanted, cut()) is False
    assert b"".join(store.objects.read(wanted.digest)) == data


def test_a_deep_look_finds_what_is_wrong_in_any_store(place: Place, store: Store) -> None:
    one, two, three = (thing(store, number) for number in range(3))
    move(store, "model/delay", one)
    place.damage(two)
    assert check_store(store).faults == ()
    assert [fault.about for fault in check_store(store, deep=True).faults] == [two]
    place.remove(one)
    assert [fault.about for fault in check_store(store).faults] == [one]
    assert three in set(store.objects.all())


def test_the_size_in_a_tree_is_that_of_the_bytes_that_were_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file grows between the look at it and the reading: equal content, equal digest."""
    file = tmp_path / "data" / "x"
    file.parent.mkdir()
    file.write_text("more")
    expected = store.put_tree(file.parent)[0]
    file.write_text("mo")
    real = store.objects.put_small

    def late(
        sources: Sequence[bytes],
        *,
        tell: Callable[[int], None],
        md5s: dict[Digest, str] | None,
    ) -> list[tuple[Digest, int]]:
        file.write_text("more")
        return real(sources, tell=tell, md5s=md5s)

    monkeypatch.setattr(store.objects, "put_small", late)
    tree, writer = store.put_tree(file.parent)
    assert (tree, writer.bytes) == (expected, 4)


def test_a_file_that_changes_while_it_is_read_is_refused(store: Store, tmp_path: Path) -> None:
    """Also when its size and its modification time are put back."""
    file = tmp_path / "x"
    file.write_bytes(b"1" * 100)
    before = file.stat()

    def change(_: int) -> None:
        time.sleep(0.02)
        file.write_bytes(b"2" * 100)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(FileUnreadable, match="x changed while it was read"):
        store.objects.put_file(file, report=change)


NAMES = [b"plain", b"caf\xc3\xa9", b"\xff\xfe", b"base64:YQ=="]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_stands_in_a_tree_in_the_same_way_whatever_put_it(store: Store, tmp_path: Path, name: bytes) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "data") + b"/"))
    folder.mkdir()
    file = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
    file.write_text("content")
    tree = store.put_tree(folder)[0]
    assert store.put_tree(file)[0] == tree
    assert store.put_files({os.fsdecode(name): file}) == tree
    below = store.put_files({os.fsdecode(name) + "/x": file})
    assert [entry.path for entry in store.tree(tree.digest)] == [os.fsdecode(name)]
    assert [entry.path for entry in store.tree(below.digest)] == [os.fsdecode(name) + "/x"]


def test_closing_a_store_twice_is_no_error(store: Store) -> None:
    thing(store, 1)
    store.refs()
    closers: list[Callable[[], None]] = [store.close, store.close]
    for close in closers:
        close()
