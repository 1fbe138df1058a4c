"""Names of a package that are imported when they are first asked for: a door may be wide and still cost nothing to open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def lazy_exports(package: str, home: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """The module-level `__getattr__` (PEP 562) of a package. home: the names that each of its modules gives.

    Use it under `if not TYPE_CHECKING`, with plain imports for the checker: a checker then still reports unknown names.
    """
    where = {name: module for module, names in home.items() for name in names}

    def find(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package} has no attribute {name}")
        return getattr(import_module(f"{package}.{where[name]}"), name)

    return find
