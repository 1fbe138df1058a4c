"""MD5 as DVC has it: of the bytes, and before DVC 3 of text files with their line ends as Unix has them."""

from __future__ import annotations

import hashlib

_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_LOOKED_AT = 512  # bytes at the beginning of a chunk of 1 MiB that decide whether it is text


class DvcSums:
    """The sum of one file, and for `legacy` names that of DVC 2 too, out of one pass; chunks of 1 MiB, as DVC reads them."""

    def __init__(self, *, legacy: bool) -> None:
        self._plain = hashlib.md5(usedforsecurity=False)
        self._legacy = hashlib.md5(usedforsecurity=False) if legacy else None

    def update(self, part: bytes | memoryview) -> None:
        chunk = bytes(part)
        self._plain.update(chunk)
        if self._legacy is None:
            return
        text = b"\r\n" in chunk and is_text(chunk[:_LOOKED_AT])
        self._legacy.update(chunk.replace(b"\r\n", b"\n") if text else chunk)

    @property
    def md5(self) -> str:
        return self._plain.hexdigest()

    def fits(self, md5: str) -> bool:
        """Whether DVC knows these bytes by this sum; a legacy name may be either."""
        return md5 == self.md5 or (self._legacy is not None and md5 == self._legacy.hexdigest())


def is_text(block: bytes) -> bool:
    """DVC's guess: nothing, or no NUL and at most 30 % of bytes that text has not.

    >>> is_text(b"a\\r\\n"), is_text(b"a\\0"), is_text(bytes(range(128, 256)))
    (True, False, False)
    """
    if not block:
        return True
    return b"\0" not in block and len(block.translate(None, _TEXT)) <= 0.30 * len(block)
