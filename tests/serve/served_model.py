"""A real fitted model with its golden rows and serving.json in a folder, and a real predictor process that serves it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.kernel.media import JSON, SKOPS
from shipway.models import Array, Column, Signature, golden_blob, load_model, model_object, stack
from shipway.store import FailureRecord, PredictionRecord, WorkRecord, decode_record, list_segments, read_segment

RELEASE = "sha256:" + "ab" * 32
DEPLOYMENT = "sha256:" + "cd" * 32
TEXT_INPUTS = {"carrier": "BYTES", "hour": "INT64", "distance": "FP64", "humid": "FP64"}
NUMBER_INPUTS = {f"x{i}": "FP64" for i in range(19)} | {"weekday": "INT64"}


def rows_of(inputs: Mapping[str, str], n: int, *, seed: int = 0) -> dict[str, Array]:
    """n rows for these inputs, numbers and two airlines."""
    rng = np.random.default_rng(seed)
    make: dict[str, Any] = {
        "BYTES": lambda: rng.choice(np.array(["UA", "DL"], dtype=object), n),
        "INT64": lambda: rng.integers(0, 24, n),
        "FP64": lambda: rng.normal(size=n),
    }
    return {name: make[datatype]() for name, datatype in inputs.items()}


@dataclass(frozen=True)
class Served:
    """A folder with model, golden rows and the fields of serving.json."""

    folder: Path
    inputs: Mapping[str, str]
    fields: dict[str, Any]

    @property
    def log(self) -> Path:
        return Path(self.fields["log_directory"])

    def config(self, **changes: object) -> Path:
        """Writes serving.json with these changes."""
        path = self.folder / "serving.json"
        path.write_text(json.dumps({**self.fields, **changes}))
        return path

    def logging_to(self, directory: Path) -> Served:
        return replace(self, folder=directory, fields={**self.fields, "log_directory": str(directory / "log")})

    def records(self) -> list[PredictionRecord]:
        """Every prediction record in the log, by writer and order."""
        found = []
        for segment in list_segments(self.log):
            for frame in read_segment(segment.path).frames:
                record = decode_record(frame.payload)
                if isinstance(record, PredictionRecord):
                    found.append(record)
        return found

    def others(self) -> list[FailureRecord | WorkRecord]:
        """What the log has beside predictions."""
        frames = [frame for segment in list_segments(self.log) for frame in read_segment(segment.path).frames]
        records = [decode_record(frame.payload) for frame in frames if frame.rows == 0]
        return [record for record in records if isinstance(record, FailureRecord | WorkRecord)]


def make_served(folder: Path, inputs: Mapping[str, str], *, trees: int = 30) -> Served:
    """Fits HistGradientBoosting on 2,000 rows and writes everything that a predictor process needs."""
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    signature = Signature(tuple(Column(*item) for item in inputs.items()), (Column("probability", "FP64"),))
    columns = rows_of(inputs, 2000)
    texts = [i for i, datatype in enumerate(inputs.values()) if datatype == "BYTES"]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder = ColumnTransformer([("codes", codes, texts)], remainder="passthrough")
    trees_model = HistGradientBoostingClassifier(max_iter=trees, random_state=0)
    model = make_pipeline(encoder, trees_model) if texts else trees_model
    matrix = stack(columns, signature)
    numbers = matrix[:, len(texts) :].astype(float)
    model.fit(matrix, numbers.sum(axis=1) > np.median(numbers.sum(axis=1)))
    file, golden = folder / "model.skops", folder / "golden.json"
    file.write_bytes(skops.io.dumps(model))
    manifest = _manifest(file.read_bytes(), b"", signature)
    rows = {name: array[:100] for name, array in columns.items()}
    golden.write_bytes(golden_blob(rows, load_model(manifest, file).predict(rows)))
    return Served(folder, inputs, _fields(folder, _manifest(file.read_bytes(), golden.read_bytes(), signature)))


def _manifest(model: bytes, golden: bytes, signature: Signature) -> JsonObject:
    files = (Descriptor(kind, digest_bytes(data), len(data)) for kind, data in ((SKOPS, model), (JSON, golden)))
    file, rows = files
    return model_object(
        format="skops", file=file, signature=signature, golden=rows, key=["flight"], time="scheduled", target="late"
    )


def _fields(folder: Path, manifest: JsonObject) -> dict[str, Any]:
    return {
        "kind": "serving",
        "version": 1,
        "application": "delay",
        "environment": "prod",
        "release": RELEASE,
        "deployment": DEPLOYMENT,
        "arm": "live",
        "model": manifest,
        "model_file": str(folder / "model.skops"),
        "golden_file": str(folder / "golden.json"),
        "model_name": "delay",
        "log_directory": str(folder / "log"),
        "key": ["flight"],
        "time": "scheduled",
    }


@dataclass(frozen=True)
class Running:
    """A predictor process that answers."""

    process: subprocess.Popen[str]
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def end(self, how: signal.Signals) -> int:
        """Sends the signal and waits; the exit code."""
        self.process.send_signal(how)
        return self.process.wait(20)


def start(config: Path, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A predictor process that has just been started."""
    where = arguments or ("--port", "0")
    command = [sys.executable, "-m", "shipway.protocols.predictor", "--config", str(config), *where]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@contextmanager
def serving(config: Path) -> Iterator[Running]:
    """A predictor on a free port; killed at the end if it still runs."""
    process = start(config)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = json.loads(line) if line else {"ready": False}
        assert ready["ready"], (ready, process.communicate()[1])
        yield Running(process, ready["port"])
    finally:
        process.kill()
        process.communicate()
