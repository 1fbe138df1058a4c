"""The examples in the docstrings of this room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import shipway.pipeline

MODULES = [module.name for module in pkgutil.iter_modules(shipway.pipeline.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"shipway.pipeline.{name}"))
    assert result.failed == 0


def test_every_exported_name_exists() -> None:
    assert all(hasattr(shipway.pipeline, name) for name in shipway.pipeline.__all__)
