"""The first tables: refs, audit, evidence, state, lineage edges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")  # by code point, so that a prefix is a range


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("at", _NAME, nullable=False),
        sa.Column("actor", _NAME, nullable=False),
        sa.Column("action", _NAME, nullable=False),
        sa.Column("resource", _NAME, nullable=False),
        sa.Column("outcome", _NAME, nullable=False),
        sa.Column("source", _NAME),
        sa.Column("target", _NAME),
        sa.Column("verdict", _NAME),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_resource", "audit", ["project", "resource", "id"])
    op.create_table(
        "ref",
        sa.Column("project", _NAME, primary_key=True),
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("digest", _NAME, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", _NAME, nullable=False),
        sa.Column("envelope", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("predicate", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("at", _NAME, nullable=False),
        sa.UniqueConstraint("project", "envelope", "subject"),
    )
    op.create_index("evidence_by_subject", "evidence", ["project", "subject", "id"])
    op.create_table(
        "state",
        sa.Column("project", _NAME, primary_key=True),
        sa.Column("kind", _NAME, primary_key=True),
        sa.Column("key", _NAME, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated", _NAME, nullable=False),
    )
    op.create_table(
        "edge",
        sa.Column("project", _NAME, primary_key=True),
        sa.Column("source", _NAME, primary_key=True),
        sa.Column("target", _NAME, primary_key=True),
        sa.Column("role", _NAME, primary_key=True),
    )
    op.create_index("edge_by_target", "edge", ["project", "target"])
