"""The first tables: refs, audit, evidence, state, lineage edges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("resource", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("source", sa.String),
        sa.Column("target", sa.String),
        sa.Column("verdict", sa.String),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_by_resource", "audit", ["project", "resource", "id"])
    op.create_table(
        "ref",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("audit", sa.Integer, nullable=False),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project", sa.String, nullable=False),
        sa.Column("envelope", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("predicate", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.UniqueConstraint("project", "envelope", "subject"),
    )
    op.create_index("evidence_by_subject", "evidence", ["project", "subject", "id"])
    op.create_table(
        "state",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated", sa.String, nullable=False),
    )
    op.create_table(
        "edge",
        sa.Column("project", sa.String, primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("target", sa.String, primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
    )
    op.create_index("edge_by_target", "edge", ["project", "target"])
