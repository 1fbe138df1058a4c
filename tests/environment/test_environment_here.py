"""Whether the Python that runs is the environment of a lock: by its version and those of the packages that it wants here."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from shipway.environment import unlike_here

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
HASH = "--hash=sha256:" + "0" * 64


def lock(*pins: str) -> bytes:
    return "".join(f"{pin} {HASH}\n" for pin in pins).encode()


def test_a_lock_of_what_is_installed_is_this_python_and_more_packages_are_no_difference() -> None:
    assert unlike_here(lock(f"numpy=={version('numpy')}", f"Scikit_Learn=={version('scikit-learn')}"), python=HERE) == ""
    assert unlike_here(b"", python=HERE) == ""


@pytest.mark.parametrize(
    ("pins", "python", "says"),
    [
        (("numpy==1.2.3",), HERE, f"numpy is {version('numpy')} here, 1.2.3 there"),
        (("no-such-package==1.0",), HERE, "no-such-package is not installed here"),
        ((), "3.9", f"this is Python {HERE}, the environment's is 3.9"),
        (("numpy==1.0 ; python_full_version >= '3'",), HERE, f"numpy is {version('numpy')} here, 1.0 there"),
    ],
)
def test_what_differs_is_named(pins: tuple[str, ...], python: str, says: str) -> None:
    assert unlike_here(lock(*pins), python=python) == says


def test_a_pin_for_another_platform_or_python_is_not_asked_for() -> None:
    elsewhere = ("colorama==9.9 ; sys_platform == 'nowhere'", "numpy==1.0 ; python_full_version < '3'")
    assert unlike_here(lock(*elsewhere), python=HERE) == ""
    assert unlike_here(lock(f"numpy=={version('numpy')}.0"), python=HERE) == "", "1.0 and 1.0.0 are one version"
