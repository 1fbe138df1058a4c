"""Digests of files where there is no store: remembered beside, as a store does."""

from __future__ import annotations

import os
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.store._hashed import hash_file
from shipway.store._stat_cache import StatCache


class FileDigests:
    """folder: where the stat cache is, the same as of a store that has this folder as its cache."""

    def __init__(self, folder: Path) -> None:
        self._cache = StatCache(folder)

    def digest_of(self, path: Path | bytes, status: os.stat_result | None = None) -> Digest:
        """As of a store."""
        status = status or os.stat(path)
        digest = self._cache.find(path, status)
        if digest is None:
            digest = hash_file(Path(os.fsdecode(path)))
            self._cache.add(path, status, digest)
        return digest

    def save_digests(self) -> None:
        """As of a store."""
        self._cache.save()
