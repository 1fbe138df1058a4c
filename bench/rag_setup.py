"""What bench/rag.py needs: the documentation of Django releases, the peers' environment, an embedder that counts."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipway" / "bench"
LOCK = HERE.parent / "requirements" / "bench-rag.lock"
DIMENSION = 384


class Counting:
    """Embeds a text to numbers drawn from its digest, and counts."""

    def __init__(self) -> None:
        self.made = 0
        self.record: JsonObject = {
            "kind": "embedder",
            "version": 1,
            "name": "counting",
            "weights": None,
            "provider": None,
            "dimension": DIMENSION,
            "normalize": True,
        }
        self.digest: Digest = digest_bytes(canonical_json(self.record))
        self.dimension = DIMENSION
        self.known: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.made += len(texts)
        return np.array([self.known[text] if text in self.known else self.drawn(text) for text in texts], dtype=np.float32)

    @staticmethod
    def drawn(text: str) -> NDArray[np.float32]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        numbers = np.random.default_rng(seed).normal(size=DIMENSION)
        return np.asarray(numbers / np.linalg.norm(numbers), dtype=np.float32)


def django_docs(version: str, folder: Path) -> Path:
    """The folder docs/ of a release's source distribution, unpacked into `folder`; the archive is kept for the next run."""
    archives = CACHE / "django"
    archives.mkdir(parents=True, exist_ok=True)
    if not (found := _archive(archives, version)):
        words = ["download", "--quiet", "--no-deps", "--no-binary", "django", "--dest", str(archives), f"django=={version}"]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        found = _archive(archives, version)
    with tarfile.open(found[0]) as archive:
        inside = [member for member in archive.getmembers() if member.name.split("/")[1:2] == ["docs"]]
        archive.extractall(folder, members=inside, filter="data")
    return next(folder.glob("[Dd]jango-*")) / "docs"


def _archive(archives: Path, version: str) -> list[Path]:
    return [path for path in archives.glob("*.tar.gz") if path.name.lower() == f"django-{version}.tar.gz"]


def peers_python() -> Path:
    """The Python of the peers' environment, made from its lock when the lock has changed."""
    home, stamp = CACHE / "rag-peers", digest_bytes(LOCK.read_bytes())
    python, mark = home / "bin" / "python", home / "lock"
    if mark.exists() and mark.read_text() == stamp:
        return python
    shutil.rmtree(home, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    install = ["pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", str(LOCK)]
    subprocess.run([uv, *install], check=True)
    mark.write_text(stamp)
    return python
