"""The process of the MLflow server: ends when the one that started it ends, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import uvicorn

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """`python -m shipway.tracking._child PORT PARENT`; PARENT is the process that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(sys.argv[2]):
        return  # it ended before it could be bound to
    uvicorn.run("mlflow.server.fastapi_app:app", host="127.0.0.1", port=int(sys.argv[1]), workers=1, log_level="warning")


if __name__ == "__main__":
    main()
