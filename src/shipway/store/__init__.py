"""Objects and hash trees, refs, evidence, typed log records, state and lineage behind one facade.

The only room that touches the catalogue. Importing it imports no SQLAlchemy: that happens at the first write.
"""

from __future__ import annotations

from shipway.store._facade import FOLDER, Store, open_store
from shipway.store._objects import damaged, hash_file
from shipway.store._tree import TREE, TreeFile
from shipway.store._types import (
    AuditRecord,
    Edge,
    EvidenceRow,
    FileUnreadable,
    MoveUnjustified,
    NewAudit,
    ObjectDamaged,
    ObjectMissing,
    ObjectUnexpected,
    Ref,
    RefMissing,
    RefMoved,
    StateConflict,
    StateRow,
    StoreBusy,
    StoreFull,
    StoreMissing,
    StoreNewer,
)

__all__ = [
    "FOLDER",
    "TREE",
    "AuditRecord",
    "Edge",
    "EvidenceRow",
    "FileUnreadable",
    "MoveUnjustified",
    "NewAudit",
    "ObjectDamaged",
    "ObjectMissing",
    "ObjectUnexpected",
    "Ref",
    "RefMissing",
    "RefMoved",
    "StateConflict",
    "StateRow",
    "Store",
    "StoreBusy",
    "StoreFull",
    "StoreMissing",
    "StoreNewer",
    "TreeFile",
    "damaged",
    "hash_file",
    "open_store",
]
