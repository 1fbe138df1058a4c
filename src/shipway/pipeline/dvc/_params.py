"""Files of parameters, in YAML, JSON and TOML, and the values in them that a stage names."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shipway.data.dvc import DvcMalformed, DvcMissing, DvcUnsupported, plain, read_text, read_yaml
from shipway.kernel.canonical import Json

Read = Callable[[str], Mapping[str, Json]]
"""The values of a file of parameters at a path below the project. Raises DvcMissing, DvcMalformed, DvcUnsupported."""


def params_reader(root: Path) -> Read:
    """Reads each file once."""
    known: dict[str, Mapping[str, Json]] = {}

    def read(path: str) -> Mapping[str, Json]:
        if path not in known:
            known[path] = _read(root, path)
        return known[path]

    return read


def select_params(values: Mapping[str, Json], keys: Sequence[str], *, path: str, where: str) -> dict[str, Json]:
    """The values at these dotted keys, sorted; all of the file without keys. Raises DvcMissing."""
    if not keys:
        return dict(sorted(values.items()))
    return {key: _at(values, key, path, where) for key in sorted(set(keys))}


def _at(values: Mapping[str, Json], key: str, path: str, where: str) -> Json:
    found: Json = dict(values)
    for word in key.split("."):
        if isinstance(found, Mapping) and word in found:
            found = found[word]
        elif isinstance(found, list | tuple) and word.isdecimal() and int(word) < len(found):
            found = found[int(word)]
        else:
            raise DvcMissing(f"{path} has no parameter {key}", where=where, mend="add it, or correct the name")
    return found


def _read(root: Path, path: str) -> Mapping[str, Json]:
    place, kind = root / path, path.rpartition(".")[2].lower()
    if not place.is_file():
        raise DvcMissing(f"there is no file of parameters {path}", where=str(place), mend="make it, or correct its name")
    if kind == "py":
        raise DvcUnsupported(f"parameters in Python are not read: {path}", where=path, mend="keep them in YAML, JSON or TOML")
    text = read_text(place, path)
    if kind not in ("json", "toml"):
        value = plain(read_yaml(text, path))
        assert isinstance(value, Mapping)
        return value
    try:
        found = json.loads(text) if kind == "json" else tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise DvcMalformed(f"{path} is no {kind.upper()}: {problem}", where=path) from problem
    if not isinstance(found, dict):
        raise DvcMalformed(f"{path} holds no group of values", where=path)
    return found
