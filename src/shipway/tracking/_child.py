"""The process of the MLflow server: ends when the one that started it ends, however that ends."""

from __future__ import annotations

import ctypes
import signal
import sys

import uvicorn

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """`python -m shipway.tracking._child PORT`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    uvicorn.run("mlflow.server.fastapi_app:app", host="127.0.0.1", port=int(sys.argv[1]), workers=1, log_level="warning")


if __name__ == "__main__":
    main()
