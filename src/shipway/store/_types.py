"""Refs as the rest of the house sees them, and the store's errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store._migrations import MOVED

REMOVED = "removed"  # the kind of state that says which snapshots a person had removed


class Ref(NamedTuple):
    """A name and the object it points at now; `audit` is the id of the record that put it there."""

    name: str
    digest: Digest
    audit: int


class Named(NamedTuple):
    """A digest in a row. by: the ref, the resource, the subject, `KIND/KEY`.

    table: `ref`, `move` (where a record says that a ref was or came to, or would have), `audit` (what else it names),
    `evidence`, `state`.
    """

    project: str
    table: str
    by: str
    digest: Digest


class ObjectMissing(ShipwayError):
    """No object of that digest is in the store."""

    code = "store.object-missing"


class ObjectDamaged(ShipwayError):
    """The bytes on disk are not those that their name says."""

    code = "store.object-damaged"


class ObjectUnexpected(ShipwayError):
    """The object is of another kind or version than asked for."""

    code = "store.object-unexpected"


class StoreFull(ShipwayError):
    """The disk has no room; nothing was written under its final name."""

    code = "store.full"
    retry = True


class StoreMissing(ShipwayError):
    """There is no store here."""

    code = "store.missing"


class StoreNewer(ShipwayError):
    """The catalogue was made by a newer Shipway."""

    code = "store.newer"


class StoreBusy(ShipwayError):
    """Another process holds the catalogue, or works with the objects, for too long."""

    code = "store.busy"
    retry = True


class CatalogueOther(ShipwayError):
    """The catalogue of this store is another one than was named."""

    code = "store.catalogue-other"


class CatalogueDamaged(ShipwayError):
    """The catalogue is no whole database any more, or one that had rows is empty or gone."""

    code = "store.catalogue-damaged"


class StoreReadOnly(ShipwayError):
    """The store's folder or catalogue may not be written by this user, or on this disk."""

    code = "store.read-only"


class TextUnfit(ShipwayError):
    """A text that no catalogue can keep: with the character NUL, or half of a surrogate pair."""

    code = "store.text-unfit"


class CatalogueAddress(ShipwayError):
    """The address of a catalogue is none."""

    code = "store.catalogue-address"


class CatalogueRefused(ShipwayError):
    """The server of the catalogue lets this user not in, or not do it."""

    code = "store.catalogue-refused"


class CatalogueDown(ShipwayError):
    """The server of the catalogue cannot be reached, or went away meanwhile."""

    code = "store.catalogue-down"
    retry = True


class CatalogueMoved(ShipwayError):
    """The rows of this catalogue were brought to another one, and this folder does not say so yet."""

    code = "store.catalogue-moved"


class HistoryOther(ShipwayError):
    """What a store is to be brought to holds a history that is not the beginning of this one."""

    code = "store.history-other"


class ObjectsAddress(ShipwayError):
    """The address of an object store is none, or one that must not be used."""

    code = "store.objects-address"


class ObjectsOther(ShipwayError):
    """The objects of this store are elsewhere than was named, or the folder does not say where any more."""

    code = "store.objects-other"


class ObjectsRefused(ShipwayError):
    """The object store lets these credentials not in, or not do it, or has no such bucket."""

    code = "store.objects-refused"


class ObjectsDown(ShipwayError):
    """The object store cannot be reached, or went away meanwhile; what was being written is there as a whole or not at all."""

    code = "store.objects-down"
    retry = True


def newer(revision: str, where: str) -> ShipwayError:
    """The error for a catalogue at a revision that this Shipway does not write to: CatalogueMoved, or StoreNewer."""
    if revision.startswith(MOVED):
        what = "the rows of this catalogue were brought to another one, and nothing is written here any more"
        return CatalogueMoved(what, where=where, mend="run `shipway store migrate` again: it ends what was begun")
    return StoreNewer(
        f"the catalogue is at revision {revision}, newer than this Shipway knows", where=where, mend="upgrade Shipway"
    )


def revision_of(row: Sequence[object] | None, *, where: str) -> str:
    """The revision in the one row that says it. Raises CatalogueDamaged: it is written with the tables, never without."""
    if not row:
        raise CatalogueDamaged("the catalogue does not say its revision", where=where, mend="restore it from a backup")
    return str(row[0])


def refuse_unfit(values: Iterable[object]) -> None:
    """Raises TextUnfit when one of these is a text that a catalogue cannot keep; the same for every catalogue."""
    for value in values:
        if isinstance(value, str) and ("\0" in value or not (value.isascii() or _is_whole(value))):
            raise TextUnfit(f"{value[:60]!r} cannot be kept", mend="write it without NUL and without broken characters")


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class RefMissing(ShipwayError):
    """No ref of that name."""

    code = "store.ref-missing"


class RefMoved(ShipwayError):
    """The ref is not where the caller believed: somebody moved it in between."""

    code = "store.ref-moved"
    retry = True


class RevocationArrived(RefMoved):
    """Something was revoked, or a revocation lifted, after the move of it was judged."""

    code = "store.revocation-arrived"


class MoveUnjustified(ShipwayError):
    """A move without a verdict that allows exactly it."""

    code = "store.move-unjustified"


class StateConflict(ShipwayError):
    """A state row has another version than the caller believed."""

    code = "store.state-conflict"
    retry = True


class FileUnreadable(ShipwayError):
    """A file of the user's cannot be read, or changed while it was read."""

    code = "store.file-unreadable"
