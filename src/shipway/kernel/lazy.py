"""What is imported when it is first asked for: names of a package, whose door may be wide and still cost nothing to open;
and modules of Python that others import at their top and use in rare cases alone.
"""

from __future__ import annotations

import sys
from _thread import RLock
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType


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


def put_off(*names: str) -> None:
    """Import these modules when something of theirs is first used, and not when they are imported. One that is there stays.

    For the top of a short command alone: `dataclasses` imports `inspect` for classes without a docstring, and `inspect` five
    modules more, together an eighth of what such a command imports.
    """
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = _PutOff(name)


_lock = RLock()  # threads that ask at once wait for the one that loads
_loading = set[str]()


class _PutOff(ModuleType):
    """A module that becomes itself at the first look for what it has."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked by the import itself; a module has those that matter from its birth
            raise AttributeError(name)
        with _lock:
            if self.__name__ in _loading:  # a circle of imports, which sees what is there yet
                raise AttributeError(name)
            if type(self) is _PutOff:
                _loading.add(self.__name__)
                try:
                    _load(self)
                finally:
                    _loading.remove(self.__name__)
        return getattr(self, name)


def _load(module: ModuleType) -> None:
    specs = (finder.find_spec(module.__name__, None) for finder in sys.meta_path)
    spec = next(spec for spec in specs if spec)
    assert spec.loader is not None, "a module of Python's own has a loader"
    module.__spec__, module.__loader__, module.__file__, module.__package__ = spec, spec.loader, spec.origin, spec.parent
    spec.loader.exec_module(module)
    module.__class__ = ModuleType
