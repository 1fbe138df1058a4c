"""The local file of one index version: its members in SQLite with a full-text index. Derived, and rebuilt when it is not sound.

Identifiers are found whole and by part: the tokenizer cuts `get_or_create` and `USE_TZ` at their underscores, and a word of
a question that has several parts is asked for as a phrase.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
import time
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shipway.kernel.digest import Digest, parse_digest
from shipway.rag._types import Hit, Member

FORMAT = 1  # of this file; another one is rebuilt
_TERMS = 48  # of a question; more of them rank no better and cost a pass each
_WORD = re.compile(r"\w+(?:[.-]\w+)*")
# so common in questions that they would match nearly every chunk; dropped only when other words remain
_STOP = frozenset(
    """
    a an and are as at be by can could did do does for from had has have how i if in into is it its me my of on or
    our should so that the their them then there these they this to was we were what when where which who why will
    with would you your
    """.split()  # noqa: SIM905
)
_SCHEMA = """
CREATE TABLE member (number INTEGER PRIMARY KEY, document TEXT, document_digest TEXT, chunk TEXT, heading TEXT, text TEXT,
  start INTEGER, stop INTEGER, access TEXT);
CREATE TABLE access (grp TEXT, number INTEGER, PRIMARY KEY (grp, number)) WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE VIRTUAL TABLE passage USING fts5(heading, text, content='member', content_rowid='number',
  tokenize='porter unicode61');
"""
_ABANDONED = 3600.0  # seconds; no file takes this long to build
EVERYBODY = ""  # the group in `access` of members without groups


def build_file(path: Path, version: Digest, members: Sequence[Member], vectors: Digest) -> None:
    """Write the file whole under a temporary name, then rename it: a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix="tmp-", suffix=".sqlite")
    os.close(handle)
    try:
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            _fill(connection, version, members, vectors)
        finally:
            connection.close()
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def open_file(path: Path, version: Digest) -> sqlite3.Connection:
    """A connection that only reads. Raises sqlite3.DatabaseError when the file is missing, damaged or of another version."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    try:
        if connection.execute("PRAGMA user_version").fetchone() != (FORMAT,) or fact(connection, "version") != version:
            raise sqlite3.DatabaseError("another file")
    except BaseException:
        connection.close()
        raise
    return connection


def check_file(connection: sqlite3.Connection) -> None:
    """Read all of it. Raises sqlite3.DatabaseError when it is damaged."""
    said = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != ("ok",):
        raise sqlite3.DatabaseError(str(said))


def fact(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT value FROM fact WHERE name = ?", [name]).fetchone()
    return str(row[0]) if row else ""


def match_expression(question: str) -> str:
    """The question as an expression of FTS5: its words, each quoted, any of them; empty when it has none.

    >>> match_expression('how does get_or_create("x) OR *" work')
    '"get_or_create" OR "x" OR "work"'
    """
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(unicodedata.normalize("NFC", question))))
    telling = [word for word in words if word not in _STOP and not _is_letter(word)] or words
    return " OR ".join(f'"{word}"' for word in telling[:_TERMS] if word.strip("_"))


def _is_letter(word: str) -> bool:
    """The `s` of `it's`; a digit or a character of a script without spaces says more."""
    return len(word) == 1 and word.isascii() and word.isalpha()


def search_text(connection: sqlite3.Connection, question: str, k: int, groups: frozenset[str] | None) -> list[Hit]:
    """The k best members by bm25 among those that the groups may see; equal scores in the order of the members."""
    match = match_expression(question)
    if not match:
        return []
    allowed, names = "", []
    if groups is not None:
        names = [EVERYBODY, *sorted(groups - {EVERYBODY})]
        # asked of each match: `rowid IN (...)` would make SQLite run the match anew for each row that is allowed
        marks = ",".join("?" * len(names))
        allowed = f"AND EXISTS (SELECT 1 FROM access WHERE grp IN ({marks}) AND number = passage.rowid)"
    query = f"SELECT rowid, bm25(passage) AS b FROM passage WHERE passage MATCH ? {allowed} ORDER BY b, rowid LIMIT ?"
    return [Hit(number, -score) for number, score in connection.execute(query, [match, *names, k])]


def read_members(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[Member]:
    """The members of these numbers in their order. Raises IndexError for a number that no member has."""
    found = {}
    for number in set(numbers):
        row = connection.execute("SELECT * FROM member WHERE number = ?", [number]).fetchone()
        if row is None:
            raise IndexError(f"no member {number}")
        found[number] = _member(row)
    return [found[number] for number in numbers]


def read_access(connection: sqlite3.Connection) -> dict[str, list[int]]:
    """The members that each group may see; those that everybody may see under the empty name."""
    found: dict[str, list[int]] = {}
    for group, number in connection.execute("SELECT grp, number FROM access"):
        found.setdefault(group, []).append(number)
    return found


def _sweep(folder: Path) -> None:
    """Remove what killed writers left an hour ago."""
    for left in folder.glob("tmp-*.sqlite"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()


def _fill(connection: sqlite3.Connection, version: Digest, members: Sequence[Member], vectors: Digest) -> None:
    connection.execute("PRAGMA journal_mode = OFF")  # nobody sees the file before it is whole
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(_SCHEMA)
    connection.execute("BEGIN")
    rows = [
        (i, m.document, m.document_digest, m.chunk, m.heading, m.text, m.start, m.end, json.dumps(m.access))
        for i, m in enumerate(members)
    ]
    connection.executemany("INSERT INTO member VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    access = [(group, number) for number, member in enumerate(members) for group in member.access or (EVERYBODY,)]
    connection.executemany("INSERT INTO access VALUES (?, ?)", access)
    facts = {"version": version, "vectors": vectors, "members": str(len(members))}
    connection.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
    connection.execute("INSERT INTO passage(passage) VALUES ('rebuild')")
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _member(row: tuple[int, str, str, str, str, str, int, int, str]) -> Member:
    _, document, digest, chunk, heading, text, start, end, access = row
    return Member(document, parse_digest(digest), parse_digest(chunk), text, heading, start, end, tuple(json.loads(access)))
