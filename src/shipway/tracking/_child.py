"""The process of the MLflow server: ends when the one that started it ends, however that ends."""

from __future__ import annotations

import sys

import uvicorn

from shipway.kernel.child import end_with_parent


def main() -> None:
    """`python -m shipway.tracking._child PORT PARENT`; PARENT is the process that started it."""
    if not end_with_parent(int(sys.argv[2])):
        return
    uvicorn.run("mlflow.server.fastapi_app:app", host="127.0.0.1", port=int(sys.argv[1]), workers=1, log_level="warning")


if __name__ == "__main__":
    main()
