"""Evaluations: golden sets, scorers, the runner, judges, intervals of metrics, the review queue.

Asks whatever the caller gives it and keeps every answer; knows no provider and no index, sees no wire, signs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.evals._agreement import Agreement, agreement_with_scorer, interval_json, measure_agreement
    from shipway.evals._answer import Answer
    from shipway.evals._assertions import Assertion
    from shipway.evals._golden import GoldenMalformed, GoldenMissing, GoldenRow, load_golden, parse_golden
    from shipway.evals._goldenset import GoldenSet, goldenset_object, load_goldenset
    from shipway.evals._judge import Judge, Judged, JudgeMalformed
    from shipway.evals._judging import JudgedPairs, Pair, PairVerdict, judge_answers, judge_pairs, pairs_of
    from shipway.evals._measure import (
        ComparisonEmpty,
        ItemScores,
        Metric,
        MetricUnknown,
        compare_metrics,
        item_scores,
        items_needed,
        measure_metrics,
    )
    from shipway.evals._review import (
        RatingMalformed,
        Review,
        ReviewMissing,
        corrected_share,
        judge_agreement,
        load_reviews,
        pick_reviews,
        queue_reviews,
        rate,
        rate_reviews,
    )
    from shipway.evals._run import Evaluation, EvaluationFailed, run_evaluation
    from shipway.evals._sample_log import SampleLog, SamplesDamaged, SamplesTaken, SamplesUnwritten
    from shipway.evals._samples import load_samples, put_samples
    from shipway.evals._scorers import ScorerUnknown, find_scorers

_HOME = {
    "_agreement": ["Agreement", "agreement_with_scorer", "interval_json", "measure_agreement"],
    "_answer": ["Answer"],
    "_assertions": ["Assertion"],
    "_golden": ["GoldenMalformed", "GoldenMissing", "GoldenRow", "load_golden", "parse_golden"],
    "_goldenset": ["GoldenSet", "goldenset_object", "load_goldenset"],
    "_judge": ["Judge", "JudgeMalformed", "Judged"],
    "_judging": ["JudgedPairs", "Pair", "PairVerdict", "judge_answers", "judge_pairs", "pairs_of"],
    "_measure": [
        "ComparisonEmpty",
        "ItemScores",
        "Metric",
        "MetricUnknown",
        "compare_metrics",
        "item_scores",
        "items_needed",
        "measure_metrics",
    ],
    "_review": [
        "RatingMalformed",
        "Review",
        "ReviewMissing",
        "corrected_share",
        "judge_agreement",
        "load_reviews",
        "pick_reviews",
        "queue_reviews",
        "rate",
        "rate_reviews",
    ],
    "_run": ["Evaluation", "EvaluationFailed", "run_evaluation"],
    "_sample_log": ["SampleLog", "SamplesDamaged", "SamplesTaken", "SamplesUnwritten"],
    "_samples": ["load_samples", "put_samples"],
    "_scorers": ["ScorerUnknown", "find_scorers"],
}

__all__ = [
    "Agreement",
    "Answer",
    "Assertion",
    "ComparisonEmpty",
    "Evaluation",
    "EvaluationFailed",
    "GoldenMalformed",
    "GoldenMissing",
    "GoldenRow",
    "GoldenSet",
    "ItemScores",
    "Judge",
    "JudgeMalformed",
    "Judged",
    "JudgedPairs",
    "Metric",
    "MetricUnknown",
    "Pair",
    "PairVerdict",
    "RatingMalformed",
    "Review",
    "ReviewMissing",
    "SampleLog",
    "SamplesDamaged",
    "SamplesTaken",
    "SamplesUnwritten",
    "ScorerUnknown",
    "agreement_with_scorer",
    "compare_metrics",
    "corrected_share",
    "find_scorers",
    "goldenset_object",
    "interval_json",
    "item_scores",
    "items_needed",
    "judge_agreement",
    "judge_answers",
    "judge_pairs",
    "load_golden",
    "load_goldenset",
    "load_reviews",
    "load_samples",
    "measure_agreement",
    "measure_metrics",
    "pairs_of",
    "parse_golden",
    "pick_reviews",
    "put_samples",
    "queue_reviews",
    "rate",
    "rate_reviews",
    "run_evaluation",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
