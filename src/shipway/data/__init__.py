"""Data as a first-class artifact: snapshots, their status and tables, contracts, additive profiles and drift.

Importing it imports neither numpy nor polars nor SQLAlchemy: what needs them is imported when its name is first used.
Never moves a ref and never judges drift: it measures, the gate and the monitors decide.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from shipway.data._errors import DataEmpty, DataMissing, DataUnreadable, ProfileMismatch
from shipway.data._snapshot import Snapshot, snapshot_files, take_snapshot, verify_snapshot
from shipway.data._status import Status, measure_status

if TYPE_CHECKING:
    from shipway.data._category import CategoryProfile
    from shipway.data._contract import measure_contract
    from shipway.data._contract_result import ContractResult, Sample, Violation, render_contract
    from shipway.data._drift import Drift, measure_drift, measure_score_drift
    from shipway.data._histogram import Histogram
    from shipway.data._measure import measure_outcomes, measure_profile, reference_profile
    from shipway.data._numeric import NumericProfile
    from shipway.data._profile import Profile, merge_profiles
    from shipway.data._scores import OutcomeProfile, ScoreProfile
    from shipway.data._table import load_table

_LATER = {
    "CategoryProfile": "_category",
    "ContractResult": "_contract_result",
    "Drift": "_drift",
    "Histogram": "_histogram",
    "NumericProfile": "_numeric",
    "OutcomeProfile": "_scores",
    "Profile": "_profile",
    "Sample": "_contract_result",
    "ScoreProfile": "_scores",
    "Violation": "_contract_result",
    "load_table": "_table",
    "measure_contract": "_contract",
    "measure_drift": "_drift",
    "measure_outcomes": "_measure",
    "measure_profile": "_measure",
    "measure_score_drift": "_drift",
    "merge_profiles": "_profile",
    "reference_profile": "_measure",
    "render_contract": "_contract_result",
}

if not TYPE_CHECKING:  # a checker sees the imports above and still reports an unknown name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


__all__ = [
    "CategoryProfile",
    "ContractResult",
    "DataEmpty",
    "DataMissing",
    "DataUnreadable",
    "Drift",
    "Histogram",
    "NumericProfile",
    "OutcomeProfile",
    "Profile",
    "ProfileMismatch",
    "Sample",
    "ScoreProfile",
    "Snapshot",
    "Status",
    "Violation",
    "load_table",
    "measure_contract",
    "measure_drift",
    "measure_outcomes",
    "measure_profile",
    "measure_score_drift",
    "measure_status",
    "merge_profiles",
    "reference_profile",
    "render_contract",
    "snapshot_files",
    "take_snapshot",
    "verify_snapshot",
]
