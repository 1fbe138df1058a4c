"""A store brought from one place to another: from a folder to PostgreSQL and a bucket, back, or between any two of them.

Objects first, each hashed where it arrives; then all rows, in one transaction; then the folder says where its store is. Killed
anywhere, the next run goes on. The old place is left as it was, but that nobody writes any more to a catalogue in the folder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.clock import RandomIds, SystemClock
from shipway.kernel.digest import digest_bytes
from shipway.store._facade import FOLDER, Store
from shipway.store._migrations import HEAD, KNOWN, MOVED
from shipway.store._objects import FileObjects, Objects
from shipway.store._place import (
    FILE,
    MARK,
    OBJECTS,
    OBJECTS_MARK,
    VARIABLE,
    Catalogue,
    has_objects,
    mark,
    marked_at,
    open_bucket,
    unmark,
)
from shipway.store._relocate_objects import Copied, Journal, Report, copy_objects
from shipway.store._relocate_rows import Rows, compare, fence, lift, list_owners, publish
from shipway.store._sqlite import SqliteCatalogue
from shipway.store._types import CatalogueOther, StoreBusy, StoreMissing, newer
from shipway.store._work import Work

Guard = Callable[[Store], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a store is to be. catalogue: an address in PostgreSQL; objects: one in a bucket; None: the folder."""

    catalogue: str | None
    objects: str | None


@dataclass(frozen=True, slots=True)
class Relocated:
    """What was brought, and from where to where as it may be shown; rows: None when the catalogue stayed where it is."""

    projects: tuple[str, ...]
    catalogues: tuple[str, str]
    places: tuple[str, str]
    copied: Copied
    rows: Rows | None


class _Home(NamedTuple):
    """Both parts of a store in one place."""

    rows: Catalogue
    objects: Objects


def where_store_is(root: Path) -> Destination:
    """Where a folder says that its store is, as it may be shown; None for what is in the folder. Raises CatalogueDamaged."""
    folder = root / FOLDER
    return Destination(marked_at(folder, MARK), marked_at(folder, OBJECTS_MARK))


def relocate_store(
    root: Path, to: Destination, *, catalogue: str | None, cache: Path | None = None, guard: Guard, report: Report
) -> Relocated:
    """Bring the store of a folder somewhere, and have the folder say so.

    catalogue: the address of the one it has now, when that is in PostgreSQL; cache: where copies of a bucket's objects are;
    guard: held for each project meanwhile, so that nothing is served from here. Raises StoreMissing, StoreBusy, HistoryOther,
    CatalogueOther, ObjectDamaged, and what opening the two places raises. The target's history appears last and as a whole.
    """
    folder, copies = root / FOLDER, cache or root / FOLDER / "cache"
    if not folder.is_dir():
        raise StoreMissing(f"no store in {root}", where=str(folder), mend="shipway init")
    with _alone(folder), Work(folder).shared(), ExitStack() as stack:
        here = _home(folder, _now(folder, catalogue), copies, stack)
        there = _home(folder, to, copies, stack)
        projects = _prepare_source(here)
        for project in projects:
            store = Store(folder, project, clock=SystemClock(), ids=RandomIds(), catalogue=here.rows, objects=here.objects)
            stack.enter_context(guard(store))
        _prepare_target(here, there)
        copied, rows = _bring(folder, here, there, report)
        _switch(folder, there)
    return Relocated(projects, (here.rows.where, there.rows.where), (here.objects.where, there.objects.where), copied, rows)


def _now(folder: Path, catalogue: str | None) -> Destination:
    """Where the folder says that its store is. Raises CatalogueOther when `catalogue` is not the address of its rows."""
    marked = marked_at(folder, MARK)
    if marked is not None:
        from shipway.store._postgres import PostgresCatalogue

        named = PostgresCatalogue(catalogue).where if catalogue else None
        if named != marked:
            what = f"the catalogue of this store is in {marked}, not in {named}" if named else f"the catalogue is in {marked}"
            mend = f"name the variable that holds its address: --from-catalogue NAME, else {VARIABLE}"
            raise CatalogueOther(what, where=str(folder), mend=mend)
    return Destination(catalogue if marked else None, marked_at(folder, OBJECTS_MARK))


def _home(folder: Path, place: Destination, copies: Path, stack: ExitStack) -> _Home:
    rows: Catalogue
    if place.catalogue is None:
        rows = SqliteCatalogue(folder / FILE)
    else:
        from shipway.store._postgres import PostgresCatalogue

        rows = PostgresCatalogue(place.catalogue)
    stack.enter_context(closing(rows))
    objects = FileObjects(folder / OBJECTS) if place.objects is None else open_bucket(place.objects, copies)
    return _Home(rows, objects)


def _prepare_source(here: _Home) -> tuple[str, ...]:
    """Bring the catalogue to the newest revision; one that has been left is as good: it is the rest of this that is missing.

    Returns the projects in it.
    """
    found = here.rows.revision()
    if found is None:
        raise StoreMissing("this store has no catalogue yet", where=here.rows.where, mend="shipway init")
    if found not in (MOVED + HEAD, *KNOWN):
        raise newer(found.removeprefix(MOVED), here.rows.where)
    if found in KNOWN[:-1]:
        here.rows.migrate(here.objects.root)
    with here.rows.transaction(alone=False) as source:
        return tuple(list_owners(source))


def _prepare_target(here: _Home, there: _Home) -> None:
    """Look whether both can be reached, before anything is brought, and whether the history there is a beginning of ours."""
    there.objects.find("0000")
    if there.rows.place == here.rows.place:
        return
    found = there.rows.revision()
    if found and found.startswith(MOVED) and found != MOVED + HEAD and found.removeprefix(MOVED) in KNOWN:
        with there.rows.transaction(alone=True) as target:
            lift(target)
        found = found.removeprefix(MOVED)
    if found not in (None, MOVED + HEAD, *KNOWN):
        raise newer(str(found), there.rows.where)
    if found is None or found in KNOWN[:-1]:
        there.rows.migrate(there.objects.root)
    with here.rows.transaction(alone=False) as source, there.rows.transaction(alone=True) as target:
        compare(source, target, where=there.rows.where)


def _bring(folder: Path, here: _Home, there: _Home, report: Report) -> tuple[Copied, Rows | None]:
    """The long part with everybody at work; then once more, what came meanwhile, with writers of the source waiting."""
    stays = there.rows.place == here.rows.place
    first = _copy(folder, here, there, report)
    with here.rows.transaction(alone=stays) as source:
        list_owners(source)  # the moment of all rows: every object that they name is there by now
        last = _copy(folder, here, there, lambda _: lambda _: None)
        rows = None
        if stays:
            _switch(folder, there)
        else:
            with there.rows.transaction(alone=True) as target:
                rows = publish(source, target, where=there.rows.where)
            if isinstance(here.rows, SqliteCatalogue):
                fence(source)
    return Copied(last.objects, last.size, first.copied + last.copied, first.confirmed + last.confirmed), rows


def _copy(folder: Path, here: _Home, there: _Home, report: Report) -> Copied:
    """Objects of the source, and those that somebody put into the folder while the store went from there to a bucket."""
    journal = Journal(folder / "cache" / "migrate" / digest_bytes(there.objects.where.encode())[7:19])
    done = Copied(0, 0, 0, 0)
    if here.objects.where != there.objects.where:
        done = copy_objects(here.objects, there.objects, journal=journal, report=report)
    elif has_objects(folder) and not isinstance(there.objects, FileObjects):
        done = copy_objects(FileObjects(folder / OBJECTS), there.objects, journal=journal, report=report)
    return done


def _switch(folder: Path, there: _Home) -> None:
    """Have the folder say where its store is: objects first, since rows may name only what is found."""
    if isinstance(there.objects, FileObjects):
        unmark(folder, OBJECTS_MARK)
    else:
        mark(folder, OBJECTS_MARK, there.objects.where)
    if isinstance(there.rows, SqliteCatalogue):
        unmark(folder, MARK)
    else:
        mark(folder, MARK, there.rows.where)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the one that brings this store anywhere, until the end of the block. Raises StoreBusy."""
    handle = os.open(folder / "migrate.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusy(
                "this store is being migrated", where=str(folder), mend="wait for that, then run this again"
            ) from None
        yield
    finally:
        os.close(handle)
