"""Which codec of the runner keeps a value, told from its annotation alone. Nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from shipway.environment import Codec
from shipway.pipeline._imports import dotted

JSON_CODEC: Codec = "json"
POSSIBLE = (
    "pl.DataFrame, pl.LazyFrame, pa.Table, np.ndarray, a class of scikit-learn, xgboost or lightgbm, "
    "onnx.ModelProto, dict, list, str, int, float, bool, Path, bytes"
)

_BY_NAME: dict[str, Codec] = {
    "polars.DataFrame": "polars.frame",
    "polars.LazyFrame": "polars.lazy",
    "pyarrow.Table": "arrow.table",
    "pyarrow.lib.Table": "arrow.table",
    "numpy.ndarray": "numpy.array",
    "numpy.typing.NDArray": "numpy.array",
    "onnx.ModelProto": "onnx.model",
    "xgboost.Booster": "xgboost.booster",
    "lightgbm.Booster": "lightgbm.booster",
    "pathlib.Path": "path",
    "bytes": "bytes",
}
_BY_CLASS: dict[str, Codec] = {"sklearn": "sklearn.model", "xgboost": "xgboost.model", "lightgbm": "lightgbm.model"}
_BOOSTERS = frozenset({("xgboost.model", "xgboost.booster"), ("lightgbm.model", "lightgbm.booster")})
_PLAIN = frozenset(
    {"dict", "list", "str", "int", "float", "bool", "None", "object"}
    | {f"typing.{name}" for name in ("Any", "Dict", "List", "Mapping", "Sequence", "Literal")}
    | {f"collections.abc.{name}" for name in ("Mapping", "Sequence")}
)
TABLES = frozenset({"polars.frame", "polars.lazy", "arrow.table"})  # one Parquet file serves all three
_FILES = frozenset({"path", "bytes"})  # what takes any file as it is


@dataclass(frozen=True, slots=True)
class Names:
    """What annotations are read with: the import table of the file and the expressions behind its own aliases."""

    imports: Mapping[str, str]
    aliases: Mapping[str, ast.expr]


def codec_of(annotation: ast.expr, names: Names) -> Codec | None:
    """The codec of an annotation; None when there is none for it."""
    if isinstance(annotation, ast.Constant):
        return _of_constant(annotation, names)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _of_union([annotation.left, annotation.right], names)
    if isinstance(annotation, ast.Subscript):
        return _of_subscript(annotation, names)
    if isinstance(annotation, ast.Name) and annotation.id in names.aliases:
        rest = {name: value for name, value in names.aliases.items() if name != annotation.id}
        return codec_of(names.aliases[annotation.id], Names(names.imports, rest))
    return _of_name(dotted(annotation, names.imports))


def fits(produced: Codec, taken: Codec) -> bool:
    """Whether a value that one codec has kept can be given to an argument of the other.

    >>> fits("polars.frame", "arrow.table"), fits("json", "polars.frame"), fits("sklearn.model", "bytes")
    (True, False, True)
    """
    return produced == taken or taken in _FILES or {produced, taken} <= TABLES or (produced, taken) in _BOOSTERS


def _of_name(name: str | None) -> Codec | None:
    if name is None:
        return None
    if name in _PLAIN:
        return JSON_CODEC
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    return _BY_NAME.get(name) or (_BY_CLASS.get(first) if last[:1].isupper() else None)


def _of_constant(annotation: ast.Constant, names: Names) -> Codec | None:
    if annotation.value is None:
        return JSON_CODEC
    if not isinstance(annotation.value, str):
        return None
    try:
        return codec_of(ast.parse(annotation.value, mode="eval").body, names)
    except SyntaxError:
        return None


def _of_subscript(annotation: ast.Subscript, names: Names) -> Codec | None:
    """`Optional[X]` and `Annotated[X, ...]` as X, a union as its members; a container of plain values is plain."""
    base = dotted(annotation.value, names.imports)
    parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if base == "typing.Annotated":
        return codec_of(parts[0], names)
    if base in ("typing.Optional", "typing.Union"):
        return _of_union(parts, names)
    codec = codec_of(annotation.value, names)
    if codec != JSON_CODEC or base == "typing.Literal":
        return codec
    return JSON_CODEC if all(codec_of(part, names) == JSON_CODEC for part in parts) else None


def _of_union(parts: list[ast.expr], names: Names) -> Codec | None:
    """The codec of all members; None beside another member is free only in JSON, which can say it."""
    codecs = {codec_of(part, names) for part in parts}
    return codecs.pop() if len(codecs) == 1 else None
