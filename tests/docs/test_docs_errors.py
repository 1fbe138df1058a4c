"""docs/errors.md and the code know the same errors."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from docs_help import DOCS, sections, titles

import shipway
from shipway.kernel.errors import ShipwayError

PAGE = DOCS / "errors.md"


def import_everything() -> None:
    """Every module of Shipway; not those that act when they are imported."""
    for module in pkgutil.walk_packages(shipway.__path__, "shipway."):
        if not module.name.endswith("__main__") and "._migrations" not in module.name:
            importlib.import_module(module.name)


def below(kind: type[ShipwayError]) -> Iterator[type[ShipwayError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


@pytest.fixture(scope="module")
def kinds() -> list[type[ShipwayError]]:
    import_everything()
    return [kind for kind in below(ShipwayError) if kind.__module__.startswith("shipway.")]


def test_every_error_has_a_heading_and_every_heading_an_error(kinds: list[type[ShipwayError]]) -> None:
    headings = titles(PAGE, 2)
    assert sorted(headings) == headings, "headings are in the order of their codes"
    assert set(headings) == {kind.code for kind in kinds}


def test_a_code_is_of_one_error_only(kinds: list[type[ShipwayError]]) -> None:
    codes = [kind.code for kind in kinds]
    assert sorted(codes) == sorted(set(codes))


def test_a_code_begins_with_its_room(kinds: list[type[ShipwayError]]) -> None:
    rooms = {kind.code: (kind.__module__.split(".")[1], kind.code.split(".")[0]) for kind in kinds if kind is not ShipwayError}
    assert {code: pair for code, pair in rooms.items() if pair[0] != pair[1]} == {}


def test_every_heading_says_when_and_how_to_mend() -> None:
    for found in sections(PAGE):
        if found.depth == 2:
            assert "**When:**" in found.text, found.title
            assert "**Mend:**" in found.text, found.title


def test_what_is_worth_a_retry_is_said(kinds: list[type[ShipwayError]]) -> None:
    said = {found.title for found in sections(PAGE) if "orth a retry" in found.text and found.depth == 2}
    assert said == {kind.code for kind in kinds if kind.retry} | {"environment.environment-failed"}  # that one by its cause
