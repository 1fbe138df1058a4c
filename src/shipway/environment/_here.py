"""Whether the Python that this runs in is the environment of a lock: what may answer in the caller's own process."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from shipway.environment._lock import Pin, parse_lock


def unlike_here(lock: bytes, *, python: str) -> str:
    """In words, in what this Python differs from the environment of a lock; empty when in nothing.

    python: the version of the environment ("3.11"). More packages than the lock has are no difference. Versions are compared,
    not files: what was changed after it was installed, golden rows have to find. Raises LockUnpinned.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != ".".join(python.split(".")[:2]):
        return f"this is Python {here}, the environment's is {python}"
    try:
        markers = import_module("packaging.markers")  # skops needs it, so it is wherever a model can be loaded
    except ImportError:
        return "the package packaging is not installed here"
    wanted = [pin for pin in parse_lock(lock) if pin.marker is None or markers.Marker(pin.marker).evaluate()]
    return next((told for pin in wanted if (told := _unlike(pin))), "")


def _unlike(pin: Pin) -> str:
    try:
        found = version(pin.name)
    except PackageNotFoundError:
        return f"{pin.name} is not installed here"
    parse = import_module("packaging.version").Version
    return "" if parse(found) == parse(pin.version) else f"{pin.name} is {found} here, {pin.version} there"
