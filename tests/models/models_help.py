"""What the tests of this room share: fitted models, their manifests, and the project's Python under the overlay."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from shipway.environment import default_cache, ensure_environment, ensure_overlay, environment_object, overlay_command
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models import Array, Column, Signature, model_object

LOCK = (Path(__file__).parents[1] / "environment" / "data" / "requirements.lock").read_bytes()
INPUTS = (Column("carrier", "BYTES"), Column("hour", "INT64"), Column("temp", "FP64"))
NUMBERS = INPUTS[1:]
BINARY = Signature(INPUTS, (Column("probability", "FP64"),))


def rows(n: int = 300) -> dict[str, Array]:
    """Columns of INPUTS and, as a wire would have it, one that no model is fed with."""
    rng = np.random.default_rng(7)
    temp = rng.normal(size=n)
    temp[::17] = np.nan
    return {
        "flight": np.array([f"f{i}" for i in range(n)], dtype=object),
        "temp": temp,
        "carrier": rng.choice(np.array(["AA", "B6", None], dtype=object), n),
        "hour": rng.integers(0, 24, n),
    }


def late(columns: dict[str, Array], *, classes: int = 2) -> Array:
    score = columns["hour"].astype(float) / 12 + np.nan_to_num(columns["temp"].astype(float))
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    return np.asarray(np.digitize(score, edges))


def matrix(columns: dict[str, Array], names: Sequence[str]) -> Array:
    """The matrix as a user's own training code makes it."""
    table = list(zip(*(columns[name].tolist() for name in names), strict=True))
    return np.array(table, dtype=object if "carrier" in names else float)


@cache
def trees() -> Any:
    """A pipeline of text and numbers, as in the flights example."""
    columns = import_module("sklearn.compose").ColumnTransformer(
        [("codes", _encoder(), [0])], remainder="passthrough", verbose_feature_names_out=False
    )
    forest = import_module("sklearn.ensemble").HistGradientBoostingClassifier(
        max_iter=10, categorical_features=[0], early_stopping=False, random_state=0
    )
    pipeline = import_module("sklearn.pipeline").Pipeline([("columns", columns), ("trees", forest)])
    return pipeline.fit(matrix(rows(), ["carrier", "hour", "temp"]), late(rows()))


def _encoder() -> Any:
    return import_module("sklearn.preprocessing").OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def saved(estimator: Any, folder: Path, signature: Signature, *, format: str = "skops") -> tuple[JsonObject, Path]:
    """The manifest and the file of a fitted estimator."""
    buffer = io.BytesIO()
    import_module("skops.io").dump(estimator, buffer)
    path = folder / "model.skops"
    path.write_bytes(buffer.getvalue())
    return manifest_of(path, signature, format=format), path


def manifest_of(path: Path, signature: Signature, *, format: str = "skops") -> JsonObject:
    data = path.read_bytes()
    file = Descriptor(media.SKOPS, digest_bytes(data), len(data))
    golden = Descriptor(media.media_type("golden"), digest_bytes(b""), 0)
    return model_object(format=format, file=file, signature=signature, golden=golden, key=["flight"], time=None, target="late")


@cache
def project() -> tuple[Path, Path]:
    """(python, overlay) of the project that these tests pretend to be; kept in the default cache from run to run."""
    lock = Descriptor("text/plain", digest_bytes(LOCK), len(LOCK))
    digest = digest_bytes(canonical_json(environment_object(lock=lock, python="3.11")))
    python = ensure_environment(digest, LOCK, python="3.11", cache=default_cache(), report=print)
    return python, ensure_overlay(python, cache=default_cache(), report=print)


def in_the_project(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One of our modules run by the project's Python, as a server or a run starts it."""
    command = overlay_command(*project(), module, *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, check=False)
