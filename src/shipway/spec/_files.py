"""The rim of the room: reading shipway.yaml and the contracts that it names."""

from __future__ import annotations

from pathlib import Path

import msgspec

from shipway.spec._contract import ContractSpec, parse_contract
from shipway.spec._errors import SpecMalformed, SpecMissing
from shipway.spec._spec import Spec, read_spec
from shipway.spec._yaml import LIMIT


def load_spec(path: Path) -> Spec:
    """The spec in this file, its contracts read; raises SpecMissing and SpecMalformed.

    Errors name the file as seen from the working directory; `Spec.path` is absolute.
    """
    path = path.absolute()
    spec = read_spec(_read_text(path), path=_seen(path), load_contract=lambda name: _load_contract(path.parent / name))
    return msgspec.structs.replace(spec, path=path)


def _load_contract(path: Path) -> ContractSpec:
    return parse_contract(_read_text(path), path=_seen(path))


def _seen(path: Path) -> str:
    """The path from the working directory when it lies below, as a person would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _read_text(path: Path) -> str:
    shown = _seen(path)
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except (OSError, ValueError) as problem:  # ValueError: a NUL in the path
        reason = getattr(problem, "strerror", None) or "not a path"
        mend = "shipway init" if isinstance(problem, FileNotFoundError) else None
        raise SpecMissing(f"{shown} cannot be read: {reason.lower()}", where=shown, mend=mend) from problem
    if len(data) > LIMIT:
        raise SpecMalformed("larger than 1 MB", where=shown, mend="a spec names data, it does not hold them")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as problem:
        line, column = data.count(b"\n", 0, problem.start) + 1, problem.start - data.rfind(b"\n", 0, problem.start)
        what = f"the byte 0x{data[problem.start]:02x} is not UTF-8"
        raise SpecMalformed(what, where=f"{shown}:{line}:{column}", mend="save the file as UTF-8") from problem
