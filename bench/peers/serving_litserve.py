"""LitServe's server of the model at $BENCH_MODEL at port $BENCH_PORT, for requirements/bench-litserve.lock."""

import os

import joblib
import litserve
import numpy as np


class Boosted(litserve.LitAPI):
    """predict_proba of the model, request by request: its batcher makes it slower here."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        self._model = joblib.load(os.environ["BENCH_MODEL"])

    def decode_request(self, request: dict[str, list[list[float]]]) -> np.ndarray:
        return np.asarray(request["rows"])

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._model.predict_proba(rows)[:, 1]

    def encode_response(self, output: np.ndarray) -> dict[str, list[float]]:
        return {"probability": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Boosted(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), generate_client_file=False, num_api_servers=1, access_log=False
    )
