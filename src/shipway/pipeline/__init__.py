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
