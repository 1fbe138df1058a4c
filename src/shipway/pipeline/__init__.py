"""Pipelines: the steps of one declared file, the graph that their arguments' names make, the action cache, the run.

The file is read as syntax and never imported here: only the child in the project's Python runs it. What is run is what
is locked: code and data come out of the store by digest. This room moves no ref and judges nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from shipway.pipeline._actions import action_key
from shipway.pipeline._closure import closure, closure_bytes
from shipway.pipeline._code import checkout_code, checkout_tree, code_object
from shipway.pipeline._graph import resolve
from shipway.pipeline._project import (
    MADE,
    DataTaken,
    Hands,
    ProjectIncomplete,
    ProjectRun,
    data_read,
    open_environment,
    put_environment,
    run_project,
    snapshot_data,
)
from shipway.pipeline._read import read_pipeline
from shipway.pipeline._report import Report, Silence
from shipway.pipeline._request import RunRequest, RunResult, StepOutcome
from shipway.pipeline._run import run_pipeline
from shipway.pipeline._types import (
    Argument,
    Graph,
    Input,
    InputKind,
    InputMissing,
    Node,
    Pipeline,
    PipelineMalformed,
    Step,
)

if TYPE_CHECKING:
    from shipway.pipeline._evaluation import EvaluationImpossible, Metric, measure_evaluation
    from shipway.pipeline._model import GOLDEN, ModelMade, make_model
    from shipway.pipeline._model_rows import ModelDeclared, ModelRefused
    from shipway.pipeline._score import score_rows
    from shipway.pipeline._scored import load_scores
    from shipway.pipeline._scoring import ScoringFailed

_LATER = {
    "EvaluationImpossible": "_evaluation",
    "Metric": "_evaluation",
    "measure_evaluation": "_evaluation",
    "GOLDEN": "_model",
    "ModelMade": "_model",
    "make_model": "_model",
    "ModelDeclared": "_model_rows",
    "ModelRefused": "_model_rows",
    "load_scores": "_scored",
    "ScoringFailed": "_scoring",
    "score_rows": "_score",
}

if not TYPE_CHECKING:  # a checker sees the imports above and still reports an unknown name

    def __getattr__(name: str) -> object:
        """Imports what needs numpy and polars when its name is first asked for: a cached run pays for neither."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


__all__ = [
    "GOLDEN",
    "MADE",
    "Argument",
    "DataTaken",
    "EvaluationImpossible",
    "Graph",
    "Hands",
    "Input",
    "InputKind",
    "InputMissing",
    "Metric",
    "ModelDeclared",
    "ModelMade",
    "ModelRefused",
    "Node",
    "Pipeline",
    "PipelineMalformed",
    "ProjectIncomplete",
    "ProjectRun",
    "Report",
    "RunRequest",
    "RunResult",
    "ScoringFailed",
    "Silence",
    "Step",
    "StepOutcome",
    "action_key",
    "checkout_code",
    "checkout_tree",
    "closure",
    "closure_bytes",
    "code_object",
    "data_read",
    "load_scores",
    "make_model",
    "measure_evaluation",
    "open_environment",
    "put_environment",
    "read_pipeline",
    "resolve",
    "run_pipeline",
    "run_project",
    "score_rows",
    "snapshot_data",
]
