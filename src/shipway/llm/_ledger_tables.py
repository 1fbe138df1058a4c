"""The file of the ledger: its tables and how a connection to it is made."""

from __future__ import annotations

import sqlite3
from pathlib import Path

APPLICATION = 0x53484C47  # "SHLG" in SQLite's application_id, so that no other database is taken for a ledger
VERSION = 1
_OPENING_SECONDS = 2.0  # several processes may make the file at one time
_TABLES = """
CREATE TABLE total (
    scope TEXT NOT NULL, seconds INTEGER NOT NULL, bucket INTEGER NOT NULL, nano INTEGER NOT NULL,
    PRIMARY KEY (scope, seconds, bucket)
) WITHOUT ROWID;
CREATE TABLE reservation (id INTEGER PRIMARY KEY, at REAL NOT NULL, nano INTEGER NOT NULL, charges TEXT NOT NULL);
"""


def connect(path: Path, *, busy_seconds: float) -> sqlite3.Connection:
    """A connection to the ledger at path, made if there is none. Raises sqlite3.Error, also for a file that is no ledger."""
    patience = max(busy_seconds, _OPENING_SECONDS)
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        # a commit survives the end of any process; a power cut may take the last moments back, which is cheaper than a
        # disk flush in every call
        connection.execute("PRAGMA synchronous=NORMAL")
        # the pages are few and the same again and again: rarer checkpoints make the wait for the disk rare as well
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.execute("BEGIN IMMEDIATE")
        _prepare(connection)
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    application, version, tables = (
        connection.execute(text).fetchone()[0]
        for text in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if not tables:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={VERSION}")
    elif (application, version) != (APPLICATION, VERSION):
        raise sqlite3.DatabaseError(f"not a ledger of version {VERSION}")
