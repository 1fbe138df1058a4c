"""The catalogue's tables. Imported by migrations and relocations only: SQLAlchemy takes a third of a second to load."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint, text

metadata = MetaData()

_NAME = String().with_variant(String(collation="C"), "postgresql")  # by code point, so that a prefix is a range
_MOVED = text("outcome = 'moved'")

ref = Table(
    "ref",
    metadata,
    Column("project", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("digest", _NAME, nullable=False),
    Column("audit", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project", _NAME, nullable=False),
    Column("at", _NAME, nullable=False),
    Column("actor", _NAME, nullable=False),
    Column("action", _NAME, nullable=False),
    Column("resource", _NAME, nullable=False),
    Column("outcome", _NAME, nullable=False),
    Column("source", _NAME),
    Column("target", _NAME),
    Column("verdict", _NAME),
    Column("why", Text, nullable=False),
    Column("release", _NAME),
    Index("audit_by_resource", "project", "resource", "id"),
    Index("audit_by_target", "project", "target", "id"),
    Index("audit_moves", "project", "resource", "id", sqlite_where=_MOVED, postgresql_where=_MOVED),
    Index("audit_lives", "project", "release", "resource", "id", sqlite_where=_MOVED, postgresql_where=_MOVED),
    sqlite_autoincrement=True,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project", _NAME, nullable=False),
    Column("envelope", _NAME, nullable=False),
    Column("subject", _NAME, nullable=False),
    Column("predicate", _NAME, nullable=False),
    Column("name", _NAME, nullable=False),
    Column("at", _NAME, nullable=False),
    UniqueConstraint("project", "envelope", "subject"),
    Index("evidence_by_subject", "project", "subject", "id"),
)

state = Table(
    "state",
    metadata,
    Column("project", _NAME, primary_key=True),
    Column("kind", _NAME, primary_key=True),
    Column("key", _NAME, primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", _NAME, nullable=False),
)

edge = Table(
    "edge",
    metadata,
    Column("project", _NAME, primary_key=True),
    Column("source", _NAME, primary_key=True),
    Column("target", _NAME, primary_key=True),
    Column("role", _NAME, primary_key=True),
    Index("edge_by_target", "project", "target"),
)
