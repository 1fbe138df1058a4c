"""Windows over the logs: compaction, outcomes and their join, leaves, verdicts on a clock, alerts, challengers; for LLM
deployments freshness, cost and the sentinel.

Reads what predictors and people have logged and writes records; never moves a ref, and never sees a wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.monitor._alerts import Alert, fold_alerts
    from shipway.monitor._arms import ArmOutcome, Compared, arm_words, check_arm, compare_arms
    from shipway.monitor._beside import ServingCost, measure_serving
    from shipway.monitor._business import MetricDays, check_business, measure_metric, newest_day
    from shipway.monitor._calls import scan_calls
    from shipway.monitor._challenger import inputs_of, spaced_rows, weights_of, window_rows
    from shipway.monitor._checks import window_days
    from shipway.monitor._clock import event_clock
    from shipway.monitor._columns import ColumnUnknown, OutcomeColumns, check_named, pick_outcomes
    from shipway.monitor._compact import Compacted, TimeColumn, compact_logs
    from shipway.monitor._cost import COST_BY, CostPart, CostReading, check_cost, cost_by, judge_amount, measure_cost
    from shipway.monitor._coverage import AgeShare, Bias, matures_by, maturity_curve, measure_bias
    from shipway.monitor._deployments import Reference, release_reference
    from shipway.monitor._encode import Encoded, encode_features
    from shipway.monitor._entities import EntityRule
    from shipway.monitor._estimate import Estimated, estimate_window
    from shipway.monitor._excess import LOSS, measure_excess
    from shipway.monitor._find import find_call, find_entity_outcomes, find_outcomes, find_predictions
    from shipway.monitor._foreign import ForeignWindow, measure_foreign
    from shipway.monitor._foreign_document import window_document
    from shipway.monitor._foreign_estimate import MOST_ROWS, EstimatedMetric, ForeignEstimate
    from shipway.monitor._foreign_rows import WeightMalformed, WindowEmpty
    from shipway.monitor._foreign_table import ForeignColumns, choose_columns, take_columns, with_outcomes
    from shipway.monitor._freshness import check_freshness, freshness_detail
    from shipway.monitor._gaps import GAP, record_unpaired
    from shipway.monitor._golden_prompts import Baseline, BaselineMalformed, PromptRun, take_baseline
    from shipway.monitor._hours import HoursWindow, measure_hours
    from shipway.monitor._hours_report import report_hours
    from shipway.monitor._incidents import Cause, CauseKind, Event, EventKind, Incident, group_alerts, rank_causes
    from shipway.monitor._join import Coverage, joined, measure_coverage
    from shipway.monitor._labels import Labels, measure_labels
    from shipway.monitor._leaf import Question
    from shipway.monitor._learner import LearnerMissing, find_learner
    from shipway.monitor._limits import limits_of, undecided
    from shipway.monitor._measure import logged_outputs, truth_of_rows
    from shipway.monitor._messages import NOTIFIED, Message, due_messages
    from shipway.monitor._months import ByRows, report_months
    from shipway.monitor._outcome_facts import OutcomeFacts, measure_outcome_log
    from shipway.monitor._outcome_rows import OutcomeMalformed
    from shipway.monitor._outcomes import OutcomeLog
    from shipway.monitor._readings import READING, Reading, ReadingPoint, drop_readings, keep_reading, load_readings
    from shipway.monitor._row_estimate import AnsweredRows, fit_rows_estimate
    from shipway.monitor._runs import check_run_age, check_schedule
    from shipway.monitor._sentinel import SentinelFound, compare_prices, compare_runs, with_prices
    from shipway.monitor._served import refresh_served, report_served
    from shipway.monitor._share import share_logs
    from shipway.monitor._silences import ALL, Silence, SilenceMalformed, keep_silence, load_silences
    from shipway.monitor._slices import Slice, Slices, check_segments, measure_slices
    from shipway.monitor._tables import input_column, list_tables, scan_outcomes, scan_predictions
    from shipway.monitor._timeline import load_events, load_incidents
    from shipway.monitor._traffic import (
        Window,
        check_contract,
        check_errors,
        check_latency,
        check_silence,
        measure_calls,
        measure_traffic,
    )
    from shipway.monitor._unfit import unfit_monitors
    from shipway.monitor._verdict import DayVerdict, Finding, Severity
    from shipway.monitor._watch import AttestChecks, WatchResult, load_alerts, load_verdicts, watch

_HOME = {
    "_beside": ["ServingCost", "measure_serving"],
    "_business": ["MetricDays", "check_business", "measure_metric", "newest_day"],
    "_checks": ["window_days"],
    "_alerts": ["Alert", "fold_alerts"],
    "_arms": ["ArmOutcome", "Compared", "arm_words", "check_arm", "compare_arms"],
    "_challenger": ["inputs_of", "spaced_rows", "weights_of", "window_rows"],
    "_clock": ["event_clock"],
    "_compact": ["Compacted", "TimeColumn", "compact_logs"],
    "_deployments": ["Reference", "release_reference"],
    "_gaps": ["GAP", "record_unpaired"],
    "_hours": ["HoursWindow", "measure_hours"],
    "_hours_report": ["report_hours"],
    "_join": ["Coverage", "joined", "measure_coverage"],
    "_labels": ["Labels", "measure_labels"],
    "_leaf": ["Question"],
    "_learner": ["LearnerMissing", "find_learner"],
    "_measure": ["logged_outputs", "truth_of_rows"],
    "_limits": ["limits_of", "undecided"],
    "_messages": ["NOTIFIED", "Message", "due_messages"],
    "_months": ["ByRows", "report_months"],
    "_columns": ["ColumnUnknown", "OutcomeColumns", "check_named", "pick_outcomes"],
    "_outcome_facts": ["OutcomeFacts", "measure_outcome_log"],
    "_coverage": ["AgeShare", "Bias", "matures_by", "maturity_curve", "measure_bias"],
    "_foreign": ["ForeignWindow", "measure_foreign"],
    "_foreign_estimate": ["MOST_ROWS", "EstimatedMetric", "ForeignEstimate"],
    "_foreign_rows": ["WeightMalformed", "WindowEmpty"],
    "_foreign_document": ["window_document"],
    "_foreign_table": ["ForeignColumns", "choose_columns", "take_columns", "with_outcomes"],
    "_outcome_rows": ["OutcomeMalformed"],
    "_outcomes": ["OutcomeLog"],
    "_served": ["refresh_served", "report_served"],
    "_share": ["share_logs"],
    "_slices": ["Slice", "Slices", "check_segments", "measure_slices"],
    "_tables": ["input_column", "list_tables", "scan_outcomes", "scan_predictions"],
    "_unfit": ["unfit_monitors"],
    "_verdict": ["DayVerdict", "Finding", "Severity"],
    "_calls": ["scan_calls"],
    "_cost": ["COST_BY", "CostPart", "CostReading", "check_cost", "cost_by", "judge_amount", "measure_cost"],
    "_encode": ["Encoded", "encode_features"],
    "_entities": ["EntityRule"],
    "_estimate": ["Estimated", "estimate_window"],
    "_find": ["find_call", "find_entity_outcomes", "find_outcomes", "find_predictions"],
    "_excess": ["LOSS", "measure_excess"],
    "_freshness": ["check_freshness", "freshness_detail"],
    "_golden_prompts": ["Baseline", "BaselineMalformed", "PromptRun", "take_baseline"],
    "_readings": ["READING", "Reading", "ReadingPoint", "drop_readings", "keep_reading", "load_readings"],
    "_incidents": ["Cause", "CauseKind", "Event", "EventKind", "Incident", "group_alerts", "rank_causes"],
    "_timeline": ["load_events", "load_incidents"],
    "_silences": ["ALL", "Silence", "SilenceMalformed", "keep_silence", "load_silences"],
    "_row_estimate": ["AnsweredRows", "fit_rows_estimate"],
    "_runs": ["check_run_age", "check_schedule"],
    "_traffic": [
        "Window",
        "check_contract",
        "check_errors",
        "check_latency",
        "check_silence",
        "measure_calls",
        "measure_traffic",
    ],
    "_sentinel": ["SentinelFound", "compare_prices", "compare_runs", "with_prices"],
    "_watch": ["AttestChecks", "WatchResult", "load_alerts", "load_verdicts", "watch"],
}

__all__ = [
    "ALL",
    "COST_BY",
    "GAP",
    "LOSS",
    "MOST_ROWS",
    "NOTIFIED",
    "READING",
    "AgeShare",
    "Alert",
    "AnsweredRows",
    "ArmOutcome",
    "AttestChecks",
    "Baseline",
    "BaselineMalformed",
    "Bias",
    "ByRows",
    "Cause",
    "CauseKind",
    "ColumnUnknown",
    "Compacted",
    "Compared",
    "CostPart",
    "CostReading",
    "Coverage",
    "DayVerdict",
    "Encoded",
    "EntityRule",
    "Estimated",
    "EstimatedMetric",
    "Event",
    "EventKind",
    "Finding",
    "ForeignColumns",
    "ForeignEstimate",
    "ForeignWindow",
    "HoursWindow",
    "Incident",
    "Labels",
    "LearnerMissing",
    "Message",
    "MetricDays",
    "OutcomeColumns",
    "OutcomeFacts",
    "OutcomeLog",
    "OutcomeMalformed",
    "PromptRun",
    "Question",
    "Reading",
    "ReadingPoint",
    "Reference",
    "SentinelFound",
    "ServingCost",
    "Severity",
    "Silence",
    "SilenceMalformed",
    "Slice",
    "Slices",
    "TimeColumn",
    "WatchResult",
    "WeightMalformed",
    "Window",
    "WindowEmpty",
    "arm_words",
    "check_arm",
    "check_business",
    "check_contract",
    "check_cost",
    "check_errors",
    "check_freshness",
    "check_latency",
    "check_named",
    "check_run_age",
    "check_schedule",
    "check_segments",
    "check_silence",
    "choose_columns",
    "compact_logs",
    "compare_arms",
    "compare_prices",
    "compare_runs",
    "cost_by",
    "drop_readings",
    "due_messages",
    "encode_features",
    "estimate_window",
    "event_clock",
    "find_call",
    "find_entity_outcomes",
    "find_learner",
    "find_outcomes",
    "find_predictions",
    "fit_rows_estimate",
    "fold_alerts",
    "freshness_detail",
    "group_alerts",
    "input_column",
    "inputs_of",
    "joined",
    "judge_amount",
    "keep_reading",
    "keep_silence",
    "limits_of",
    "list_tables",
    "load_alerts",
    "load_events",
    "load_incidents",
    "load_readings",
    "load_silences",
    "load_verdicts",
    "logged_outputs",
    "matures_by",
    "maturity_curve",
    "measure_bias",
    "measure_calls",
    "measure_cost",
    "measure_coverage",
    "measure_excess",
    "measure_foreign",
    "measure_hours",
    "measure_labels",
    "measure_metric",
    "measure_outcome_log",
    "measure_serving",
    "measure_slices",
    "measure_traffic",
    "newest_day",
    "pick_outcomes",
    "rank_causes",
    "record_unpaired",
    "refresh_served",
    "release_reference",
    "report_hours",
    "report_months",
    "report_served",
    "scan_calls",
    "scan_outcomes",
    "scan_predictions",
    "share_logs",
    "spaced_rows",
    "take_baseline",
    "take_columns",
    "truth_of_rows",
    "undecided",
    "unfit_monitors",
    "watch",
    "weights_of",
    "window_days",
    "window_document",
    "window_rows",
    "with_outcomes",
    "with_prices",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
