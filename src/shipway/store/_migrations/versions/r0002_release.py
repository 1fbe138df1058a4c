"""The release that a move puts live stands in its record, and what is asked of the history has indexes.

Older records get it from the deployments they name. A deployment whose object cannot be read any more leaves it empty: nothing
can return to that one.
"""

import json
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_DEPLOYED = "SELECT DISTINCT target FROM audit WHERE resource >= 'deploy/' AND resource < 'deploy0' AND target IS NOT NULL"
_FILL = "UPDATE audit SET release = :release WHERE target = :target"


def upgrade() -> None:
    op.add_column("audit", sa.Column("release", sa.String().with_variant(sa.String(collation="C"), "postgresql")))
    moved = sa.text("outcome = 'moved'")
    op.create_index("audit_by_target", "audit", ["project", "target", "id"])
    for name, columns in (("audit_moves", ["project", "resource"]), ("audit_lives", ["project", "release", "resource"])):
        op.create_index(name, "audit", [*columns, "id"], sqlite_where=moved, postgresql_where=moved)
    connection, config = op.get_bind(), op.get_context().config
    assert config is not None
    for (target,) in connection.execute(sa.text(_DEPLOYED)).fetchall():
        release = _release(config.attributes["objects"], target)
        if release:
            connection.execute(sa.text(_FILL), {"release": release, "target": target})


def _release(objects: Path, target: str) -> str | None:
    """What a deployment of format version 1 names as its release."""
    digits = target.removeprefix("sha256:")
    try:
        value = json.loads((objects / digits[:2] / digits[2:]).read_bytes())
        return str(value["release"]["digest"]) if value.get("kind") == "deployment" else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
