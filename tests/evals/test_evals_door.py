"""The door is light, and the examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from shipway import evals

MODULES = sorted(Path(str(evals.__file__)).parent.glob("_[a-z]*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_a_module_run(path: Path) -> None:
    assert doctest.testmod(importlib.import_module(f"shipway.evals.{path.stem}")).failed == 0


def test_the_door_imports_nothing_heavy() -> None:
    code = "import sys, shipway.evals; print(' '.join(m for m in sys.modules if '.' not in m))"
    found = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not {"numpy", "sqlalchemy", "aiohttp", "msgspec", "asyncio", "yaml"} & found


@pytest.mark.parametrize("name", evals.__all__)
def test_every_name_of_the_door_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(evals, name).__doc__


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        evals.nothing  # type: ignore[attr-defined]  # noqa: B018
