"""The predictor without a wire: load a model, prove it, batch, predict, log. Protocols translate to it; Python uses it directly.

Runs in the project's Python: numpy, msgspec and the model's own libraries only.
"""

from __future__ import annotations

from shipway.serve._batch import Batcher, Overloaded
from shipway.serve._config import ConfigMalformed, ServingConfig, load_config
from shipway.serve._load import open_log, open_predictor
from shipway.serve._predictor import PredictionFailed, Predictor
from shipway.serve._request import Arrays, Identity, Request, Response

__all__ = [
    "Arrays",
    "Batcher",
    "ConfigMalformed",
    "Identity",
    "Overloaded",
    "PredictionFailed",
    "Predictor",
    "Request",
    "Response",
    "ServingConfig",
    "load_config",
    "open_log",
    "open_predictor",
]
