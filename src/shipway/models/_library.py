"""A library of the project's, imported when a model of its kind is loaded and never before."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from shipway.models._model import ModelUnknown


def library(name: str, *, package: str | None = None) -> ModuleType:
    """The module of this name; raises ModelUnknown when the environment has it not."""
    try:
        return import_module(name)
    except ImportError as problem:
        package = package or name
        raise ModelUnknown(
            f"{package} is not in the environment that loads the model: {problem}",
            mend=f"add {package} to the project's requirements and lock them: shipway lock",
        ) from problem
