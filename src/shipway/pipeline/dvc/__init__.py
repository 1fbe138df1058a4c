"""Stages of dvc.yaml, run with the action cache of this room; dvc.lock is a rendering of what was run. No DVC is run."""

from shipway.pipeline.dvc._export import StageExported, export_stages, refuse_made
from shipway.pipeline.dvc._known import lock_path
from shipway.pipeline.dvc._order import needs_of, order_stages
from shipway.pipeline.dvc._project import newest_runs, run_dvc_project
from shipway.pipeline.dvc._record import StageRun, lock_fields, render_lock
from shipway.pipeline.dvc._stages import read_stages
from shipway.pipeline.dvc._types import Stage, StageFailed, StageOut, StagePath

__all__ = [
    "Stage",
    "StageExported",
    "StageFailed",
    "StageOut",
    "StagePath",
    "StageRun",
    "export_stages",
    "lock_fields",
    "lock_path",
    "needs_of",
    "newest_runs",
    "order_stages",
    "read_stages",
    "refuse_made",
    "render_lock",
    "run_dvc_project",
]
