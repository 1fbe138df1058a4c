"""Data as a first-class artifact: snapshots, their status and tables, contracts, additive profiles and drift.

Importing it imports neither numpy nor polars nor SQLAlchemy: what needs them is imported when its name is first used.
Never moves a ref and never judges drift: it measures, the gate and the monitors decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.data._errors import (
    CheckoutRefused,
    DataEmpty,
    DataMissing,
    DataUnreadable,
    EngineFailed,
    KeyMissing,
    LabelTaken,
    NoCommonSnapshot,
    NotHere,
    ProfileMismatch,
    QueryRefused,
    RegexEndless,
    RemoteAhead,
    RemoteEmpty,
    RowsUnfit,
    SourceChanged,
    SourceDown,
    SourceGone,
    SuiteMalformed,
    SuiteUnsupported,
)
from shipway.data._snapshot import Snapshot, snapshot_files, take_snapshot, verify_snapshot
from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.data._answers import AnswerProfile, measure_answers
    from shipway.data._batches import TableFile, open_tables, table_names
    from shipway.data._category import CategoryProfile
    from shipway.data._checkout import CheckedOut, check_out
    from shipway.data._collect import Keep, Unneeded, find_unneeded, remove_unneeded
    from shipway.data._compare import FilesChange, compare_files, compare_snapshots, files_on_disk
    from shipway.data._contract import measure_contract
    from shipway.data._contract_result import ContractResult, Sample, Violation, render_contract
    from shipway.data._cut import cut_short
    from shipway.data._described import described_name, is_vector
    from shipway.data._diff import Asked, DataSide, compare_data, disk_side, listed_side, snapshot_side
    from shipway.data._diff_words import diff_counts, render_diff, render_diff_markdown
    from shipway.data._drift import Drift, measure_drift, measure_score_drift
    from shipway.data._drift_bins import drift_bins, score_bins
    from shipway.data._histogram import Histogram
    from shipway.data._infer import Proposal, infer_contract
    from shipway.data._link import Way
    from shipway.data._listing import BROUGHT, InPlace, brought_root, identities, read_in_place
    from shipway.data._measure import measure_outcomes, measure_profile, reference_profile
    from shipway.data._merge import Conflict, Merge, Side, merge_files, merge_snapshots
    from shipway.data._numeric import NumericProfile
    from shipway.data._parts import Part, Profiled, profile_snapshot, read_part
    from shipway.data._personal import measure_personal
    from shipway.data._predictions import measure_predictions, reference_predictions
    from shipway.data._profile import Profile, merge_profiles
    from shipway.data._remote import Transfer, check_name, fetch_snapshot, publish_name, remote_snapshot, send_snapshot
    from shipway.data._rows import ColumnChange, RowsChange, compare_rows
    from shipway.data._scores import OutcomeProfile, ScoreProfile
    from shipway.data._splits import SplitsAsked, measure_splits
    from shipway.data._status import Status, bytes_below, measure_status
    from shipway.data._table import Frame, count_rows, load_file, load_files, load_table
    from shipway.data._vectors import is_projection

_HOME = {
    "_answers": ["AnswerProfile", "measure_answers"],
    "_batches": ["TableFile", "open_tables", "table_names"],
    "_category": ["CategoryProfile"],
    "_checkout": ["CheckedOut", "check_out"],
    "_collect": ["Keep", "Unneeded", "find_unneeded", "remove_unneeded"],
    "_compare": ["FilesChange", "compare_files", "compare_snapshots", "files_on_disk"],
    "_contract": ["measure_contract"],
    "_contract_result": ["ContractResult", "Sample", "Violation", "render_contract"],
    "_cut": ["cut_short"],
    "_described": ["described_name", "is_vector"],
    "_vectors": ["is_projection"],
    "_diff": ["Asked", "DataSide", "compare_data", "disk_side", "listed_side", "snapshot_side"],
    "_diff_words": ["diff_counts", "render_diff", "render_diff_markdown"],
    "_drift": ["Drift", "measure_drift", "measure_score_drift"],
    "_drift_bins": ["drift_bins", "score_bins"],
    "_histogram": ["Histogram"],
    "_infer": ["Proposal", "infer_contract"],
    "_link": ["Way"],
    "_listing": ["BROUGHT", "InPlace", "brought_root", "identities", "read_in_place"],
    "_measure": ["measure_outcomes", "measure_profile", "reference_profile"],
    "_merge": ["Conflict", "Merge", "Side", "merge_files", "merge_snapshots"],
    "_numeric": ["NumericProfile"],
    "_parts": ["Part", "Profiled", "profile_snapshot", "read_part"],
    "_personal": ["measure_personal"],
    "_predictions": ["measure_predictions", "reference_predictions"],
    "_profile": ["Profile", "merge_profiles"],
    "_remote": ["Transfer", "check_name", "fetch_snapshot", "publish_name", "remote_snapshot", "send_snapshot"],
    "_rows": ["ColumnChange", "RowsChange", "compare_rows"],
    "_scores": ["OutcomeProfile", "ScoreProfile"],
    "_splits": ["SplitsAsked", "measure_splits"],
    "_status": ["Status", "bytes_below", "measure_status"],
    "_table": ["Frame", "count_rows", "load_file", "load_files", "load_table"],
}

__all__ = [
    "BROUGHT",
    "AnswerProfile",
    "Asked",
    "CategoryProfile",
    "CheckedOut",
    "CheckoutRefused",
    "ColumnChange",
    "Conflict",
    "ContractResult",
    "DataEmpty",
    "DataMissing",
    "DataSide",
    "DataUnreadable",
    "Drift",
    "EngineFailed",
    "FilesChange",
    "Frame",
    "Histogram",
    "InPlace",
    "Keep",
    "KeyMissing",
    "LabelTaken",
    "Merge",
    "NoCommonSnapshot",
    "NotHere",
    "NumericProfile",
    "OutcomeProfile",
    "Part",
    "Profile",
    "ProfileMismatch",
    "Profiled",
    "Proposal",
    "QueryRefused",
    "RegexEndless",
    "RemoteAhead",
    "RemoteEmpty",
    "RowsChange",
    "RowsUnfit",
    "Sample",
    "ScoreProfile",
    "Side",
    "Snapshot",
    "SourceChanged",
    "SourceDown",
    "SourceGone",
    "SplitsAsked",
    "Status",
    "SuiteMalformed",
    "SuiteUnsupported",
    "TableFile",
    "Transfer",
    "Unneeded",
    "Violation",
    "Way",
    "brought_root",
    "bytes_below",
    "check_name",
    "check_out",
    "compare_data",
    "compare_files",
    "compare_rows",
    "compare_snapshots",
    "count_rows",
    "cut_short",
    "described_name",
    "diff_counts",
    "disk_side",
    "drift_bins",
    "fetch_snapshot",
    "files_on_disk",
    "find_unneeded",
    "identities",
    "infer_contract",
    "is_projection",
    "is_vector",
    "listed_side",
    "load_file",
    "load_files",
    "load_table",
    "measure_answers",
    "measure_contract",
    "measure_drift",
    "measure_outcomes",
    "measure_personal",
    "measure_predictions",
    "measure_profile",
    "measure_score_drift",
    "measure_splits",
    "measure_status",
    "merge_files",
    "merge_profiles",
    "merge_snapshots",
    "open_tables",
    "profile_snapshot",
    "publish_name",
    "read_in_place",
    "read_part",
    "reference_predictions",
    "reference_profile",
    "remote_snapshot",
    "remove_unneeded",
    "render_contract",
    "render_diff",
    "render_diff_markdown",
    "score_bins",
    "send_snapshot",
    "snapshot_files",
    "snapshot_side",
    "table_names",
    "take_snapshot",
    "verify_snapshot",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
