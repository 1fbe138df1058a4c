"""Digests of files where there is no store: remembered beside, as a store does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shipway.kernel.digest import Digest
from shipway.store._hashed import hash_file
from shipway.store._stat_cache import StatCache


class FileDigests:
    """folder: where the stat cache is, the same as of a store that has this folder as its cache. report: called with bytes;
    those of a known file at once.
    """

    def __init__(self, folder: Path, report: Callable[[int], None] | None = None) -> None:
        self._cache, self._report = StatCache(folder), report

    def digest_of(self, path: Path | bytes, status: os.stat_result | None = None) -> Digest:
        """As of a store."""
        status = status or os.stat(path)
        digest = self._cache.find(path, status)
        if digest is None:
            digest = hash_file(Path(os.fsdecode(path)), self._report)
            self._cache.add(path, status, digest)
        elif self._report:
            self._report(status.st_size)
        return digest

    def save_digests(self) -> None:
        """As of a store."""
        self._cache.save()
