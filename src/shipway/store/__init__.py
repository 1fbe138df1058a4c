"""Objects and hash trees, refs, evidence, typed log records, state and lineage behind one facade.

The only room that touches the catalogue. Importing it imports next to nothing: SQLAlchemy comes at the first write, and a
predictor in the project's Python takes the log's segments and records alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.store._check import Fault, StoreChecked, check_store
    from shipway.store._facade import FOLDER, Store, list_projects, open_store
    from shipway.store._objects import damaged, hash_file
    from shipway.store._records import (
        CallRecord,
        CallSpan,
        OutcomeRecord,
        PredictionRecord,
        RecordForeign,
        decode_record,
        encode_record,
    )
    from shipway.store._segment_format import (
        Counts,
        Frame,
        Gap,
        LogNotWritten,
        SegmentFile,
        SegmentForeign,
        SegmentRead,
        WriterTaken,
        list_segments,
        read_counts,
        read_segment,
    )
    from shipway.store._segment_recovery import recover_writers
    from shipway.store._segment_writer import SegmentWriter
    from shipway.store._tree import TREE, Node, TreeFile, read_node
    from shipway.store._types import (
        AuditRecord,
        CatalogueAddress,
        CatalogueDown,
        CatalogueOther,
        CatalogueRefused,
        Edge,
        EvidenceRow,
        FileUnreadable,
        MoveUnjustified,
        NewAudit,
        ObjectDamaged,
        ObjectMissing,
        ObjectUnexpected,
        Place,
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

_HOME = {
    "_check": ["Fault", "StoreChecked", "check_store"],
    "_facade": ["FOLDER", "Store", "list_projects", "open_store"],
    "_objects": ["damaged", "hash_file"],
    "_records": [
        "CallRecord",
        "CallSpan",
        "OutcomeRecord",
        "PredictionRecord",
        "RecordForeign",
        "decode_record",
        "encode_record",
    ],
    "_segment_format": [
        "Counts",
        "Frame",
        "Gap",
        "LogNotWritten",
        "SegmentFile",
        "SegmentForeign",
        "SegmentRead",
        "WriterTaken",
        "list_segments",
        "read_counts",
        "read_segment",
    ],
    "_segment_recovery": ["recover_writers"],
    "_segment_writer": ["SegmentWriter"],
    "_tree": ["TREE", "Node", "TreeFile", "read_node"],
    "_types": [
        "AuditRecord",
        "CatalogueAddress",
        "CatalogueDown",
        "CatalogueOther",
        "CatalogueRefused",
        "Edge",
        "EvidenceRow",
        "FileUnreadable",
        "MoveUnjustified",
        "NewAudit",
        "ObjectDamaged",
        "ObjectMissing",
        "ObjectUnexpected",
        "Place",
        "Ref",
        "RefMissing",
        "RefMoved",
        "StateConflict",
        "StateRow",
        "StoreBusy",
        "StoreFull",
        "StoreMissing",
        "StoreNewer",
    ],
}

__all__ = [
    "FOLDER",
    "TREE",
    "AuditRecord",
    "CallRecord",
    "CallSpan",
    "CatalogueAddress",
    "CatalogueDown",
    "CatalogueOther",
    "CatalogueRefused",
    "Counts",
    "Edge",
    "EvidenceRow",
    "Fault",
    "FileUnreadable",
    "Frame",
    "Gap",
    "LogNotWritten",
    "MoveUnjustified",
    "NewAudit",
    "Node",
    "ObjectDamaged",
    "ObjectMissing",
    "ObjectUnexpected",
    "OutcomeRecord",
    "Place",
    "PredictionRecord",
    "RecordForeign",
    "Ref",
    "RefMissing",
    "RefMoved",
    "SegmentFile",
    "SegmentForeign",
    "SegmentRead",
    "SegmentWriter",
    "StateConflict",
    "StateRow",
    "Store",
    "StoreBusy",
    "StoreChecked",
    "StoreFull",
    "StoreMissing",
    "StoreNewer",
    "TreeFile",
    "WriterTaken",
    "check_store",
    "damaged",
    "decode_record",
    "encode_record",
    "hash_file",
    "list_projects",
    "list_segments",
    "open_store",
    "read_counts",
    "read_node",
    "read_segment",
    "recover_writers",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
