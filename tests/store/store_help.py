"""Catalogues as the tests of this room need them: one that an older Shipway made."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import cast

from shipway.kernel.digest import digest_bytes

OLD = Path(__file__).parent / "data" / "catalogue-0001.json"
REF = "deploy/delay@prod"


def restore_old(root: Path) -> Path:
    """The store that a Shipway of revision 0001 made: five moves of a deployment (one object is gone), a refusal, a policy.

    Returns its catalogue's file.
    """
    kept = cast("dict[str, list[str]]", json.loads(OLD.read_text()))
    folder = root / ".shipway"
    for text in kept["objects"]:
        digits = digest_bytes(text.encode()).removeprefix("sha256:")
        path = folder / "objects" / digits[:2] / digits[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    file = folder / "catalogue.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript("\n".join(kept["sql"]))
    connection.close()
    return file


def dump(file: Path) -> list[str]:
    """All that stands in a catalogue, as SQL."""
    connection = sqlite3.connect(file)
    lines = list(connection.iterdump())
    connection.close()
    return lines
