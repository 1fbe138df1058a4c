"""Windows over the logs: compaction, outcomes and their join, leaves, verdicts on a clock, alerts, challengers.

Reads what predictors and people have logged and writes records; never moves a ref, and never sees a wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.monitor._alerts import Alert, fold_alerts
    from shipway.monitor._challenger import inputs_of, paired_comparison, window_rows
    from shipway.monitor._clock import event_clock
    from shipway.monitor._compact import Compacted, TimeColumn, compact_logs
    from shipway.monitor._deployments import Reference, release_reference
    from shipway.monitor._gaps import GAP
    from shipway.monitor._join import Coverage, joined, measure_coverage
    from shipway.monitor._months import report_months
    from shipway.monitor._outcomes import OutcomeLog, OutcomeMalformed
    from shipway.monitor._tables import scan_outcomes, scan_predictions
    from shipway.monitor._verdict import DayVerdict, Finding, Severity
    from shipway.monitor._watch import AttestChecks, WatchResult, load_alerts, load_verdicts, watch

_HOME = {
    "_alerts": ["Alert", "fold_alerts"],
    "_challenger": ["inputs_of", "paired_comparison", "window_rows"],
    "_clock": ["event_clock"],
    "_compact": ["Compacted", "TimeColumn", "compact_logs"],
    "_deployments": ["Reference", "release_reference"],
    "_gaps": ["GAP"],
    "_join": ["Coverage", "joined", "measure_coverage"],
    "_months": ["report_months"],
    "_outcomes": ["OutcomeLog", "OutcomeMalformed"],
    "_tables": ["scan_outcomes", "scan_predictions"],
    "_verdict": ["DayVerdict", "Finding", "Severity"],
    "_watch": ["AttestChecks", "WatchResult", "load_alerts", "load_verdicts", "watch"],
}

__all__ = [
    "GAP",
    "Alert",
    "AttestChecks",
    "Compacted",
    "Coverage",
    "DayVerdict",
    "Finding",
    "OutcomeLog",
    "OutcomeMalformed",
    "Reference",
    "Severity",
    "TimeColumn",
    "WatchResult",
    "compact_logs",
    "event_clock",
    "fold_alerts",
    "inputs_of",
    "joined",
    "load_alerts",
    "load_verdicts",
    "measure_coverage",
    "paired_comparison",
    "release_reference",
    "report_months",
    "scan_outcomes",
    "scan_predictions",
    "watch",
    "window_rows",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
