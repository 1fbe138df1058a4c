"""A model with a column of each Open Inference datatype that gives back what it is asked, and its server in this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import uvicorn

from shipway.models import DATATYPES, Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.serve import Batcher, Cost, Identity, Predictor

WHO = Identity("echo", "prod", "sha256:" + "ef" * 32, "sha256:" + "cd" * 32, "live", "echo")
VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 2**16 - 1],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP16": [-1.5, 65504.0],
    "FP32": [-1.5, 3.25],
    "FP64": [1e300, 0.1],
    "BYTES": ["ü", ""],
}
"""The ends of each datatype, two rows of it."""


class Echo:
    """Gives back each column under its own name."""

    def __init__(self, *datatypes: str) -> None:
        columns = tuple(Column(name.lower(), name) for name in datatypes or VALUES)
        self.signature = Signature(columns, columns)

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        return dict(columns)


def columns_of(*datatypes: str) -> dict[str, Array]:
    """The values of each as arrays."""
    return {name.lower(): np.array(VALUES[name], DATATYPES[name]) for name in datatypes or VALUES}


def echo_app(*datatypes: str) -> PredictorApp:
    predictor = Predictor(Echo(*datatypes), WHO)
    return PredictorApp(Batcher(predictor, Cost(0.0, 0.0)), server_version="1.2")


@contextmanager
def answering(app: PredictorApp) -> Iterator[str]:
    """The application at an address of this process, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listener]),))
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
