"""Whether a verdict allows one exact move: asked before the move is made, and of every record when a store is checked."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.canonical import Json
from shipway.kernel.digest import Digest


def allows(
    verdict: Mapping[str, Json], *, project: str, ref: str, source: Digest | None, target: Digest | None, action: str
) -> bool:
    """Whether the verdict is about this move and let it through, or an admin forced it and the record says so."""
    about = tuple(verdict.get(name) for name in ("project", "ref", "from", "to"))
    forced = verdict.get("forced") is True  # allowed by nothing but an admin's word, and for ever recorded so
    through = action == "forced" if forced else verdict.get("allowed") is True and action != "forced"
    return about == (project, ref, source, target) and through
