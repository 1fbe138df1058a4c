"""The list of a folder's files as DVC keeps it, `<md5>.dir`: its bytes are its name, so every blank counts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from shipway.data.dvc._errors import DvcMalformed
from shipway.data.dvc._paths import safe_relative

MD5 = re.compile(r"[0-9a-f]{32}")


class Listed(NamedTuple):
    """One file of a folder: its path below it, with `/`, and its MD5."""

    path: str
    md5: str


def parse_manifest(data: bytes, *, where: str) -> tuple[Listed, ...]:
    """The files of a folder. Raises DvcMalformed."""
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise DvcMalformed("the list of a folder is no JSON", where=where, mend="fetch it again: dvc fetch") from problem
    if not isinstance(rows, list):
        raise DvcMalformed("the list of a folder is no list", where=where, mend="fetch it again: dvc fetch")
    found: dict[str, Listed] = {}
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("relpath"), str) or not isinstance(row.get("md5"), str):
            raise DvcMalformed("an entry of a folder has no relpath or no md5", where=where)
        listed = Listed(safe_relative(row["relpath"], where=where), row["md5"])
        if not MD5.fullmatch(listed.md5):
            raise DvcMalformed(f"{listed.md5!r} is no MD5, of {listed.path}", where=where)
        if listed.path in found:
            raise DvcMalformed(f"a folder lists {listed.path!r} twice", where=where)
        found[listed.path] = listed
    _refuse_clash(found, where)
    return tuple(found.values())


def render_manifest(files: Mapping[str, str]) -> tuple[bytes, str]:
    """The bytes of a folder's list, and their MD5 without `.dir`. files: MD5 by path.

    >>> render_manifest({"b": "0" * 32, "a/é": "1" * 32})[0].decode()[:60]
    '[{"md5": "11111111111111111111111111111111", "relpath": "a/\\\\u'
    """
    rows = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    data = json.dumps(rows, sort_keys=True).encode()
    return data, hashlib.md5(data, usedforsecurity=False).hexdigest()


def _refuse_clash(found: Mapping[str, Listed], where: str) -> None:
    for path in found:
        head = path.rpartition("/")[0]
        while head:
            if head in found:
                raise DvcMalformed(f"a folder lists {head!r} as a file and as a folder", where=where)
            head = head.rpartition("/")[0]
