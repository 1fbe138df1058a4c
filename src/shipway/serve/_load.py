"""From serving.json to a predictor that has proved itself: intact files, golden rows repeated, its cost measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import Ids, RandomIds
from shipway.kernel.digest import Descriptor, digest_bytes, short
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, ModelDamaged, Predictable, Signature, check_golden, load_model, read_golden
from shipway.serve._batch import Cost
from shipway.serve._config import ServingConfig
from shipway.serve._predictor import Predictor
from shipway.serve._request import Arrays, Identity
from shipway.store import LogNotWritten, SegmentWriter

ROTATE_SECONDS = 5.0  # a prediction waits at most this long before a monitor can read it


class ModelMissing(ShipwayError):
    """A file that serving.json names cannot be read."""

    code = "serve.model-missing"


class ReadyModel(NamedTuple):
    """A model that has reproduced its golden rows, what a prediction of it takes, and those rows: inputs and outputs."""

    model: Predictable
    cost: Cost
    golden: tuple[Arrays, Arrays]


def open_model(config: ServingConfig) -> ReadyModel:
    """Loads the model and proves it; raises ModelMissing, ModelDamaged, ModelUntrusted, GoldenMismatch, naming file or row."""
    golden = Descriptor.from_json(config.model.get("golden"))
    functions = Path(config.functions_file) if config.functions_file else None
    try:
        blob = Path(config.golden_file).read_bytes()
        if (found := digest_bytes(blob)) != golden.digest:
            raise ModelDamaged(Path(config.golden_file), expected=golden.digest, found=found)
        model = _Watched(load_model(config.model, Path(config.model_file), functions))
    except OSError as problem:
        raise ModelMissing(f"cannot read the model: {problem.strerror}", where=problem.filename) from problem
    check_golden(model, blob, tolerance=_tolerance(config.model))
    return ReadyModel(model.watched, measure_cost(model.watched, model.seen), read_golden(blob))


def _tolerance(manifest: JsonObject) -> float:
    """How far a converted model's answers may be from the golden ones; 0 for any other."""
    value = manifest.get("tolerance", 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def open_predictor(config: ServingConfig, model: Predictable, log: SegmentWriter | None) -> Predictor:
    """The predictor of this configuration, logging to `log`."""
    identity = Identity(
        config.application, config.environment, config.release, config.deployment, config.arm, config.model_name
    )
    return Predictor(model, identity, key=config.key, time_column=config.time, log=log, sample=config.log_sample)


def open_log(config: ServingConfig, *, ids: Ids | None = None) -> SegmentWriter | None:
    """The prediction log of one process, when one is kept; raises LogNotWritten.

    Its writer's name is never used again, so that a gap is recorded once.
    """
    if config.log_directory is None:
        return None
    name = f"{short(config.deployment)}-{(ids or RandomIds()).new()}"
    try:
        return SegmentWriter(Path(config.log_directory), name, rotate_seconds=ROTATE_SECONDS)
    except OSError as problem:
        what, mend = f"cannot begin the prediction log: {problem.strerror}", "free disk space, or check who may write there"
        raise LogNotWritten(what, where=config.log_directory, mend=mend) from problem


def measure_cost(model: Predictable, columns: Arrays) -> Cost:
    """What predictions of one and of all these rows take, as a line; also warms the model up."""
    rows = len(next(iter(columns.values())))
    one = _best_seconds(model, {name: array[:1] for name, array in columns.items()})
    if rows < 2:
        return Cost(call=0.0, row=one)
    row = max(0.0, (_best_seconds(model, columns) - one) / (rows - 1))
    return Cost(call=max(0.0, one - row), row=row)


def _best_seconds(model: Predictable, columns: Arrays) -> float:
    """The best of five: noise only ever adds."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        model.predict(columns)
        best = min(best, time.perf_counter() - started)
    return best


class _Watched:
    """A model that remembers the columns it was asked about last: the golden rows, real ones to measure it with."""

    def __init__(self, watched: Predictable) -> None:
        self.watched = watched
        self.seen: Arrays = {}

    @property
    def signature(self) -> Signature:
        return self.watched.signature

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        self.seen = columns
        return self.watched.predict(columns)
