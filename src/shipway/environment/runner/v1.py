"""Runner v1: calls the steps of a project inside the project's own Python, one after another, over JSON lines.

One self-contained file, standard library only at import, because the project's environment owes Shipway nothing: a
library is imported only when a codec asks for it. Requests come on standard input and answers leave on standard output,
both kept on private descriptors; whatever a step prints goes to standard error. The global random generators are seeded
before each step, so that a step that forgot a seed still repeats itself.

    request   {"function", "file", "root", "inputs": {argument: {"codec", "files": [path or {"path", "name"}]}},
               "output": {"codec", "directory"}, "environ": {}}
    response  {"ok": true, "file", "media_type", "seconds"}
              {"ok": false, "error": {"type", "message", "file", "line", "source", "function", "traceback"}}

A file's extension says how to read it; when the path has none (a blob in a store), `name` has it. An error's file (in
root, relative), line and source are those of the project's innermost frame, never ours; null when there is none.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import linecache
import os
import queue
import random
import shutil
import signal
import sys
import threading
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TextIO, cast

PARQUET = "application/vnd.apache.parquet"
NPY = "application/vnd.shipway.npy.v1"
SKOPS = "application/vnd.shipway.model.skops.v1"
ONNX = "application/vnd.shipway.model.onnx.v1"
XGBOOST = "application/vnd.shipway.model.xgboost.v1+json"
LIGHTGBM = "application/vnd.shipway.model.lightgbm.v1"
JSON = "application/json"
BYTES = "application/octet-stream"
FOLDER = "inode/directory"

ROWS_OF_A_GROUP = 262_144  # polars' default; said aloud because it decides the bytes of the file


class StepProblem(Exception):
    """A step cannot be called or its value cannot be kept: the project's mistake, told in its own words."""


class File(NamedTuple):
    """path: where the bytes are; name: what they are called, for the extension and for messages."""

    path: Path
    name: str

    @property
    def extension(self) -> str:
        return Path(self.name).suffix.lower()


class Codec(NamedTuple):
    """load(files) gives the argument; save(value, directory) gives the file written and its media type."""

    load: Callable[[list[File]], Any]
    save: Callable[[Any, Path], tuple[Path, str]]


# -- codecs ------------------------------------------------------------------------------------------------------------


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        package = {"sklearn": "scikit-learn"}.get(name.split(".")[0], name.split(".")[0])
        raise StepProblem(f"{package} is not in the project's environment; add it to the requirements") from problem


def _expect(value: Any, kind: type, expected: str) -> None:
    if not isinstance(value, kind):
        raise StepProblem(f"expected {expected}, given {_type_name(type(value))}")


def _type_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _one(files: list[File]) -> File:
    if len(files) != 1:
        raise StepProblem(f"takes one file, given {len(files)}")
    return files[0]


@contextmanager
def _reading(file: File) -> Iterator[None]:
    try:
        yield
    except StepProblem:
        raise
    except Exception as problem:
        raise StepProblem(f"{file.name} cannot be read: {problem}") from problem


def _by_extension(file: File, readers: dict[str, Callable[[Any], Any]], source: Any) -> Any:
    if file.extension not in readers:
        raise StepProblem(f"{file.name}: the extension is none of {', '.join(readers)}")
    with _reading(file):
        return readers[file.extension](source)


def _polars_readers(pl: Any) -> dict[str, Callable[[Any], Any]]:
    return {
        ".parquet": lambda source: pl.read_parquet(source),
        ".csv": lambda source: pl.read_csv(source),
        ".jsonl": lambda source: pl.read_ndjson(source),
        ".ndjson": lambda source: pl.read_ndjson(source),
        ".arrow": lambda source: pl.read_ipc(source),
        ".feather": lambda source: pl.read_ipc(source),
    }


def _load_frame(files: list[File]) -> Any:
    pl = _library("polars")
    readers = _polars_readers(pl)
    return _concatenated(pl, files, lambda file: _by_extension(file, readers, io.BytesIO(file.path.read_bytes())))


def _load_lazy(files: list[File]) -> Any:
    pl = _library("polars")
    scans = {
        ".parquet": lambda path: pl.scan_parquet(path, glob=False),
        ".csv": lambda path: pl.scan_csv(path, glob=False),
        ".jsonl": lambda path: pl.scan_ndjson(path),
        ".ndjson": lambda path: pl.scan_ndjson(path),
        ".arrow": lambda path: pl.scan_ipc(path),
        ".feather": lambda path: pl.scan_ipc(path),
    }
    return _concatenated(pl, files, lambda file: _by_extension(file, scans, file.path))


def _concatenated(pl: Any, files: list[File], read: Callable[[File], Any]) -> Any:
    """The files one after another, in the order given; types may widen (a month without a null, an Int32 beside an Int64)."""
    if not files:
        raise StepProblem("no file given")
    tables = [read(file) for file in files]
    try:
        return tables[0] if len(tables) == 1 else pl.concat(tables, how="vertical_relaxed")
    except Exception as problem:
        raise StepProblem(f"{', '.join(file.name for file in files)} do not fit together: {problem}") from problem


def _save_frame(value: Any, directory: Path) -> tuple[Path, str]:
    _expect(value, _library("polars").DataFrame, "a polars.DataFrame")
    return _write_frame(value, directory)


def _save_lazy(value: Any, directory: Path) -> tuple[Path, str]:
    pl = _library("polars")
    if not isinstance(value, pl.DataFrame):
        _expect(value, pl.LazyFrame, "a polars.LazyFrame")
        value = value.collect()
    return _write_frame(value, directory)


def _write_frame(frame: Any, directory: Path) -> tuple[Path, str]:
    """One Parquet file whose bytes depend on the values only: chunks merged, every choice of the writer stated."""
    path = directory / "value.parquet"
    frame.rechunk().write_parquet(
        path, compression="zstd", compression_level=3, statistics=True, row_group_size=ROWS_OF_A_GROUP
    )
    return path, PARQUET


def _load_arrow(files: list[File]) -> Any:
    pa = _library("pyarrow")
    readers: dict[str, Callable[[Any], Any]] = {
        ".parquet": lambda source: _library("pyarrow.parquet").read_table(source),
        ".csv": lambda source: _library("pyarrow.csv").read_csv(source),
        ".jsonl": lambda source: _library("pyarrow.json").read_json(source),
        ".ndjson": lambda source: _library("pyarrow.json").read_json(source),
        ".arrow": lambda source: _library("pyarrow.feather").read_table(source),
        ".feather": lambda source: _library("pyarrow.feather").read_table(source),
    }
    if not files:
        raise StepProblem("no file given")
    tables = [_by_extension(file, readers, pa.BufferReader(file.path.read_bytes())) for file in files]
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


def _save_arrow(value: Any, directory: Path) -> tuple[Path, str]:
    _expect(value, _library("pyarrow").Table, "a pyarrow.Table")
    path = directory / "value.parquet"
    _library("pyarrow.parquet").write_table(value.combine_chunks(), path, compression="zstd", row_group_size=ROWS_OF_A_GROUP)
    return path, PARQUET


def _load_array(files: list[File]) -> Any:
    np = _library("numpy")
    arrays = []
    for file in files:
        with _reading(file):
            arrays.append(np.load(file.path, allow_pickle=False))
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _save_array(value: Any, directory: Path) -> tuple[Path, str]:
    np = _library("numpy")
    _expect(value, np.ndarray, "a numpy.ndarray")
    if value.dtype.hasobject:
        raise StepProblem("expected a numpy.ndarray of plain values, given one of Python objects")
    path = directory / "value.npy"
    np.save(path, value, allow_pickle=False)
    return path, NPY


def _load_json(files: list[File]) -> Any:
    file = _one(files)
    with _reading(file):
        return json.loads(file.path.read_bytes())


def _save_json(value: Any, directory: Path) -> tuple[Path, str]:
    def plain(item: Any) -> Any:
        if type(item).__module__ == "numpy" and hasattr(item, "tolist"):
            return item.tolist()
        raise TypeError(f"{_type_name(type(item))} is not a JSON value")

    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=plain)
    except (TypeError, ValueError) as problem:
        raise StepProblem(f"expected a JSON value, given {_type_name(type(value))}: {problem}") from problem
    path = directory / "value.json"
    path.write_bytes(text.encode("utf-8"))
    return path, JSON


def _load_bytes(files: list[File]) -> bytes:
    return _one(files).path.read_bytes()


def _save_bytes(value: Any, directory: Path) -> tuple[Path, str]:
    _expect(value, bytes, "bytes")
    path = directory / "value.bin"
    path.write_bytes(value)
    return path, BYTES


def _load_path(files: list[File]) -> Path:
    return _one(files).path


def _save_path(value: Any, directory: Path) -> tuple[Path, str]:
    """The file or folder that the step made, copied under `directory` unless it is there already."""
    _expect(value, os.PathLike, "a pathlib.Path")
    source = Path(value).absolute()
    if not source.exists():
        raise StepProblem(f"expected a path that exists, given {source}")
    path = source
    if not source.is_relative_to(directory.absolute()):
        path = directory / source.name
        shutil.copytree(source, path) if source.is_dir() else shutil.copy2(source, path)
    return path, FOLDER if path.is_dir() else BYTES


def _load_model(files: list[File]) -> Any:
    file = _one(files)
    skops = _library("skops.io")
    data = file.path.read_bytes()
    with _reading(file):
        return skops.loads(data, trusted=_trusted(skops, data))


def _save_model(value: Any, directory: Path) -> tuple[Path, str]:
    _expect(value, _library("sklearn.base").BaseEstimator, "a fitted scikit-learn estimator")
    skops = _library("skops.io")
    try:
        data = skops.dumps(value)
    except Exception as problem:
        raise StepProblem(f"skops cannot save it: {type(problem).__name__}: {problem}") from problem
    _trusted(skops, data)  # what nobody could load again is refused where its author can mend it
    path = directory / "value.skops"
    path.write_bytes(normalise_skops(data))
    return path, SKOPS


def _load_onnx(files: list[File]) -> Any:
    file = _one(files)
    with _reading(file):
        return _library("onnx").load_model_from_string(file.path.read_bytes())


def _save_onnx(value: Any, directory: Path) -> tuple[Path, str]:
    onnx = _library("onnx")
    _expect(value, onnx.ModelProto, "an onnx.ModelProto")
    try:
        onnx.checker.check_model(value, full_check=True)
    except Exception as problem:
        raise StepProblem(f"onnx.checker refuses it: {problem}") from problem
    path = directory / "value.onnx"
    path.write_bytes(value.SerializeToString(deterministic=True))
    return path, ONNX


def _load_xgboost_booster(files: list[File]) -> Any:
    xgboost, file = _library("xgboost"), _one(files)
    with _reading(file):
        booster = xgboost.Booster()
        booster.load_model(bytearray(file.path.read_bytes()))
        return booster


def _load_xgboost(files: list[File]) -> Any:
    """As the class of scikit-learn's form that it was: XGBoost writes which kind into the file."""
    xgboost = _library("xgboost")
    booster = _load_xgboost_booster(files)
    kind = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    classes = {"classifier": xgboost.XGBClassifier, "regressor": xgboost.XGBRegressor, "ranker": xgboost.XGBRanker}
    if kind not in classes:
        raise StepProblem(f"{_one(files).name} is none of scikit-learn's form; annotate the argument xgboost.Booster")
    model = classes[kind]()
    model.load_model(bytearray(_one(files).path.read_bytes()))
    return model


def _save_xgboost(value: Any, directory: Path) -> tuple[Path, str]:
    xgboost = _library("xgboost")
    if not isinstance(value, xgboost.Booster):
        _expect(value, xgboost.XGBModel, "a fitted model of xgboost")
    path = directory / "value.json"
    value.save_model(path)
    return path, XGBOOST


def _load_lightgbm_booster(files: list[File]) -> Any:
    lightgbm, file = _library("lightgbm"), _one(files)
    with _reading(file):
        return lightgbm.Booster(model_str=file.path.read_text("utf-8"))


def _load_lightgbm(files: list[File]) -> Any:
    raise StepProblem(f"{_one(files).name} holds a booster alone; annotate the argument lightgbm.Booster")


def _save_lightgbm(value: Any, directory: Path) -> tuple[Path, str]:
    lightgbm = _library("lightgbm")
    if not isinstance(value, lightgbm.Booster):
        _expect(value, lightgbm.LGBMModel, "a fitted model of lightgbm")
        classes = list(getattr(value, "classes_", []))
        if classes != list(range(len(classes))):
            said = ", ".join(map(str, classes))
            raise StepProblem(f"its text has no place for the classes {said}; fit it on 0, 1, 2 and so on")
        value = value.booster_
    path = directory / "value.txt"
    path.write_text(value.model_to_string(), "utf-8")
    return path, LIGHTGBM


# -- skops -------------------------------------------------------------------------------------------------------------

# First-party types that skops does not trust by itself, seen by dumping every estimator of scikit-learn 1.5 to 1.9 with
# skops 0.11 and 0.16. Left out: KDTree and BallTree, whose bytes can make scikit-learn read outside its own memory.
# A partial is harmless because skops audits the function inside it.
TRUSTED = frozenset(
    [
        "functools.partial",
        "numpy.dtype",
        "numpy.mean",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csr.csr_array",
        "scipy.sparse._csr.csr_matrix",
        "sklearn._loss.link.HalfLogitLink",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogLink",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.ExponentialLoss",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfGammaLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfPoissonLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn._loss.loss.HuberLoss",
        "sklearn._loss.loss.PinballLoss",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._mutual_info.mutual_info_classif",
        "sklearn.feature_selection._mutual_info.mutual_info_regression",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._classification.accuracy_score",
        "sklearn.metrics._classification.balanced_accuracy_score",
        "sklearn.metrics._classification.brier_score_loss",
        "sklearn.metrics._classification.f1_score",
        "sklearn.metrics._classification.log_loss",
        "sklearn.metrics._classification.precision_score",
        "sklearn.metrics._classification.recall_score",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._ranking.average_precision_score",
        "sklearn.metrics._ranking.roc_auc_score",
        "sklearn.metrics._regression.mean_absolute_error",
        "sklearn.metrics._regression.mean_squared_error",
        "sklearn.metrics._regression.median_absolute_error",
        "sklearn.metrics._regression.r2_score",
        "sklearn.metrics._regression.root_mean_squared_error",
        "sklearn.metrics._scorer._CurveScorer",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.metrics._scorer._Scorer",
        "sklearn.model_selection._classification_threshold._CurveScorer",
        "sklearn.model_selection._search_successive_halving.HalvingGridSearchCV",
        "sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV",
        "sklearn.model_selection._split.GroupKFold",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.model_selection._split.TimeSeriesSplit",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
        "sklearn.utils.validation.check_array",
    ]
)


def _trusted(skops: Any, data: bytes) -> list[str]:
    """The curated types, when they cover everything in the file; StepProblem names the others."""
    others = sorted(set(skops.get_untrusted_types(data=data)) - TRUSTED)
    if others:
        raise StepProblem(f"the model holds types that are not on the list of safe ones: {', '.join(others)}")
    return sorted(TRUSTED)


def normalise_skops(data: bytes) -> bytes:
    """The same model in the one form that two equal fits share.

    skops numbers its nodes and names its members by `id()`, or at random, and stamps the time: here both are counted
    from 1 in the order of the schema, and dates, attributes and compression are fixed. Immutable scalars and types are
    numbered by what they say, because whether two equal ones are one object is up to the interpreter.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    names: dict[str, str] = {}
    schema = _renumbered(json.loads(members["schema.json"]), {}, names)
    renamed = {new: members[old] for old, new in names.items()}
    renamed["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    return _archive(renamed)


def _renumbered(node: Any, ids: dict[object, int], names: dict[str, str]) -> Any:
    """The node with its ids and members counted anew. Keys keep their order: skops pairs them with key_types by it."""
    if isinstance(node, list):
        return [_renumbered(item, ids, names) for item in node]
    if not isinstance(node, dict):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            result[key] = ids.setdefault(_identity(node), len(ids) + 1)  # from 1: skops reads 0 as no id
        elif key == "file" and isinstance(value, str):
            result[key] = names.setdefault(value, f"{len(names) + 1:06d}{Path(value).suffix}")
        else:
            result[key] = _renumbered(value, ids, names)
    return result


def _identity(node: dict[str, Any]) -> object:
    loader = node.get("__loader__")
    if loader == "JsonNode":
        return loader, node["content"]
    if loader in ("TypeNode", "FunctionNode"):
        return loader, node["__module__"], node["__class__"]
    return node["__id__"]


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, members[name])
    return buffer.getvalue()


CODECS = {
    "polars.frame": Codec(_load_frame, _save_frame),
    "polars.lazy": Codec(_load_lazy, _save_lazy),
    "arrow.table": Codec(_load_arrow, _save_arrow),
    "numpy.array": Codec(_load_array, _save_array),
    "json": Codec(_load_json, _save_json),
    "sklearn.model": Codec(_load_model, _save_model),
    "onnx.model": Codec(_load_onnx, _save_onnx),
    "xgboost.model": Codec(_load_xgboost, _save_xgboost),
    "xgboost.booster": Codec(_load_xgboost_booster, _save_xgboost),
    "lightgbm.model": Codec(_load_lightgbm, _save_lightgbm),
    "lightgbm.booster": Codec(_load_lightgbm_booster, _save_lightgbm),
    "path": Codec(_load_path, _save_path),
    "bytes": Codec(_load_bytes, _save_bytes),
}


def _codec(name: str) -> Codec:
    if name not in CODECS:
        raise StepProblem(f"no codec {name!r}; there are {', '.join(CODECS)}")
    return CODECS[name]


# -- a step ------------------------------------------------------------------------------------------------------------


def run_step(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request; whatever the step raises becomes an answer too."""
    started = time.perf_counter()
    root = Path(request["root"]).absolute()
    function: Callable[..., Any] | None = None
    with _environ(request.get("environ") or {}):
        try:
            os.chdir(root)
            function = _function(root, request["file"], request["function"])
            path, media_type = _call(function, request)
        except BaseException as problem:  # SystemExit too: a step must not end its runner
            return {"ok": False, "error": _error(problem, root, function)}
    return {"ok": True, "file": str(path), "media_type": media_type, "seconds": time.perf_counter() - started}


def _call(function: Callable[..., Any], request: dict[str, Any]) -> tuple[Path, str]:
    inputs = {name: _argument(name, entry) for name, entry in request["inputs"].items()}
    codec, directory = request["output"]["codec"], Path(request["output"]["directory"])
    save = _codec(codec).save
    directory.mkdir(parents=True, exist_ok=True)
    _seed()
    value = function(**inputs)
    try:
        return save(value, directory)
    except StepProblem as problem:
        raise StepProblem(f"{function.__name__} returned a value that {codec} cannot keep: {problem}") from problem


def _argument(name: str, entry: dict[str, Any]) -> Any:
    try:
        return _codec(entry["codec"]).load([_file(item) for item in entry["files"]])
    except (StepProblem, OSError) as problem:
        raise StepProblem(f"argument {name} ({entry['codec']}): {problem}") from problem


def _file(entry: str | dict[str, str]) -> File:
    if isinstance(entry, str):
        return File(Path(entry), Path(entry).name)
    return File(Path(entry["path"]), entry.get("name") or Path(entry["path"]).name)


def _function(root: Path, file: str, name: str) -> Callable[..., Any]:
    found = getattr(_module(root, file), name, None)
    if not callable(found):
        raise StepProblem(f"{file} has no function {name}")
    return cast("Callable[..., Any]", found)


def _module(root: Path, file: str) -> ModuleType:
    """The user's module, imported under the name it has for itself; an older root's modules are forgotten first."""
    if _roots != [str(root)]:
        for name, loaded in list(sys.modules.items()):
            if any(_inside(path, getattr(loaded, "__file__", None)) for path in _roots):
                del sys.modules[name]
        sys.path[:] = [str(root), *(path for path in sys.path if path not in _roots)]
        _roots[:] = [str(root)]
        importlib.invalidate_caches()
    module = importlib.import_module(".".join(Path(file).with_suffix("").parts))
    if not os.path.samefile(str(module.__file__), root / file):
        raise StepProblem(f"{file} has the name of another module, {module.__file__}; give it a name of its own")
    return module


_roots: list[str] = []


def _seed() -> None:
    random.seed(0)
    with suppress(ImportError):  # a project without numpy has no generator of numpy's to seed
        importlib.import_module("numpy").random.seed(0)


@contextmanager
def _environ(extra: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# -- errors ------------------------------------------------------------------------------------------------------------


def _error(problem: BaseException, root: Path, function: Callable[..., Any] | None) -> dict[str, Any]:
    where = _where(problem, root) or _definition(function)
    file, line, name = where or (None, None, None)
    kind = type(problem)
    return {
        "type": kind.__name__ if kind.__module__ in ("builtins", __name__) else f"{kind.__module__}.{kind.__name__}",
        "message": str(problem),
        "file": os.path.relpath(file, root) if file else None,
        "line": line,
        "source": linecache.getline(file, line).strip() if file and line else None,
        "function": name,
        "traceback": "".join(traceback.format_exception(kind, problem, _without_ours(problem))),
    }


def _where(problem: BaseException, root: Path) -> tuple[str, int, str] | None:
    """The innermost frame in the project's own files; for a syntax error, the line that has it."""
    if isinstance(problem, SyntaxError) and _inside(str(root), problem.filename):
        return str(problem.filename), problem.lineno or 1, "<module>"
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if _inside(str(root), frame.filename)]
    return (frames[-1].filename, frames[-1].lineno or 1, frames[-1].name) if frames else None


def _definition(function: Callable[..., Any] | None) -> tuple[str, int, str] | None:
    code = getattr(inspect.unwrap(function), "__code__", None) if function else None
    return (code.co_filename, code.co_firstlineno, code.co_name) if code else None


def _inside(root: str, file: str | None) -> bool:
    """Whether the file is the project's own: below its root, and not an installed package that also lies there."""
    if not file or file == __file__:
        return False
    path = Path(file).absolute()
    return path.is_relative_to(root) and not {"site-packages", "dist-packages"} & set(path.parts)


def _without_ours(problem: BaseException) -> Any:
    trace = problem.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


# -- the conversation --------------------------------------------------------------------------------------------------


def _private_streams() -> tuple[TextIO, TextIO]:
    """Requests and answers on descriptors of their own; 0 reads nothing and 1 is standard error from now on."""
    requests, answers = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr  # one buffer, so that lines keep their order
    return requests, answers


def _listen(requests: TextIO, inbox: queue.SimpleQueue[str | None], busy: threading.Event) -> None:
    """Passes requests on. Their end means the parent is gone: in the middle of a step, so is everything we started."""
    for line in requests:
        busy.set()
        inbox.put(line)
    if busy.is_set():
        os.killpg(0, signal.SIGKILL) if os.getpgrp() == os.getpid() else os._exit(1)
    inbox.put(None)


def main() -> None:
    requests, answers = _private_streams()
    own_folder = str(Path(__file__).absolute().parent)
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != own_folder]
    inbox: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(requests, inbox, busy), daemon=True).start()
    while line := inbox.get():
        answer = run_step(json.loads(line))
        sys.stderr.flush()
        busy.clear()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
