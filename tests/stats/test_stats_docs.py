"""The examples in the docstrings run, every public function has one, and the room imports nothing but numpy."""

import ast
import doctest
import importlib
import sys
from pathlib import Path

import pytest

from shipway import stats

MODULES = sorted(Path(str(stats.__file__)).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_examples_of_a_module_run(path: Path) -> None:
    name = "shipway.stats" if path.stem == "__init__" else f"shipway.stats.{path.stem}"
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", stats.__all__)
def test_every_public_function_has_an_example(name: str) -> None:
    thing = getattr(stats, name)
    if callable(thing) and not isinstance(thing, type):
        assert ">>>" in (thing.__doc__ or "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_room_imports_numpy_and_the_standard_library_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = ["numpy" if str(node.module).startswith("shipway.stats.") else str(node.module)]  # its own modules
        assert {name.split(".")[0] for name in names} <= {"numpy", *sys.stdlib_module_names}
