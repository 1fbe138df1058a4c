"""A predictor that speaks gRPC in a thread of this process, one whose model gives back what it gets, and raw calls."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import numpy as np
from wire_help import RELEASE

from shipway.models import DATATYPES, Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.protocols._grpc_messages import kinds
from shipway.protocols._grpc_server import GrpcServer, Patience
from shipway.serve import Batcher, Cost, Identity, Predictor

MIRROR = "mirror"
VALUES: Mapping[str, list[Any]] = {
    "BOOL": [True, False],
    **{f"INT{bits}": [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": [0, 2**bits - 1] for bits in (8, 16, 32, 64)},
    "FP32": [0.1, -np.inf],
    "FP64": [0.1, 5e-324],
    "BYTES": ["naïve ☃", ""],
}
"""Two rows of each datatype that protobuf can type: ends of ranges, what rounds, what is not ASCII."""


class Mirror:
    """A model whose outputs are its inputs; hook is called before it answers."""

    def __init__(self, datatypes: Mapping[str, str], hook: Callable[[], None] = lambda: None) -> None:
        self.signature = Signature(
            tuple(Column(*item) for item in datatypes.items()),
            tuple(Column(f"same_{name}", datatype) for name, datatype in datatypes.items()),
        )
        self._hook = hook

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        self._hook()
        return {f"same_{name}": array for name, array in columns.items()}


FREE = Cost(0.0, 0.0)


def mirror_app(datatypes: Mapping[str, str], *, cost: Cost = FREE, **options: Any) -> PredictorApp:
    """An application with such a model; hook, queue_rows and those of PredictorApp."""
    identity = Identity("mirror", "prod", RELEASE, RELEASE, "live", MIRROR)
    predictor = Predictor(Mirror(datatypes, options.pop("hook", lambda: None)), identity)
    return PredictorApp(Batcher(predictor, cost, queue_rows=options.pop("queue_rows", 1000)), server_version="0", **options)


class Answering:
    """A server of gRPC that answers in a thread."""

    def __init__(self, app: PredictorApp, patience: Patience | None) -> None:
        self.app, self._patience = app, patience
        self._up, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.faults: list[Any] = []

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.faults.append(context))
        self._stop = asyncio.Event()
        self.server = GrpcServer(self.app, socket.create_server(("127.0.0.1", 0)), patience=self._patience)
        await self.server.start()
        self.port = self.server.port
        self._up.set()
        await self._stop.wait()
        await self.server.drain(5)

    def __enter__(self) -> Answering:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def drain(self) -> None:
        """Begins to end, as SIGTERM does."""
        with suppress(RuntimeError):  # it has ended by now
            self.loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.drain()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.faults == []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def answering(app: PredictorApp, patience: Patience | None = None) -> Answering:
    return Answering(app, patience)


@contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    """A channel of its own connection."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as found:
        yield found


def call(found: grpc.Channel, method: str, message: bytes, **options: Any) -> bytes:
    """One call with bytes as they are; method as `package.Service/Method`."""
    return bytes(found.unary_unary(f"/{method}")(message, **{"timeout": 20, **options}))


def refusal(found: grpc.Channel, method: str, message: bytes, **options: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a call that is not answered, and its words."""
    try:
        call(found, method, message, **options)
    except grpc.RpcError as problem:
        return problem.code(), str(problem.details())
    raise AssertionError("answered")


def infer_message(columns: Mapping[str, Array], *, raw: bool = True, model: str = MIRROR, **fields: Any) -> bytes:
    """A ModelInferRequest of these columns."""
    from shipway.protocols._grpc_infer import _FIELDS
    from shipway.protocols._tensors import binary_data, wire_datatype

    message = kinds().messages["inference.ModelInferRequest"](model_name=model, **fields)
    for name, array in columns.items():
        datatype = wire_datatype(array)
        tensor = message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            message.raw_input_contents.append(binary_data(array))
        else:
            values = [value.encode() if isinstance(value, str) else value for value in array.ravel().tolist()]
            getattr(tensor.contents, _FIELDS[datatype]).extend(values)
    return bytes(message.SerializeToString())


def columns_of_all_types() -> dict[str, Array]:
    return {name: np.array(values, np.dtype(DATATYPES[name])) for name, values in VALUES.items()}
