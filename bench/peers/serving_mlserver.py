"""MLServer's runtime of the model, for the environment of requirements/bench-mlserver.lock."""

import os

import joblib
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Boosted(MLModel):
    """predict_proba of the model at $BENCH_MODEL."""

    async def load(self) -> bool:
        self._model = joblib.load(os.environ["BENCH_MODEL"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output("probability", self._model.predict_proba(rows)[:, 1])
        return InferenceResponse(model_name=self.name, outputs=[output])
