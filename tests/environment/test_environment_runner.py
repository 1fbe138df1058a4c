from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from environment_help import ENVIRON, Project, project_python, value

from shipway.environment import EnvironmentFailed, Runner, RunnerDied, StepFailed


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner(project_python(), environ=ENVIRON | {"PYTHONPATH": "/nowhere"}) as runner:
        yield runner


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def line_of(project: Project, text: str) -> int:
    lines = (project.root / "steps.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_a_step_that_raises_is_told_by_the_users_own_file_and_line(runner: Runner, project: Project) -> None:
    table = runner.run(project.call("table", "polars.frame")).file
    with pytest.raises(StepFailed) as failure:
        runner.run(project.call("raises", "polars.frame", table=value("polars.frame", table)))
    line = line_of(project, "no_such_column")
    assert failure.value.what.startswith("step raises raised polars.exceptions.ColumnNotFoundError: ")
    assert failure.value.where == f'steps.py:{line} in _inner: return table.select(pl.col("no_such_column"))'
    assert "v1.py" not in failure.value.error.traceback
    assert len(failure.value.render().splitlines()) <= 6


@pytest.mark.parametrize(
    ("function", "codec", "message"),
    [
        ("wrong_type", "polars.frame", "expected a polars.DataFrame, given dict"),
        ("wrong_type", "sklearn.model", "expected a fitted scikit-learn estimator, given dict"),
        ("not_a_number", "json", "Out of range float values"),
        ("pickled_objects", "numpy.array", "one of Python objects"),
        ("own_function", "sklearn.model", "not on the list of safe ones: steps._inner"),
    ],
)
def test_a_value_that_its_codec_cannot_keep_is_told_at_the_function(
    runner: Runner, project: Project, function: str, codec: str, message: str
) -> None:
    with pytest.raises(StepFailed) as failure:
        runner.run(project.call(function, codec))  # type: ignore[arg-type]
    assert f"{function} returned a value that {codec} cannot keep" in failure.value.what
    assert message in failure.value.what
    assert failure.value.error.line == line_of(project, f"def {function}(")


def test_a_module_that_does_not_parse_is_told_by_its_line(runner: Runner, project: Project) -> None:
    (project.root / "broken.py").write_text("x = 1\ndef step():\n    return 1 +\n")
    with pytest.raises(StepFailed) as failure:
        runner.run(project.call("step", "json", file="broken.py"))
    assert failure.value.error.type == "SyntaxError"
    assert failure.value.where == "broken.py:3 in <module>: return 1 +"


def test_a_module_named_like_one_of_pythons_own_is_refused_by_name(runner: Runner, project: Project) -> None:
    (project.root / "queue.py").write_text("def step():\n    return 1\n")
    with pytest.raises(StepFailed, match=r"queue\.py has the name of another module"):
        runner.run(project.call("step", "json", file="queue.py"))


def test_a_missing_function_a_missing_file_and_a_damaged_one_are_each_named(runner: Runner, project: Project) -> None:
    table = runner.run(project.call("table", "polars.frame")).file
    cut = project.work / "cut.parquet"
    cut.write_bytes(table.read_bytes()[:-100])
    with pytest.raises(StepFailed, match=r"steps\.py has no function nothing"):
        runner.run(project.call("nothing", "json"))
    with pytest.raises(StepFailed, match=r"argument table \(polars\.frame\): .*gone\.parquet"):
        runner.run(project.call("total", "json", table=value("polars.frame", project.work / "gone.parquet")))
    with pytest.raises(StepFailed, match=r"argument table \(polars\.frame\): cut\.parquet cannot be read"):
        runner.run(project.call("total", "json", table=value("polars.frame", cut)))


def test_a_step_that_exits_does_not_take_the_runner_with_it(runner: Runner, project: Project) -> None:
    with pytest.raises(StepFailed, match="SystemExit: 3"):
        runner.run(project.call("exits", "json"))
    assert runner.run(project.call("noisy", "json")).file.read_bytes() == b"1"


def test_what_a_step_prints_reaches_our_standard_error(
    runner: Runner, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.run(project.call("noisy", "json"))
    printed = []

    def everything_came() -> bool:  # sooner or later: the relay is a thread of its own
        out, err = capsys.readouterr()
        assert out == ""
        printed.append(err)
        return all(text in "".join(printed) for text in ("by print", "written to descriptor 1", "by a child"))

    _wait_until(everything_came)


def test_numeric_libraries_have_one_thread_and_the_environment_is_what_was_asked(runner: Runner, project: Project) -> None:
    seen = json.loads(runner.run(project.call("threads", "json", environ={"EXTRA": "yes"})).file.read_bytes())
    assert seen == {
        "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": None, "EXTRA": "yes", "pool": 1,
    }  # fmt: skip
    after = json.loads(runner.run(project.call("threads", "json")).file.read_bytes())
    assert after["EXTRA"] is None


def test_a_step_that_forgot_its_seed_repeats_itself(runner: Runner, project: Project) -> None:
    first, second = (runner.run(project.call("careless", "json")).file.read_bytes() for _ in range(2))
    assert first == second


def test_another_root_has_its_own_modules(runner: Runner, project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    (other.root / "steps.py").write_text("def noisy():\n    return 'another'\n")
    assert runner.run(other.call("noisy", "json")).file.read_bytes() == b'"another"'
    assert runner.run(project.call("noisy", "json")).file.read_bytes() == b"1"


def test_a_killed_step_is_told_by_its_signal_and_its_last_lines(project: Project) -> None:
    with Runner(project_python(), environ=ENVIRON) as runner:
        with pytest.raises(RunnerDied) as death:
            runner.run(project.call("killed", "json"))
        assert death.value.ending == "SIGKILL"
        assert death.value.last_lines[-1] == "about to die"
        with pytest.raises(RunnerDied):
            runner.run(project.call("noisy", "json"))


def test_a_runner_killed_from_outside_is_told_by_its_signal(project: Project) -> None:
    with Runner(project_python(), environ=ENVIRON) as runner:
        runner.run(project.call("noisy", "json"))
        os.kill(runner.pid, signal.SIGTERM)
        with pytest.raises(RunnerDied, match="SIGTERM"):
            runner.run(project.call("noisy", "json"))


PARENT = """
import sys
from pathlib import Path
from environment_help import ENVIRON, Project, project_python, value
from shipway.environment import Runner
project = Project(Path(sys.argv[1]))
(project.work / "raw.bin").write_text(sys.argv[2])
with Runner(project_python(), environ=ENVIRON) as runner:
    runner.run(project.call("sleeps", "json", raw=value("bytes", project.work / "raw.bin")))
"""


def test_a_killed_parent_takes_the_runner_and_its_children_along(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in [str(Path(__file__).parent), *sys.path] if path)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "work"), str(pids)], env=environ) as parent:
        _wait_until(lambda: pids.is_file() and bool(pids.read_text()))
        parent.kill()
    running = [int(pid) for pid in pids.read_text().split()]
    _wait_until(lambda: not any(_is_alive(pid) for pid in running))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(holds: object, seconds: float = 60) -> None:
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("version", ["v9", "../_lock", ""])
def test_a_runner_that_this_shipway_has_not_is_refused(version: str) -> None:
    with pytest.raises(EnvironmentFailed, match="this Shipway has not") as refusal:
        Runner(project_python(), environ=ENVIRON, version=version)
    assert str(refusal.value.mend).endswith("this one has v1")
