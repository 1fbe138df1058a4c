"""`shipway import`: what another tool has becomes a project here."""

from __future__ import annotations

from shipway.cli._group import LazyGroup

command = LazyGroup(
    {"dvc": "import_dvc"}, name="import", help="What another tool has becomes a project here: a DVC repository."
)
