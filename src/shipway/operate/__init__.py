"""The reconcile loop: what runs is made what the refs say. Level-triggered, killable, safe to run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports
from shipway.operate._process import (
    CONTROL,
    ControlRunning,
    control_process,
    forget_control,
    hold_control,
    note_control,
    tracking_url,
)

if TYPE_CHECKING:
    from shipway.operate._answering import release_answers
    from shipway.operate._answering_here import AnsweringHere, AnswersNotHere, open_answering
    from shipway.operate._applications import (
        check_application,
        evaluate_candidate,
        golden_of,
        keep_prices,
        measured_of,
        world_of,
    )
    from shipway.operate._asked_over_http import NotAnswered
    from shipway.operate._asking import World
    from shipway.operate._bisect import BisectImpossible, Bisection, Replayed
    from shipway.operate._bisect_model import bisect_models
    from shipway.operate._bisect_prompt import bisect_prompts
    from shipway.operate._bisect_rows import Window
    from shipway.operate._business_arms import arms_against_live
    from shipway.operate._candidate import lock_candidate
    from shipway.operate._checks import ComparisonImpossible, check_candidate
    from shipway.operate._control import Control, compact, gather, labels_of, make_supervisor, watch_all, watch_ref
    from shipway.operate._converge import Standing, standing_of, wait_until_live
    from shipway.operate._embedders import embed_elsewhere, embedder_from_spec
    from shipway.operate._equal_outputs import measure_equal_outputs
    from shipway.operate._evaluate import EVALUATED, Evaluated, golden_sets, load_evaluated
    from shipway.operate._expected import months_by_rows
    from shipway.operate._follow import Followed, follow
    from shipway.operate._group import PortTaken, PredictorFailed, bind_port
    from shipway.operate._in_time import TimeUp, sync_in_time
    from shipway.operate._indexes import backend_of, open_named_index
    from shipway.operate._loaded import LoadedRelease, ReleaseClosed, load_release
    from shipway.operate._lone_gateway import LoneGateway, NothingToPass, lone_gateway
    from shipway.operate._meant import Ambiguous, Meant, NothingKnown, find_meant
    from shipway.operate._measured import Measured, attest_check
    from shipway.operate._notify import NotifyFailed, NotifyMissing, notify, notify_round
    from shipway.operate._outcome_queries import PULLED, WatermarkUnfit, outcome_round, pull_outcomes
    from shipway.operate._parted import Parted, Swap
    from shipway.operate._pinned import serve_pinned
    from shipway.operate._piped import ScoringFailed
    from shipway.operate._promote import Promotion, promote_challenger
    from shipway.operate._prompts import PromptTaken, PromptUnreadable, prompt_object, take_prompts
    from shipway.operate._ray import RayFailed, RayMissing, RayUnreachable, RayWorkers, open_ray
    from shipway.operate._reconcile import Action, Start, Stop, reconcile
    from shipway.operate._requests import watch_calls
    from shipway.operate._reviews import rate_review
    from shipway.operate._rounds import Round, follow_round, look_round
    from shipway.operate._score import BATCH, OutputRefused, Scored, ScoreTask, score_files, score_task
    from shipway.operate._score_query import Asked, score_query
    from shipway.operate._segments import search_slices
    from shipway.operate._service import watch_service
    from shipway.operate._serving import NotServable
    from shipway.operate._staleness import judge_staleness, keep_staleness
    from shipway.operate._supervisor import ENDPOINT, Supervisor
    from shipway.operate._surroundings import watch_surroundings
    from shipway.operate._why import explain

_HOME = {
    "_answering_here": ["AnsweringHere", "AnswersNotHere", "open_answering"],
    "_applications": [
        "check_application",
        "evaluate_candidate",
        "golden_of",
        "keep_prices",
        "measured_of",
        "world_of",
    ],
    "_answering": ["release_answers"],
    "_asking": ["World"],
    "_bisect": ["BisectImpossible", "Bisection", "Replayed"],
    "_bisect_model": ["bisect_models"],
    "_bisect_prompt": ["bisect_prompts"],
    "_bisect_rows": ["Window"],
    "_candidate": ["lock_candidate"],
    "_checks": ["ComparisonImpossible", "check_candidate"],
    "_converge": ["Standing", "standing_of", "wait_until_live"],
    "_embedders": ["embed_elsewhere", "embedder_from_spec"],
    "_asked_over_http": ["NotAnswered"],
    "_equal_outputs": ["measure_equal_outputs"],
    "_evaluate": ["EVALUATED", "Evaluated", "golden_sets", "load_evaluated"],
    "_expected": ["months_by_rows"],
    "_follow": ["Followed", "follow"],
    "_in_time": ["TimeUp", "sync_in_time"],
    "_indexes": ["backend_of", "open_named_index"],
    "_loaded": ["LoadedRelease", "ReleaseClosed", "load_release"],
    "_lone_gateway": ["LoneGateway", "NothingToPass", "lone_gateway"],
    "_meant": ["Ambiguous", "Meant", "NothingKnown", "find_meant"],
    "_measured": ["Measured", "attest_check"],
    "_outcome_queries": ["PULLED", "WatermarkUnfit", "outcome_round", "pull_outcomes"],
    "_pinned": ["serve_pinned"],
    "_promote": ["Promotion", "promote_challenger"],
    "_prompts": ["PromptTaken", "PromptUnreadable", "prompt_object", "take_prompts"],
    "_ray": ["RayFailed", "RayMissing", "RayUnreachable", "RayWorkers", "open_ray"],
    "_reviews": ["rate_review"],
    "_rounds": ["Round", "follow_round", "look_round"],
    "_business_arms": ["arms_against_live"],
    "_segments": ["search_slices"],
    "_notify": ["NotifyFailed", "NotifyMissing", "notify", "notify_round"],
    "_requests": ["watch_calls"],
    "_service": ["watch_service"],
    "_surroundings": ["watch_surroundings"],
    "_control": ["Control", "compact", "gather", "labels_of", "make_supervisor", "watch_all", "watch_ref"],
    "_group": ["PortTaken", "PredictorFailed", "bind_port"],
    "_reconcile": ["Action", "Start", "Stop", "reconcile"],
    "_score": ["BATCH", "OutputRefused", "ScoreTask", "Scored", "score_files", "score_task"],
    "_score_query": ["Asked", "score_query"],
    "_piped": ["ScoringFailed"],
    "_serving": ["NotServable"],
    "_staleness": ["judge_staleness", "keep_staleness"],
    "_supervisor": ["ENDPOINT", "Supervisor"],
    "_parted": ["Parted", "Swap"],
    "_why": ["explain"],
}

__all__ = [
    "BATCH",
    "CONTROL",
    "ENDPOINT",
    "EVALUATED",
    "PULLED",
    "Action",
    "Ambiguous",
    "AnsweringHere",
    "AnswersNotHere",
    "Asked",
    "BisectImpossible",
    "Bisection",
    "ComparisonImpossible",
    "Control",
    "ControlRunning",
    "Evaluated",
    "Followed",
    "LoadedRelease",
    "LoneGateway",
    "Meant",
    "Measured",
    "NotAnswered",
    "NotServable",
    "NothingKnown",
    "NothingToPass",
    "NotifyFailed",
    "NotifyMissing",
    "OutputRefused",
    "Parted",
    "PortTaken",
    "PredictorFailed",
    "Promotion",
    "PromptTaken",
    "PromptUnreadable",
    "RayFailed",
    "RayMissing",
    "RayUnreachable",
    "RayWorkers",
    "ReleaseClosed",
    "Replayed",
    "Round",
    "ScoreTask",
    "Scored",
    "ScoringFailed",
    "Standing",
    "Start",
    "Stop",
    "Supervisor",
    "Swap",
    "TimeUp",
    "WatermarkUnfit",
    "Window",
    "World",
    "arms_against_live",
    "attest_check",
    "backend_of",
    "bind_port",
    "bisect_models",
    "bisect_prompts",
    "check_application",
    "check_candidate",
    "compact",
    "control_process",
    "embed_elsewhere",
    "embedder_from_spec",
    "evaluate_candidate",
    "explain",
    "find_meant",
    "follow",
    "follow_round",
    "forget_control",
    "gather",
    "golden_of",
    "golden_sets",
    "hold_control",
    "judge_staleness",
    "keep_prices",
    "keep_staleness",
    "labels_of",
    "load_evaluated",
    "load_release",
    "lock_candidate",
    "lone_gateway",
    "look_round",
    "make_supervisor",
    "measure_equal_outputs",
    "measured_of",
    "months_by_rows",
    "note_control",
    "notify",
    "notify_round",
    "open_answering",
    "open_named_index",
    "open_ray",
    "outcome_round",
    "promote_challenger",
    "prompt_object",
    "pull_outcomes",
    "rate_review",
    "reconcile",
    "release_answers",
    "score_files",
    "score_query",
    "score_task",
    "search_slices",
    "serve_pinned",
    "standing_of",
    "sync_in_time",
    "take_prompts",
    "tracking_url",
    "wait_until_live",
    "watch_all",
    "watch_calls",
    "watch_ref",
    "watch_service",
    "watch_surroundings",
    "world_of",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
