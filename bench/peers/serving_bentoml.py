"""BentoML's service of the model at $BENCH_MODEL, batching, for the environment of requirements/bench-bentoml.lock."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Boosted:
    """predict_proba of the model, requests joined by BentoML's own batcher, which does more with it than without."""

    def __init__(self) -> None:
        self._model = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._model.predict_proba(rows)[:, 1]
