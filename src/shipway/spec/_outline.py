"""Where shipway.yaml is, and the little of it that most commands need: kept, so that an unchanged file is not read as YAML.

Kept is the outline of a spec without mistakes, under the digests of every file that it was read from. It may go at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from shipway.spec._errors import SpecMissing

if TYPE_CHECKING:
    from shipway.spec._spec import Spec

FILE_NAME = "shipway.yaml"
_KIND, _VERSION = "spec-outline", 1
_LIMIT = 1_000_000  # bytes of a spec, of a contract and of what is kept: larger ones are read as they always are


class DataOutline(NamedTuple):
    """A data set. path: as the spec has it, or where a checkout puts it; plain: its files are there, no query, no place."""

    name: str
    path: str
    plain: bool


class Outline(NamedTuple):
    """A project's name, the file of its spec, and its data sets by name, in the order written."""

    project: str
    path: Path
    data: Mapping[str, DataOutline]

    @property
    def root(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent


def find_spec(start: Path) -> Path:
    """The shipway.yaml of this folder or of the nearest one above it; raises SpecMissing."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise SpecMissing(f"no {FILE_NAME} here or in any folder above", where=str(start.absolute()), mend="shipway init")


def outline_of(spec: Spec) -> Outline:
    """What a spec says, in short."""
    data = {name: DataOutline(name, one.path, not (one.query or one.place)) for name, one in spec.data.items()}
    return Outline(spec.project, spec.path, data)


def read_outline(path: Path, kept: Path, *, by: str) -> Outline:
    """The outline of the spec in a file, whole or contracts changed or not: as load_spec would tell, and raises as it does.

    kept: the file that remembers it, in a folder that has to be there for that; by: which Shipway reads: another may have
    other rules.
    """
    path = path.absolute()
    found = _remembered(path, kept, by)
    if found is not None:
        return found
    from shipway.spec._files import load_spec

    before = _digest(path)
    spec = load_spec(path)
    contracts = sorted({one.contract_path for one in spec.data.values() if one.contract_path})
    sums = {name: _digest(path.parent / name) for name in contracts}
    outline = outline_of(spec)
    if before and all(sums.values()) and before == _digest(path):
        with suppress(OSError, UnicodeError):
            _remember(outline, kept, {"kind": _KIND, "version": _VERSION, "by": by, "spec": before, "contracts": sums})
    return outline


def _remember(outline: Outline, kept: Path, under: Mapping[str, object]) -> None:
    value = {**under, "project": outline.project, "data": [list(one) for one in outline.data.values()]}
    kept.parent.mkdir(exist_ok=True)
    draft = kept.with_name(f".{kept.name}-{os.getpid()}")
    draft.write_text(json.dumps(value))
    os.replace(draft, kept)


def _remembered(path: Path, kept: Path, by: str) -> Outline | None:
    """None where anything is not as it was, or as it is written here."""
    try:
        value = json.loads(_read(kept))
        same = (value["kind"], value["version"], value["by"], value["spec"]) == (_KIND, _VERSION, by, _digest(path))
        if not same or not all(_digest(path.parent / name) == known for name, known in value["contracts"].items()):
            return None
        data = {name: DataOutline(name, where, plain) for name, where, plain in _rows(value["data"])}
        return Outline(str(value["project"]), path, data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _rows(rows: list[list[object]]) -> Iterator[tuple[str, str, bool]]:
    for name, where, plain in rows:
        if not (isinstance(name, str) and isinstance(where, str) and isinstance(plain, bool)):
            raise TypeError("no data set as it is written here")
        yield name, where, plain


def _digest(path: Path) -> str | None:
    """None of a file that cannot be read, or is larger than what is kept."""
    try:
        return hashlib.sha256(_read(path)).hexdigest()
    except (OSError, ValueError):
        return None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise ValueError("too large")
    return data
