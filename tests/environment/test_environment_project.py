from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
from pathlib import Path

import pytest
from environment_help import digest_of

from shipway.environment import EnvironmentFailed, LockUnpinned, default_cache, ensure_environment, lock_requirements

PYTHON = "3.11"


@pytest.fixture(scope="module")
def small_lock(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    requirements = tmp_path_factory.mktemp("lock") / "requirements.in"
    requirements.write_text("rfc8785\n")
    return lock_requirements(requirements, python=PYTHON)


def make(lock: bytes, cache: Path, lines: list[str] | None = None) -> Path:
    report = (lines if lines is not None else []).append
    return ensure_environment(digest_of(lock), lock, python=PYTHON, cache=cache, report=report)


def can_import(python: Path, module: str) -> bool:
    return subprocess.run([python, "-c", f"import {module}"], check=False, stderr=subprocess.DEVNULL).returncode == 0


def test_an_environment_is_made_once_and_holds_the_lock_only(small_lock: bytes, tmp_path: Path) -> None:
    lines: list[str] = []
    python = make(small_lock, tmp_path, lines)
    assert can_import(python, "rfc8785")
    assert not can_import(python, "numpy")
    assert make(small_lock, tmp_path, lines) == python
    assert len(lines) == 1
    assert "1 packages" in lines[0]


def test_what_an_interrupted_maker_left_is_made_again(small_lock: bytes, tmp_path: Path) -> None:
    python = make(small_lock, tmp_path)
    folder = python.parents[1]
    (folder / ".complete").unlink()
    (folder / "half-written").touch()
    assert make(small_lock, tmp_path) == python
    assert not (folder / "half-written").exists()


def test_an_environment_whose_interpreter_is_gone_is_made_again(small_lock: bytes, tmp_path: Path) -> None:
    python = make(small_lock, tmp_path)
    python.unlink()
    python.symlink_to("/no/such/python")
    assert can_import(make(small_lock, tmp_path), "rfc8785")


def _make_in_child(lock: bytes, cache: Path, answers: multiprocessing.SimpleQueue[tuple[str, int]]) -> None:
    lines: list[str] = []
    answers.put((str(make(lock, cache, lines)), len(lines)))


def test_two_processes_make_one_environment(small_lock: bytes, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.SimpleQueue()
    makers = [spawn.Process(target=_make_in_child, args=(small_lock, tmp_path, answers)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    (first, reports), (second, more) = answers.get(), answers.get()
    assert first == second
    assert reports + more == 1  # one made it, the other waited
    assert can_import(Path(first), "rfc8785")


def test_a_lock_with_a_wrong_hash_is_refused_and_leaves_nothing_complete(small_lock: bytes, tmp_path: Path) -> None:
    wrong = re.sub(rb"sha256:\w{64}", b"sha256:" + b"0" * 64, small_lock)
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        make(wrong, tmp_path)
    assert not list(tmp_path.glob("environments/*/.complete"))


def test_a_lock_without_hashes_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(LockUnpinned):
        make(b"rfc8785==0.1.4\n", tmp_path)
    assert not (tmp_path / "environments").exists()


def test_a_python_that_does_not_exist_is_named(small_lock: bytes, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match=r"no Python 3\.2"):
        ensure_environment(digest_of(b"other"), small_lock, python="3.2", cache=tmp_path, report=print)


def test_the_cache_is_where_the_settings_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SHIPWAY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert default_cache() == Path.home() / ".cache" / "shipway"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "shipway"
    monkeypatch.setenv("SHIPWAY_CACHE", os.fspath(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"
