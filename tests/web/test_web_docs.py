"""The examples in the docstrings of the room run."""

import doctest
import importlib
from pathlib import Path

import pytest

from shipway import web

MODULES = sorted(path for path in Path(str(web.__file__)).parent.glob("_*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_a_module_run(path: Path) -> None:
    assert doctest.testmod(importlib.import_module(f"shipway.web.{path.stem}")).failed == 0
