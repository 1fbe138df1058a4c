"""The predictor without a wire: load a model, prove it, batch, predict, log. Protocols translate to it, Python calls it.

Runs in the project's Python: numpy, msgspec and the model's own libraries only.
"""

from __future__ import annotations

from shipway.serve._batch import Batcher, BatchHung, Cost, Overloaded, Replaced, Timed
from shipway.serve._config import ArmConfig, ConfigMalformed, ServingConfig, SplitConfig, load_config
from shipway.serve._load import ModelMissing, ReadyModel, measure_cost, open_log, open_model, open_predictor
from shipway.serve._outputs import AnswerWrong
from shipway.serve._predictor import ModelHung, PredictionFailed, Predictor
from shipway.serve._request import Arrays, Door, Identity, Request, Response
from shipway.serve._shadow import Shadow
from shipway.serve._split import ARM_HEADER, ArmDown, Split, SplitArm
from shipway.serve._table import TableUnknown, table_columns
from shipway.serve._work import Work

__all__ = [
    "ARM_HEADER",
    "AnswerWrong",
    "ArmConfig",
    "ArmDown",
    "Arrays",
    "BatchHung",
    "Batcher",
    "ConfigMalformed",
    "Cost",
    "Door",
    "Identity",
    "ModelHung",
    "ModelMissing",
    "Overloaded",
    "PredictionFailed",
    "Predictor",
    "ReadyModel",
    "Replaced",
    "Request",
    "Response",
    "ServingConfig",
    "Shadow",
    "Split",
    "SplitArm",
    "SplitConfig",
    "TableUnknown",
    "Timed",
    "Work",
    "load_config",
    "measure_cost",
    "open_log",
    "open_model",
    "open_predictor",
    "table_columns",
]
