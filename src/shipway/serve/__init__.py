"""The predictor without a wire: load a model, prove it, batch, predict, log. Protocols translate to it, Python calls it.

Runs in the project's Python: numpy, msgspec and the model's own libraries only.
"""

from __future__ import annotations

from shipway.serve._batch import Batcher, Cost, Overloaded
from shipway.serve._config import ConfigMalformed, ServingConfig, load_config
from shipway.serve._load import ModelMissing, ReadyModel, open_log, open_model, open_predictor
from shipway.serve._predictor import PredictionFailed, Predictor
from shipway.serve._request import Arrays, Identity, Request, Response

__all__ = [
    "Arrays",
    "Batcher",
    "ConfigMalformed",
    "Cost",
    "Identity",
    "ModelMissing",
    "Overloaded",
    "PredictionFailed",
    "Predictor",
    "ReadyModel",
    "Request",
    "Response",
    "ServingConfig",
    "load_config",
    "open_log",
    "open_model",
    "open_predictor",
]
