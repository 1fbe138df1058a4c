"""Where the rows of a store are: what a catalogue can do, and which one belongs to a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from shipway.kernel.canonical import canonical_json
from shipway.store._reader import Value
from shipway.store._types import CatalogueDamaged, CatalogueOther

if TYPE_CHECKING:
    from shipway.store._catalogue import Writer

FILE = "catalogue.sqlite"
MARK = "catalogue.json"
VARIABLE = "SHIPWAY_CATALOGUE"


class Catalogue(Protocol):
    """The tables of one or more projects. `where` is shown in errors and holds no password. Not for use by two threads."""

    where: str

    def query(self, sql: str, parameters: Mapping[str, Value]) -> Sequence[Sequence[Value]]: ...
    def writer(self, project: str) -> Writer: ...
    def revision(self) -> str | None: ...  # None when there are no tables yet
    def migrate(self, objects: Path) -> None: ...
    def again(self) -> Catalogue: ...  # a second handle, for another thread
    def close(self) -> None: ...


class Elsewhere:
    """The catalogue of a store whose rows are in a server that nobody named: objects are here, and every row is refused."""

    def __init__(self, where: str, folder: Path) -> None:
        self.where, self._folder = where, folder

    def query(self, sql: str, parameters: Mapping[str, Value]) -> NoReturn:  # noqa: ARG002 - it is never run
        self._refuse()

    def writer(self, project: str) -> NoReturn:  # noqa: ARG002
        self._refuse()

    def revision(self) -> NoReturn:
        self._refuse()

    def migrate(self, objects: Path) -> NoReturn:  # noqa: ARG002
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
    marked = _marked(folder)
    if url is None:
        from shipway.store._sqlite import SqliteCatalogue

        return Elsewhere(marked, folder) if marked else SqliteCatalogue(folder / FILE)
    from shipway.store._postgres import PostgresCatalogue

    found = PostgresCatalogue(url)
    if marked is None and (folder / FILE).exists():
        mend = f"unset {VARIABLE}, or move {FILE} away to begin with an empty catalogue there"
        raise CatalogueOther(f"the catalogue of this store is its file {FILE}", where=str(folder), mend=mend)
    if marked not in (None, found.where):
        mend = f"name that one in {VARIABLE}, or remove {MARK} if the database has moved"
        raise CatalogueOther(f"the catalogue of this store is in {marked}, not in {found.where}", where=str(folder), mend=mend)
    return found


def mark(folder: Path, where: str) -> None:
    """Say in the folder that its catalogue is there, unless it says so already."""
    if is_marked(folder):
        return
    value = canonical_json({"kind": "catalogue", "version": 1, "where": where})
    new = folder / f"{MARK}.{os.getpid()}"
    with new.open("wb") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())  # before it has its name: an empty mark would say nothing after a power cut
    new.replace(folder / MARK)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_marked(folder: Path) -> bool:
    """Whether the folder says that its catalogue is in a server. Raises CatalogueDamaged when it cannot be read."""
    return _marked(folder) is not None


def _marked(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / MARK).read_bytes())["where"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        mend = f"remove it and name the catalogue once more in {VARIABLE}"
        raise CatalogueDamaged(f"{MARK} does not say where the catalogue is", where=str(folder / MARK), mend=mend) from None
