"""Processes that answer in forks: each question is alone, and nothing is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipway.environment import boot, default_cache, ensure_overlay
from shipway.pipeline import _forks
from shipway.pipeline._forks import ask_fork

PYTHON = Path(sys.executable)
HASTY = "import shipway.models.forks as forks; forks.IDLE_SECONDS = 0.1; print(forks.main([]))"

# asks what takes long, and is interrupted in the midst of it
INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from shipway.pipeline._forks import _kept, ask_fork

python, overlay, folder = (Path(word) for word in sys.argv[1:])
os.mkfifo(folder / "fifo")

def interrupt():
    time.sleep(1.0)
    (forks,) = _kept.values()
    print(forks._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
words = ["score", "--manifest", str(folder / "fifo"), "--file", "x", "--columns", "x", "--outputs", "x"]
try:
    ask_fork(python, overlay, "onnx", words, stdout=folder / "out", stderr=folder / "err")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture(scope="module")
def overlay() -> Path:
    return ensure_overlay(PYTHON, cache=default_cache(), report=print)


def asked(overlay: Path, folder: Path, *words: str) -> tuple[int, str, str]:
    out, err = folder / "out", folder / "err"
    code = ask_fork(PYTHON, overlay, "onnx", words, stdout=out, stderr=err)
    return code, out.read_text() if out.exists() else "", err.read_text()


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_question_is_answered_as_by_a_process_of_its_own(
    overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = asked(overlay, tmp_path, "score", "--help")
    assert (code, out.startswith("usage: python -m shipway.models score"), err) == (0, True, "")
    code, out, err = asked(overlay, tmp_path, "score")
    assert (code, out) == (2, "")
    assert "required: --manifest" in err
    (tmp_path / "inputs.json").write_text("[]")
    words = (
        "describe",
        "--format",
        "none",
        "--inputs",
        "inputs.json",
        "--file",
        "inputs.json",
        "--columns",
        "x",
        "--outputs",
        "y",
    )
    _, elsewhere, _ = asked(overlay, tmp_path, *words)
    monkeypatch.chdir(tmp_path)  # the folder is that of the asker by then
    _, here, _ = asked(overlay, tmp_path, *words)
    assert ("No such file" in elsewhere, "no model format 'none'" in here) == (True, True)


def test_a_process_that_was_killed_between_two_questions_is_started_again(overlay: Path, tmp_path: Path) -> None:
    asked(overlay, tmp_path, "convert", "--help")
    found = [forks for key, forks in _forks._kept.items() if key[1:4] == (str(overlay), "onnx", "convert")]
    process = found[0]._process
    assert process is not None
    process.kill()
    assert asked(overlay, tmp_path, "convert", "--help")[0] == 0
    assert process.poll() == -signal.SIGKILL


def test_a_process_that_cannot_begin_says_why(tmp_path: Path) -> None:
    """As in an environment that the overlay does not fit."""
    (tmp_path / "shipway").mkdir()
    (tmp_path / "shipway" / "__init__.py").touch()
    (tmp_path / "shipway" / "environment").symlink_to(Path(boot.__file__).parent)
    code, _, err = asked(tmp_path, tmp_path, "score")
    assert code == 1
    assert "No module named 'shipway.models'" in err.splitlines()[-1]


def test_whom_nobody_asks_ends() -> None:
    with subprocess.Popen([PYTHON, "-c", HASTY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.read() == "0\n"


def test_an_interrupt_ends_the_fork_that_answers(overlay: Path, tmp_path: Path) -> None:
    words = [str(PYTHON), "-c", INTERRUPTED, str(PYTHON), str(overlay), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    group, said = done.stdout.split()
    assert said == "interrupted"
    end = time.monotonic() + 20
    while not gone(int(group)):
        assert time.monotonic() < end
        time.sleep(0.05)
