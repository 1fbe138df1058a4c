"""Two model files in skops, part by part under the names of their attributes; nothing of a model is loaded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from shipway.kernel.canonical import Json
from shipway.models import Array

_SCHEMA = "schema.json"
_LARGEST = 256 << 20  # bytes of one member that is looked into
Line = Callable[[str, Array, Array], str | None]


def model_lines(before: Path, after: Path, array_line: Line) -> list[str]:
    """A line for each part that differs. Raises OSError, ValueError, KeyError for files that are no skops archives."""
    try:
        with zipfile.ZipFile(before) as old, zipfile.ZipFile(after) as new:
            parts = [dict(_parts(json.loads(archive.read(_SCHEMA)), "")) for archive in (old, new)]
            names = sorted(parts[0].keys() | parts[1].keys())
            lines = [_line(name, old, parts[0].get(name), new, parts[1].get(name), array_line) for name in names]
    except zipfile.BadZipFile as problem:
        raise ValueError(str(problem)) from problem
    return [line for line in lines if line]


def _parts(node: Json, name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every leaf by the path of its attribute: ("file", member) or ("value", text)."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _parts(item, f"{name}[{number}]")
    elif isinstance(node, Mapping) and "file" in node:
        yield name or "model", ("file", str(node["file"]))
    elif isinstance(node, Mapping) and node.get("is_json"):
        yield name or "model", ("value", str(node["content"]))
    elif isinstance(node, Mapping) and "__loader__" in node:
        yield name or "model", ("class", f"{node.get('__module__')}.{node.get('__class__')}")
        yield from _parts(node.get("content"), name)
    elif isinstance(node, Mapping):
        for key, item in node.items():
            yield from _parts(item, f"{name}.{key}" if name else key)


def _line(
    name: str,
    old: zipfile.ZipFile,
    before: tuple[str, str] | None,
    new: zipfile.ZipFile,
    after: tuple[str, str] | None,
    array_line: Line,
) -> str | None:
    if before is None or after is None:
        return f"{'+' if before is None else '-'}{name}"
    if before[0] == after[0] == "file":
        return _member(name, (old, before[1]), (new, after[1]), array_line)
    return None if before == after else f"{name}: {before[1][:80]} -> {after[1][:80]}"


def _member(name: str, before: tuple[zipfile.ZipFile, str], after: tuple[zipfile.ZipFile, str], array_line: Line) -> str | None:
    infos = [archive.getinfo(member) for archive, member in (before, after)]
    if infos[0].CRC == infos[1].CRC and infos[0].file_size == infos[1].file_size:
        return None
    if max(info.file_size for info in infos) > _LARGEST or not all(info.filename.endswith(".npy") for info in infos):
        return f"{name}: {infos[0].file_size:,} bytes -> {infos[1].file_size:,} bytes, other ones"
    arrays = [np.load(io.BytesIO(archive.read(member)), allow_pickle=False) for archive, member in (before, after)]
    return array_line(name, arrays[0], arrays[1])
