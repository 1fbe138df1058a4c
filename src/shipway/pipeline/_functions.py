"""The functions around a model, taken out of the code of its run: the module of each, and the local modules that it loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import functions_blob
from shipway.pipeline._closure import reachable
from shipway.pipeline._code import checkout_code
from shipway.pipeline._imports import parse_source, read_source
from shipway.pipeline._model_rows import ModelRefused
from shipway.store import Store

FUNCTIONS = media.media_type("functions")


class FunctionNames(NamedTuple):
    """What a model names: `MODULE.FUNCTION` of its code, or `MODULE.CLASS` for the model itself; None where it has none."""

    before: str | None = None
    after: str | None = None
    own: str | None = None


class TakenFunctions(NamedTuple):
    """The functions of a model, and their modules as bytes of the store."""

    source: Descriptor
    before: str | None
    after: str | None
    own: str | None = None

    def to_json(self) -> JsonObject:
        own: JsonObject = {"class": self.own} if self.own else {}
        return {"source": self.source.to_json(), "before": self.before, "after": self.after, **own}


def take_functions(store: Store, code: Digest, names: FunctionNames, *, model: str, work: Path) -> TakenFunctions | None:
    """Keeps the modules of a model's functions, from the code that its steps ran on; None when it has none.

    Raises ModelRefused for a module that this code does not reach, PipelineMalformed.
    """
    wanted = [name for name in names if name]
    if not wanted:
        return None
    entry = checkout_code(store, code, work)
    files: set[str] = set()
    for name in wanted:
        path = _file_of(name, work)
        if path is None:
            module = name.rpartition(".")[0]
            what = f"{name} of model {model}: the code has no module {module or 'before its name'}"
            raise ModelRefused(what, mend=f"as in features.fill, and import {module or 'features'} in {entry}")
        files |= {path, *reachable([parse_source(read_source(work, path), path)], work, path)}
    texts = {path: read_source(work, path) for path in sorted(files)}
    return TakenFunctions(store.put_bytes(functions_blob(texts), FUNCTIONS), *names)


def functions_of(manifest: JsonObject) -> FunctionNames:
    """What a model object names."""
    record = manifest.get("functions")
    if not isinstance(record, Mapping):
        return FunctionNames()
    return FunctionNames(*(str(record[name]) if record.get(name) else None for name in ("before", "after", "class")))


def functions_file(store: Store, manifest: JsonObject) -> Path | None:
    """The modules that a model object names, intact. Raises ObjectDamaged."""
    record = manifest.get("functions")
    return store.objects.verify(Descriptor.from_json(record["source"]).digest) if isinstance(record, Mapping) else None


def _file_of(name: str, root: Path) -> str | None:
    parts = name.split(".")[:-1]
    if not parts:
        return None
    for path in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if (root / path).is_file():
            return path
    return None
