"""The catalogue's tables. Imported by writers and migrations only: SQLAlchemy takes a third of a second to load."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint, text

metadata = MetaData()

_MOVED = text("outcome = 'moved'")

ref = Table(
    "ref",
    metadata,
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False),
    Column("audit", Integer, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project", String, nullable=False),
    Column("at", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("resource", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("source", String),
    Column("target", String),
    Column("verdict", String),
    Column("why", Text, nullable=False),
    Column("release", String),
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
    Column("project", String, nullable=False),
    Column("envelope", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("predicate", String, nullable=False),
    Column("name", String, nullable=False),
    Column("at", String, nullable=False),
    UniqueConstraint("project", "envelope", "subject"),
    Index("evidence_by_subject", "project", "subject", "id"),
)

state = Table(
    "state",
    metadata,
    Column("project", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", String, nullable=False),
)

edge = Table(
    "edge",
    metadata,
    Column("project", String, primary_key=True),
    Column("source", String, primary_key=True),
    Column("target", String, primary_key=True),
    Column("role", String, primary_key=True),
    Index("edge_by_target", "project", "target"),
)
