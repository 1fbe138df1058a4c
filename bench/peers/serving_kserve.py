"""KServe's Python server with the model at $BENCH_MODEL at port $BENCH_PORT, for requirements/bench-kserve.lock."""

import os

import joblib
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class Boosted(Model):
    """predict_proba of the model."""

    def load(self) -> bool:
        self._model = joblib.load(os.environ["BENCH_MODEL"])
        self.ready = True
        return True

    def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:  # noqa: ARG002
        likely = self._model.predict_proba(payload.inputs[0].as_numpy())[:, 1]
        output = InferOutput("probability", [len(likely)], "FP64", data=likely.tolist())
        return InferResponse(payload.id or "0", self.name, [output])


model = Boosted("delay")
model.load()
ModelServer(http_port=int(os.environ["BENCH_PORT"]), enable_grpc=False, enable_latency_logging=False, workers=1).start([model])
