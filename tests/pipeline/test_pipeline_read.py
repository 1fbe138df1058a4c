"""Reading a file as syntax: what is a step, which codec its annotations mean, and where it says so when it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.pipeline import Pipeline, PipelineMalformed, read_pipeline

IMPORTS = """
import pathlib
import typing as t
from pathlib import Path
import numpy
import numpy as np
import numpy.typing as npt
import polars
import polars as pl
import pyarrow as pa
from sklearn.pipeline import Pipeline as Flow
import sklearn.linear_model as linear
import onnx, lightgbm, xgboost as xgb
from lightgbm import LGBMRegressor
Table = pl.DataFrame
"""


def read(tmp_path: Path, text: str) -> Pipeline:
    (tmp_path / "steps.py").write_text(text)
    return read_pipeline(tmp_path, "steps.py")


@pytest.mark.parametrize(
    ("annotation", "codec"),
    [
        ("pl.DataFrame", "polars.frame"),
        ("polars.DataFrame", "polars.frame"),
        ("'pl.DataFrame'", "polars.frame"),
        ("Table", "polars.frame"),
        ("t.Annotated[pl.DataFrame, 'rows']", "polars.frame"),
        ("pl.LazyFrame", "polars.lazy"),
        ("pa.Table", "arrow.table"),
        ("np.ndarray", "numpy.array"),
        ("numpy.ndarray", "numpy.array"),
        ("npt.NDArray[np.float64]", "numpy.array"),
        ("Flow", "sklearn.model"),
        ("linear.LogisticRegression", "sklearn.model"),
        ("onnx.ModelProto", "onnx.model"),
        ("xgb.XGBClassifier", "xgboost.model"),
        ("xgb.Booster", "xgboost.booster"),
        ("LGBMRegressor", "lightgbm.model"),
        ("lightgbm.Booster", "lightgbm.booster"),
        ("Path", "path"),
        ("pathlib.Path", "path"),
        ("bytes", "bytes"),
        ("dict", "json"),
        ("dict[str, float]", "json"),
        ("dict[str, list[int | None]]", "json"),
        ("t.Optional[float]", "json"),
        ("t.Literal['a', 'b']", "json"),
        ("str | int", "json"),
        ("None", "json"),
    ],
)
def test_an_annotation_means_a_codec(tmp_path: Path, annotation: str, codec: str) -> None:
    pipeline = read(tmp_path, f"{IMPORTS}\ndef step(given: {annotation}) -> {annotation}: ...")
    assert (pipeline.steps[0].codec, pipeline.steps[0].arguments[0].codec) == (codec, codec)


@pytest.mark.parametrize(
    "annotation",
    [
        "tuple[int, int]",
        "set",
        "pd.DataFrame",
        "dict[str, pl.DataFrame]",
        "pl.DataFrame | None",
        "linear",
        "object()",
        "'a b'",
        "3",
    ],
)
def test_an_annotation_that_means_none_is_refused_with_those_that_do(tmp_path: Path, annotation: str) -> None:
    with pytest.raises(PipelineMalformed, match="cannot be kept") as caught:
        read(tmp_path, f"{IMPORTS}\n\ndef step() -> {annotation}: ...")
    assert caught.value.where == f"steps.py:{IMPORTS.count(chr(10)) + 3}"
    assert "pl.DataFrame" in str(caught.value.mend)


def test_steps_are_the_public_functions_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "class C:\n def no(self): ...\ndef b() -> int: ...\ndef _no(x): ...\ndef a(b: int, *, c: str = '') -> int: ..."
    steps = read(tmp_path, text).steps
    assert [step.name for step in steps] == ["b", "a"]
    assert [(argument.name, argument.optional) for argument in steps[1].arguments] == [("b", False), ("c", True)]


def test_the_file_is_never_run(tmp_path: Path) -> None:
    read(tmp_path, "open('ran', 'w')\nraise SystemExit\ndef step() -> int: ...")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("def step(\n    x) -> int: ...", 2, "the argument x of the step step has no annotation"),
        ("\ndef step(x: int): ...", 2, "does not say what it returns"),
        ("def step(*xs: int) -> int: ...", 1, "takes \\*xs"),
        ("def step(**xs: int) -> int: ...", 1, "takes \\*xs"),
        ("def step(x: int, /) -> int: ...", 1, "positional-only"),
        ("async def step() -> int: ...", 1, "is async"),
        ("def step() -> int: ...\ndef step() -> int: ...", 2, "there twice, first at line 1"),
        ("x = 1\ndef step( -> int: ...", 2, "is not Python"),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(PipelineMalformed, match=words) as caught:
        read(tmp_path, text)
    assert caught.value.where == f"steps.py:{line}"


def test_a_file_without_a_step_a_missing_one_and_one_of_other_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineMalformed, match="has no step"):
        read(tmp_path, "x = 1")
    with pytest.raises(PipelineMalformed, match="No such file"):
        read_pipeline(tmp_path, "nowhere.py")
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9")
    with pytest.raises(PipelineMalformed, match="not UTF-8"):
        read_pipeline(tmp_path, "latin.py")
