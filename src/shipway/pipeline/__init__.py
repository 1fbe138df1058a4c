"""Pipelines: the steps of one declared file, the graph that their arguments' names make, the action cache, the run.

The file is read as syntax and never imported here: only the child in the project's Python runs it. What is run is what
is locked: code and data come out of the store by digest. This room moves no ref and judges nothing.
"""

from typing import TYPE_CHECKING

from shipway.kernel.lazy import lazy_exports

if TYPE_CHECKING:
    from shipway.pipeline._actions import action_key
    from shipway.pipeline._answers import class_scores
    from shipway.pipeline._argo_client import ArgoClient
    from shipway.pipeline._argo_engine import ArgoEngine
    from shipway.pipeline._branches import Merged, branch_data, merge_data
    from shipway.pipeline._closure import closure, closure_bytes
    from shipway.pipeline._code import checkout_code, checkout_tree, code_object
    from shipway.pipeline._differences import describe_difference
    from shipway.pipeline._elsewhere import run_elsewhere, stop_elsewhere
    from shipway.pipeline._engine import (
        Engine,
        EngineRefused,
        EngineRun,
        EngineRunFailed,
        EngineUnreachable,
        Phase,
        State,
        StepSeen,
        follow,
    )
    from shipway.pipeline._environment import open_environment, open_overlay
    from shipway.pipeline._evaluation import EvaluationImpossible, Metric, measure_evaluation
    from shipway.pipeline._functions import FunctionNames, functions_of
    from shipway.pipeline._graph import resolve
    from shipway.pipeline._hands import Hands, Opened
    from shipway.pipeline._held_out import HeldOut, held_out_rows
    from shipway.pipeline._labels import label_ref
    from shipway.pipeline._made import ModelMade, Origins
    from shipway.pipeline._model import GOLDEN, make_model, origins_of
    from shipway.pipeline._model_rows import ModelDeclared, ModelRefused
    from shipway.pipeline._project import (
        MADE,
        ProjectIncomplete,
        ProjectRun,
        last_run,
        put_environment,
        run_plan,
        run_project,
        take_request,
    )
    from shipway.pipeline._read import read_pipeline
    from shipway.pipeline._report import Report, Silence
    from shipway.pipeline._request import RunRequest, RunResult, StepOutcome, recorded_options
    from shipway.pipeline._run import StepsRun, pipeline_behind, run_pipeline, run_steps
    from shipway.pipeline._run_plan import RunPlan, load_run_plan, put_run_plan
    from shipway.pipeline._score import rescore_reference, score_manifest, score_rows
    from shipway.pipeline._scored import first_held_out_day, load_scores
    from shipway.pipeline._scoring import ScoringFailed
    from shipway.pipeline._states_client import EngineClientMissing, StatesClient
    from shipway.pipeline._states_engine import StepFunctionsEngine
    from shipway.pipeline._step_value import StepControl, measure_control
    from shipway.pipeline._taken import (
        Changed,
        DataTaken,
        measure_changed,
        open_place,
        open_sql,
        snapshot_data,
        snapshot_folder,
    )
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
        StepValueUnusable,
    )

_HOME = {
    "_actions": ["action_key"],
    "_argo_client": ["ArgoClient"],
    "_argo_engine": ["ArgoEngine"],
    "_closure": ["closure", "closure_bytes"],
    "_code": ["checkout_code", "checkout_tree", "code_object"],
    "_differences": ["describe_difference"],
    "_elsewhere": ["run_elsewhere", "stop_elsewhere"],
    "_engine": [
        "Engine",
        "EngineRefused",
        "EngineRun",
        "EngineRunFailed",
        "EngineUnreachable",
        "Phase",
        "State",
        "StepSeen",
        "follow",
    ],
    "_environment": ["open_environment", "open_overlay"],
    "_evaluation": ["EvaluationImpossible", "Metric", "measure_evaluation"],
    "_graph": ["resolve"],
    "_made": ["ModelMade", "Origins"],
    "_functions": ["FunctionNames", "functions_of"],
    "_model": ["GOLDEN", "make_model", "origins_of"],
    "_model_rows": ["ModelDeclared", "ModelRefused"],
    "_branches": ["Merged", "branch_data", "merge_data"],
    "_hands": ["Hands", "Opened"],
    "_labels": ["label_ref"],
    "_project": [
        "MADE",
        "ProjectIncomplete",
        "ProjectRun",
        "put_environment",
        "run_plan",
        "last_run",
        "last_run",
        "run_project",
        "take_request",
    ],
    "_read": ["read_pipeline"],
    "_report": ["Report", "Silence"],
    "_request": ["RunRequest", "RunResult", "StepOutcome", "recorded_options"],
    "_run": ["StepsRun", "pipeline_behind", "run_pipeline", "run_steps"],
    "_run_plan": ["RunPlan", "load_run_plan", "put_run_plan"],
    "_states_client": ["EngineClientMissing", "StatesClient"],
    "_states_engine": ["StepFunctionsEngine"],
    "_step_value": ["StepControl", "measure_control"],
    "_taken": ["Changed", "DataTaken", "measure_changed", "open_place", "open_sql", "snapshot_data", "snapshot_folder"],
    "_held_out": ["HeldOut", "held_out_rows"],
    "_score": ["rescore_reference", "score_manifest", "score_rows"],
    "_answers": ["class_scores"],
    "_scored": ["first_held_out_day", "load_scores"],
    "_scoring": ["ScoringFailed"],
    "_types": [
        "Argument",
        "Graph",
        "Input",
        "InputKind",
        "InputMissing",
        "Node",
        "Pipeline",
        "PipelineMalformed",
        "Step",
        "StepValueUnusable",
    ],
}

__all__ = [
    "GOLDEN",
    "MADE",
    "ArgoClient",
    "ArgoEngine",
    "Argument",
    "Changed",
    "DataTaken",
    "Engine",
    "EngineClientMissing",
    "EngineRefused",
    "EngineRun",
    "EngineRunFailed",
    "EngineUnreachable",
    "EvaluationImpossible",
    "FunctionNames",
    "Graph",
    "Hands",
    "HeldOut",
    "Input",
    "InputKind",
    "InputMissing",
    "Merged",
    "Metric",
    "ModelDeclared",
    "ModelMade",
    "ModelRefused",
    "Node",
    "Opened",
    "Origins",
    "Phase",
    "Pipeline",
    "PipelineMalformed",
    "ProjectIncomplete",
    "ProjectRun",
    "Report",
    "RunPlan",
    "RunRequest",
    "RunResult",
    "ScoringFailed",
    "Silence",
    "State",
    "StatesClient",
    "Step",
    "StepControl",
    "StepFunctionsEngine",
    "StepOutcome",
    "StepSeen",
    "StepValueUnusable",
    "StepsRun",
    "action_key",
    "branch_data",
    "checkout_code",
    "checkout_tree",
    "class_scores",
    "closure",
    "closure_bytes",
    "code_object",
    "describe_difference",
    "first_held_out_day",
    "follow",
    "functions_of",
    "held_out_rows",
    "label_ref",
    "last_run",
    "load_run_plan",
    "load_scores",
    "make_model",
    "measure_changed",
    "measure_control",
    "measure_evaluation",
    "merge_data",
    "open_environment",
    "open_overlay",
    "open_place",
    "open_sql",
    "origins_of",
    "pipeline_behind",
    "put_environment",
    "put_run_plan",
    "read_pipeline",
    "recorded_options",
    "rescore_reference",
    "resolve",
    "run_elsewhere",
    "run_pipeline",
    "run_plan",
    "run_project",
    "run_steps",
    "score_manifest",
    "score_rows",
    "snapshot_data",
    "snapshot_folder",
    "stop_elsewhere",
    "take_request",
]

if not TYPE_CHECKING:
    __getattr__ = lazy_exports(__name__, _HOME)
