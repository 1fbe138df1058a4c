"""The MD5 of a file: of a large one by the OpenSSL that `cryptography` brings along, which is newer than most interpreters'.

Of one core of 2026, 2 GiB take 2.7 s there and 2.9 s with the OpenSSL 3.0 of the interpreter. Nothing of ours trusts an MD5.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import Hash

_WORTH = 256 << 20  # bytes from which on a twentieth of the time is more than the import


class Md5:
    """Of the bytes of one file, one thread after the other. Where MD5 is forbidden (FIPS), as hashlib for no security."""

    def __init__(self, source: str) -> None:
        self._large = _size(source) >= _WORTH
        self._hash: Hash | None = None
        self._plain = hashlib.md5(usedforsecurity=False)

    def update(self, data: memoryview) -> None:
        if self._large:
            self._large, self._hash = False, _newer()
        (self._hash or self._plain).update(data)

    def hexdigest(self) -> str:
        """Once, at the end."""
        return self._hash.finalize().hex() if self._hash else self._plain.hexdigest()


def prepare_md5(size: int) -> None:
    """Import what the MD5 of a file of so many bytes needs; beside other imports it would take as long as both."""
    if size >= _WORTH:
        _newer()


def _size(source: str) -> int:
    try:
        return os.stat(source).st_size
    except OSError:  # whoever reads it says why
        return 0


def _newer() -> Hash | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.hashes import MD5, Hash

    try:
        return Hash(MD5())  # noqa: S303 - it is DVC that knows files by it
    except UnsupportedAlgorithm:
        return None
