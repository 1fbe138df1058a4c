from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from environment_help import ENVIRON, Project, project_python, value

from shipway.environment import Codec, Runner, StepFailed, StepFile, StepInput
from shipway.kernel import media

FRAME = pl.DataFrame({"hour": [1, 2, 3], "carrier": ["AA", "B6", None]})


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(project_python(), environ=ENVIRON) as runner:
        yield runner


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {name: tmp_path / f"month.{name}" for name in ("parquet", "csv", "jsonl", "arrow")}
    FRAME.write_parquet(made["parquet"])
    FRAME.write_csv(made["csv"])
    FRAME.write_ndjson(made["jsonl"])
    FRAME.write_ipc(made["arrow"], compat_level=pl.CompatLevel.oldest())  # text as pyarrow has it
    return made


@pytest.mark.parametrize("codec", ["polars.frame", "polars.lazy"])
def test_tables_of_every_extension_are_concatenated_in_order(
    runner: Runner, project: Project, files: dict[str, Path], codec: Codec
) -> None:
    function = "total" if codec == "polars.frame" else "lazy_total"
    kept: Codec = "json" if codec == "polars.frame" else "polars.lazy"
    result = runner.run(project.call(function, kept, table=value(codec, *files.values())))
    if codec == "polars.frame":
        assert json.loads(result.file.read_bytes()) == {"rows": 12, "sum": 24, "columns": ["hour", "carrier"]}
    else:
        assert pl.read_parquet(result.file)["hour"].to_list() == [24]
        assert result.media_type == media.PARQUET


@pytest.mark.parametrize("codec", ["polars.frame", "polars.lazy"])
def test_a_blob_without_extension_is_read_by_its_name(
    runner: Runner, project: Project, files: dict[str, Path], codec: Codec
) -> None:
    blob = project.work / ("ab" * 32)
    blob.write_bytes(files["parquet"].read_bytes())
    table = StepInput(codec, [StepFile(blob, "2013-01.parquet")])
    function: tuple[str, Codec] = ("total", "json") if codec == "polars.frame" else ("lazy_total", "polars.lazy")
    assert runner.run(project.call(*function, table=table)).file.is_file()
    with pytest.raises(StepFailed, match=r"2013-01\.xls: the extension is none of \.parquet"):
        runner.run(project.call(*function, table=StepInput(codec, [StepFile(blob, "2013-01.xls")])))


def test_tables_that_do_not_fit_together_are_named(runner: Runner, project: Project, files: dict[str, Path]) -> None:
    other = project.work / "other.csv"
    other.write_text("hour,tail\n1,N1\n")
    with pytest.raises(StepFailed, match=r"month\.parquet, other\.csv do not fit together"):
        runner.run(project.call("total", "json", table=value("polars.frame", files["parquet"], other)))


def test_arrays_and_models_pass_from_step_to_step(runner: Runner, project: Project) -> None:
    table = runner.run(project.call("table", "polars.frame"))
    model = runner.run(project.call("fit", "sklearn.model", table=value("polars.frame", table.file)))
    kept, rows = value("sklearn.model", model.file), value("polars.frame", table.file)
    scores = runner.run(project.call("scores", "numpy.array", fit=kept, table=rows))
    assert (table.media_type, model.media_type, scores.media_type) == (media.PARQUET, media.SKOPS, media.NPY)
    assert np.load(scores.file).shape == (500,)


def test_json_is_canonical_and_numpy_numbers_are_numbers(runner: Runner, project: Project) -> None:
    (project.root / "more.py").write_text(
        "import numpy as np\ndef step():\n    return {'b': np.int64(2), 'a': [np.float64(0.5), 'é', None]}\n"
    )
    result = runner.run(project.call("step", "json", file="more.py"))
    assert result.file.read_bytes() == '{"a":[0.5,"é",null],"b":2}'.encode()
    assert result.media_type == media.JSON


def test_a_path_is_the_folder_that_the_step_made(runner: Runner, project: Project) -> None:
    raw = project.work / "raw.bin"
    raw.write_bytes(b"\x00\xff")
    call = project.call("folder", "path", environ={"WORK": str(project.work)}, raw=value("bytes", raw))
    result = runner.run(call)
    assert result.file == call.directory / "made"
    assert (result.file / "copy.bin").read_bytes() == b"\x00\xff"


def test_an_arrow_table_needs_pyarrow_in_the_project_and_says_so(
    runner: Runner, project: Project, files: dict[str, Path]
) -> None:
    with pytest.raises(StepFailed, match="pyarrow is not in the project's environment"):
        runner.run(project.call("total", "json", table=value("arrow.table", files["parquet"])))


def test_arrow_tables_go_in_and_out_where_the_project_has_pyarrow(project: Project, files: dict[str, Path]) -> None:
    import sys  # our own development environment has pyarrow: here it plays the project

    pytest.importorskip("pyarrow")
    (project.root / "arrows.py").write_text("def step(table):\n    return table.slice(1)\n")
    with Runner(Path(sys.executable), environ=ENVIRON) as runner:
        parts = [files[name] for name in ("parquet", "csv", "jsonl", "arrow")]
        result = runner.run(project.call("step", "arrow.table", file="arrows.py", table=value("arrow.table", *parts)))
    assert pl.read_parquet(result.file)["hour"].to_list() == [2, 3] + [1, 2, 3] * 3
