"""Globs over `/`-separated keys: `*` and `?` stay inside a name, `**` crosses folders, and `**/` may be nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

_PARTS = re.compile(r"\*\*/|\*\*|\*|\?")
_MEANS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@lru_cache(maxsize=256)
def compile_glob(glob: str) -> re.Pattern[str]:
    """The expression that a whole key must match.

    >>> [bool(compile_glob("**/*.txt").fullmatch(key)) for key in ("a.txt", "b/c.txt", "a.txt.gz")]
    [True, True, False]
    """
    parts, at = [], 0
    for found in _PARTS.finditer(glob):
        parts += [re.escape(glob[at : found.start()]), _MEANS[found[0]]]
        at = found.end()
    return re.compile("".join(parts) + re.escape(glob[at:]), re.DOTALL)


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a key matches any of these; without a glob everything does."""
    patterns = [compile_glob(glob) for glob in globs]
    return lambda key: not patterns or any(pattern.fullmatch(key) for pattern in patterns)


def groups_of(key: str, access: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """The groups that may see a document: those of every glob that matches it; none is everybody."""
    found = {group for glob, groups in access.items() if compile_glob(glob).fullmatch(key) for group in groups}
    return tuple(sorted(found))
