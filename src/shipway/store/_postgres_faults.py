"""What PostgreSQL says when it cannot go on, in the store's own errors. What it said is not repeated: only its kind is."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError
from shipway.store._types import CatalogueDamaged, CatalogueDown, CatalogueRefused, StoreBusy, StoreFull

_BUSY = {"55P03", "40P01", "40001", "57014"}  # lock not available, deadlock, serialization, cancelled
_NO_ROOM = {"53100", "53200"}
_REFUSED = {"28000", "28P01", "42501", "3D000", "3F000"}  # authentication, password, privilege, no such database, schema
_BROKEN = {"XX001", "XX002", "42P01"}  # data corrupted, index corrupted, no such table
_DOWN = {"25006", "25P03", "53300", "57P01", "57P02", "57P03", "57P05"}  # standby, idle too long, no connection left, stopping
_NOT_LET_IN = ("authentication failed", "pg_hba.conf", "does not exist", "no password supplied", "permission denied")


def fault_of(problem: BaseException, *, where: str) -> ShipwayError | None:
    """The error for what psycopg raised, as it is or inside one of SQLAlchemy's; None for a fault of ours."""
    import psycopg

    raised = getattr(problem, "orig", None) or problem
    if not isinstance(raised, psycopg.Error):
        return None
    state, said = raised.sqlstate or "", str(raised)
    if state in _BUSY:
        return StoreBusy("another process holds the catalogue", where=where, mend="wait for it, then run this again")
    if state in _NO_ROOM:
        return StoreFull("PostgreSQL has no room left", where=where, mend="free some space and run it again")
    if state in _BROKEN:
        what = "the catalogue is damaged, or its tables are gone"
        return CatalogueDamaged(what, where=where, mend="restore the database from a backup")
    lost = isinstance(raised, psycopg.OperationalError | psycopg.InterfaceError) and not state
    if state in _REFUSED or (lost and any(words in said for words in _NOT_LET_IN)):
        what = "PostgreSQL refuses this user, database or permission"
        return CatalogueRefused(what, where=where, mend="look at SHIPWAY_CATALOGUE and at what its user may do there")
    if lost or state in _DOWN or state.startswith("08"):
        what = "PostgreSQL cannot be reached, or went away; what was being written is there as a whole or not at all"
        return CatalogueDown(what, where=where, mend="run this again; `shipway log` shows what was written")
    return None
