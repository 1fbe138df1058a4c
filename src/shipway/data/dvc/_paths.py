"""Paths that a DVC repository names, judged before anything is read or written under them."""

from __future__ import annotations

import posixpath
import re

from shipway.data.dvc._errors import DvcMalformed, DvcUnsupported

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_OWN = (".dvc", ".git", ".shipway")


def below(folder: str, path: str, *, where: str) -> str:
    """The path below the repository of what a file in `folder` calls `path`. Raises DvcMalformed, DvcUnsupported.

    >>> below("a/b", "../c/d", where="x")
    'a/c/d'
    """
    if _SCHEME.match(path):
        raise DvcUnsupported(f"{path!r} is outside the repository, which is not read", where=where, mend="import it by itself")
    if path.startswith("/") or "\\" in path or "\0" in path or re.match(r"[A-Za-z]:", path):
        raise DvcMalformed(f"{path!r} is no path below the repository", where=where, mend="name it relative to this file")
    joined = posixpath.normpath(posixpath.join(folder, path))
    if joined.startswith("../") or joined in ("..", "."):
        raise DvcMalformed(f"{path!r} leads out of the repository", where=where, mend="correct the path")
    if joined.split("/")[0] in _OWN:
        raise DvcMalformed(f"{path!r} is what a tool keeps for itself", where=where, mend="correct the path")
    return joined


def safe_relative(path: str, *, where: str) -> str:
    """A path inside a folder that somebody else listed: no file of it may climb out. Raises DvcMalformed."""
    parts = path.split("/")
    if not path or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise DvcMalformed(f"a folder lists {path!r}, which no file below it can be", where=where, mend="fetch it again")
    return path
