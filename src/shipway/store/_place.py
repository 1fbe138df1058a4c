"""Where the rows and the objects of a store are: what a catalogue can do, and which one and which bucket belong to a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import digest_bytes
from shipway.store._catalogue import Writer
from shipway.store._objects import FileObjects, Objects
from shipway.store._reader import Value
from shipway.store._types import CatalogueDamaged, CatalogueOther, ObjectsOther

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from shipway.store._bucket_objects import BucketObjects

FILE = "catalogue.sqlite"
MARK = "catalogue.json"
VARIABLE = "SHIPWAY_CATALOGUE"
OBJECTS = "objects"
OBJECTS_MARK = "objects.json"
OBJECTS_VARIABLE = "SHIPWAY_OBJECTS"


class Catalogue(Protocol):
    """The tables of one or more projects. Not for use by two threads.

    where: shown in errors and holds no password; place: never shown, and two of one place are the same catalogue.
    """

    where: str
    place: str

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]: ...
    def writer(self, project: str) -> Writer: ...
    def revision(self) -> str | None: ...  # None when there are no tables yet
    def migrate(self, objects: Path) -> None: ...
    def transaction(self, *, alone: bool) -> AbstractContextManager[Connection]: ...  # all rows of one moment; alone: to write
    def hold(self, name: str) -> AbstractContextManager[bool]: ...  # as Store.hold
    def again(self) -> Catalogue: ...  # a second handle, for another thread
    def close(self) -> None: ...


class Elsewhere:
    """The catalogue of a store whose rows are in a server that nobody named: objects are here, and every row is refused."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where, self.place, self._folder = where, where, folder

    def query(self, sql: str, parameters: Mapping[str, Value]) -> NoReturn:  # noqa: ARG002 - it is never run
        self._refuse()

    def writer(self, project: str) -> NoReturn:  # noqa: ARG002
        self._refuse()

    def revision(self) -> NoReturn:
        self._refuse()

    def migrate(self, objects: Path) -> NoReturn:  # noqa: ARG002
        self._refuse()

    def transaction(self, *, alone: bool) -> NoReturn:  # noqa: ARG002
        self._refuse()

    def hold(self, name: str) -> NoReturn:  # noqa: ARG002
        self._refuse()

    def again(self) -> Elsewhere:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def _refuse(self) -> NoReturn:
        what = f"the catalogue of this store is in {self.where}, and {VARIABLE} is not set"
        raise CatalogueOther(what, where=str(self._folder), mend=f"export {VARIABLE}=postgresql://...")


def open_catalogue(folder: Path, url: str | None) -> Catalogue:
    """The catalogue of a store's folder: the one at `url`, else the SQLite file in it. Makes nothing.

    Raises CatalogueOther when the folder belongs to another one: an empty history must not take the place of a full one.
    """
    marked = marked_at(folder, MARK)
    if url is None:
        from shipway.store._sqlite import SqliteCatalogue

        return Elsewhere(marked, folder) if marked else SqliteCatalogue(folder / FILE)
    from shipway.store._postgres import PostgresCatalogue

    found = PostgresCatalogue(url)
    if marked is None and (folder / FILE).exists():
        mend = f"bring its rows there with `shipway store migrate`, or unset {VARIABLE}"
        raise CatalogueOther(f"the catalogue of this store is its file {FILE}", where=str(folder), mend=mend)
    if marked not in (None, found.where):
        mend = f"name that one in {VARIABLE}, or remove {MARK} if the database has moved"
        raise CatalogueOther(f"the catalogue of this store is in {marked}, not in {found.where}", where=str(folder), mend=mend)
    return found


def open_objects(folder: Path, url: str | None, cache: Path | None, bound: int | None = None) -> Objects:
    """The objects of a store's folder: those at `url`, else where the folder says that they are, else the files in it.

    cache: the folder for copies, `cache` of the store when it is not given; bound: of their bytes. Makes nothing and asks
    nobody. Raises ObjectsAddress, CatalogueDamaged for a mark that cannot be read, ObjectsOther when the folder belongs to
    another address.
    """
    marked = marked_at(folder, OBJECTS_MARK)
    if url is None and marked is None:
        return FileObjects(folder / OBJECTS)
    from shipway.store._bucket import parse_address

    wanted = parse_address(url or str(marked))
    if marked is None and has_objects(folder):
        mend = f"bring them there with `shipway store migrate`, or unset {OBJECTS_VARIABLE}"
        raise ObjectsOther("the objects of this store are files in it", where=str(folder / OBJECTS), mend=mend)
    if marked not in (None, wanted):
        mend = f"name that address in {OBJECTS_VARIABLE}, or remove {OBJECTS_MARK} if the objects have moved"
        raise ObjectsOther(f"the objects of this store are in {marked}, not in {wanted}", where=str(folder), mend=mend)
    return open_bucket(wanted, cache or folder / "cache", bound=bound)


def open_bucket(url: str, cache: Path, *, bound: int | None = None) -> BucketObjects:
    """The objects at an address, with copies below `cache`, in all of `bound` bytes. Asks nobody. Raises ObjectsAddress."""
    from shipway.store._bucket import Bucket
    from shipway.store._bucket_objects import BucketObjects

    bucket = Bucket(url)
    return BucketObjects(bucket, cache / "objects" / digest_bytes(bucket.where.encode())[7:19], bound=bound)


def has_objects(folder: Path) -> bool:
    """Whether the objects of a store's folder are files in it: whether something was ever put there."""
    return next((folder / OBJECTS).glob("??/*"), None) is not None


def mark(folder: Path, name: str, where: str) -> None:
    """Say in the folder where its catalogue or its objects are. name: MARK or OBJECTS_MARK."""
    if marked_at(folder, name) == where:
        return
    value = canonical_json({"kind": name.removesuffix(".json"), "version": 1, "where": where})
    new = folder / f"{name}.{os.getpid()}"
    with new.open("wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())  # before it has its name: an empty mark would say nothing after a power cut
    new.replace(folder / name)
    _sync(folder)


def unmark(folder: Path, name: str) -> None:
    """Say no more that something is elsewhere."""
    (folder / name).unlink(missing_ok=True)
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def marked_at(folder: Path, name: str) -> str | None:
    """Where a folder says that its catalogue, or its objects, are. Raises CatalogueDamaged when it cannot be read."""
    try:
        return str(json.loads((folder / name).read_bytes())["where"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        noun, variable = ("catalogue is", VARIABLE) if name == MARK else ("objects are", OBJECTS_VARIABLE)
        mend = f"remove it and name the address once more in {variable}"
        raise CatalogueDamaged(f"{name} does not say where the {noun}", where=str(folder / name), mend=mend) from None
