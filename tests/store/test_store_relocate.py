"""A store brought from a folder to PostgreSQL and a bucket, and back: everything arrives, or nobody there sees anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from store_help import BUCKET, REF, Place, move, new_place, new_schema, s3_environ, thing

from shipway.kernel.digest import Digest
from shipway.store import (
    CatalogueMoved,
    CatalogueOther,
    Destination,
    Edge,
    EvidenceRow,
    HistoryOther,
    NewAudit,
    ObjectDamaged,
    ObjectsRefused,
    Relocated,
    Store,
    StoreBusy,
    StoreMissing,
    check_store,
    open_store,
    relocate_store,
    where_store_is,
)

TABLES = ("audit", "evidence", "ref", "state", "edge")


def fill(store: Store) -> None:
    """Moves, a refusal, evidence, state, lineage, a folder of files, and one file of several parts."""
    one, two, now = thing(store, 1), thing(store, 2), store.clock.now()
    move(store, REF, one)
    move(store, REF, two, expected=one)
    move(store, "model/delay", one, release=two)
    store.record(NewAudit(now, "bo", "move", REF, "refused", two, one, why="Zoë said so 🛩"))
    store.add_evidence(EvidenceRow(two, one, "test", "unit", now))
    store.put_state("lease", "a", {"holder": "ann"})
    store.put_state("lease", "a", {"holder": "bo"})
    store.add_edges([Edge(one, two, "made")])
    folder = store.root.parent / "data"
    (folder / "below").mkdir(parents=True)
    (folder / "large").write_bytes(os.urandom(9 << 20))
    for number in range(40):
        (folder / "below" / str(number)).write_text(f"row {number}")
    store.put_tree(folder)


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A store in a folder with two projects; where a bucket is can be asked."""
    for name, value in s3_environ().items():
        monkeypatch.setenv(name, value)
    with new_place("sqlite", tmp_path / "laptop") as place:
        fill(place.open())
        move(place.open("churn"), "model/churn", thing(place.open("churn"), 7))
        for store in place.opened:
            store.close()
        yield place


_buckets = iter(range(1000))


def new_bucket() -> str:
    return f"s3://{BUCKET}/relocate/{os.getpid()}-{next(_buckets)}"


def go(root: Path, catalogue: str | None = None, objects: str | None = None, *, now: str | None = None) -> Relocated:
    to = Destination(catalogue, objects)
    return relocate_store(root, to, catalogue=now, guard=lambda _: nullcontext(), report=lambda _: lambda _: None)


@contextmanager
def opened(root: Path, url: str | None, project: str = "flights", **more: str | None) -> Iterator[Store]:
    store = open_store(root, project, catalogue=url, **more)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        store.close()


def everything(store: Store) -> tuple[dict[str, list[tuple[object, ...]]], dict[Digest, bytes]]:
    """All rows of all projects, and all bytes."""
    rows: dict[str, list[tuple[object, ...]]] = {
        name: sorted(tuple(row) for row in store._query(f"SELECT * FROM {name}", {})) for name in TABLES
    }
    return rows, {digest: store.objects.get(digest) for digest in store.objects.all()}


def seen(root: Path, url: str | None) -> tuple[dict[str, list[tuple[object, ...]]], dict[Digest, bytes]]:
    with opened(root, url) as store:
        assert check_store(store, deep=True).faults == ()
        return everything(store)


def test_a_store_goes_anywhere_and_back_with_every_row_and_byte(laptop: Place) -> None:
    root, before = laptop.root, seen(laptop.root, None)
    one, two = new_schema(), new_schema()
    there, elsewhere = new_bucket(), new_bucket()
    now = None
    tour = [
        (one, there),
        (two, there),
        (None, elsewhere),
        (None, None),
        (one, None),
        (one, there),
        (two, elsewhere),
        (None, None),
    ]
    for catalogue, objects in tour:
        found = go(root, catalogue, objects, now=now)
        now = catalogue
        assert seen(root, now) == before, (catalogue, objects)
        assert found.projects == ("churn", "flights")
        assert where_store_is(root).objects == objects
    with opened(root, None) as store:  # numbers go on where they ended
        assert move(store, REF, thing(store, 3), expected=store.resolve(REF)) == len(before[0]["audit"]) + 1


def test_rows_go_on_in_the_new_place_and_the_old_file_is_shut(laptop: Place) -> None:
    old, url = laptop.open(), new_schema()
    before = old.resolve(REF)
    last = old.history(limit=1)[0].id
    go(laptop.root, url, new_bucket())
    with opened(laptop.root, url) as store:
        assert move(store, REF, thing(store, 3), expected=before) > last
    assert old.resolve(REF) == before
    with pytest.raises(CatalogueMoved):
        move(old, REF, thing(old, 4), expected=before)
    with pytest.raises(CatalogueOther):
        open_store(laptop.root, "flights").refs()
    (laptop.root / ".shipway" / "catalogue.json").unlink()
    with pytest.raises(CatalogueMoved):
        open_store(laptop.root, "flights", create=True)


def test_a_second_time_brings_only_what_is_missing(laptop: Place) -> None:
    url, bucket = new_schema(), new_bucket()
    first = go(laptop.root, url, bucket)
    assert first.copied.copied == first.copied.objects > 40
    assert first.copied.confirmed == first.copied.objects
    again = go(laptop.root, url, bucket, now=url)
    assert (again.copied.copied, again.rows) == (0, None)
    back = go(laptop.root, now=url)
    assert (back.copied.copied, back.copied.objects) == (0, first.copied.objects)
    assert back.rows
    assert back.rows.new == 0
    with opened(laptop.root, None) as store:
        thing(store, 99)
        store.record(NewAudit(store.clock.now(), "ann", "approve", REF, "recorded"))
    more = go(laptop.root, url, bucket)
    assert (more.copied.copied, more.copied.confirmed) == (1, 1)
    assert more.rows
    assert more.rows.new == 1


def test_what_is_damaged_there_is_found_and_written_anew(laptop: Place, tmp_path: Path) -> None:
    bucket = new_bucket()
    place = Place(tmp_path / "x", None, [], bucket)
    with opened(laptop.root, None) as store:
        digests = list(store.objects.all())
        whole = store.objects.get(digests[3])
    place.write(digests[3], bytes([whole[0] ^ 1]) + whole[1:])
    go(laptop.root, new_schema(), bucket)
    assert place.bytes(digests[3]) == whole


def test_an_object_that_is_damaged_here_is_named_and_nothing_appears_there(laptop: Place, tmp_path: Path) -> None:
    url, bucket = new_schema(), new_bucket()
    with opened(laptop.root, None) as store:
        digest = thing(store, 5)
    laptop.damage(digest)
    for objects in (bucket, None):
        if objects is None:  # from a bucket into the folder, it is the same
            go(laptop.root, None, bucket)
            Place(tmp_path / "x", None, [], bucket).damage(digest)
            (laptop.root / ".shipway" / "objects" / digest[7:9] / digest[9:]).unlink()
        with pytest.raises(ObjectDamaged, match=digest[7:]):
            go(laptop.root, url, objects)
        with opened(tmp_path / "other", url, objects=bucket, create=True) as store:  # type: ignore[arg-type]
            assert (store.history(), store.refs()) == ([], [])
        laptop.write(digest, b'{"kind":"thing","number":5,"version":1}')


def test_objects_that_came_into_the_folder_afterwards_are_brought_too(laptop: Place) -> None:
    """A command that began before the store went to the bucket puts what it makes into the folder."""
    bucket, old = new_bucket(), laptop.open()
    go(laptop.root, None, bucket)
    late = thing(old, 50)
    old.put_state("late", "row", {"digest": late})
    assert go(laptop.root, None, bucket).copied.copied == 1
    with opened(laptop.root, None) as store:
        assert store.get(late)["number"] == 50


def test_a_catalogue_with_another_history_is_refused_before_anything_is_brought(laptop: Place, tmp_path: Path) -> None:
    bucket = new_bucket()

    def refused(url: str, words: str) -> None:
        with opened(tmp_path / "look", url, objects=bucket) as there:
            before = everything(there)
        with pytest.raises(HistoryOther, match=words):
            go(laptop.root, url, bucket)
        with opened(tmp_path / "look", url, objects=bucket) as there:
            assert everything(there) == before
        assert where_store_is(laptop.root) == Destination(None, None)
        (tmp_path / "look" / ".shipway" / "catalogue.json").unlink()

    strangers = new_schema()
    with opened(tmp_path / "look", strangers, "helpbot", objects=bucket, create=True) as there:  # type: ignore[arg-type]
        there.put_state("lease", "a", {})
    refused(strangers, "history of helpbot")
    diverged = new_schema()
    with opened(tmp_path / "look", diverged, objects=bucket, create=True) as there:  # type: ignore[arg-type]
        move(there, REF, thing(there, 1))
    refused(diverged, "record 1 of flights")


def test_each_that_went_on_by_itself_is_refused(laptop: Place, tmp_path: Path) -> None:
    url, bucket, copy = new_schema(), new_bucket(), tmp_path / "copy"
    subprocess.run(["cp", "-r", str(laptop.root), str(copy)], check=True)
    go(laptop.root, url, bucket)
    with opened(laptop.root, url) as store:
        move(store, REF, thing(store, 3), expected=store.resolve(REF))
    with opened(copy, None) as store:
        move(store, REF, thing(store, 4), expected=store.resolve(REF))
    with pytest.raises(HistoryOther, match="each has gone on by itself"):
        go(copy, url, bucket)
    with opened(copy, None) as store:  # and goes on here
        move(store, REF, thing(store, 5), expected=store.resolve(REF))


def test_a_copy_that_stood_still_joins_what_went_on(laptop: Place, tmp_path: Path) -> None:
    """As when a migration is killed before the folder knows, and others work there already."""
    url, bucket, copy = new_schema(), new_bucket(), tmp_path / "copy"
    subprocess.run(["cp", "-r", str(laptop.root), str(copy)], check=True)
    go(laptop.root, url, bucket)
    with opened(laptop.root, url) as store:
        move(store, REF, thing(store, 3), expected=store.resolve(REF))
        store.put_state("lease", "a", {"holder": "cy"})
    before = seen(laptop.root, url)
    go(copy, url, bucket)
    assert seen(copy, url) == before


def test_state_that_was_taken_back_meanwhile_does_not_come_back_with_the_old_file(laptop: Place) -> None:
    url = new_schema()
    go(laptop.root, url, None)
    with opened(laptop.root, url) as store:
        store.delete_state("lease", "a")
        store.put_state("lease", "b", {})
    go(laptop.root, None, None, now=url)
    with opened(laptop.root, None) as store:
        assert [row.key for row in store.states("lease")] == ["b"]


def test_what_cannot_be_reached_or_is_none_is_told_first(laptop: Place, tmp_path: Path) -> None:
    with pytest.raises(ObjectsRefused, match="no such bucket"):
        go(laptop.root, new_schema(), "s3://shipway-typo/x")
    with pytest.raises(StoreMissing):
        go(tmp_path / "nothing", new_schema(), new_bucket())
    url = new_schema()
    go(laptop.root, url, None)
    with pytest.raises(CatalogueOther, match="is in postgresql") as problem:
        go(laptop.root, None, None, now=None)
    assert "--from-catalogue" in problem.value.render()
    assert where_store_is(laptop.root).catalogue


def test_two_at_once_are_one(laptop: Place) -> None:
    url, bucket, inside = new_schema(), new_bucket(), []

    def second(total: int) -> object:
        with pytest.raises(StoreBusy):
            go(laptop.root, url, bucket)
        inside.append(total)
        return lambda _: None

    relocate_store(
        laptop.root,
        Destination(url, bucket),
        catalogue=None,
        guard=lambda _: nullcontext(),
        report=second,  # type: ignore[arg-type]
    )
    assert inside[0] > 9 << 20


KILLED = """
import os, signal, sys
from contextlib import nullcontext
from pathlib import Path
from shipway.store import Destination, _relocate, _relocate_objects, _relocate_rows, relocate_store

root, catalogue, objects, now, place, when, count = sys.argv[1:]
module, name = {
    "object": (_relocate_objects._Bringer, "_bring"),
    "batch": (_relocate_objects.Journal, "add"),
    "rows": (_relocate_rows, "_insert"),
    "counted": (_relocate_rows, "_count_on"),
    "published": (_relocate, "publish"),
    "fenced": (_relocate, "fence"),
    "marked": (_relocate, "mark"),
    "unmarked": (_relocate, "unmark"),
    "switched": (_relocate, "_switch"),
}[place]
real, calls = getattr(module, name), iter(range(int(count)))

def deadly(*args, **more):
    dies = next(calls, None) is None
    if dies and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(*args, **more)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(module, name, deadly)
to = Destination(catalogue or None, objects or None)
relocate_store(Path(root), to, catalogue=now or None, guard=lambda _: nullcontext(), report=lambda _: lambda _: None)
"""

POINTS = [
    ("object", "after", 20),
    ("rows", "after", 3),
    ("published", "after", 0),  # before its transaction ends
    ("fenced", "before", 0),  # after it has ended
    ("fenced", "after", 0),
    ("marked", "after", 0),  # the objects, and not the catalogue
]
MORE = [
    ("object", "before", 0),
    ("batch", "before", 1),
    ("batch", "after", 0),
    ("rows", "after", 0),
    ("counted", "after", 0),
    ("switched", "before", 0),
    ("switched", "after", 0),
]
BACK = [("rows", "after", 1), ("unmarked", "after", 0)]


def kill(root: Path, catalogue: str | None, objects: str | None, now: str | None, point: tuple[str, str, int]) -> None:
    arguments = [str(root), catalogue or "", objects or "", now or "", *map(str, point)]
    child = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr


def test_killed_at_each_point_in_turn_it_goes_on_and_nothing_is_half_there(laptop: Place, tmp_path: Path) -> None:
    """There, and on the way back."""
    root, before = laptop.root, seen(laptop.root, None)
    url, bucket, look = new_schema(), new_bucket(), tmp_path / "look"
    with opened(look, url, objects=bucket, create=True):  # type: ignore[arg-type]
        pass
    for point in POINTS:
        now = url if where_store_is(root).catalogue else None
        if now and point[0] in ("marked", "switched"):
            continue
        kill(root, url, bucket, now, point)
        with opened(look, url, objects=bucket) as there:
            rows, objects = everything(there)
        assert rows in (before[0], {name: [] for name in TABLES}), point
        if rows["audit"]:
            assert objects == before[1], point
    go(root, url, bucket, now=url)
    assert seen(root, url) == before
    for point in BACK:
        kill(root, None, None, url, point)
        with opened(look, url, objects=bucket) as there:
            assert everything(there) == before
        if where_store_is(root).catalogue is None:
            break
    go(root, None, None, now=url)
    assert seen(root, None) == before


@pytest.mark.parametrize("point", POINTS + MORE, ids=lambda point: "-".join(map(str, point)))
@pytest.mark.slow
def test_killed_once_the_next_run_ends_it(laptop: Place, point: tuple[str, str, int]) -> None:
    root, before, url, bucket = laptop.root, seen(laptop.root, None), new_schema(), new_bucket()
    kill(root, url, bucket, None, point)
    go(root, url, bucket, now=url)
    assert seen(root, url) == before
